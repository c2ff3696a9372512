//! The kernel as a client of a server: [`Link`].
//!
//! One call at a time: the server is one thread. The first call after a server died finds the next one by its name.

use alloc::sync::Arc;
use core::fmt;

use kos_ipc::cap::{CapId, Rights};
use kos_ipc::endpoint::{Access, Lease, Lent};
use kos_user::ramfs::{Op, Words};
use kos_vfs::{DeviceError, Errno, FsError};
use lock_api::Mutex;

use super::NAME;
use crate::Kernel;
use crate::glue::ipc::{Memory, WINDOW, Window};
use crate::glue::sleep_lock::SleepLock;
use crate::ipc::{self, Caps, Handle, Message, Port};
use crate::platform::Platform;

/// How long an answer may take, in ns.
const DEADLINE: u64 = 2_000_000_000;

/// The device is gone, or said no.
pub(super) const FAILED: FsError = FsError::Device(DeviceError::Failed { sector: 0 });

/// The way to whoever serves now.
pub(crate) struct Link<P: Platform> {
    /// What the kernel has of it, as any client.
    caps: Caps<P>,
    window: Arc<Window<P>>,
    now: Mutex<SleepLock<P>, Now>,
    /// The process that serves, if one does; 0 is the kernel.
    server: Mutex<SleepLock<P>, Option<u32>>,
}

/// Who serves now.
#[derive(Clone, Copy, Debug)]
struct Now {
    cap: Option<CapId>,
    /// Counts servers.
    incarnation: u32,
    /// The number of its root.
    root: u64,
}

/// Whose file a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Nobody's, or the root: whoever serves.
    Anybody,
    /// A server that was asked before.
    Incarnation(u32),
}

/// What is lent with a request.
pub(super) enum Loan<'a> {
    Nothing,
    /// To be read, two pieces one behind the other.
    Read(&'a [u8], &'a [u8]),
    /// To be written.
    Write(&'a mut [u8]),
}

/// An answer, and who gave it.
pub(super) struct Answer {
    pub(super) words: [u64; 8],
    pub(super) incarnation: u32,
}

impl<P: Platform> Link<P> {
    /// To nobody yet.
    pub(super) fn new(kernel: &Kernel<P>) -> Result<Self, Errno> {
        if !kernel.has_room_for::<Window<P>>() {
            return Err(Errno::ENOMEM);
        }
        Ok(Self {
            caps: Caps::new(kernel, kernel.ipc()?, ipc::KERNEL)?,
            window: Arc::new(Mutex::new([0; WINDOW])),
            now: Mutex::new(Now { cap: None, incarnation: 0, root: 0 }),
            server: Mutex::new(None),
        })
    }

    /// The process that served last, if one does; 0 is the kernel.
    pub(crate) fn server(&self) -> Option<u32> {
        *self.server.lock()
    }

    /// How many servers there were.
    pub(crate) fn incarnation(&self) -> u32 {
        self.now.lock().incarnation
    }

    /// Gives all up.
    pub(super) fn end(&self, kernel: &Kernel<P>) {
        if let Ok(ipc) = kernel.ipc() {
            self.caps.end(ipc, || kernel.threads.runtime().yield_now());
        }
    }

    /// Asks whoever serves. `words` gets the number of his root and says what to ask.
    pub(super) fn ask(
        &self,
        of: Of,
        op: Op,
        words: impl FnOnce(u64) -> [u64; 8],
        loan: Loan<'_>,
    ) -> Result<Answer, FsError> {
        P::with_kernel(|kernel| self.ask_in(kernel, of, op, words, loan)).unwrap_or(Err(FAILED))
    }

    fn ask_in(
        &self,
        kernel: &Kernel<P>,
        of: Of,
        op: Op,
        words: impl FnOnce(u64) -> [u64; 8],
        loan: Loan<'_>,
    ) -> Result<Answer, FsError> {
        let mut now = self.now.lock();
        if now.cap.is_none() {
            self.find(kernel, &mut now)?;
        }
        if matches!(of, Of::Incarnation(asked) if asked != now.incarnation) {
            return Err(FsError::Stale);
        }
        let request = Words { label: op as u64, words: words(now.root) };
        let words = self.exchange(kernel, &mut now, request, loan)?;
        Ok(Answer { words, incarnation: now.incarnation })
    }

    /// Finds who has the name now.
    fn find(&self, kernel: &Kernel<P>, now: &mut Now) -> Result<(), FsError> {
        let (ipc, task) = (kernel.ipc().map_err(|_| FsError::NoMemory)?, ipc::task::<P>());
        let client = ipc.client(&task, ipc::KERNEL);
        let found = ipc.names.open(&client, NAME, self.caps.space(), Rights::WRITE);
        now.cap = Some(found.map_err(|_| FAILED)?);
        now.incarnation = now.incarnation.wrapping_add(1).max(1);
        *self.server.lock() = self.port(now.cap).map(|port| port.server);
        let root = Words { label: Op::Root as u64, words: [0; 8] };
        now.root = self.exchange(kernel, now, root, Loan::Nothing)?[0];
        Ok(())
    }

    fn port(&self, cap: Option<CapId>) -> Option<Arc<Port<P>>> {
        let guard = self.caps.space().get(cap?, Handle::<P>::PORT, Rights::WRITE).ok()?;
        match &*guard {
            Handle::Port(port) => Some(Arc::clone(port)),
            _ => None,
        }
    }

    /// One call. A server that does not answer is no server any more.
    fn exchange(
        &self,
        kernel: &Kernel<P>,
        now: &mut Now,
        request: Words,
        loan: Loan<'_>,
    ) -> Result<[u64; 8], FsError> {
        let access = self.lend(&loan);
        let lease = access.map(|(access, len)| Lease { start: 0, len, access });
        let (ipc, task) = (kernel.ipc().map_err(|_| FsError::NoMemory)?, ipc::task::<P>());
        let client = ipc.client(&task, ipc::KERNEL);
        let lent = Lent { memory: Memory::Kernel(Arc::clone(&self.window)), leases: lease.as_slice() };
        let lent = Some(lent).filter(|lent| !lent.leases.is_empty());
        let message = Message::<P>::new(request.label, request.words);
        let until = ipc::deadline(kernel, DEADLINE);
        let port = self.port(now.cap);
        let answer = port.and_then(|port| port.call(&client, 0, message, lent, until).ok());
        let Some(answer) = answer else {
            self.lose(now);
            return Err(FAILED);
        };
        if answer.label != 0 {
            return Err(refusal(answer.label));
        }
        if let Loan::Write(to) = loan {
            let window = self.window.lock();
            to.iter_mut().zip(window.iter()).for_each(|(to, from)| *to = *from);
        }
        Ok(answer.words)
    }

    /// Puts what is lent into the window: for what, and how many bytes.
    fn lend(&self, loan: &Loan<'_>) -> Option<(Access, usize)> {
        match loan {
            Loan::Nothing => None,
            Loan::Write(to) => Some((Access::Write, to.len().min(WINDOW))),
            Loan::Read(first, second) => {
                let mut window = self.window.lock();
                let bytes = first.iter().chain(second.iter());
                let count = window.iter_mut().zip(bytes).map(|(to, from)| *to = *from).count();
                Some((Access::Read, count))
            }
        }
    }

    /// Forgets the server.
    fn lose(&self, now: &mut Now) {
        if let Some(cap) = now.cap.take() {
            // It may have been revoked, but it is there.
            let _ = self.caps.space().close(cap);
        }
        *self.server.lock() = None;
    }
}

/// What a server says that went wrong. It may say anything.
fn refusal(label: u64) -> FsError {
    match u16::try_from(label).ok().and_then(Errno::from_number) {
        Some(Errno::ENOENT) => FsError::NotFound,
        Some(Errno::EEXIST) => FsError::Exists,
        Some(Errno::ENOTDIR) => FsError::NotDirectory,
        Some(Errno::EISDIR) => FsError::IsDirectory,
        Some(Errno::ENOSPC) => FsError::NoSpace,
        Some(Errno::ENOTEMPTY) => FsError::NotEmpty,
        Some(Errno::EILSEQ) => FsError::BadName,
        Some(Errno::EOPNOTSUPP) => FsError::Unsupported,
        Some(Errno::ESTALE) => FsError::Stale,
        _ => FAILED,
    }
}

impl<P: Platform> fmt::Debug for Link<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("caps", &self.caps).finish_non_exhaustive()
    }
}
