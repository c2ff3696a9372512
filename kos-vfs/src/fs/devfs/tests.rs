//! Devices through a mounted file system; those that Linux has, beside those of the host.
#![expect(clippy::unwrap_used, reason = "what fails is the test")]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use super::{Devfs, Device, DeviceNode, Devices, Entropy, Null, Presence, Present, RegisterError, Zero};
use crate::attr::{FileType, Mode, Timestamp};
use crate::error::FsError;
use crate::fs::{DirOps as _, FileSystem, FsFeatures, SyncMode};
use crate::name::Name;
use crate::ports::{SpecialFile, SpecialOpen};
use crate::testing::{HostEnv, TestClock};
use crate::{
    At, AtFlags, Call, Config, Ctx, Errno, FileError, How, MountFlags, OpenFile, OpenFlags, SeekFrom, Vfs,
};

const NOW: Timestamp = Timestamp::EPOCH;
const ALL: Mode = Mode::ALL_ACCESS;

#[derive(Clone, Debug)]
struct Counter(Arc<AtomicU32>);

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8], flags: OpenFlags) -> Result<(), Errno> {
        if flags.contains(OpenFlags::NONBLOCK) {
            return Err(Errno::EAGAIN);
        }
        out.fill_with(|| (self.0.fetch_add(1, Ordering::Relaxed) & 0xff) as u8);
        Ok(())
    }

    fn mix(&self, bytes: &[u8]) {
        self.0.fetch_add(u32::from(bytes.first().copied().unwrap_or(0)), Ordering::Relaxed);
    }
}

/// A terminal of which each open file has a number of its own.
#[derive(Debug, Default)]
struct Terminal {
    presence: Presence,
    opens: AtomicU32,
}

#[derive(Debug)]
struct Session(u32);

impl SpecialFile for Session {
    fn read(&self, _: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        Ok(out.iter_mut().zip(self.0.to_le_bytes()).map(|(to, from)| *to = from).count())
    }

    fn write(&self, _: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        Ok(bytes.len())
    }
}

impl Device for Terminal {
    fn presence(&self) -> &Presence {
        &self.presence
    }

    fn open(self: Arc<Self>, _: &SpecialOpen<'_>) -> Result<Arc<dyn SpecialFile>, Errno> {
        let session = Session(self.opens.fetch_add(1, Ordering::Relaxed));
        Ok(Arc::new(Present::of(self.presence.clone(), session)))
    }
}

/// Runs with a `/` of devices.
fn with_devices(test: impl for<'v> FnOnce(&Call<'_, 'v, HostEnv>, &Devfs<HostEnv>, &Devices<HostEnv>)) {
    let devices = Arc::new(Devices::<HostEnv>::new(None));
    let fs = Arc::new(Devfs::new(Arc::clone(&devices), &Devfs::<HostEnv>::CONFIG).unwrap());
    let random = Counter(Arc::new(AtomicU32::new(0)));
    fs.register_standard(random, Session(9), NOW).unwrap();
    let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
    let vfs = vfs.with_special(Arc::clone(&devices) as Arc<dyn crate::SpecialOpener>);
    let view = vfs.mount_root(Arc::clone(&fs) as Arc<dyn FileSystem>, MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    test(&view.call(&ctx), &fs, &devices);
    vfs.check().unwrap();
}

fn open<'v>(call: &Call<'_, 'v, HostEnv>, path: &str) -> Result<OpenFile<'v, HostEnv>, Errno> {
    let how = How::flags(OpenFlags::READ_WRITE);
    call.open(At::Cwd, path.as_bytes(), &how).map_err(|error| error.errno())
}

fn kind(call: &Call<'_, '_, HostEnv>, path: &str) -> Result<FileType, Errno> {
    let stat = call.stat_at(At::Cwd, path.as_bytes(), AtFlags::NO_FOLLOW);
    stat.map(|stat| stat.attr.kind).map_err(|error| error.errno())
}

/// The same calls on the host's devices, where they are.
#[test]
fn null_zero_and_full_are_those_of_the_host() {
    use std::io::{Read as _, Seek as _, Write as _};
    with_devices(|call, _, _| {
        for name in ["/null", "/zero", "/full"] {
            let host = std::fs::File::options().read(true).write(true).open(alloc::format!("/dev{name}"));
            let Ok(mut host) = host else {
                std::eprintln!("skipped: no /dev{name}");
                continue;
            };
            let ours = open(call, name).unwrap();
            for length in [0, 1, 5] {
                let (mut a, mut b) = ([7; 5], [7; 5]);
                assert_eq!(ours.read(&mut a[..length]), Ok(host.read(&mut b[..length]).unwrap()), "{name}");
                assert_eq!(a, b, "{name}");
            }
            for bytes in [b"".as_slice(), b"abc"] {
                let expected = host.write(bytes).map_err(|error| error.raw_os_error().unwrap());
                let got = call.write(&ours, bytes).map_err(|error| i32::from(error.errno().number()));
                assert_eq!(got, expected, "{name} {bytes:?}");
            }
            let seeks = [
                (SeekFrom::Start(5), std::io::SeekFrom::Start(5)),
                (SeekFrom::Current(3), std::io::SeekFrom::Current(3)),
                (SeekFrom::End(-2), std::io::SeekFrom::End(-2)),
            ];
            for (to, host_to) in seeks {
                assert_eq!(ours.seek(to), Ok(host.seek(host_to).unwrap()), "{name}");
            }
            let host_sync = host.sync_all().map_err(|error| error.raw_os_error().unwrap());
            let sync = ours.sync(SyncMode::All).map_err(|error| i32::from(error.errno().number()));
            assert_eq!(sync, host_sync, "{name}");
        }
    });
}

#[test]
fn random_asks_the_port_and_the_console_is_the_integrators() {
    with_devices(|call, _, _| {
        let random = open(call, "/urandom").unwrap();
        let mut out = [0; 4];
        assert_eq!((random.read(&mut out), out), (Ok(4), [0, 1, 2, 3]));
        assert_eq!(call.write(&random, &[10]), Ok(1));
        assert_eq!((random.pread(&mut out, 99), out), (Ok(4), [14, 15, 16, 17]));
        random.set_flags(OpenFlags::NONBLOCK);
        assert_eq!(random.read(&mut out), Err(FileError::Special(Errno::EAGAIN)));
        let console = open(call, "/console").unwrap();
        assert_eq!((console.read(&mut out), out), (Ok(4), [9, 0, 0, 0]));
        assert_eq!(console.seek(SeekFrom::Start(0)), Err(FileError::NoPosition));
        assert_eq!(call.stat_at(At::Cwd, b"/console", AtFlags::empty()).unwrap().attr.mode, Mode::of(0o600));
    });
}

#[test]
fn nodes_come_and_go_with_their_devices() {
    with_devices(|call, fs, devices| {
        assert_eq!(kind(call, "/pts/0"), Err(Errno::ENOENT));
        let node = DeviceNode { uid: 4, gid: 5, ..DeviceNode::character(b"pts/0", 136, 0, Mode::of(0o620)) };
        fs.register(&node, Arc::new(Terminal::default()), NOW).unwrap();
        let attr = call.stat_at(At::Cwd, b"/pts/0", AtFlags::empty()).unwrap().attr;
        assert_eq!((attr.kind, attr.device, attr.mode), (node.kind, node.number, node.mode));
        assert_eq!((attr.uid, attr.gid), (4, 5));
        let (first, second) = (open(call, "/pts/0").unwrap(), open(call, "/pts/0").unwrap());
        let mut out = [0; 4];
        assert_eq!((first.read(&mut out), out[0]), (Ok(4), 0));
        assert_eq!((second.read(&mut out), out[0]), (Ok(4), 1), "each open file is its own");
        fs.unregister(&node, NOW).unwrap();
        assert_eq!(first.read(&mut out).unwrap_err().errno(), Errno::ENODEV);
        assert_eq!(call.write(&second, b"x").unwrap_err().errno(), Errno::ENODEV);
        assert_eq!(kind(call, "/pts/0"), Err(Errno::ENOENT));
        assert_eq!(kind(call, "/pts"), Ok(FileType::Directory), "directories stay");
        assert_eq!(fs.unregister(&node, NOW), Err(RegisterError::Number(FsError::NotFound)));
        fs.register(&node, Arc::new(Present::new(Null)), NOW).unwrap();
        assert_eq!(open(call, "/pts/0").unwrap().read(&mut out), Ok(0), "another device, the same node");
        assert_eq!(first.read(&mut out).unwrap_err().errno(), Errno::ENODEV, "the old one stays away");
        assert_eq!(devices.len(), 7);
    });
}

#[test]
fn a_device_that_is_refused_leaves_nothing() {
    with_devices(|_, fs, devices| {
        let register = |path: &[u8], minor, device| {
            fs.register(&DeviceNode::character(path, 1, minor, ALL), device, NOW)
        };
        let null = || Arc::new(Present::new(Null));
        assert_eq!(register(b"other", 3, null()), Err(RegisterError::Number(FsError::Exists)));
        let other = Name::new(b"other").unwrap();
        assert_eq!(fs.lookup(fs.root(), other).unwrap_err(), FsError::NotFound, "its node is gone again");
        assert_eq!(register(b"null", 200, null()), Err(RegisterError::Node(FsError::Exists)));
        assert_eq!(register(b"null/x", 200, null()), Err(RegisterError::Node(FsError::NotDirectory)));
        assert!(matches!(register(b"a/../b", 200, null()), Err(RegisterError::Name(_))));
        assert!(matches!(register(b"", 200, null()), Err(RegisterError::Name(_))));
        let gone = null();
        register(b"once", 201, gone.clone()).unwrap();
        fs.unregister(&DeviceNode::character(b"once", 1, 201, ALL), NOW).unwrap();
        assert_eq!(register(b"once", 201, gone), Err(RegisterError::Number(FsError::Stale)));
        let directory = DeviceNode { kind: FileType::Directory, ..DeviceNode::character(b"d", 1, 99, ALL) };
        assert_eq!(fs.register(&directory, null(), NOW), Err(RegisterError::Number(FsError::Unsupported)));
        assert_eq!(devices.len(), 6);
    });
}

#[test]
fn what_users_make_is_theirs() {
    with_devices(|call, fs, _| {
        call.symlink(b"null", At::Cwd, b"/stderr").unwrap();
        assert_eq!(open(call, "/stderr").unwrap().read(&mut [0; 1]), Ok(0));
        // A node of the same device, made by hand.
        let number = DeviceNode::block(b"", 8, 0).number;
        call.mknod(At::Cwd, b"/sda", FileType::BlockDevice, ALL, number).unwrap();
        assert_eq!(open(call, "/sda").map(drop), Err(Errno::ENXIO));
        let disk = DeviceNode::block(b"disk", 8, 0);
        fs.register(&disk, Arc::new(Present::new(Zero)), NOW).unwrap();
        assert_eq!(open(call, "/sda").unwrap().read(&mut [0; 2]), Ok(2));
        // What stands in the place of a node is not taken for it.
        call.unlink(At::Cwd, b"/disk").unwrap();
        call.mkdir(At::Cwd, b"/disk", ALL).unwrap();
        fs.unregister(&disk, NOW).unwrap();
        assert_eq!(kind(call, "/disk"), Ok(FileType::Directory));
        assert_eq!(open(call, "/sda").map(drop), Err(Errno::ENXIO));
        call.chmod_at(At::Cwd, b"/full", Mode::of(0o600)).unwrap();
        assert!(fs.info().features.contains(FsFeatures::VOLATILE));
    });
}
