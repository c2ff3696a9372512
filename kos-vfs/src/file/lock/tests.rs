//! Waiting through descriptors.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panic")]

use alloc::sync::Arc;
use alloc::task::Wake;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Poll, Waker};

use super::{LockError, LockKind, LockRange, LockRequest, LockScope, LockWait};
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::testing::{HostEnv, TestClock};
use crate::{At, Config, Ctx, FdTable, How, Mode, MountFlags, OpenFlags, Vfs, View};

#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn process<'v>(view: &View<'v, HostEnv>, files: u32) -> FdTable<'v, HostEnv> {
    let mut fds = FdTable::new();
    for index in 0..files {
        let (ctx, path) = (Ctx::root(), [b'a' + u8::try_from(index).unwrap()]);
        let how = How::create(OpenFlags::READ_WRITE, Mode::USER_READ);
        let file = view.call(&ctx).open(At::Cwd, &path, &how).unwrap();
        fds.insert(file, false, 0, 100).unwrap();
    }
    fds
}

const BYTE: LockRange = LockRange { start: 0, last: 0 };
const EXCLUSIVE: LockRequest = LockRequest::record(LockScope::Process, LockKind::Exclusive, BYTE);

#[test]
fn who_waits_is_woken_when_the_lock_is_free() {
    let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    let (mut first, mut second) = (process(&view, 2), process(&view, 2));
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));

    first.try_lock(0, &EXCLUSIVE).unwrap();
    second.try_lock(1, &EXCLUSIVE).unwrap();
    let mut wait = LockWait::new();
    assert_eq!(second.poll_lock(0, &EXCLUSIVE, &mut wait, &waker), Poll::Pending);
    let mut other = LockWait::new();
    let circle = first.poll_lock(1, &EXCLUSIVE, &mut other, &waker);
    assert_eq!(circle, Poll::Ready(Err(LockError::Deadlock)));
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    first.close(0).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "closing a descriptor releases");
    assert_eq!(second.poll_lock(0, &EXCLUSIVE, &mut wait, &waker), Poll::Ready(Ok(())));

    // Who gives up is not woken, and keeps nothing open.
    assert_eq!(first.poll_lock(1, &EXCLUSIVE, &mut other, &waker), Poll::Pending);
    drop(other);
    drop(second);
    assert_eq!((count.0.load(Ordering::Relaxed), vfs.stats().file_locks), (1, 0));
    assert_eq!(vfs.stats().open_files, 1);
    vfs.check().unwrap();
}

#[test]
fn a_descriptor_closed_while_waiting_gets_no_lock() {
    let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    let (mut first, mut second) = (process(&view, 1), process(&view, 2));
    first.try_lock(0, &EXCLUSIVE).unwrap();
    let mut wait = LockWait::new();
    assert_eq!(second.poll_lock(0, &EXCLUSIVE, &mut wait, Waker::noop()), Poll::Pending);
    second.dup_to(1, 0, false, 100).unwrap();
    drop(first);
    let result = second.poll_lock(0, &EXCLUSIVE, &mut wait, Waker::noop());
    assert_eq!((result, vfs.stats().file_locks), (Poll::Ready(Err(LockError::BadDescriptor)), 0));
}
