//! The order of locks, seen from below: each lock says which locks its thread held when it was taken. What a thread may wait for
//! while it holds something must never lead back to it, whatever other threads do.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::cell::RefCell;

use kos_vfs::attr::DeviceNumber;
use kos_vfs::fs::RenameFlags;
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{At, AtFlags, Call, Config, Ctx, DirError, Env, FileType, Mode, MountFlags, Vfs};
use lock_api::{RawMutex, RawRwLock};

/// Locks that are watched.
struct Watched;

impl Env for Watched {
    type Lock = Seen<<HostEnv as Env>::Lock>;
    type RwLock = Seen<<HostEnv as Env>::RwLock>;
    type Clock = TestClock;
}

/// Which lock was taken while another was held.
type Order = BTreeMap<usize, BTreeSet<usize>>;

/// What a thread has done.
#[derive(Debug, Default)]
struct Thread {
    /// The locks that it holds, and whether they are plain ones.
    held: Vec<(usize, bool)>,
    /// Anyone may do this at any time.
    free: Order,
    /// This only who holds a plain lock: the rename lock, one at a time.
    gated: Order,
}

std::thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
}

impl Thread {
    fn take(&mut self, lock: usize, plain: bool) {
        let gated = self.held.iter().any(|&(_, plain)| plain);
        for &(held, plain) in &self.held {
            assert_ne!(held, lock, "taken twice");
            let order = if gated && !plain { &mut self.gated } else { &mut self.free };
            order.entry(held).or_default().insert(lock);
        }
        self.held.push((lock, plain));
    }

    fn give_back(&mut self, lock: usize) {
        let at = self.held.iter().rposition(|&(held, _)| held == lock).unwrap();
        self.held.remove(at);
    }

    /// Two locks, of which one is taken while the other is held, and threads without the rename lock the other way round.
    fn circle(&self) -> Option<(usize, usize)> {
        let pairs = self.free.iter().chain(&self.gated);
        let mut pairs = pairs.flat_map(|(&held, after)| after.iter().map(move |&lock| (held, lock)));
        pairs.find(|&(held, lock)| self.leads_to(lock, held))
    }

    /// Whether `to` may be waited for, in the end, by who holds `from`.
    fn leads_to(&self, from: usize, to: usize) -> bool {
        let (mut seen, mut rest) = (BTreeSet::new(), vec![from]);
        while let Some(lock) = rest.pop() {
            if seen.insert(lock) {
                rest.extend(self.free.get(&lock).into_iter().flatten());
            }
        }
        seen.contains(&to)
    }
}

/// A lock that says so when it is taken.
struct Seen<R>(R);

impl<R> Seen<R> {
    fn took(&self, plain: bool) {
        THREAD.with_borrow_mut(|thread| thread.take(core::ptr::from_ref(self).addr(), plain));
    }

    fn gave_back(&self) {
        THREAD.with_borrow_mut(|thread| thread.give_back(core::ptr::from_ref(self).addr()));
    }
}

// SAFETY: passes on.
unsafe impl<R: RawMutex> RawMutex for Seen<R> {
    const INIT: Self = Self(R::INIT);
    type GuardMarker = R::GuardMarker;

    fn lock(&self) {
        self.took(true);
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        let taken = self.0.try_lock();
        if taken {
            self.took(true);
        }
        taken
    }

    unsafe fn unlock(&self) {
        self.gave_back();
        // SAFETY: the caller's promise.
        unsafe { self.0.unlock() }
    }
}

// SAFETY: passes on.
unsafe impl<R: RawRwLock> RawRwLock for Seen<R> {
    const INIT: Self = Self(R::INIT);
    type GuardMarker = R::GuardMarker;

    fn lock_shared(&self) {
        self.took(false);
        self.0.lock_shared();
    }

    fn try_lock_shared(&self) -> bool {
        let taken = self.0.try_lock_shared();
        if taken {
            self.took(false);
        }
        taken
    }

    unsafe fn unlock_shared(&self) {
        self.gave_back();
        // SAFETY: the caller's promise.
        unsafe { self.0.unlock_shared() }
    }

    fn lock_exclusive(&self) {
        self.took(false);
        self.0.lock_exclusive();
    }

    fn try_lock_exclusive(&self) -> bool {
        let taken = self.0.try_lock_exclusive();
        if taken {
            self.took(false);
        }
        taken
    }

    unsafe fn unlock_exclusive(&self) {
        self.gave_back();
        // SAFETY: the caller's promise.
        unsafe { self.0.unlock_exclusive() }
    }
}

/// Directories, each with files `f` and `g`. `low` is older than the one it lies in: its place in memory comes first.
const DIRS: [&str; 6] = ["/", "/a/", "/a/b/", "/high/", "/high/low/", "/x/"];

fn build(call: &Call<'_, '_, Watched>) {
    let dir = |path: &[u8]| call.mkdir(At::Cwd, path, Mode::ALL_ACCESS).unwrap();
    [b"/low".as_slice(), b"/a", b"/a/b", b"/high", b"/x"].into_iter().for_each(dir);
    call.rename(At::Cwd, b"/low", At::Cwd, b"/high/low", RenameFlags::empty()).unwrap();
    for dir in DIRS {
        ["f", "g"].into_iter().for_each(|file| make(call, &format!("{dir}{file}")));
    }
}

fn make(call: &Call<'_, '_, Watched>, path: &str) {
    let (kind, mode) = (FileType::Regular, Mode::ALL_ACCESS);
    call.mknod(At::Cwd, path.as_bytes(), kind, mode, DeviceNumber::default()).unwrap();
}

/// All that is done with two directories without moving a directory.
fn work_in(call: &Call<'_, '_, Watched>, from: &str, to: &str) {
    let rename = |old: &str, new: &str, flags| {
        call.rename(
            At::Cwd,
            format!("{from}{old}").as_bytes(),
            At::Cwd,
            format!("{to}{new}").as_bytes(),
            flags,
        )
    };
    assert_eq!(rename("none", "none", RenameFlags::empty()), Err(DirError::NotFound));
    rename("f", "g", RenameFlags::EXCHANGE).unwrap();
    rename("g", "f", RenameFlags::EXCHANGE).unwrap();
    rename("f", "new", RenameFlags::empty()).unwrap();
    rename("g", "new", RenameFlags::empty()).unwrap();
    let name = |name: &str| format!("{to}{name}").into_bytes();
    let file = format!("{from}f").into_bytes();
    call.rename(At::Cwd, &name("new"), At::Cwd, &file, RenameFlags::empty()).unwrap();
    call.link(At::Cwd, &file, At::Cwd, &name("new"), false).unwrap();
    call.unlink(At::Cwd, &name("new")).unwrap();
    make(call, &format!("{from}g"));
    assert!(call.rmdir(At::Cwd, to.as_bytes()).is_err(), "{to} is not empty");
    call.stat_at(At::Cwd, to.as_bytes(), AtFlags::empty()).unwrap();
}

#[test]
fn lock_order_holds_for_nested_rename() {
    let vfs = Vfs::<Watched>::new(&Config::default(), TestClock::at(1)).unwrap();
    let fs = Arc::new(Tmpfs::<Watched>::new(&TmpfsConfig::default()).unwrap());
    let view = vfs.mount_root(fs, MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    build(&call);
    // From now on the directories stay where they are, and so must the order.
    THREAD.with_borrow_mut(|thread| *thread = Thread::default());
    for (from, to) in DIRS.iter().flat_map(|from| DIRS.iter().map(move |to| (from, to))) {
        work_in(&call, from, to);
    }
    THREAD.with_borrow(|thread| {
        assert!(thread.held.is_empty() && thread.free.len() > 10 && thread.gated.len() > 4, "{thread:?}");
        assert_eq!(thread.circle(), None, "{thread:?}");
    });
}
