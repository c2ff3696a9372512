//! Memory that is refused: the k-th allocation of a call fails, for every k. Then the call says so, what was there is there,
//! and the same call succeeds.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::sync::Arc;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::fmt::{self, Write as _};
use std::alloc::System;

use kos_vfs::fs::devfs::{Devfs, DeviceNode, Devices, Null, Present};
use kos_vfs::fs::initramfs::unpack;
use kos_vfs::fs::procfs::{Body, Content, Fixed, Procfs, SyntheticFile};
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::fs::{FileSystem, StatFs};
use kos_vfs::testing::{CpioEntry, CpioWriter, HostEnv, TestClock};
use kos_vfs::{At, Call, Config, Ctx, Errno, How, Mode, MountFlags, Timestamp, Vfs};

std::thread_local! {
    /// How many allocations of this thread are still granted.
    static GRANTED: Cell<u64> = const { Cell::new(u64::MAX) };
}

struct Refusing;

fn granted() -> bool {
    let left = GRANTED.get();
    GRANTED.set(if left == u64::MAX { left } else { left.saturating_sub(1) });
    left > 0
}

// SAFETY: refuses, or passes on.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !granted() {
            return core::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static REFUSING: Refusing = Refusing;

/// Runs `call` with `count` allocations granted.
fn with_granted<R>(count: u64, call: impl FnOnce() -> R) -> R {
    GRANTED.set(count);
    let result = call();
    GRANTED.set(u64::MAX);
    result
}

/// Refuses the first allocation and all behind it, then all but the first, and so on until the call succeeds. How many it took.
fn sweep(mut call: impl FnMut() -> Result<(), Errno>, mut after: impl FnMut()) -> u64 {
    for count in 0..10_000 {
        let result = with_granted(count, &mut call);
        after();
        match result {
            Ok(()) => return count,
            Err(error) => assert_eq!(error, Errno::ENOMEM, "after {count}"),
        }
    }
    unreachable!("it never succeeds");
}

fn in_vfs(
    devices: &Arc<Devices<HostEnv>>,
    test: impl FnOnce(&Vfs<HostEnv>, &Tmpfs<HostEnv>, &Call<'_, '_, HostEnv>),
) {
    let config = Config { dentries: 64, ..Config::default() };
    let vfs = Vfs::<HostEnv>::new(&config, TestClock::at(0)).unwrap().with_special(devices.clone());
    let fs = Arc::new(Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap());
    let view = vfs.mount_root(fs.clone(), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    test(&vfs, &fs, &view.call(&ctx));
}

#[test]
fn the_unpacker_says_when_memory_ends() {
    let name = [b'n'; 120];
    let linked = |name| CpioEntry::new(name, 0o100_644, b"").linked(3, 3);
    let archive = CpioWriter::with_sums()
        .add("d", 0o040_755, b"")
        .entry(linked(b"d/first"))
        .entry(linked(b"d/second"))
        .entry(CpioEntry { data: &[7; 70_000], ..linked(b"third") })
        .add("link", 0o120_777, b"d/first")
        .entry(CpioEntry::new(&name, 0o100_600, &[8; 9000]))
        .add("pipe", 0o010_644, b"")
        .finish();
    in_vfs(&Arc::new(Devices::new(None)), |vfs, fs, call| {
        let used = |stat: StatFs| (stat.blocks - stat.free, stat.files - stat.files_free);
        let unpacked =
            || unpack(&archive, call, At::Cwd, b"/").map(drop).map_err(|error| error.fault.errno());
        let took = sweep(unpacked, || vfs.check().unwrap());
        assert!(took > 20, "{took} allocations are no sweep");
        let bytes = |path: &[u8]| {
            let mut out = vec![0; 80_000];
            let file = call.open(At::Cwd, path, &How::default()).unwrap();
            let count = file.pread(&mut out, 0).unwrap();
            out.truncate(count);
            out
        };
        assert_eq!(bytes(b"/d/second"), [7; 70_000]);
        assert_eq!(bytes(b"/link"), [7; 70_000]);
        assert_eq!(bytes(&name), [8; 9000]);
        // Root, d, three names of one file, link, the long name, pipe; and no page but those of two files.
        assert_eq!(used(fs.statfs().unwrap()), (18 + 3, 8));
    });
}

#[derive(Debug)]
struct Long;

impl SyntheticFile for Long {
    fn generate(&self, out: &mut Content) -> fmt::Result {
        (0..500).try_for_each(|number| writeln!(out, "{number}"))
    }
}

#[test]
fn devices_and_synthetic_files_say_when_memory_ends() {
    let devices = Arc::new(Devices::<HostEnv>::new(None));
    in_vfs(&devices, |vfs, _, call| {
        let dev = Arc::new(Devfs::new(devices.clone(), &Devfs::<HostEnv>::CONFIG).unwrap());
        let root = Fixed::new().with("long", Mode::of(0o444), Body::File(Arc::new(Long))).unwrap();
        let proc = Arc::new(Procfs::<HostEnv>::new(Arc::new(root), Timestamp::EPOCH));
        for (path, fs) in [(b"/dev", dev.clone() as Arc<dyn FileSystem>), (b"/pro", proc)] {
            call.mkdir(At::Cwd, path, Mode::ALL_ACCESS).unwrap();
            call.mount(fs, At::Cwd, path, MountFlags::empty()).unwrap();
        }
        let node = DeviceNode::character(b"a/b/null", 1, 3, Mode::of(0o666));
        let device = Arc::new(Present::new(Null));
        let register = || {
            let registered = dev.register(&node, device.clone(), Timestamp::EPOCH);
            assert_eq!(devices.len(), usize::from(registered.is_ok()));
            registered.map_err(|error| match error {
                kos_vfs::fs::devfs::RegisterError::Node(error)
                | kos_vfs::fs::devfs::RegisterError::Number(error) => error.errno(),
                _ => Errno::EINVAL,
            })
        };
        assert!(sweep(register, || vfs.check().unwrap()) > 2);
        assert!(call.open(At::Cwd, b"/dev/a/b/null", &How::default()).is_ok());
        let mut out = [0; 4];
        let read = || {
            let file = call.open(At::Cwd, b"/pro/long", &How::default()).map_err(|error| error.errno())?;
            file.read(&mut out).map(drop).map_err(|error| error.errno())
        };
        assert!(sweep(read, || vfs.check().unwrap()) > 4);
        assert_eq!(&out, b"0\n1\n");
        assert_eq!(vfs.stats().open_files, 0);
    });
}
