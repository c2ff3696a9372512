//! Pipes and devices behind nodes: a port that meets by identity, through mounts, flags and descriptors.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use std::collections::HashMap;
use std::sync::{Condvar, Mutex};

use kos_vfs::attr::DeviceNumber;
use kos_vfs::fs::SyncMode;
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{
    At, Call, Config, Ctx, Errno, FileError, FileType, How, Ino, Mode, MountFlags, OpenFile, OpenFlags,
    SeekFrom, SpecialFile, SpecialOpen, SpecialOpener, Vfs, View,
};

/// A pipe without a bound.
#[derive(Debug, Default)]
struct Pipe {
    bytes: Mutex<VecDeque<u8>>,
    filled: Condvar,
}

/// One open file of a pipe.
#[derive(Debug)]
struct End {
    pipe: Arc<Pipe>,
    open_ends: Arc<Mutex<u32>>,
}

impl Drop for End {
    fn drop(&mut self) {
        *self.open_ends.lock().unwrap() -= 1;
    }
}

impl SpecialFile for End {
    fn read(&self, _: u64, out: &mut [u8], flags: OpenFlags) -> Result<usize, Errno> {
        let mut bytes = self.pipe.bytes.lock().unwrap();
        while bytes.is_empty() {
            if flags.contains(OpenFlags::NONBLOCK) {
                return Err(Errno::EAGAIN);
            }
            bytes = self.pipe.filled.wait(bytes).unwrap();
        }
        let count = bytes.len().min(out.len());
        out.iter_mut().zip(bytes.drain(..count)).for_each(|(to, from)| *to = from);
        Ok(count)
    }

    fn write(&self, _: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        self.pipe.bytes.lock().unwrap().extend(bytes);
        self.pipe.filled.notify_all();
        Ok(bytes.len())
    }
}

/// A device of 16 bytes, each its own offset.
#[derive(Debug)]
struct Ramp;

impl SpecialFile for Ramp {
    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, offset: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        let rest = (offset..16).zip(out);
        Ok(rest.map(|(at, out)| *out = u8::try_from(at).unwrap()).count())
    }

    fn write(&self, _: u64, _: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        Err(Errno::ENOSPC)
    }

    fn seek(&self, position: u64, to: SeekFrom) -> Result<u64, Errno> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::Current(delta) => position.checked_add_signed(delta),
            SeekFrom::End(delta) => 16_u64.checked_add_signed(delta),
            SeekFrom::Data(_) | SeekFrom::Hole(_) => None,
        };
        to.ok_or(Errno::EINVAL)
    }

    fn sync(&self, _: SyncMode) -> Result<(), Errno> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Opener {
    pipes: Mutex<HashMap<(u64, Ino), Weak<Pipe>>>,
    open_ends: Arc<Mutex<u32>>,
    asked: Mutex<u32>,
}

const RAMP: DeviceNumber = DeviceNumber { major: 240, minor: 7 };

impl SpecialOpener for Opener {
    fn open(&self, open: &SpecialOpen<'_>) -> Result<Arc<dyn SpecialFile>, Errno> {
        *self.asked.lock().unwrap() += 1;
        match open.kind {
            FileType::Fifo => {
                let mut pipes = self.pipes.lock().unwrap();
                let slot = pipes.entry((open.fs, open.ino)).or_default();
                let pipe = slot.upgrade().unwrap_or_default();
                *slot = Arc::downgrade(&pipe);
                *self.open_ends.lock().unwrap() += 1;
                Ok(Arc::new(End { pipe, open_ends: Arc::clone(&self.open_ends) }))
            }
            FileType::CharDevice if open.device == RAMP => Ok(Arc::new(Ramp)),
            FileType::BlockDevice => Err(Errno::ENODEV),
            _ => Err(Errno::ENXIO),
        }
    }
}

fn new_vfs(opener: Option<Arc<Opener>>) -> Vfs<HostEnv> {
    let vfs = Vfs::<HostEnv>::new(&Config { files: 4, ..Config::default() }, TestClock::at(0)).unwrap();
    match opener {
        Some(opener) => vfs.with_special(opener),
        None => vfs,
    }
}

fn make_nodes(call: &Call<'_, '_, HostEnv>) {
    let node = |path, kind, device| call.mknod(At::Cwd, path, kind, Mode::of(0o666), device).unwrap();
    node(b"/fifo", FileType::Fifo, DeviceNumber::default());
    node(b"/other", FileType::Fifo, DeviceNumber::default());
    node(b"/socket", FileType::Socket, DeviceNumber::default());
    node(b"/ramp", FileType::CharDevice, RAMP);
    node(b"/disk", FileType::BlockDevice, DeviceNumber { major: 8, minor: 0 });
}

/// Runs with nodes of each kind, and somebody behind them.
fn with_nodes(test: impl for<'v> FnOnce(&Call<'_, 'v, HostEnv>, &Opener, &View<'v, HostEnv>)) {
    let opener = Arc::new(Opener::default());
    let vfs = new_vfs(Some(Arc::clone(&opener)));
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    make_nodes(&call);
    test(&call, &opener, &view);
    assert_eq!(*opener.open_ends.lock().unwrap(), 0, "an end is left");
    assert_eq!(vfs.stats().open_files, 0);
    vfs.check().unwrap();
}

type Opened<'v> = Result<OpenFile<'v, HostEnv>, FileError>;

fn open<'v>(call: &Call<'_, 'v, HostEnv>, path: &[u8], flags: OpenFlags) -> Opened<'v> {
    call.open(At::Cwd, path, &How::flags(flags))
}

#[test]
fn without_an_opener_nobody_is_there() {
    let vfs = new_vfs(None);
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    make_nodes(&call);
    for path in [b"/fifo".as_slice(), b"/socket", b"/ramp", b"/disk"] {
        assert_eq!(open(&call, path, OpenFlags::READ_WRITE).unwrap_err(), FileError::NobodyThere);
    }
    assert_eq!(vfs.stats().open_files, 0);
}

#[test]
fn two_opens_of_one_pipe_meet_and_the_last_close_ends_it() {
    with_nodes(|call, opener, _| {
        let read = open(call, b"/fifo", OpenFlags::NONBLOCK).unwrap();
        let write = open(call, b"/fifo", OpenFlags::WRITE_ONLY).unwrap();
        let other = open(call, b"/other", OpenFlags::NONBLOCK).unwrap();
        let mut out = [0; 8];
        assert_eq!(read.read(&mut out), Err(FileError::Special(Errno::EAGAIN)));
        assert_eq!(call.write(&write, b"hello"), Ok(5));
        assert_eq!((read.read(&mut out[..2]), out[..2].to_vec()), (Ok(2), b"he".to_vec()));
        assert_eq!(other.read(&mut out), Err(FileError::Special(Errno::EAGAIN)));
        assert_eq!(call.write(&read, b"x"), Err(FileError::BadDescriptor));
        assert_eq!(write.read(&mut out), Err(FileError::BadDescriptor));
        let dup = read.clone();
        drop(read);
        assert_eq!(*opener.open_ends.lock().unwrap(), 3, "a duplicate keeps it open");
        call.unlink(At::Cwd, b"/fifo").unwrap();
        assert_eq!(dup.read(&mut out), Ok(3));
        drop(dup);
        assert_eq!(*opener.open_ends.lock().unwrap(), 2);
    });
}

#[test]
fn what_has_no_position_refuses_one() {
    with_nodes(|call, _, _| {
        let pipe = open(call, b"/fifo", OpenFlags::READ_WRITE).unwrap();
        let mut out = [0; 1];
        assert_eq!(pipe.pread(&mut out, 0), Err(FileError::NoPosition));
        assert_eq!(call.pwrite(&pipe, b"x", 0), Err(FileError::NoPosition));
        assert_eq!(pipe.seek(SeekFrom::Current(0)), Err(FileError::NoPosition));
        assert_eq!(pipe.sync(SyncMode::All).unwrap_err().errno(), Errno::EINVAL);
        assert_eq!(call.set_size(&pipe, 0).unwrap_err().errno(), Errno::EINVAL);
        let grow = kos_vfs::fs::Allocate::Grow;
        assert_eq!(call.allocate(&pipe, grow, 0, 1).unwrap_err().errno(), Errno::ESPIPE);
    });
}

#[test]
fn a_device_with_positions_is_read_at_them() {
    with_nodes(|call, _, _| {
        let ramp = open(call, b"/ramp", OpenFlags::READ_WRITE).unwrap();
        let mut out = [0; 4];
        assert_eq!((ramp.read(&mut out), out), (Ok(4), [0, 1, 2, 3]));
        assert_eq!((ramp.pread(&mut out, 9), out), (Ok(4), [9, 10, 11, 12]));
        assert_eq!(ramp.seek(SeekFrom::End(-3)), Ok(13));
        assert_eq!((ramp.clone().read(&mut out), &out[..3]), (Ok(3), &[13, 14, 15][..]));
        assert_eq!(ramp.seek(SeekFrom::Start(1 << 63)), Err(FileError::Invalid));
        assert_eq!(ramp.seek(SeekFrom::Current(0)), Ok(16), "a refused seek moves nothing");
        assert_eq!(ramp.pread(&mut out, 1 << 63), Err(FileError::Invalid));
        assert_eq!(call.write(&ramp, b"x"), Err(FileError::Special(Errno::ENOSPC)));
        assert_eq!(ramp.sync(SyncMode::Data), Ok(()));
    });
}

#[test]
fn who_only_names_a_node_asks_nobody() {
    with_nodes(|call, opener, view| {
        let path = open(call, b"/fifo", OpenFlags::PATH).unwrap();
        assert_eq!(path.read(&mut [0; 1]), Err(FileError::BadDescriptor));
        assert_eq!(*opener.asked.lock().unwrap(), 0);
        call.chmod_at(At::Cwd, b"/fifo", Mode::empty()).unwrap();
        let user = Ctx { cred: kos_vfs::Cred::user(7, 7, &[]), ..Ctx::root() };
        assert_eq!(open(&view.call(&user), b"/fifo", OpenFlags::empty()).unwrap_err().errno(), Errno::EACCES);
        assert_eq!(*opener.asked.lock().unwrap(), 0, "who may not open it is not let in first");
        assert_eq!(open(call, b"/disk", OpenFlags::empty()).unwrap_err().errno(), Errno::ENODEV);
        assert_eq!(open(call, b"/socket", OpenFlags::empty()).unwrap_err(), FileError::NobodyThere);
        let more = |path| open(call, path, OpenFlags::empty());
        let held = [more(b"/ramp"), more(b"/ramp"), more(b"/ramp")];
        let asked = *opener.asked.lock().unwrap();
        assert_eq!(more(b"/fifo").unwrap_err(), FileError::TableFull);
        assert_eq!(*opener.asked.lock().unwrap(), asked, "no slot, no pipe");
        drop(held);
    });
}

#[test]
fn a_nodev_mount_opens_pipes_but_no_devices() {
    with_nodes(|call, _, _| {
        call.remount(At::Cwd, b"/", MountFlags::NO_DEVICES).unwrap();
        assert_eq!(open(call, b"/ramp", OpenFlags::empty()).unwrap_err(), FileError::NoDevices);
        assert!(open(call, b"/fifo", OpenFlags::empty()).is_ok());
        call.remount(At::Cwd, b"/", MountFlags::READ_ONLY).unwrap();
        let ramp = open(call, b"/ramp", OpenFlags::READ_WRITE).unwrap();
        assert_eq!(call.pwrite(&ramp, b"x", 0), Err(FileError::Special(Errno::ENOSPC)));
    });
}

/// One thread waits in the pipe for what another writes through the same open file.
#[test]
fn a_reader_that_waits_keeps_no_writer_out() {
    with_nodes(|call, _, _| {
        let pipe = open(call, b"/fifo", OpenFlags::READ_WRITE).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut out = [0; 3];
                pipe.read(&mut out).map(|count| out[..count].to_vec())
            });
            assert_eq!(call.write(&pipe, b"abc"), Ok(3));
            assert_eq!(reader.join().unwrap(), Ok(b"abc".to_vec()));
        });
    });
}
