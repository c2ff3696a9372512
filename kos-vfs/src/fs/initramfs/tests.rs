//! Archives that are right, damaged or hostile.
#![expect(clippy::unwrap_used, reason = "what fails is the test")]

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{Archive, ArchiveError, ArchiveFault, UnpackError, UnpackFault, Unpacked, unpack};
use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::name::NameError;
use crate::testing::{CpioEntry, CpioWriter, HostEnv, TestClock};
use crate::{At, AtFlags, Attr, Call, Config, Ctx, Errno, How, MountFlags, OpenFlags, Vfs};

const DIR: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

fn with_call<R>(test: impl FnOnce(&Call<'_, '_, HostEnv>) -> R) -> R {
    let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let result = test(&view.call(&ctx));
    vfs.check().unwrap();
    result
}

fn attr(call: &Call<'_, '_, HostEnv>, path: &str) -> Result<Attr, Errno> {
    let stat = call.stat_at(At::Cwd, path.as_bytes(), AtFlags::NO_FOLLOW);
    stat.map(|stat| stat.attr).map_err(|error| error.errno())
}

fn read(call: &Call<'_, '_, HostEnv>, path: &str) -> Vec<u8> {
    let file = call.open(At::Cwd, path.as_bytes(), &How::default()).unwrap();
    let mut bytes = vec![0; 1 << 16];
    let count = file.read(&mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

fn unpacked(call: &Call<'_, '_, HostEnv>, archive: &[u8]) -> Result<Unpacked, UnpackError> {
    unpack(archive, call, At::Cwd, b"/")
}

fn fault(archive: &[u8]) -> ArchiveError {
    Archive::new(archive).find_map(Result::err).unwrap()
}

#[test]
fn files_are_as_in_the_archive() {
    with_call(|call| {
        let device =
            CpioEntry { device: (5, 1), owner: (0, 5), ..CpioEntry::new(b"dev/console", 0o020_620, b"") };
        let owned =
            CpioEntry { owner: (7, 8), modified: 99, ..CpioEntry::new(b"./bin/su", 0o104_755, b"\x7fELF") };
        let archive = CpioWriter::new()
            .entry(CpioEntry { modified: 77, ..CpioEntry::new(b".", 0o040_711, b"") })
            .entry(CpioEntry { modified: 88, ..CpioEntry::new(b"bin", DIR, b"") })
            .entry(owned)
            .add("dev", DIR, b"")
            .entry(device)
            .add("bin/sh", LINK, b"su")
            .add("pipe", 0o010_600, b"")
            .finish();
        assert_eq!(unpacked(call, &archive), Ok(Unpacked { entries: 7, bytes: 4 }));
        let su = attr(call, "/bin/su").unwrap();
        assert_eq!((su.uid, su.gid, su.mode, su.size), (7, 8, Mode::of(0o4755), 4));
        assert_eq!(su.modified, Timestamp::new(99, 0).unwrap());
        assert_eq!(read(call, "/bin/sh"), b"\x7fELF");
        let console = attr(call, "/dev/console").unwrap();
        assert_eq!(console.kind, FileType::CharDevice);
        assert_eq!((console.device, console.gid), (DeviceNumber { major: 5, minor: 1 }, 5));
        assert_eq!(attr(call, "/pipe").unwrap().kind, FileType::Fifo);
        let seconds = |path| attr(call, path).unwrap().modified.seconds;
        assert_eq!((seconds("/"), seconds("/bin")), (77, 88), "after the files in them");
        assert_eq!(attr(call, "/").unwrap().mode, Mode::of(0o711));
    });
}

#[test]
fn names_of_one_file_are_one_file() {
    for data_in in 0..3 {
        with_call(|call| {
            let data = |index| if index == data_in { b"text".as_slice() } else { b"" };
            let name =
                |name: &'static str, index| CpioEntry::new(name.as_bytes(), FILE, data(index)).linked(9, 3);
            let archive = CpioWriter::with_sums()
                .entry(name("a", 0))
                .add("d", DIR, b"")
                .entry(name("d/b", 1))
                .entry(name("./c", 2))
                // Another archive may use the same inode number.
                .behind(512)
                .entry(CpioEntry::new(b"other", FILE, b"x").linked(9, 2))
                .finish();
            unpacked(call, &archive).unwrap();
            let a = attr(call, "/a").unwrap();
            assert_eq!((a.links, read(call, "/a").as_slice()), (3, b"text".as_slice()));
            assert_eq!((attr(call, "/d/b").unwrap().ino, attr(call, "/c").unwrap().ino), (a.ino, a.ino));
            assert_eq!((attr(call, "/other").unwrap().links, read(call, "/other")), (1, b"x".to_vec()));
        });
    }
}

#[test]
fn archives_behind_each_other_replace_what_was_there() {
    with_call(|call| {
        let archive = CpioWriter::new()
            .add("etc", DIR, b"")
            .add("etc/a", FILE, b"old")
            .add("was_file", FILE, b"x")
            .add("was_dir", DIR, b"")
            .add("l", LINK, b"etc")
            .behind(3)
            .add("etc", 0o040_700, b"")
            .add("l/a", FILE, b"new")
            .add("was_file", DIR, b"")
            .add("was_dir", LINK, b"l")
            .add("l", LINK, b"etc/a")
            .behind(0)
            .finish();
        let mut padded = vec![0; 16];
        padded.extend(&archive);
        padded.extend([0; 300]);
        unpacked(call, &padded).unwrap();
        assert_eq!(read(call, "/etc/a"), b"new");
        assert_eq!(attr(call, "/etc").unwrap().mode, Mode::of(0o700));
        assert_eq!(attr(call, "/was_file").unwrap().kind, FileType::Directory);
        assert_eq!(attr(call, "/was_dir").unwrap().kind, FileType::Symlink);
        assert_eq!(unpacked(call, &archive).map(|done| done.entries), Ok(10), "once more over itself");
    });
}

#[test]
fn nothing_comes_out_of_the_directory() {
    with_call(|call| {
        for dir in [b"/top".as_slice(), b"/etc"] {
            call.mkdir(At::Cwd, dir, Mode::ALL_ACCESS).unwrap();
        }
        for target in [b"/etc".as_slice(), b"../etc", b"../../etc"] {
            let archive = CpioWriter::new().add("l", LINK, target).add("l/passwd", FILE, b"root::").finish();
            let error = unpack(&archive, call, At::Cwd, b"/top").unwrap_err();
            let second = 112 + target.len().next_multiple_of(4) as u64;
            assert_eq!((error.offset, error.fault.errno()), (second, Errno::ENOENT), "{error}");
            assert_eq!(attr(call, "/etc/passwd"), Err(Errno::ENOENT));
        }
        let inside = CpioWriter::new()
            .add("etc", DIR, b"")
            .add("l", LINK, b"/etc")
            .add("l/passwd", FILE, b"in")
            .finish();
        unpack(&inside, call, At::Cwd, b"/top").unwrap();
        assert_eq!(read(call, "/top/etc/passwd"), b"in");
        let error =
            unpack(&CpioWriter::new().add(".", FILE, b"").finish(), call, At::Cwd, b"/top").unwrap_err();
        assert_eq!(error.fault, UnpackFault::TopIsDirectory { found: FileType::Regular });
    });
}

#[test]
fn a_bad_archive_says_where_and_changes_nothing() {
    let good = CpioWriter::with_sums().add("d", DIR, b"").add("d/file", FILE, b"bytes");
    let second = 112;
    let mut archive = good.clone().finish();
    // Each byte changed: what is still accepted must be so for a reason, the rest changes nothing.
    for at in 0..archive.len() {
        let old = core::mem::replace(&mut archive[at], b'g');
        with_call(|call| {
            let Err(error) = unpacked(call, &archive) else { return };
            // The directory has another name: that is for the file system to find.
            let renamed = at == 110 || at == second + 110;
            let bad = matches!(error.fault, UnpackFault::Archive(_));
            assert!(bad != renamed && error.offset <= 364, "{at}: {error}");
            assert!(renamed || attr(call, "/d") == Err(Errno::ENOENT), "{at}");
        });
        archive[at] = old;
    }
    // Cut anywhere; what fills up the trailer may be missing.
    for length in 0..archive.len() - 3 {
        let error = fault(&archive[..length]);
        let at_edge = matches!(length, 0 | 112 | 237..=240);
        assert_eq!(error.offset, length as u64);
        assert_eq!(error.fault == ArchiveFault::NoTrailer, at_edge, "{length}: {error}");
    }
    let replaced = |at: usize, bytes: &[u8]| {
        let mut archive = good.clone().finish();
        archive[at..at + bytes.len()].copy_from_slice(bytes);
        fault(&archive)
    };
    let expect = |offset, fault| ArchiveError { offset, fault };
    assert_eq!(replaced(0, b"\x1f\x8b"), expect(0, ArchiveFault::Magic { found: *b"\x1f\x8b0702" }));
    assert_eq!(replaced(6, b" "), expect(6, ArchiveFault::Digit { found: b' ' }));
    assert_eq!(replaced(second + 109, b"g"), expect(221, ArchiveFault::Digit { found: b'g' }));
    assert_eq!(replaced(14, b"0001F1ED"), expect(14, ArchiveFault::Mode { found: 0x1_f1ed }));
    assert_eq!(replaced(94, b"FFFFFFFF"), expect(94, ArchiveFault::NameSize { found: u32::MAX }));
    assert_eq!(replaced(94, b"00000000"), expect(94, ArchiveFault::NameSize { found: 0 }));
    assert_eq!(replaced(111, b"x"), expect(110, ArchiveFault::NotTerminated));
    assert_eq!(replaced(110, b"\0"), expect(110, ArchiveFault::NotTerminated));
    assert_eq!(replaced(110, b"/"), expect(110, ArchiveFault::Absolute));
    let needs = 0xffff_ffff + second as u64 + 120;
    assert_eq!(replaced(second + 54, b"FFFFFFFF"), expect(364, ArchiveFault::Truncated { needs }));
    let sum = b"bytes".iter().map(|&byte| u32::from(byte)).sum();
    let wrong = ArchiveFault::Sum { stored: 0x10, found: sum };
    assert_eq!(replaced(second + 102, b"00000010"), expect(214, wrong));
}

#[test]
fn names_and_targets_that_lead_elsewhere_are_refused() {
    let of = |name: &str, mode, data: &[u8]| fault(&CpioWriter::new().add(name, mode, data).finish());
    let expect = |offset, fault| ArchiveError { offset, fault };
    assert_eq!(of("..", DIR, b""), expect(110, ArchiveFault::DotDot));
    assert_eq!(of("a/../../b", FILE, b""), expect(112, ArchiveFault::DotDot));
    assert_eq!(of("/etc", DIR, b""), expect(110, ArchiveFault::Absolute));
    assert_eq!(of("", FILE, b""), expect(110, ArchiveFault::Name(NameError::Empty)));
    let long = "x".repeat(256);
    assert_eq!(of(&long, FILE, b""), expect(110, ArchiveFault::Name(NameError::TooLong { length: 256 })));
    let path = "x/".repeat(2048);
    assert_eq!(of(&path, FILE, b""), expect(94, ArchiveFault::NameSize { found: 4097 }));
    for target in [b"".as_slice(), b"a\0b", &[b'x'; 4096]] {
        assert_eq!(of("l", LINK, target), expect(112, ArchiveFault::Target));
    }
    let junk =
        [CpioWriter::new().finish().as_slice(), b"junk and more than a header: ", &[b'-'; 110]].concat();
    assert_eq!(fault(&junk), expect(124, ArchiveFault::Magic { found: *b"junk a" }));
}

#[test]
fn full_file_systems_say_at_which_entry() {
    let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig { bytes: 8192, ..TmpfsConfig::default() }).unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    let archive = CpioWriter::new().add("a", FILE, &[1; 5000]).add("b", FILE, &[2; 5000]).finish();
    let error = unpack(&archive, &call, At::Cwd, b"/").unwrap_err();
    assert_eq!((error.offset, error.fault.errno()), (112 + 5000, Errno::ENOSPC));
    assert_eq!(read(&call, "/a"), [1; 5000]);
    let error = unpack(&archive, &call, At::Cwd, b"/a").unwrap_err();
    assert_eq!((error.offset, error.fault.errno()), (0, Errno::ENOTDIR));
    let how = How::flags(OpenFlags::PATH);
    assert!(call.open(At::Cwd, b"/a", &how).is_ok());
    let user = Ctx { cred: crate::Cred::user(5, 5, &[]), ..Ctx::root() };
    let archive = CpioWriter::new().add("mine", FILE, b"").finish();
    let error = unpack(&archive, &view.call(&user), At::Cwd, b"/").unwrap_err();
    assert_eq!(error.fault.errno(), Errno::EPERM, "a user gives nothing to root");
}

#[test]
fn the_corpus_of_cpio_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/cpio");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| crate::testing::fuzz::cpio(&std::fs::read(path).unwrap()));
}

/// Random rows through the body of the fuzz target.
#[test]
fn composed_archives_stay_inside() {
    let mut generator = crate::testing::script::Generator::new(5);
    for _ in 0..crate::testing::cases() {
        let length = generator.below(80);
        let mut data: Vec<u8> = (0..length).map(|_| (generator.below(256) & 0xff) as u8).collect();
        data.insert(0, 1);
        crate::testing::fuzz::cpio(&data);
    }
}
