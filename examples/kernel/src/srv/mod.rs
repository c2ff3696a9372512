//! A file system that a program serves: `ramfsd`, mounted on `/srv`, and started again when it dies.
//!
//! | part | what it is |
//! |---|---|
//! | [`link`] | the kernel as a client: a capability to the server, found by its name; deadlines; who answers now |
//! | [`fs`] | what kos-vfs asks, as calls |
//! | [`server`] | who keeps a server running: a program, or a thread of the kernel where there are none |
//!
//! While there is no server, every operation fails at once with EIO. The next one has empty files: what was open of the last is
//! stale for ever, as its numbers carry the incarnation.

pub(crate) mod drill;
mod fs;
pub(crate) mod link;
mod server;

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use kos_sched::TaskId;
use kos_vfs::fs::FileSystem;
use kos_vfs::{At, Ctx, DirError, Errno, Mode, MountError, MountFlags};
use lock_api::Mutex;

use crate::Kernel;
use crate::glue::sleep_lock::SleepLock;
use crate::ipc;
use crate::platform::Platform;
use crate::threads::ThreadError;
use crate::time::Duration;
use fs::ServedFs;
use link::Link;

/// Where it is mounted.
pub(crate) const PLACE: &str = "/srv";
/// The name of the server.
pub(crate) const NAME: &[u8] = kos_user::ramfs::SERVICE;
/// How long its first start may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The service, if it was started.
pub(crate) struct Srv<P: Platform>(Mutex<SleepLock<P>, Option<Arc<Service<P>>>>);

/// A service that is up, or being started again.
pub(crate) struct Service<P: Platform> {
    pub(crate) link: Arc<Link<P>>,
    /// It is to be started no more.
    stopping: AtomicBool,
    /// How often a server was started.
    pub(crate) starts: AtomicU32,
    /// The thread that serves, on a machine without programs.
    thread: Mutex<SleepLock<P>, Option<TaskId>>,
    supervisor: Mutex<SleepLock<P>, Option<TaskId>>,
}

/// Why there is no service, or it does not end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SrvError {
    /// It is up already, or it is not.
    State(&'static str),
    /// No memory, or no files.
    Errno(Errno),
    /// It did not come up in time.
    Late,
    Thread(ThreadError),
    Place(DirError),
    Mount(MountError),
}

impl<P: Platform> Srv<P> {
    /// Not started.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The service, if it was started.
    pub(crate) fn service(&self) -> Option<Arc<Service<P>>> {
        self.0.lock().clone()
    }
}

impl<P: Platform> Service<P> {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Ends the server that runs, as if it had crashed; false if none does.
    pub(crate) fn kill(&self, kernel: &Kernel<P>) -> bool {
        match *self.thread.lock() {
            Some(task) => kernel.kill(task),
            None => return self.link.server().is_some_and(|process| kernel.end_process(process)),
        }
        true
    }
}

impl<P: Platform> Kernel<P> {
    /// Starts the server and its supervisor, and mounts what it serves.
    ///
    /// # Errors
    /// [`SrvError`]; nothing is left of it.
    pub(crate) fn start_srv(&self) -> Result<(), SrvError> {
        let mut place = self.srv.0.lock();
        if place.is_some() {
            return Err(SrvError::State("it is up already"));
        }
        if !self.has_room_for::<Link<P>>() || !self.has_room_for::<Service<P>>() {
            return Err(SrvError::Errno(Errno::ENOMEM));
        }
        let link = Arc::new(Link::new(self).map_err(SrvError::Errno)?);
        let service = Arc::new(Service {
            link,
            stopping: AtomicBool::new(false),
            starts: AtomicU32::new(0),
            thread: Mutex::new(None),
            supervisor: Mutex::new(None),
        });
        *place = Some(Arc::clone(&service));
        drop(place);
        let started = self.supervise(&service).and_then(|()| self.mount_srv(&service));
        if started.is_err() {
            self.end_srv(&service);
        }
        started
    }

    /// Takes the mount away and ends the server.
    ///
    /// # Errors
    /// [`SrvError`]: somebody uses the mount; all is as it was.
    pub(crate) fn stop_srv(&self) -> Result<(), SrvError> {
        let service = self.srv.service().ok_or(SrvError::State("it is not up"))?;
        let view = self.files().and_then(|files| files.view()).ok_or(SrvError::Errno(Errno::EIO))?;
        let ctx = Ctx::root();
        match view.call(&ctx).unmount(At::Cwd, PLACE.as_bytes(), false) {
            Ok(()) => {}
            // Somebody took it away already.
            Err(error) if error.errno() == Errno::EINVAL => {}
            Err(error) => return Err(SrvError::Mount(error)),
        }
        self.end_srv(&service);
        Ok(())
    }

    fn mount_srv(&self, service: &Arc<Service<P>>) -> Result<(), SrvError> {
        let (ipc, task) = (self.ipc().map_err(SrvError::Errno)?, ipc::task::<P>());
        let until = self.threads.runtime().now().checked_add_duration(PATIENCE);
        let client = ipc.client(&task, ipc::KERNEL);
        ipc.names.wait_for(&client, NAME, until).map_err(|_| SrvError::Late)?;
        let view = self.files().and_then(|files| files.view()).ok_or(SrvError::Errno(Errno::EIO))?;
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        match call.mkdir(At::Cwd, PLACE.as_bytes(), Mode::of(0o755)) {
            Ok(()) | Err(DirError::Exists) => {}
            Err(error) => return Err(SrvError::Place(error)),
        }
        if !self.has_room_for::<ServedFs<P>>() {
            return Err(SrvError::Errno(Errno::ENOMEM));
        }
        let fs: Arc<dyn FileSystem> = Arc::new(ServedFs::new(Arc::clone(&service.link)));
        let flags = MountFlags::NO_SUID | MountFlags::NO_DEVICES;
        call.mount(fs, At::Cwd, PLACE.as_bytes(), flags).map_err(SrvError::Mount)
    }

    /// Ends the service, if there is one: before the machine does.
    pub(crate) fn shut_srv(&self) {
        if let Some(service) = self.srv.service() {
            self.end_srv(&service);
        }
    }

    /// Ends server and supervisor, and waits for both.
    fn end_srv(&self, service: &Arc<Service<P>>) {
        service.stopping.store(true, Relaxed);
        let _ = service.kill(self);
        let supervisor = service.supervisor.lock().take();
        if let Some(task) = supervisor {
            // It looks whether it is to stop; one that is told to end could not wait for its server. Nobody else waits for it.
            let _ = self.join(task);
        }
        service.link.end(self);
        let gone = self.srv.0.lock().take();
        drop(gone);
    }
}

impl fmt::Display for SrvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(what) => f.write_str(what),
            Self::Errno(errno) => f.write_str(errno.meaning()),
            Self::Late => f.write_str("the server gave no sign of life"),
            Self::Thread(error) => error.fmt(f),
            Self::Place(error) => write!(f, "{PLACE}: {error}"),
            Self::Mount(error) => write!(f, "{PLACE}: {error}"),
        }
    }
}

impl Error for SrvError {}

impl<P: Platform> fmt::Debug for Service<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("starts", &self.starts).finish_non_exhaustive()
    }
}
