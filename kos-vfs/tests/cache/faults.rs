//! The k-th call of the driver fails, and the k-th frame is refused.

use alloc::sync::Arc;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::Mutex;

use kos_vfs::fs::SyncMode;
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{MountFlags, OpenFlags, PageSource, Vfs};

use super::model::Model;
use super::{SECOND, open, pattern, read, small, stat, stored, watched, write};

/// Whatever call fails, nothing else is lost, and afterwards all is well.
#[test]
fn any_call_of_the_driver_may_fail() {
    let calls = {
        let fs = watched();
        script(Model::new(fs.clone(), &small(), 11));
        fs.watch.calls.load(Relaxed)
    };
    assert!(calls > 200, "{calls}");
    let mut seen = 0;
    for fail_at in (1..=calls).step_by(if cfg!(debug_assertions) { 3 } else { 1 }) {
        let fs = watched();
        fs.watch.fail_at.store(fail_at, Relaxed);
        seen += script(Model::new(fs, &small(), 11));
    }
    assert!(seen > 50, "{seen} failures were seen by callers");
}

/// Runs some calls; how many of them failed.
fn script(mut model: Model) -> u32 {
    model.lenient = true;
    for _ in 0..150 {
        model.step();
    }
    // One call failed, so the second time everything works.
    if model.sync().is_err() {
        model.sync().unwrap();
    }
    model.failures
}

/// Frames by number; the k-th is refused.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Mutex<Vec<Option<Box<[u8; 4096]>>>>,
    asked: AtomicU64,
    refuse: AtomicU64,
}

impl Frames {
    pub(crate) fn used(&self) -> usize {
        self.bytes.lock().unwrap().iter().flatten().count()
    }
}

impl PageSource for Frames {
    fn allocate(&self) -> Option<u64> {
        let asked = self.asked.fetch_add(1, Relaxed) + 1;
        if asked == self.refuse.load(Relaxed) {
            return None;
        }
        let mut frames = self.bytes.lock().unwrap();
        let free = frames.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            frames.push(None);
            frames.len() - 1
        });
        frames[at] = Some(Box::new([0x5a; 4096]));
        Some(at as u64)
    }

    fn free(&self, frame: u64) {
        assert!(self.bytes.lock().unwrap()[frame as usize].take().is_some(), "freed twice");
    }

    fn copy_in(&self, frame: u64, at: usize, bytes: &[u8]) {
        let mut frames = self.bytes.lock().unwrap();
        frames[frame as usize].as_mut().unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn copy_out(&self, frame: u64, at: usize, out: &mut [u8]) {
        let frames = self.bytes.lock().unwrap();
        out.copy_from_slice(&frames[frame as usize].as_ref().unwrap()[at..at + out.len()]);
    }
}

#[test]
fn any_frame_may_be_refused() {
    for refuse in 0..60 {
        let frames = Arc::new(Frames::default());
        frames.refuse.store(refuse, Relaxed);
        let vfs = Vfs::<HostEnv>::new(&small(), TestClock::at(1)).unwrap();
        let vfs: &'static Vfs<HostEnv> = Box::leak(Box::new(vfs.with_pages(frames.clone())));
        let fs = watched();
        let view = vfs.mount_root(fs.clone(), MountFlags::empty()).unwrap();
        let file = open(&view, b"/f", OpenFlags::empty());
        let bytes = pattern(100_000, refuse as u8);
        for (at, bytes) in bytes.chunks(6000).enumerate() {
            assert_eq!(write(&view, &file, bytes, at as u64 * 6000), bytes.len());
            assert_eq!(read(&file, at as u64 * 6000, 6000), bytes);
            vfs.check().unwrap();
            if at % 5 == 4 {
                vfs.shrink_pages(5);
                vfs.tick(SECOND * 31 * at as u32);
            }
        }
        assert_eq!(read(&file, 0, 200_000), bytes);
        file.sync(SyncMode::All).unwrap();
        assert_eq!(stored(&*fs, &stat(&view, b"/f")), bytes);
        vfs.shrink_pages(usize::MAX);
        assert_eq!(frames.used(), 0, "every frame is given back");
    }
}
