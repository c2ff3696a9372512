//! Names, mounts and open files through the public interface, with scripts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic")]

extern crate alloc;

use alloc::sync::Arc;

use kos_vfs::fs::FileSystem;
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::testing::script::{Answer, Engine, Generator, Outcome, VfsBackend};
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{At, AtFlags, Config, Ctx, How, Mode, MountFlags, OpenFlags, Vfs, XattrName};

const ROOT: TmpfsConfig = TmpfsConfig {
    bytes: 1 << 20,
    inodes: 200,
    mode: Mode::from_bits_truncate(0o755),
    uid: 0,
    gid: 0,
    now: kos_vfs::Timestamp::EPOCH,
    hash_key: 7,
};

fn system(config: &Config) -> (Vfs<HostEnv>, TestClock, Arc<Tmpfs<HostEnv>>) {
    let clock = TestClock::at(1);
    (Vfs::new(config, clock.clone()).unwrap(), clock, Arc::new(Tmpfs::new(&ROOT).unwrap()))
}

/// Runs lines that each expect an answer.
fn run(config: &Config, script: &str) {
    let (vfs, clock, fs) = system(config);
    let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
    let mut engine = Engine::new(VfsBackend::new(view, clock));
    for line in script.lines() {
        let outcome = engine.line(line.trim().as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(!matches!(outcome, Outcome::Mismatch { .. }), "{line}: {outcome:?}");
        vfs.check().unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn non_utf8_name_round_trips() {
    run(
        &Config::default(),
        r#"
        expect 0 mkdir "/\xff\x01 \xc3" 0755
        expect 0 open / O_RDONLY
        expect '"." ".." "\xff\x01 \xc3"' readdir 0
        expect dir stat "/\xff\x01 \xc3" type
        expect 0 symlink "\xfe" /l
        expect '"\xfe"' readlink /l
        "#,
    );
}

#[test]
fn rename_between_links_of_one_inode_changes_nothing() {
    run(
        &Config::default(),
        r"
        expect 0 mknod /a f 0644 0 0
        expect 0 link /a /b
        expect 0 rename /a /b
        expect 2 stat /a nlink
        expect 2 stat /b nlink
        ",
    );
}

#[test]
fn rename_makes_no_loop_and_loses_no_directory() {
    run(
        &Config::default(),
        r"
        expect 0 mkdir /a 0755
        expect 0 mkdir /a/b 0755
        expect EINVAL rename /a /a/b/c
        expect ENOTEMPTY rename /a/b /a
        expect EINVAL renameat2 AT_FDCWD /a AT_FDCWD /a/b RENAME_EXCHANGE
        expect EBUSY rename /a/. /c
        expect EBUSY rename /a/b/.. /c
        expect 0 mkdir /c 0755
        expect 0 rename /a/b /c/
        expect 2 stat /a nlink
        expect ENOENT stat /a/b type
        expect EEXIST renameat2 AT_FDCWD /a AT_FDCWD /c RENAME_NOREPLACE
        ",
    );
}

#[test]
fn replaced_open_file_is_reclaimed_at_last_close() {
    let (vfs, clock, fs) = system(&Config::default());
    let free = fs.statfs().unwrap();
    let view = vfs.mount_root(fs.clone(), MountFlags::empty()).unwrap();
    let mut engine = Engine::new(VfsBackend::new(view, clock));
    let mut call = |line: &str| match engine.line(line.as_bytes()).unwrap() {
        Outcome::Answer(answer) => answer.to_string(),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(call("open /a O_RDWR,O_CREAT 0644"), "0");
    assert_eq!(call("dup 0"), "1");
    assert_eq!(call("write 0 hello"), "5");
    assert_eq!(call("mknod /b f 0644 0 0"), "0");
    assert_eq!(call("rename /b /a"), "0");
    assert_eq!((call("pread 0 9 0"), call("fstat 0 nlink")), ("\"hello\"".into(), "0".into()));
    assert_eq!(call("close 0"), "0");
    assert_eq!(fs.statfs().unwrap().free, free.free - 1, "one handle is left");
    assert_eq!(call("close 1"), "0");
    assert_eq!(call("unlink /a"), "0");
    assert_eq!(fs.statfs().unwrap(), free);
}

#[test]
fn second_miss_reads_no_device() {
    let (vfs, _, fs) = system(&Config::default());
    let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    let miss = || call.open(At::Cwd, b"/missing", &How::default()).unwrap_err().errno();
    assert_eq!(miss(), kos_vfs::Errno::ENOENT);
    let asked = vfs.stats().walks_asked;
    assert_eq!(miss(), kos_vfs::Errno::ENOENT);
    assert_eq!(vfs.stats().walks_asked, asked);
}

#[test]
fn mounts_are_crossed_kept_busy_and_taken_away() {
    run(
        &Config::default(),
        r#"
        expect 0 mkdir /m 0755
        expect 0 mount /m nosuid
        expect 0 mkdir /m/d 0755
        expect EXDEV rename /m/d /d
        expect EXDEV openat2 AT_FDCWD m/d O_RDONLY 0 RESOLVE_NO_XDEV
        expect EBUSY rmdir /m
        expect 0 open /m/d O_RDONLY
        expect EBUSY umount /m
        expect 0 remount /m ro
        expect EROFS mkdir /m/e 0755
        expect EEXIST mkdir /m/d 0755
        expect 0 mkdir /n 0755
        expect 0 mount --bind /m/d /n
        expect 0 umount /m lazy
        expect ENOENT stat /m/d type
        expect dir fstat 0 type
        expect 0 umount /n
        expect 0 close 0
        expect 0 rmdir /m
        expect EINVAL umount /n
        "#,
    );
}

#[test]
fn a_root_of_its_own_is_not_left() {
    run(
        &Config::default(),
        r"
        expect 0 mkdir /jail 0755
        expect 0 mkdir /jail/in 0755
        expect 0 symlink / /jail/out
        expect 0 open /jail O_RDONLY
        expect EXDEV openat2 0 .. O_RDONLY 0 RESOLVE_BENEATH
        expect EXDEV openat2 0 out O_RDONLY 0 RESOLVE_BENEATH
        expect EXDEV openat2 0 /in O_RDONLY 0 RESOLVE_BENEATH
        expect ELOOP openat2 0 out/in O_RDONLY 0 RESOLVE_NO_SYMLINKS
        expect 1 openat2 0 ../../out/in O_RDONLY 0 RESOLVE_IN_ROOT
        expect EINVAL openat2 0 in O_RDONLY 0 RESOLVE_IN_ROOT,RESOLVE_BENEATH
        expect 0 proc child
        expect 0 chdir /jail
        expect 0 chroot /jail
        expect dir stat ../../in type
        expect ENOENT stat /jail type
        expect 0 proc main
        expect dir stat /jail type
        ",
    );
}

#[test]
fn descriptors_are_lowest_shared_and_bounded() {
    run(
        &Config::default(),
        r#"
        expect 0 open /f O_RDWR,O_CREAT,O_APPEND 0644
        expect 1 dup 0
        expect 3 write 0 abc
        expect 0 lseek 1 0 SEEK_SET
        expect '"ab"' read 0 2
        expect '"c"' read 1 2
        expect 2 open /f O_RDWR
        expect 2 pwrite 0 de 0
        expect '"abcde"' read 2 9
        expect 0 close 1
        expect 1 dup2 2 1
        expect 3 dup 0
        expect EBADF dup2 9 0
        expect EISDIR open / O_RDWR
        expect 4 open / O_RDWR,O_TMPFILE 0600
        expect 0 linkat 4 "" AT_FDCWD /named AT_EMPTY_PATH
        expect 1 fstat 4 nlink
        "#,
    );
}

/// Everything answers as with plenty of room, and the budget holds.
#[test]
fn cache_evicts_under_budget() {
    let small = Config { dentries: 64, name_bytes: 100, ..Config::default() };
    let (tight, tight_clock, tight_fs) = system(&small);
    let (wide, wide_clock, wide_fs) = system(&Config::default());
    let view = |vfs: &'static Vfs<HostEnv>, fs| vfs.mount_root(fs, MountFlags::empty()).unwrap();
    let (tight, wide): (&'static _, &'static _) = (Box::leak(Box::new(tight)), Box::leak(Box::new(wide)));
    let mut left = Engine::new(VfsBackend::new(view(tight, tight_fs), tight_clock));
    let mut right = Engine::new(VfsBackend::new(view(wide, wide_fs), wide_clock));
    let mut generator = Generator::new(3);
    for index in 0..3000 {
        let line = generator.line();
        let answers = (left.line(line.as_bytes()).unwrap(), right.line(line.as_bytes()).unwrap());
        assert_eq!(answers.0, answers.1, "line {index}: {line}");
        assert!(tight.stats().dentries <= 64 && tight.stats().name_bytes <= 400);
        tight.check().unwrap_or_else(|error| panic!("line {index}: {line}: {error}"));
    }
    assert!(tight.stats().evictions > 20, "{:?}", tight.stats());
}

/// On a file system that is nearly full every call works or says why, and nothing is lost.
#[test]
fn a_full_file_system_gives_everything_back() {
    let mut full = 0;
    for seed in 0..8 {
        let (vfs, clock, _) = system(&Config::default());
        let limits = TmpfsConfig { bytes: (2 + seed) * 4096, inodes: 6 + seed, ..ROOT };
        let fs = Arc::new(Tmpfs::<HostEnv>::new(&limits).unwrap());
        let free = fs.statfs().unwrap();
        let view = vfs.mount_root(fs.clone(), MountFlags::empty()).unwrap();
        let mut engine = Engine::new(VfsBackend::new(view.clone(), clock));
        let mut generator = Generator::new(seed as u64);
        for _ in 0..1500 {
            let line = generator.line();
            let outcome = engine.line(line.as_bytes()).unwrap();
            full += u32::from(outcome == Outcome::Answer(Answer::Failed(kos_vfs::Errno::ENOSPC)));
        }
        vfs.check().unwrap();
        drop(engine);
        remove_all(&view);
        assert_eq!(fs.statfs().unwrap(), free, "seed {seed}");
    }
    assert!(full > 0, "none was ever full");
}

/// Empties the root directory, whatever is in it, and takes its attributes, which count as files do.
fn remove_all(view: &kos_vfs::View<'_, HostEnv>) {
    fn empty(view: &kos_vfs::View<'_, HostEnv>, path: &[u8]) {
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        let how = How::flags(OpenFlags::DIRECTORY);
        let dir = call.open(At::Cwd, path, &how).unwrap();
        let mut names = Vec::new();
        dir.list(|entry| {
            names.push((entry.name.to_vec(), entry.kind));
            true
        })
        .unwrap();
        drop(dir);
        for (name, kind) in names.into_iter().filter(|(name, _)| name != b"." && name != b"..") {
            let path = [path, b"/", name.as_slice()].concat();
            if kind == kos_vfs::FileType::Directory {
                empty(view, &path);
                call.rmdir(At::Cwd, &path).unwrap();
            } else {
                call.unlink(At::Cwd, &path).unwrap();
            }
        }
    }
    empty(view, b"/");
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    let root = call.resolve(At::Cwd, b"/", AtFlags::empty()).unwrap();
    let mut names = [0; 4096];
    let length = call.list_xattrs(&root, &mut names).unwrap();
    for name in names.get(..length).unwrap().split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        call.remove_xattr(&root, XattrName::new(name).unwrap()).unwrap();
    }
}

/// Threads that rename directories into each other, in both directions, come to an end. The order itself: `lock_order.rs`.
#[test]
fn nested_renames_of_several_threads_come_to_an_end() {
    let (vfs, _, fs) = system(&Config::default());
    let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    for dir in [b"/a".as_slice(), b"/a/b", b"/a/b/c", b"/x"] {
        call.mkdir(At::Cwd, dir, Mode::ALL_ACCESS).unwrap();
    }
    let moves: [(&[u8], &[u8]); 4] =
        [(b"/a/b/c", b"/x/c"), (b"/x/c", b"/a/b/c"), (b"/a/b", b"/x/c/b"), (b"/x/c/b", b"/a/b")];
    std::thread::scope(|scope| {
        for (from, to) in moves {
            let view = view.clone();
            scope.spawn(move || {
                let ctx = Ctx::root();
                let call = view.call(&ctx);
                for _ in 0..500 {
                    let moved = call.rename(At::Cwd, from, At::Cwd, to, kos_vfs::fs::RenameFlags::empty());
                    let _ = (moved, call.stat_at(At::Cwd, to, AtFlags::empty()));
                }
            });
        }
    });
    vfs.check().unwrap();
    assert_eq!(
        call.stat_at(At::Cwd, b"/a", AtFlags::empty()).unwrap().attr.kind,
        kos_vfs::FileType::Directory
    );
}

#[test]
fn the_corpus_of_resolve_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/resolve");
    let corpus =
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let count = corpus.map(|data| kos_vfs::testing::fuzz::resolve(&data)).count();
    assert!(count > 3, "{count}");
}

#[test]
fn random_bytes_lead_nowhere_they_must_not() {
    let mut random = Generator::new(5);
    let pieces: [&[u8]; 14] = [
        b"\xff\x00",
        b"\xff\x02",
        b"\xff\x04",
        b"\xff\x05",
        b"\xff\x47",
        b"\xff\x87",
        b"\xff\x4f",
        b"\xfe/d/l",
        b"\xfe",
        b"/d/",
        b"../",
        b"a/",
        b"l",
        b"b",
    ];
    for _ in 0..kos_vfs::testing::cases() {
        let pick = |_| pieces[usize::try_from(random.below(14)).unwrap_or_default()];
        let data: Vec<u8> = (0..200).map(pick).collect::<Vec<_>>().concat();
        kos_vfs::testing::fuzz::resolve(&data);
    }
}

/// A file that comes to the place in memory of one that was read is stamped by its own times.
#[test]
fn a_place_in_memory_keeps_no_stamp_of_the_file_before() {
    let (vfs, clock, fs) = system(&Config { dentries: 16, ..Config::default() });
    let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    let how =
        How { flags: OpenFlags::READ_WRITE | OpenFlags::CREATE, mode: Mode::of(0o644), ..How::default() };
    let open = |path: &[u8]| call.open(At::Cwd, path, &how).unwrap();
    for (second, path) in [(10, b"/written"), (20, b"/read   ")] {
        clock.set(second * 1_000_000_000);
        call.pwrite(&open(path), b"bytes", 0).unwrap();
        vfs.shrink(0);
    }
    clock.set(30 * 1_000_000_000);
    let read = open(b"/read   ");
    // Once to be stamped, once to be known as stamped for a day.
    (0..2).for_each(|_| assert_eq!(read.pread(&mut [0; 3], 0), Ok(3)));
    drop(read);
    vfs.shrink(0);
    clock.set(40 * 1_000_000_000);
    let written = open(b"/written");
    written.pread(&mut [0; 3], 0).unwrap();
    assert_eq!(call.stat(written.place()).unwrap().attr.accessed.seconds, 40);
}

/// Reading stamps once after a change, and again after the next; whoever comes to the place of a file in memory is stamped, too.
#[test]
fn reading_stamps_once_after_each_change() {
    let (vfs, clock, fs) = system(&Config { dentries: 16, ..Config::default() });
    let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    let how = |flags| How { flags, mode: Mode::of(0o644), ..How::default() };
    let mut now = 0_u64;
    let mut read = |path: &[u8], write: bool| {
        let file = call.open(At::Cwd, path, &how(OpenFlags::READ_WRITE | OpenFlags::CREATE)).unwrap();
        now += 10;
        clock.set(now * 1_000_000_000);
        if write {
            call.pwrite(&file, b"bytes", 0).unwrap();
        }
        now += 10;
        clock.set(now * 1_000_000_000);
        file.pread(&mut [0; 3], 0).unwrap();
        let stat = call.stat(file.place()).unwrap();
        now.cast_signed() - stat.attr.accessed.seconds
    };
    for round in 0..40_u8 {
        let path = [b'/', b'a' + round % 20, b'0' + round / 20];
        assert_eq!(read(&path, true), 0, "after a change");
        assert_eq!((read(&path, false), read(&path, false)), (20, 40), "without one");
        assert_eq!(read(&path, true), 0, "after the next change");
        vfs.shrink(0);
    }
}
