//! Locks on bytes of a file (`fcntl`) over FUSE: [`Locks`].
//!
//! FUSE names by a number who takes a lock: a process, or an open file for its own. Each has a table of descriptors here, with one
//! for each open file that it took a lock on; closing it gives the locks back, as POSIX has it. Who waits keeps no thread: his
//! answer lies in a [`Waiting`], which a thread of its own tries again when what stood in the way is gone.
//!
//! Not here: `flock`, for the library does not tell it from the others; Linux keeps it. And as the library refuses to interrupt a
//! request, who waits for a lock goes on waiting, whatever signal he gets. That is why this is not done unless asked for.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::{Poll, Waker};
use std::collections::HashMap;
use std::sync::mpsc::{self, Sender};
use std::thread;

use fuser::{FileHandle, LockOwner, ReplyEmpty, ReplyLock};
use kos_vfs::{Errno, Fd, FdTable, HeldLock, LockKind, LockRange, LockRequest, LockScope, LockWait};
use parking_lot::Mutex;

use super::File;
use super::convert::errno;
use crate::fs::env::SleepEnv;

/// The last byte that a lock can be on: it reaches to the end of the file, wherever that comes to be.
const LAST: u64 = i64::MAX.cast_unsigned();

/// A lock as FUSE sends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) owner: LockOwner,
    pub(super) handle: FileHandle,
    pub(super) start: u64,
    /// The last byte.
    pub(super) end: u64,
    /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    pub(super) kind: i32,
    pub(super) pid: u32,
}

impl Asked {
    fn range(&self) -> Result<LockRange, Errno> {
        let invalid = |_| Errno::EINVAL;
        let length = if self.end >= LAST { 0 } else { self.end.saturating_sub(self.start) + 1 };
        let (start, length) =
            (i64::try_from(self.start).map_err(invalid)?, i64::try_from(length).map_err(invalid)?);
        Ok(LockRange::new(start, length)?)
    }

    /// What to take; `None` to give back.
    fn request(&self) -> Result<Option<LockRequest>, Errno> {
        let kind = match self.kind {
            libc::F_UNLCK => return Ok(None),
            libc::F_RDLCK => LockKind::Shared,
            libc::F_WRLCK => LockKind::Exclusive,
            _ => return Err(Errno::EINVAL),
        };
        Ok(Some(LockRequest::record(LockScope::Process, kind, self.range()?)))
    }
}

/// One who takes locks.
#[derive(Debug, Default)]
struct Owner {
    table: FdTable<'static, SleepEnv>,
    /// The descriptor of each open file he took a lock on.
    fds: HashMap<FileHandle, Fd>,
    pid: u32,
}

impl Owner {
    fn fd(&mut self, handle: FileHandle, file: &File) -> Result<Fd, Errno> {
        if let Some(&fd) = self.fds.get(&handle) {
            return Ok(fd);
        }
        let fd = self.table.insert(file.clone(), false, 0, u32::MAX)?;
        self.fds.insert(handle, fd);
        Ok(fd)
    }

    /// Gives back what he has on the file.
    fn close(&mut self, handle: FileHandle) {
        if let Some(fd) = self.fds.remove(&handle) {
            // It is there: only this closes any.
            let _ = self.table.close(fd);
        }
    }
}

/// Who takes locks, by his number.
type Owners = Mutex<HashMap<u64, Owner>>;

/// The locks of all who use the mount.
#[derive(Debug)]
pub(super) struct Locks {
    owners: Arc<Owners>,
    queue: Sender<Arc<Waiting>>,
}

impl Locks {
    /// No locks, and a thread for those who will wait for some.
    pub(super) fn new() -> std::io::Result<Self> {
        let (queue, woken) = mpsc::channel::<Arc<Waiting>>();
        let retry = move || woken.iter().for_each(|waiting| waiting.poll());
        thread::Builder::new().name("locks".into()).spawn(retry)?;
        Ok(Self { owners: Arc::default(), queue })
    }

    /// Does `work` with the owner's table and his descriptor of the file.
    fn with<R>(
        &self,
        asked: &Asked,
        file: &File,
        work: impl FnOnce(&mut FdTable<'static, SleepEnv>, Fd) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let mut owners = self.owners.lock();
        let owner = owners.entry(asked.owner.0).or_default();
        owner.pid = asked.pid;
        let fd = owner.fd(asked.handle, file)?;
        work(&mut owner.table, fd)
    }

    /// Takes or gives back a lock, and answers; later, if it is to be waited for.
    pub(super) fn set(&self, asked: &Asked, file: &File, wait: bool, reply: ReplyEmpty) {
        let request = asked.request();
        if let (true, Ok(Some(request))) = (wait, request) {
            return match self.with(asked, file, |_, fd| Ok(fd)) {
                Ok(fd) => self.wait(asked.owner, fd, request, reply),
                Err(error) => reply.error(errno(error)),
            };
        }
        let done = request.and_then(|request| {
            self.with(asked, file, |table, fd| match request {
                Some(request) => Ok(table.try_lock(fd, &request)?),
                None => Ok(table.unlock(fd, LockScope::Process, asked.range()?)?),
            })
        });
        answer(reply, done);
    }

    fn wait(&self, owner: LockOwner, fd: Fd, request: LockRequest, reply: ReplyEmpty) {
        let (owners, queue) = (Arc::clone(&self.owners), self.queue.clone());
        let state = Mutex::new(Some((LockWait::new(), reply)));
        Arc::new(Waiting { owners, queue, owner, fd, request, state }).poll();
    }

    /// Answers what stands in the way of a lock.
    pub(super) fn find(&self, asked: &Asked, file: &File, reply: ReplyLock) {
        let found = asked.request().and_then(|request| {
            let request = request.ok_or(Errno::EINVAL)?;
            self.with(asked, file, |table, fd| Ok(table.find_lock(fd, &request)?))
        });
        match found {
            Ok(None) => reply.locked(asked.start, asked.end, libc::F_UNLCK, 0),
            Ok(Some(held)) => {
                let (start, length) = (held.range.start(), held.range.length());
                let end = if length == 0 { LAST } else { start + length - 1 };
                let kind = if held.kind == LockKind::Shared { libc::F_RDLCK } else { libc::F_WRLCK };
                reply.locked(start, end, kind, self.pid(&held));
            }
            Err(error) => reply.error(errno(error)),
        }
    }

    /// The process that has a lock.
    fn pid(&self, held: &HeldLock) -> u32 {
        let owners = self.owners.lock();
        let his = owners.values().find(|owner| Some(owner.table.lock_owner()) == held.process);
        his.map_or(0, |owner| owner.pid)
    }

    /// A process closes a descriptor: whatever locks it has on the file are gone.
    pub(super) fn closed(&self, owner: LockOwner, handle: FileHandle, file: &File) {
        let mut owners = self.owners.lock();
        let Some(his) = owners.get_mut(&owner.0) else { return };
        // Those that he took through another open file go too.
        if his.fd(handle, file).is_ok() {
            his.close(handle);
        }
        if his.fds.is_empty() {
            owners.remove(&owner.0);
        }
    }

    /// Nobody has the open file any more.
    pub(super) fn released(&self, handle: FileHandle) {
        self.owners.lock().retain(|_, owner| {
            owner.close(handle);
            !owner.fds.is_empty()
        });
    }

    /// Nobody has any file any more.
    pub(super) fn clear(&self) {
        self.owners.lock().clear();
    }
}

/// One who waits for a lock.
struct Waiting {
    owners: Arc<Owners>,
    queue: Sender<Arc<Self>>,
    owner: LockOwner,
    fd: Fd,
    request: LockRequest,
    /// `None` when he has his answer.
    state: Mutex<Option<(LockWait<'static, SleepEnv>, ReplyEmpty)>>,
}

impl Waiting {
    fn poll(self: Arc<Self>) {
        let mut state = self.state.lock();
        let Some((mut wait, reply)) = state.take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let result = match self.owners.lock().get_mut(&self.owner.0) {
            Some(owner) => owner.table.poll_lock(self.fd, &self.request, &mut wait, &waker),
            None => Poll::Ready(Err(kos_vfs::LockError::BadDescriptor)),
        };
        match result {
            Poll::Pending => *state = Some((wait, reply)),
            Poll::Ready(done) => answer(reply, done.map_err(Errno::from)),
        }
    }
}

impl Wake for Waiting {
    /// Whoever gives a lock back holds locks of his own: trying again is for the thread.
    fn wake(self: Arc<Self>) {
        let queue = self.queue.clone();
        let _ = queue.send(self);
    }
}

impl core::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Waiting").field("owner", &self.owner).field("request", &self.request).finish()
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(error)),
    }
}
