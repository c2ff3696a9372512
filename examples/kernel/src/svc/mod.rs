//! Services: programs, or lines of the shell, that a supervisor keeps running.
//!
//! | part | idea |
//! |---|---|
//! | [`mod@unit`] | what a service is, by its file in `/etc/svc` |
//! | [`order`] | who has to be ready before whom |
//! | [`supervise`] | what a supervisor decides, by the time that it is told |
//! | [`quota`], [`log`] | what a service may take; the last that it has said |
//! | `load`, `service`, `run` | files to units; one service; the thread that does what its supervisor decided |
//!
//! Invariant: a service is in the list from its first start until it is forgotten; its supervisor's thread is joined before that.

mod load;
pub mod log;
pub mod order;
pub mod quota;
mod run;
mod service;
pub mod supervise;
pub mod unit;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use kos_sched::sync::WaitQueue;
use kos_vfs::Errno;
use lock_api::Mutex;

use crate::Kernel;
use crate::glue::sleep_lock::{Ambient, SleepLock};
use crate::platform::Platform;
use crate::text::Text;
use crate::threads::ThreadError;
use crate::time::Duration;
pub(crate) use load::names;
use order::{MOST, Node, OrderError};
pub(crate) use service::{Life, Service};
use supervise::State;
use unit::{Name, Unit, UnitError};

/// Where unit files are.
pub(crate) const PLACE: &str = "/etc/svc";
/// How long a service may take until it is ready, before whoever starts it gives up waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// The services of a kernel.
pub(crate) struct Svc<P: Platform> {
    list: Mutex<SleepLock<P>, Vec<Arc<Service<P>>>>,
    /// Who waits for a service to become something else.
    changed: WaitQueue<Ambient<P>>,
    next: AtomicUsize,
}

/// Why a service is not what it is to be.
#[derive(Clone, Debug)]
pub(crate) enum SvcError {
    /// There is no unit of this name.
    Unknown(Name),
    /// The name is none.
    BadName,
    /// The file was not read.
    File(Text),
    /// The unit is wrong.
    Unit(Name, UnitError),
    /// There is no order.
    Order(OrderError),
    /// No memory.
    NoMemory,
    /// No thread for its supervisor.
    Thread(ThreadError),
    /// It did not become ready.
    NotReady(Name, State),
    /// It is not known, or rests.
    NotRunning(Name),
}

impl<P: Platform> Svc<P> {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            list: Mutex::new(Vec::new()),
            changed: WaitQueue::new(Ambient::new()),
            next: AtomicUsize::new(0),
        }
    }

    /// The services that were started, in this order.
    pub(crate) fn all(&self) -> heapless::Vec<Arc<Service<P>>, MOST> {
        self.list.lock().iter().take(MOST).cloned().collect()
    }

    /// The service of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Service<P>>> {
        self.list.lock().iter().find(|service| service.name == name).cloned()
    }

    fn numbered(&self, number: usize) -> Option<Arc<Service<P>>> {
        self.list.lock().iter().find(|service| service.number == number).cloned()
    }

    fn remove(&self, number: usize) {
        let mut list = self.list.lock();
        list.retain(|service| service.number != number);
        if list.is_empty() {
            // Nothing stays behind for good.
            *list = Vec::new();
        }
    }

    /// Somebody is something else now.
    fn tell(&self) {
        self.changed.wake_all();
    }
}

impl<P: Platform> Kernel<P> {
    /// Starts a service and all that it comes after, or every one that has a unit file; waits until each is ready. What runs already
    /// goes on as it does.
    ///
    /// # Errors
    /// [`SvcError`]: the first that does not start. Those before it run.
    pub(crate) fn start_services_of(&self, goal: Option<&str>) -> Result<(), SvcError> {
        let units = match goal {
            Some(goal) => load::with_needs(self, goal)?,
            None => load::all(self)?,
        };
        let nodes: heapless::Vec<Node<'_>, MOST> =
            units.iter().map(|(name, unit)| Node { name, after: &unit.after }).take(MOST).collect();
        let order = order::order(&nodes).map_err(SvcError::Order)?;
        for (name, unit) in order.iter().filter_map(|&at| units.get(at)) {
            self.bring_up(name, unit)?;
        }
        Ok(())
    }

    /// Starts one service unless it runs, and waits until it is ready.
    fn bring_up(&self, name: &Name, unit: &Unit) -> Result<(), SvcError> {
        let service = match self.svc.named(name).filter(|service| service.is_wanted()) {
            Some(service) => service,
            None => self.new_service(name, unit)?,
        };
        let until = self.threads.runtime().now().checked_add_duration(PATIENCE);
        let settled = || Some(service.state()).filter(|state| service.is_settled(*state));
        let state = self.svc.changed.wait_for(until, settled).unwrap_or_else(|_| service.state());
        match state {
            State::Up | State::Done => Ok(()),
            state => Err(SvcError::NotReady(name.clone(), state)),
        }
    }

    fn new_service(&self, name: &Name, unit: &Unit) -> Result<Arc<Service<P>>, SvcError> {
        self.forget_service(name);
        let number = self.svc.next.fetch_add(1, Relaxed);
        let service = Service::new(self, number, name, unit).ok_or(SvcError::NoMemory)?;
        {
            let mut list = self.svc.list.lock();
            // Somebody else was faster: there is one of each name.
            if let Some(there) = list.iter().find(|there| there.name == *name) {
                return Ok(Arc::clone(there));
            }
            if list.len() >= MOST {
                return Err(SvcError::Order(OrderError::TooMany));
            }
            list.try_reserve(1).map_err(|_| SvcError::NoMemory)?;
            list.push(Arc::clone(&service));
        }
        service.begin(self).inspect_err(|_| self.svc.remove(number)).map_err(SvcError::Thread)?;
        Ok(service)
    }

    /// Ends a service and waits until it has ended. It stays known.
    ///
    /// # Errors
    /// [`SvcError::NotRunning`]
    pub(crate) fn stop_service(&self, name: &str) -> Result<(), SvcError> {
        let unknown = || load::name(name).map_or(SvcError::BadName, SvcError::NotRunning);
        let service = self.svc.named(name).filter(|service| service.is_wanted()).ok_or_else(unknown)?;
        service.end(self);
        Ok(())
    }

    /// Forgets a service that rests, with its log; ends one that does not.
    pub(crate) fn forget_service(&self, name: &str) -> bool {
        let service = self.svc.named(name);
        service
            .inspect(|service| {
                service.end(self);
                self.svc.remove(service.number);
            })
            .is_some()
    }

    /// Ends and forgets all services, the last first: before the machine ends.
    pub(crate) fn shut_services(&self) {
        for service in self.svc.all().iter().rev() {
            self.forget_service(&service.name);
        }
    }
}

impl From<Errno> for SvcError {
    fn from(errno: Errno) -> Self {
        Self::File(Text::new(format_args!("{PLACE}: {}", errno.meaning())))
    }
}

impl fmt::Display for SvcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "{name}: there is no {PLACE}/{name}.svc"),
            Self::BadName => unit::Problem::BadName.fmt(f),
            Self::File(what) => what.fmt(f),
            Self::Unit(name, error) => write!(f, "{PLACE}/{name}.svc: {error}"),
            Self::Order(error) => error.fmt(f),
            Self::NoMemory => f.write_str("no memory"),
            Self::Thread(error) => error.fmt(f),
            Self::NotReady(name, state) => {
                write!(f, "{name} is not ready: {state}; 'svc log {name}' may say why")
            }
            Self::NotRunning(name) => write!(f, "{name} does not run"),
        }
    }
}

impl Error for SvcError {}

impl<P: Platform> fmt::Debug for Svc<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Svc")
    }
}
