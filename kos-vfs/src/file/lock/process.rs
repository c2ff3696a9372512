//! Locks by descriptor.

use core::task::{Poll, Waker};

use super::table::{Lock, LockTable, Owner};
use super::{HeldLock, LockError, LockKind, LockRange, LockRequest, LockScope, LockWait};
use crate::file::fd::{Fd, FdTable};
use crate::file::flags::OpenFlags;
use crate::file::table::OpenFile;
use crate::ports::Env;
use crate::vfs::Vfs;

impl<E: Env> Vfs<E> {
    /// Looks at or changes the locks, then wakes who need not wait any more.
    pub(crate) fn locks<R>(&self, work: impl FnOnce(&mut LockTable) -> R) -> R {
        let result = work(&mut self.locks.lock());
        self.wake_lockers();
        result
    }

    /// Wakes who need not wait any more; no table is locked meanwhile.
    pub(crate) fn wake_lockers(&self) {
        loop {
            let ready = self.locks.lock().next_ready();
            let Some(waker) = ready else { return };
            waker.wake();
        }
    }
}

impl<'v, E: Env> FdTable<'v, E> {
    /// Takes a lock on the file of a descriptor, if nobody stands in the way (`F_SETLK`, `F_OFD_SETLK`, `LOCK_NB`). What the
    /// same owner had on these bytes is replaced.
    ///
    /// # Errors
    /// [`LockError::WouldBlock`] with who stands in the way (of `flock`, a lock of the other kind is lost then, as on Linux), or
    /// why not at all.
    pub fn try_lock(&mut self, fd: Fd, request: &LockRequest) -> Result<(), LockError> {
        let (file, wish) = self.wish(fd, request, true)?;
        file.place().vfs().locks(|locks| locks.set(wish))
    }

    /// Takes a lock as soon as nobody stands in the way (`F_SETLKW`, `F_OFD_SETLKW`, `flock`). If it is
    /// [`Pending`](Poll::Pending), `waker` is called when trying again makes sense; who gives up drops `wait`. The table must
    /// not stay locked while the caller sleeps.
    ///
    /// # Errors
    /// [`LockError::Deadlock`] of processes that wait for each other, [`LockError::BadDescriptor`] also if the descriptor was
    /// closed meanwhile, or why not at all.
    pub fn poll_lock(
        &mut self,
        fd: Fd,
        request: &LockRequest,
        wait: &mut LockWait<'v, E>,
        waker: &Waker,
    ) -> Poll<Result<(), LockError>> {
        let (file, wish) = match self.wish(fd, request, true) {
            Ok(found) => found,
            Err(error) => return Poll::Ready(Err(error)),
        };
        wait.poll(file, wish, waker)
    }

    /// Releases what the owner has on these bytes.
    ///
    /// # Errors
    /// A bad descriptor, or [`LockError::TableFull`] where a lock would become two.
    pub fn unlock(&mut self, fd: Fd, scope: LockScope, range: LockRange) -> Result<(), LockError> {
        let (file, wish) = self.wish(fd, &LockRequest { scope, kind: LockKind::Shared, range }, false)?;
        file.place().vfs().locks(|locks| locks.clear(wish))
    }

    /// What stands in the way of a lock (`F_GETLK`, `F_OFD_GETLK`).
    ///
    /// # Errors
    /// A bad descriptor.
    pub fn find_lock(&mut self, fd: Fd, request: &LockRequest) -> Result<Option<HeldLock>, LockError> {
        let (file, wish) = self.wish(fd, request, false)?;
        Ok(file.place().vfs().locks(|locks| locks.find(&wish)))
    }

    /// The number under which this table has process locks; 0 before the first.
    pub const fn lock_owner(&self) -> u64 {
        self.owner
    }

    fn wish(
        &mut self,
        fd: Fd,
        request: &LockRequest,
        taking: bool,
    ) -> Result<(&OpenFile<'v, E>, Lock), LockError> {
        let file = self.get(fd).map_err(|_| LockError::BadDescriptor)?;
        let flags = file.flags();
        let flock = request.scope == LockScope::Flock;
        let open_for = match request.kind {
            _ if flock || !taking => true,
            LockKind::Shared => flags.reads(),
            LockKind::Exclusive => flags.writes(),
        };
        if flags.contains(OpenFlags::PATH) || !open_for {
            return Err(LockError::BadDescriptor);
        }
        let vfs = file.place().vfs();
        if request.scope == LockScope::Process && self.owner == 0 {
            self.owner = vfs.locks(LockTable::new_process);
        }
        let owner = self.owner;
        let file = self.get(fd).map_err(|_| LockError::BadDescriptor)?;
        let owner = if request.scope == LockScope::Process {
            Owner::Process(owner)
        } else {
            file.mark_locked();
            Owner::Open(file.slot())
        };
        let range = if flock { LockRange::WHOLE } else { request.range };
        let inode = file.place().node().inode;
        Ok((file, Lock { inode, flock, owner, kind: request.kind, range }))
    }

    /// A descriptor of `file` is closed: the process loses its locks on it.
    pub(crate) fn release_locks(owner: u64, file: &OpenFile<'v, E>) {
        if owner != 0 {
            let inode = file.place().node().inode;
            file.place().vfs().locks(|locks| locks.release(Owner::Process(owner), Some(inode)));
        }
    }
}
