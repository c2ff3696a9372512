use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::super::edits::Edits;
use super::super::extent::Extent;
use super::super::inode::{Inode, ROOT};
use super::super::key::ItemKind;
use super::super::name_item;
use super::super::orphan::mark;
use super::super::plan::Plan;
use super::super::tree::{Blocked, Tree};
use super::super::{KosFs, MkfsOptions, MountOptions, mkfs};
use super::*;
use crate::attr::{DeviceNumber, FileType, Ino, Mode, Timestamp};
use crate::block::WriteMode;
use crate::fs::{DirOps, FileOps, FileSystem, NewNode, SyncMode};
use crate::name::Name;
use crate::testing::{RamDisk, RecordDisk};

type Lock = spin::RwLock<()>;

/// A volume of 4 MiB.
fn disk() -> RamDisk {
    let disk = RamDisk::with_size(4 << 20, 512);
    let (uuid, label, now) = (*b"a volume to mend", [0; 64], Timestamp::EPOCH);
    mkfs::<_, Lock>(&disk, &MkfsOptions { uuid, label, now, uid: 0, gid: 0, hash_key: [3; 16] }).unwrap();
    disk
}

fn mount<D: BlockDevice>(device: D) -> KosFs<D, Lock> {
    KosFs::mount(device, MountOptions::default()).unwrap()
}

fn make(fs: &dyn FileSystem, dir: Ino, name: &[u8], kind: FileType, bytes: usize) -> Ino {
    let (mode, now, device) = (Mode::of(0o755), Timestamp::EPOCH, DeviceNumber::default());
    let target = if kind == FileType::Symlink { &b"elsewhere"[..] } else { &[] };
    let new = NewNode { kind, mode, uid: 0, gid: 0, device, target, now };
    let ino = fs.dirs().create(dir, Name::new(name).unwrap(), &new).unwrap().ino;
    if bytes > 0 {
        assert_eq!(fs.files().write_at(ino, 0, &vec![name[0]; bytes], now), Ok(bytes));
    }
    fs.forget(ino, 1);
    ino
}

/// The files of the sample, in the order in which they were made.
struct Sample {
    disk: RamDisk,
    long: u64,
    short: u64,
    dir: u64,
    below: u64,
}

fn sample() -> Sample {
    let disk = disk();
    let kos = mount(&disk);
    let root = kos.root();
    let long = make(&kos, root, b"long", FileType::Regular, 70_000);
    let short = make(&kos, root, b"short", FileType::Regular, 300);
    let dir = make(&kos, root, b"dir", FileType::Directory, 0);
    let below = make(&kos, dir, b"below", FileType::Directory, 0);
    make(&kos, below, b"deep", FileType::Regular, 9000);
    make(&kos, root, b"link", FileType::Symlink, 0);
    for number in 0..60_u8 {
        make(&kos, dir, &[b'n', number + 100], FileType::Regular, 900);
    }
    kos.sync(SyncMode::All).unwrap();
    let (long, short, dir, below) = (long.number, short.number, dir.number, below.number);
    drop(kos);
    Sample { disk, long, short, dir, below }
}

/// What a check says, in words.
fn check(disk: &RamDisk, options: &FsckOptions) -> (FsckReport, Vec<String>) {
    let mut found = Vec::new();
    let report = fsck::<_, Lock>(disk, options, &mut |problem, repaired| {
        assert_eq!(repaired, options.repair && !matches!(problem, Problem::Data { .. }));
        assert!(!format!("{problem}").is_empty());
        found.push(format!("{problem:?}"));
    });
    (report.unwrap(), found)
}

fn assert_clean(disk: &RamDisk, about: &str) {
    // Windows of one group and three files.
    let (report, found) =
        check(disk, &FsckOptions { data: true, groups: 1, files: 3, ..FsckOptions::default() });
    assert_eq!((report.problems, report.superblocks), (0, 2), "{about}: {found:?}");
}

/// Finds `expected` without a change, mends it, and leaves a volume that is clean and can be used.
fn mends(disk: &RamDisk, expected: &str) {
    let before = disk.to_image();
    let (report, found) = check(disk, &FsckOptions::default());
    assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected}: {found:?}");
    assert_eq!(report.repaired, 0);
    assert!(disk.to_image() == before, "{expected}: a check changed something");
    let (report, found) = check(disk, &FsckOptions { repair: true, ..FsckOptions::default() });
    assert_eq!((report.left(), report.superblocks), (0, 2), "{expected}: {found:?}");
    assert_clean(disk, expected);
    let kos = mount(disk);
    kos.check().unwrap();
    make(&kos, kos.root(), b"new", FileType::Regular, 10_000);
    kos.sync(SyncMode::All).unwrap();
    drop(kos);
    assert_clean(disk, expected);
}

/// Changes items of the sample as no driver would.
fn spoil(sample: &Sample, how: impl Fn(&Tree, &mut Edits) -> Result<(), Blocked>) {
    let kos = mount(&sample.disk);
    kos.volume.change(|view, edits| how(view.tree, edits)).unwrap();
    kos.sync(SyncMode::All).unwrap();
}

fn spoil_inode(sample: &Sample, file: u64, how: impl Fn(&mut Inode)) {
    spoil(sample, |tree, edits| {
        let mut inode = Inode::find(tree, file)?;
        how(&mut inode);
        Ok(edits.put(Inode::key(file), inode.encode().as_ref())?)
    });
}

fn name_key(tree: &Tree, dir: u64, name: &[u8]) -> Result<Key, Blocked> {
    let found = name_item::find(tree, &[3; 16], dir, Name::new(name).unwrap())?;
    Ok(found.map_or_else(|place| place.unwrap(), |found| found.key))
}

fn put_name(
    tree: &Tree,
    edits: &mut Edits,
    dir: u64,
    name: &[u8],
    file: u64,
    kind: FileType,
) -> Result<(), Blocked> {
    let item = name_item::encode(Name::new(name).unwrap(), file, kind);
    Ok(edits.put(name_key(tree, dir, name)?, item.as_ref())?)
}

#[test]
fn a_new_volume_and_a_used_one_are_clean() {
    assert_clean(&disk(), "new");
    let sample = sample();
    assert_clean(&sample.disk, "used");
    let (report, _) = check(&sample.disk, &FsckOptions::default());
    assert_eq!((report.files, report.directories), (67, 3));
    assert_eq!(report.free, mount(&sample.disk).statfs().unwrap().free);
}

/// What is found, in which file, after what was done to it.
type Spoil = (&'static str, fn(&Sample) -> u64, fn(&mut Inode));

#[test]
fn wrong_numbers_of_an_inode_are_set_right() {
    let each: [Spoil; 7] = [
        ("Links", |sample| sample.long, |inode| inode.attr.links = 7),
        ("Links", |sample| sample.dir, |inode| inode.attr.links = 9),
        ("Links", |sample| sample.short, |inode| inode.attr.links = 0),
        ("Blocks", |sample| sample.long, |inode| inode.blocks = 99),
        ("Size", |sample| sample.short, |inode| inode.attr.size = 3),
        ("Names", |sample| sample.dir, |inode| inode.names = 77),
        ("Unmarked", |sample| sample.long, |inode| inode.attr.size = 5000),
    ];
    for (expected, file, how) in each {
        let sample = sample();
        spoil_inode(&sample, file(&sample), how);
        mends(&sample.disk, expected);
    }
    let sample = sample();
    spoil_inode(&sample, sample.below, |inode| inode.parent = sample.long);
    mends(&sample.disk, "Parent");
}

#[test]
fn wrong_names_go_and_lost_files_get_one() {
    let one = sample();
    spoil(&one, |tree, edits| put_name(tree, edits, ROOT, b"nobody", 4242, FileType::Regular));
    mends(&one.disk, "Name {");
    let one = sample();
    spoil(&one, |tree, edits| put_name(tree, edits, ROOT, b"again", one.below, FileType::Directory));
    mends(&one.disk, "Name {");
    let one = sample();
    spoil(&one, |tree, edits| put_name(tree, edits, one.dir, b"again", one.below, FileType::Directory));
    mends(&one.disk, "Name {");
    let one = sample();
    spoil(&one, |tree, edits| put_name(tree, edits, ROOT, b"long", one.long, FileType::Fifo));
    mends(&one.disk, "Kind");
    for name in [&b"long"[..], b"dir"] {
        let one = sample();
        spoil(&one, |tree, edits| Ok(edits.take_out(name_key(tree, ROOT, name)?)?));
        mends(&one.disk, "Lost");
        let kos = mount(&one.disk);
        let number = if name == b"long" { one.long } else { one.dir };
        let found = kos.lookup(kos.root(), Name::new(format!("lost-{number}").as_bytes()).unwrap()).unwrap();
        assert_eq!(found.ino.number, number);
    }
}

#[test]
fn a_directory_below_itself_comes_back_to_the_root() {
    let sample = sample();
    spoil(&sample, |tree, edits| {
        let mut dir = Inode::find(tree, sample.dir)?;
        dir.parent = sample.below;
        edits.put(Inode::key(sample.dir), dir.encode().as_ref())?;
        edits.take_out(name_key(tree, ROOT, b"dir")?)?;
        put_name(tree, edits, sample.below, b"up", sample.dir, FileType::Directory)
    });
    mends(&sample.disk, "Loop");
}

#[test]
fn items_of_nothing_go() {
    let one = sample();
    spoil(&one, |_, edits| Ok(edits.put(Key::new(9999, ItemKind::Name, 700 << 8), b"?")?));
    mends(&one.disk, "Stray");
    let one = sample();
    spoil(&one, |_, edits| Ok(edits.put(mark(777), &[])?));
    mends(&one.disk, "Stray");
    let one = sample();
    spoil(&one, |_, edits| Ok(edits.put(Key { kind: 200, ..Inode::key(one.long) }, b"?")?));
    mends(&one.disk, "Stray");
    let one = sample();
    spoil(&one, |_, edits| Ok(edits.take_out(Inode::key(one.long))?));
    mends(&one.disk, "Stray");
    let one = sample();
    spoil(&one, |_, edits| Ok(edits.take_out(Inode::key(ROOT))?));
    mends(&one.disk, "NoRoot");
}

#[test]
fn blocks_of_two_files_stay_with_the_first() {
    let one = sample();
    spoil(&one, |tree, edits| {
        let extent = Extent::at_or_after(tree, one.long, 0)?.unwrap();
        Ok(Extent::new(900, extent.start + 1, [1, 2].into_iter()).put(one.long, edits)?)
    });
    mends(&one.disk, "SharedBlocks");
    for start in [0, 300_000, u64::MAX - 5] {
        let one = sample();
        spoil(&one, |_, edits| Ok(Extent::new(900, start, [1, 2].into_iter()).put(one.long, edits)?));
        mends(&one.disk, "SharedBlocks");
    }
    // The other one's bytes are as they were.
    let kos = mount(&one.disk);
    let mut bytes = vec![0; 70_000];
    assert_eq!(kos.read_at(Ino { number: one.long, generation: 0 }, 0, &mut bytes), Ok(70_000));
    assert!(bytes.iter().all(|&byte| byte == b'l'));
}

fn spoil_block(disk: &RamDisk, block: u64) {
    let mut bytes = [0; 512];
    disk.read(block * 8 + 3, &mut bytes).unwrap();
    bytes[100] ^= 0x40;
    disk.write(block * 8 + 3, &bytes, WriteMode::Cached).unwrap();
}

#[test]
fn derived_blocks_are_counted_again() {
    let plan = Plan::new(1024).unwrap();
    for home in 0..3 {
        let one = sample();
        let newest = mount(&one.disk).volume.home(0).unwrap();
        if plan.bitmap(0, home) == newest.address {
            spoil_block(&one.disk, newest.address);
            mends(&one.disk, "Bitmap");
        }
    }
    let one = sample();
    (0..3).for_each(|home| spoil_block(&one.disk, plan.table(0, home)));
    mends(&one.disk, "Table");
    let one = sample();
    spoil_block(&one.disk, plan.last());
    mends(&one.disk, "Parameters");
    let one = sample();
    let kos = mount(&one.disk);
    kos.volume.set_counts(3, 2);
    kos.volume.commit_all(true).unwrap();
    drop(kos);
    mends(&one.disk, "Count");
    let one = sample();
    let kos = mount(&one.disk);
    let mut blocks = Vec::new();
    kos.volume.stage(0, 5, &mut blocks).unwrap();
    kos.volume.change(|_, edits| Ok(edits.claim(&blocks)?)).unwrap();
    kos.volume.commit_all(true).unwrap();
    drop(kos);
    mends(&one.disk, "Bitmap { group: 0, leaked: 5, missing: 0 }");
}

#[test]
fn one_lost_superblock_is_no_problem_and_written_again() {
    for place in [Plan::superblock(0), Plan::superblock(1)] {
        let one = sample();
        spoil_block(&one.disk, place);
        let (report, found) = check(&one.disk, &FsckOptions::default());
        assert_eq!((report.problems, report.superblocks), (0, 1), "{found:?}");
        check(&one.disk, &FsckOptions { repair: true, ..FsckOptions::default() });
        assert_clean(&one.disk, "a superblock");
    }
    let one = sample();
    [Plan::superblock(0), Plan::superblock(1)].iter().for_each(|&place| spoil_block(&one.disk, place));
    let none = fsck::<_, Lock>(&one.disk, &FsckOptions::default(), &mut |_, _| {});
    assert!(matches!(none, Err(MountError::NotKosfs { .. })));
}

/// Nodes of the newest generation, leaves last.
fn nodes(disk: &RamDisk) -> Vec<u64> {
    let disk = super::super::disk::Disk::new(disk);
    let found = super::super::volume::superblocks(&disk, &mut super::super::block::Block::try_new().unwrap())
        .unwrap();
    let newest = found.into_iter().flatten().max_by_key(|superblock| superblock.generation).unwrap();
    let mut nodes = Vec::new();
    let route = walk::Route { superblock: &newest, without: &[], leaves: true };
    walk::walk(&disk, route, &mut |seen| {
        if let walk::Seen::Node(node) = seen {
            nodes.push(node.block);
        }
        Ok(())
    })
    .unwrap();
    nodes
}

#[test]
fn a_tree_with_any_lost_node_is_mended() {
    let sample = sample();
    drop(mount(&sample.disk)); // both superblocks have one tree
    let all = nodes(&sample.disk);
    assert!(all.len() > 8, "{}", all.len());
    for block in all {
        let disk = sample.disk.clone();
        spoil_block(&disk, block);
        mends(&disk, "Node");
    }
}

#[test]
fn the_older_generation_is_taken_when_the_newest_was_not_written() {
    let sample = sample();
    let recorder = RecordDisk::new(sample.disk.clone());
    let kos = mount(&recorder);
    kos.sync(SyncMode::All).unwrap();
    let _ = recorder.take();
    let before = recorder.device().clone();
    make(&kos, kos.root(), b"never", FileType::Regular, 0);
    kos.sync(SyncMode::All).unwrap();
    // A device that lost all but the superblock.
    let events = recorder.take();
    events.last().unwrap().apply(&before).unwrap();
    mends(&before, "OlderGeneration");
    let kos = mount(&before);
    assert!(kos.lookup(kos.root(), Name::new(b"long").unwrap()).is_ok());
    assert!(kos.lookup(kos.root(), Name::new(b"never").unwrap()).is_err());
}

#[test]
fn damaged_data_is_told_and_left() {
    let sample = sample();
    let kos = mount(&sample.disk);
    let extent = kos.volume.look(|tree| Extent::at_or_after(tree, sample.long, 0)).unwrap().unwrap();
    drop(kos);
    spoil_block(&sample.disk, extent.start + 2);
    assert_clean_without_data(&sample.disk);
    let (report, found) =
        check(&sample.disk, &FsckOptions { repair: true, data: true, ..FsckOptions::default() });
    assert_eq!((report.problems, report.left()), (1, 1));
    assert_eq!(found, [format!("Data {{ file: {}, block: 2 }}", sample.long)]);
}

fn assert_clean_without_data(disk: &RamDisk) {
    assert_eq!(check(disk, &FsckOptions::default()).0.problems, 0);
}
