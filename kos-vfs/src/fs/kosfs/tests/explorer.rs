//! Every crash of short workloads: for each moment, every subset of the writes in flight, whole and torn.
//!
//! A workload is recorded once. Between two flushes any write may have reached the device or not, in any order and in any
//! pieces of 512 bytes; up to [`FLIGHT`] writes all subsets are tried, above that some. Each state must be clean, and hold what
//! the files were after a step not older than the last sync and not newer than the crash.
//!
//! The whole run: `KOS_PROPTEST_CASES=20000 cargo test --release -p kos-vfs --all-features --lib explorer -- --nocapture`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::attr::{DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;
use crate::fs::kosfs::{FsckOptions, KosFs, MkfsOptions, MountOptions, fsck, mkfs};
use crate::fs::{Allocate, Cookie, DirEntry, FileSystem, NewNode, Rename, RenameEnd, SyncMode};
use crate::name::{Name, PATH_MAX};
use crate::testing::{DiskEvent, PowerCut, RamDisk, RecordDisk, cases};

type Lock = spin::RwLock<()>;

/// Writes in flight of which all subsets are tried.
const FLIGHT: usize = 8;

/// Subsets that are tried of more.
const SAMPLES: u64 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    CreateBelow,
    Append,
    Overwrite,
    OverwriteShort,
    Lengthen,
    Shrink,
    Grow,
    Punch,
    Unlink,
    UnlinkLong,
    UnlinkInUse,
    Rename,
    RenameOver,
    RenameDirectory,
    Exchange,
    Link,
    Mkdir,
    Rmdir,
    Symlink,
    LongSymlink,
    SetMode,
}

const STEPS: [Step; 22] = [
    Step::Create,
    Step::CreateBelow,
    Step::Append,
    Step::Overwrite,
    Step::OverwriteShort,
    Step::Lengthen,
    Step::Shrink,
    Step::Grow,
    Step::Punch,
    Step::Unlink,
    Step::UnlinkLong,
    Step::UnlinkInUse,
    Step::Rename,
    Step::RenameOver,
    Step::RenameDirectory,
    Step::Exchange,
    Step::Link,
    Step::Mkdir,
    Step::Rmdir,
    Step::Symlink,
    Step::LongSymlink,
    Step::SetMode,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Fsync,
    Sync,
}

const THEN: [Then; 3] = [Then::Nothing, Then::Fsync, Then::Sync];

type Workload = Vec<(Step, Then)>;

/// Path, kind, links, size and bytes of all files.
type Files = BTreeMap<Vec<u8>, (FileType, Mode, u32, u64, Vec<u8>)>;

fn files(fs: &dyn FileSystem) -> Result<Files, FsError> {
    let (mut found, mut rest) = (Files::new(), vec![(Vec::new(), fs.root())]);
    while let Some((path, dir)) = rest.pop() {
        let mut names = Vec::new();
        let mut sink = |entry: DirEntry<'_>| {
            names.push((entry.name.as_bytes().to_vec(), entry.ino));
            true
        };
        fs.dirs().readdir(dir, Cookie(0), &mut sink)?;
        for (name, ino) in names {
            let attr = fs.attr(ino)?;
            let path = [&path[..], b"/", &name].concat();
            let mut bytes =
                vec![0; if attr.kind == FileType::Regular { attr.size as usize } else { PATH_MAX }];
            let length = match attr.kind {
                FileType::Regular => fs.files().read_at(ino, 0, &mut bytes)?,
                FileType::Symlink => fs.dirs().readlink(ino, (&mut bytes[..]).try_into().unwrap())?,
                _ => 0,
            };
            bytes.truncate(length);
            if attr.kind == FileType::Directory {
                rest.push((path.clone(), ino));
            }
            found.insert(path, (attr.kind, attr.mode, attr.links, attr.size, bytes));
        }
    }
    Ok(found)
}

fn name(bytes: &[u8]) -> Name<'_> {
    Name::new(bytes).unwrap()
}

fn find(fs: &dyn FileSystem, dir: Ino, bytes: &[u8]) -> Result<Ino, FsError> {
    let attr = fs.dirs().lookup(dir, name(bytes))?;
    fs.forget(attr.ino, 1);
    Ok(attr.ino)
}

fn make(fs: &dyn FileSystem, dir: Ino, bytes: &[u8], kind: FileType, target: &[u8]) -> Result<Ino, FsError> {
    let (mode, now, device) = (Mode::of(0o644), Timestamp::EPOCH, DeviceNumber::default());
    let new = NewNode { kind, mode, uid: 0, gid: 0, device, target, now };
    let attr = fs.dirs().create(dir, name(bytes), &new)?;
    fs.forget(attr.ino, 1);
    Ok(attr.ino)
}

fn write(fs: &dyn FileSystem, file: Ino, at: u64, length: usize, byte: u8) -> Result<(), FsError> {
    let bytes = vec![byte; length];
    fs.files().write_at(file, at, &bytes, Timestamp::EPOCH).map(|_| ())
}

fn unlink(fs: &dyn FileSystem, bytes: &[u8]) -> Result<(), FsError> {
    let file = find(fs, fs.root(), bytes)?;
    fs.dirs().unlink(fs.root(), name(bytes), file, Timestamp::EPOCH)
}

fn rename(fs: &dyn FileSystem, from: &[u8], to: &[u8], exchange: bool) -> Result<(), FsError> {
    let (root, now) = (fs.root(), Timestamp::EPOCH);
    let from = RenameEnd { dir: root, name: name(from), file: Some(find(fs, root, from)?) };
    let to = RenameEnd { dir: root, name: name(to), file: find(fs, root, to).ok() };
    if from.file == to.file {
        return Err(FsError::Exists);
    }
    fs.dirs().rename(&Rename { from, to, exchange, now })
}

/// Long `a` and short `b`, `d` with `c`, and `e` without anything.
fn set_up(fs: &dyn FileSystem) -> Result<(), FsError> {
    let root = fs.root();
    write(fs, make(fs, root, b"a", FileType::Regular, &[])?, 0, 20_000, 1)?;
    write(fs, make(fs, root, b"b", FileType::Regular, &[])?, 0, 300, 2)?;
    let dir = make(fs, root, b"d", FileType::Directory, &[])?;
    write(fs, make(fs, dir, b"c", FileType::Regular, &[])?, 0, 5000, 3)?;
    make(fs, root, b"e", FileType::Directory, &[])?;
    fs.sync(SyncMode::All)
}

/// Does a step, number `count` of its workload. What earlier steps made impossible fails.
fn step(fs: &dyn FileSystem, step: Step, count: u8) -> Result<(), FsError> {
    let (root, now) = (fs.root(), Timestamp::EPOCH);
    let at = |bytes: &[u8]| find(fs, root, bytes);
    let fill = count + 10;
    match step {
        Step::Create => make(fs, root, b"new", FileType::Regular, &[]).map(|_| ()),
        Step::CreateBelow => {
            let file = make(fs, at(b"d")?, &[b'x', count + 1], FileType::Regular, &[])?;
            write(fs, file, 0, 6000, fill)
        }
        Step::Append => write(fs, at(b"a")?, fs.attr(at(b"a")?)?.size, 3000, fill),
        Step::Overwrite => write(fs, at(b"a")?, 3000, 6000, fill),
        Step::OverwriteShort => write(fs, at(b"b")?, 100, 150, fill),
        Step::Lengthen => write(fs, at(b"b")?, 5000, 100, fill),
        Step::Shrink => fs.files().truncate(at(b"a")?, 4500, now).map(|_| ()),
        Step::Grow => fs.files().truncate(at(b"b")?, 9000, now).map(|_| ()),
        Step::Punch => fs.files().allocate(at(b"a")?, Allocate::PunchHole, 4000, 9000, now).map(|_| ()),
        Step::Unlink => unlink(fs, b"b"),
        Step::UnlinkLong => unlink(fs, b"a"),
        Step::UnlinkInUse => {
            fs.load(at(b"a")?)?; // and never given back
            unlink(fs, b"a")
        }
        Step::Rename => rename(fs, b"a", b"moved", false),
        Step::RenameOver => rename(fs, b"b", b"a", false),
        Step::RenameDirectory => rename(fs, b"d", b"e", false),
        Step::Exchange => rename(fs, b"a", b"d", true),
        Step::Link => fs.dirs().link(at(b"d")?, name(b"linked"), at(b"a")?, now).map(|_| ()),
        Step::Mkdir => make(fs, root, b"made", FileType::Directory, &[]).map(|_| ()),
        Step::Rmdir => fs.dirs().rmdir(root, name(b"e"), at(b"e")?, now),
        Step::Symlink => make(fs, root, b"soft", FileType::Symlink, b"somewhere").map(|_| ()),
        Step::LongSymlink => make(fs, root, b"far", FileType::Symlink, &[b'y'; 3000]).map(|_| ()),
        Step::SetMode => {
            let set = SetAttr { mode: Some(Mode::of(0o600 + u16::from(count))), ..SetAttr::default() };
            fs.set_attr(at(b"b")?, &set).map(|_| ())
        }
    }
}

/// A workload that was run.
struct Run {
    /// What is there before.
    base: RamDisk,
    events: Vec<DiskEvent>,
    /// What is there after each step, with the number of events before it.
    states: Vec<(usize, Files)>,
    /// After how many events which state is durable.
    synced: Vec<(usize, usize)>,
}

fn mount<D: BlockDevice>(device: D, read_only: bool) -> Result<KosFs<D, Lock>, String> {
    let options = MountOptions { read_only, nodes: 8, bitmaps: 1 };
    KosFs::mount(device, options).map_err(|error| format!("it does not mount: {error}"))
}

fn base() -> RamDisk {
    let disk = RamDisk::with_size(4 << 20, 512);
    let (uuid, label, now) = (*b"a volume to kill", [0; 64], Timestamp::EPOCH);
    mkfs::<_, Lock>(&disk, &MkfsOptions { uuid, label, now, uid: 0, gid: 0, hash_key: [5; 16] }).unwrap();
    set_up(&mount(&disk, false).unwrap()).unwrap();
    disk
}

fn do_then(fs: &dyn FileSystem, then: Then) -> bool {
    match then {
        Then::Nothing => return false,
        Then::Fsync => fs.files().fsync(fs.root(), SyncMode::All).unwrap(),
        Then::Sync => fs.sync(SyncMode::All).unwrap(),
    }
    true
}

fn run(base: &RamDisk, workload: &[(Step, Then)]) -> Run {
    let device = RecordDisk::new(base.clone());
    let fs = mount(&device, false).unwrap();
    let _ = device.take();
    let base = device.device().clone();
    let (mut states, mut synced) = (vec![(0, files(&fs).unwrap())], vec![(0, 0)]);
    for (count, &(what, then)) in (0..).zip(workload) {
        let before = device.events();
        let _ = step(&fs, what, count);
        states.push((before, files(&fs).unwrap()));
        if do_then(&fs, then) {
            synced.push((device.events(), states.len() - 1));
        }
    }
    Run { base, events: device.take(), states, synced }
}

/// The next of a row of numbers (xorshift64).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// An exploration of one run.
struct Explorer<'a> {
    run: &'a Run,
    random: u64,
    states: u64,
}

impl Explorer<'_> {
    /// Tries all crashes. What is durable after each event follows from the events alone.
    fn explore(&mut self) -> Result<(), String> {
        let (run, durable) = (self.run, self.run.base.clone());
        let mut flight: Vec<usize> = Vec::new();
        for (at, event) in run.events.iter().enumerate() {
            match event {
                DiskEvent::Write { mode: WriteMode::Cached, .. } => flight.push(at),
                DiskEvent::Write { .. } => {
                    flight.push(at);
                    self.crash(&durable, &flight, at)?;
                    flight.pop();
                    event.apply(&durable).unwrap();
                }
                DiskEvent::Flush => {
                    self.crash(&durable, &flight, at)?;
                    flight.drain(..).for_each(|at| run.events[at].apply(&durable).unwrap());
                }
                DiskEvent::Discard { .. } => return Err("a discard: not thought of".into()),
            }
        }
        self.crash(&durable, &flight, run.events.len())
    }

    /// Tries what a crash before the end of event `at` may leave of the writes in `flight`.
    fn crash(&mut self, durable: &RamDisk, flight: &[usize], at: usize) -> Result<(), String> {
        if flight.len() <= FLIGHT {
            for subset in 0..1_u64 << flight.len() {
                self.state(durable, flight, at, &mut |write, _, _| subset >> write & 1 == 1)?;
                // The same with one of them torn somewhere, and with all of them in any pieces.
                let torn = (random(&mut self.random) % flight.len().max(1) as u64) as usize;
                let cut = random(&mut self.random) as usize;
                if subset >> torn & 1 == 1 {
                    self.state(durable, flight, at, &mut |write, piece, pieces| {
                        subset >> write & 1 == 1 && (write != torn || piece < cut % pieces)
                    })?;
                    self.pieces(durable, flight, at, subset)?;
                }
            }
            return Ok(());
        }
        for _ in 0..SAMPLES {
            let subset = random(&mut self.random);
            self.pieces(durable, flight, at, subset)?;
        }
        Ok(())
    }

    /// A subset of which each write survives in any pieces, or whole.
    fn pieces(&mut self, durable: &RamDisk, flight: &[usize], at: usize, subset: u64) -> Result<(), String> {
        let (mut row, whole) = (random(&mut self.random) | 1, random(&mut self.random));
        self.state(durable, flight, at, &mut |write, _, _| {
            subset >> (write % 64) & 1 == 1 && (whole >> (write % 64) & 1 == 1 || random(&mut row) & 4 == 0)
        })
    }

    /// Tries one state: of the writes in flight, those pieces of 512 bytes that `survives` (write, piece, pieces).
    fn state(
        &mut self,
        durable: &RamDisk,
        flight: &[usize],
        at: usize,
        survives: &mut dyn FnMut(usize, usize, usize) -> bool,
    ) -> Result<(), String> {
        let disk = durable.clone();
        for (write, &event) in flight.iter().enumerate() {
            let event = &self.run.events[event];
            let pieces = event.pieces();
            for piece in 0..pieces {
                if survives(write, piece, pieces) {
                    event.apply_piece(&disk, piece).unwrap();
                }
            }
        }
        self.states += 1;
        let lower = self.run.synced.iter().rev().find(|(events, _)| *events <= at).unwrap().1;
        let upper = self.run.states.iter().rposition(|(events, _)| *events <= at).unwrap();
        let allowed = &self.run.states[lower..=upper];
        judge(&disk, allowed, self.states.is_multiple_of(8))
            .map_err(|what| format!("after event {at}: {what}"))
    }
}

/// Whether a crashed volume is clean and holds one of `allowed`; with `use_it`, also whether it can be used.
fn judge(disk: &RamDisk, allowed: &[(usize, Files)], use_it: bool) -> Result<(), String> {
    clean(disk)?;
    let failed = |error: FsError| format!("{error}");
    let found = files(&mount(disk, true)?).map_err(failed)?;
    if !allowed.iter().any(|(_, files)| *files == found) {
        return Err(format!("{:?} is none of the {} states", found.keys(), allowed.len()));
    }
    if use_it {
        let fs = mount(disk, false)?;
        fs.check().map_err(failed)?;
        let same = files(&fs).map_err(failed)? == found;
        make(&fs, fs.root(), b"after", FileType::Regular, &[]).map_err(failed)?;
        fs.sync(SyncMode::All).map_err(failed)?;
        drop(fs);
        clean(disk)?;
        return if same { Ok(()) } else { Err("the mount changed files".into()) };
    }
    Ok(())
}

fn clean(disk: &RamDisk) -> Result<(), String> {
    let mut found = Vec::new();
    let options = FsckOptions { data: true, ..FsckOptions::default() };
    let report = fsck::<_, Lock>(disk, &options, &mut |problem, _| found.push(*problem));
    match report {
        Ok(report) if report.problems == 0 => Ok(()),
        other => Err(format!("not clean: {other:?} {found:?}")),
    }
}

/// Tries all crashes of `workload`; how many there were.
fn explore(base: &RamDisk, workload: &[(Step, Then)], spoil: fn(&mut Vec<DiskEvent>)) -> Result<u64, String> {
    let mut run = run(base, workload);
    spoil(&mut run.events);
    let mut explorer = Explorer { run: &run, random: 0x9e37_79b9_7f4a_7c15, states: 0 };
    explorer.explore().map_err(|what| format!("{workload:?}: {what}"))?;
    Ok(explorer.states)
}

/// All workloads of one step and of two.
fn short_workloads() -> Vec<Workload> {
    let ones: Vec<_> = STEPS.iter().flat_map(|&step| THEN.map(|then| (step, then))).collect();
    let twos = ones.iter().flat_map(|&one| ones.iter().map(move |&two| vec![one, two]));
    ones.iter().map(|&one| vec![one]).chain(twos).collect()
}

fn explore_all(workloads: impl Iterator<Item = Workload>) -> u64 {
    let base = base();
    let explored = workloads.map(|workload| explore(&base, &workload, |_| {}));
    explored.map(|states| states.unwrap_or_else(|what| panic!("{what}"))).sum()
}

#[test]
fn every_crash_of_one_and_two_steps_leaves_a_prefix() {
    let all = short_workloads();
    let wanted = cases() as usize / 4;
    // A stride that shares no factor with their number, so that a part of them is a fair one.
    let chosen = (0..wanted.min(all.len())).map(|at| all[(at * 1009) % all.len()].clone());
    let states = explore_all(chosen);
    std::eprintln!("{} of {} workloads: {states} states", wanted.min(all.len()), all.len());
    assert!(states > wanted.min(all.len()) as u64 * 8, "{states}");
}

#[test]
fn every_crash_of_generated_steps_leaves_a_prefix() {
    let mut row = 77_u64;
    let count = cases() / 32;
    let workloads = (0..count).map(move |_| {
        let length = 3 + random(&mut row) % 10;
        let mut pick = |below: usize| (random(&mut row) >> 20) as usize % below;
        (0..length).map(|_| (STEPS[pick(STEPS.len())], THEN[pick(5) % 3])).collect()
    });
    let states = explore_all(workloads);
    std::eprintln!("{count} generated workloads: {states} states");
    assert!(states > u64::from(count) * 20, "{states}");
}

/// How many of some workloads fail when the device gets other events.
fn caught(spoil: fn(&mut Vec<DiskEvent>)) -> usize {
    let base = base();
    let steps = [Step::Create, Step::Overwrite, Step::UnlinkLong, Step::RenameOver];
    let workloads = steps.iter().map(|&step| [(step, Then::Sync), (Step::Append, Then::Fsync)]);
    workloads.filter(|workload| explore(&base, workload, spoil).is_err()).count()
}

#[test]
fn data_is_flushed_before_the_commit_block() {
    assert_eq!(caught(|_| {}), 0);
    let moved = |events: &mut Vec<DiskEvent>| {
        for at in 1..events.len() {
            if events[at - 1] == DiskEvent::Flush {
                events.swap(at - 1, at);
            }
        }
    };
    assert_eq!(caught(moved), 4, "the superblock before the flush");
    let none = |events: &mut Vec<DiskEvent>| {
        // Writes of nothing, so that events are counted as before.
        for event in events.iter_mut().filter(|event| **event == DiskEvent::Flush) {
            *event = DiskEvent::Write { sector: 0, bytes: Vec::new(), mode: WriteMode::Cached };
        }
    };
    assert_eq!(caught(none), 4, "no flush at all");
}

#[test]
fn a_removed_fua_is_found() {
    let cached = |events: &mut Vec<DiskEvent>| {
        for event in events {
            if let DiskEvent::Write { mode, .. } = event {
                *mode = WriteMode::Cached;
            }
        }
    };
    assert_eq!(caught(cached), 4);
}

#[test]
fn a_device_that_lies_is_found() {
    let base = base();
    let mut found = 0;
    for lies in [false, true] {
        let device = if lies { PowerCut::lying(&base) } else { PowerCut::new(&base) };
        let fs = mount(&device, false).unwrap();
        step(&fs, Step::Create, 0).unwrap();
        fs.sync(SyncMode::All).unwrap();
        let allowed = [(0, files(&fs).unwrap())];
        let wrong = (0..64).filter(|&seed| judge(&device.cut(seed), &allowed, false).is_err()).count();
        assert_eq!(wrong > 0, lies, "{wrong} of 64 cuts");
        found += wrong;
    }
    assert!(found > 32, "{found}");
}
