//! One service: what it is, what it is at, what it has said.

use alloc::sync::Arc;
use core::fmt;

use kos_alloc::Locked;
use kos_sched::TaskId;
use lock_api::Mutex;

use super::log::LogRing;
use super::run;
use super::supervise::{Action, Ending, Rules, State, Supervisor};
use super::unit::{Name, Ready, Unit};
use crate::Kernel;
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::text::Text;
use crate::threads::ThreadError;
use crate::time::Instant;

/// A service that was started once.
pub(crate) struct Service<P: Platform> {
    pub(super) number: usize,
    pub(crate) name: Name,
    pub(crate) unit: Unit,
    known: Locked<P::Env, Known>,
    log: Mutex<SleepLock<P>, LogRing>,
    /// The thread of its supervisor, until it is joined.
    task: Mutex<SleepLock<P>, Option<TaskId>>,
}

struct Known {
    supervisor: Supervisor,
    life: Option<Life>,
    /// What its shell ended with.
    ended: Option<Ending>,
}

/// What a service runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// A program: its process.
    Process(u32),
    /// A line of the shell: its thread.
    Thread(TaskId),
}

impl<P: Platform> Service<P> {
    /// One that is to be started, which [`begin`](Self::begin) does; [`None`]: no memory.
    pub(super) fn new(kernel: &Kernel<P>, number: usize, name: &Name, unit: &Unit) -> Option<Arc<Self>> {
        let log = LogRing::new()?;
        let mut supervisor = Supervisor::new(Rules::new(unit.restart, true));
        supervisor.start(kernel.threads.runtime().now());
        let known = Known { supervisor, life: None, ended: None };
        if !kernel.has_room_for::<Self>() {
            return None;
        }
        Some(Arc::new(Self {
            number,
            name: name.clone(),
            unit: unit.clone(),
            known: Locked::new(kernel.platform().env(), known),
            log: Mutex::new(log),
            task: Mutex::new(None),
        }))
    }

    /// Starts its supervisor.
    pub(super) fn begin(&self, kernel: &Kernel<P>) -> Result<(), ThreadError> {
        let task = run::supervise(kernel, self.number)?;
        *self.task.lock() = Some(task);
        Ok(())
    }

    /// Ends it, and waits for that.
    pub(super) fn end(&self, kernel: &Kernel<P>) {
        let (runs, life) = self.known.with(|known| (known.supervisor.stop(), known.life));
        kernel.svc.tell();
        if let Some(Life::Thread(task)) = life.filter(|_| runs) {
            kernel.end_task(task);
        }
        let supervisor = self.task.lock().take();
        if let Some(task) = supervisor {
            // Nobody else joins it. One who is told to end waits all the same: the service may not be left half ended.
            while kernel.join(task).is_err() && kernel.is_alive(task) {
                kernel.threads.runtime().yield_now();
            }
        }
    }

    /// What it is at.
    pub(crate) fn state(&self) -> State {
        self.known.with(|known| known.supervisor.state())
    }

    /// What it runs in.
    pub(crate) fn life(&self) -> Option<Life> {
        self.known.with(|known| known.life)
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> u32 {
        self.known.with(|known| known.supervisor.total())
    }

    /// Whether it runs, or is to.
    pub(crate) fn is_wanted(&self) -> bool {
        matches!(self.state(), State::Starting | State::Up | State::Waiting(_))
    }

    /// Whether nothing is to be waited for by who starts it.
    pub(super) fn is_settled(&self, state: State) -> bool {
        matches!(state, State::Up | State::Done | State::Failed | State::Stopped)
    }

    /// It says that it can be used; false if that is no news.
    pub(crate) fn ready(&self, kernel: &Kernel<P>) -> bool {
        let news = self.known.with(|known| known.supervisor.ready());
        if news {
            self.say(format_args!("ready"));
            kernel.svc.tell();
        }
        news
    }

    /// What its supervisor is to do.
    pub(super) fn next(&self, now: Instant) -> Action {
        self.known.with(|known| known.supervisor.next(now))
    }

    /// What it runs in from now on; false if it is to end already. One that tells nothing can be used.
    pub(super) fn lives(&self, life: Life) -> bool {
        self.known.with(|known| {
            known.life = Some(life);
            if self.unit.ready == Ready::No {
                known.supervisor.ready();
            }
            known.supervisor.state() != State::Stopping
        })
    }

    /// Its shell has ended.
    pub(super) fn shell_ended(&self, how: Ending) {
        self.known.with(|known| known.ended = Some(how));
    }

    /// What its shell ended with; who does not tell was ended.
    pub(super) fn take_ending(&self) -> Ending {
        self.known.with(|known| known.ended.take()).unwrap_or(Ending::Bad)
    }

    /// It has ended.
    pub(super) fn ended(&self, kernel: &Kernel<P>, how: Ending) {
        let now = kernel.threads.runtime().now();
        let state = self.known.with(|known| {
            known.life = None;
            known.supervisor.ended(how, now);
            known.supervisor.state()
        });
        match state {
            State::Waiting(until) => {
                let wait = until.checked_duration_since(now).map_or(0, |wait| wait.as_millis());
                self.say(format_args!("again in {wait} ms"));
            }
            state => self.say(format_args!("{state}")),
        }
        kernel.svc.tell();
    }

    /// Whether it is to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.state() == State::Stopping
    }

    /// Keeps what it has said.
    pub(super) fn hear(&self, bytes: &[u8]) {
        self.log.lock().push(bytes);
    }

    /// Keeps what is said of it.
    pub(super) fn say(&self, what: fmt::Arguments<'_>) {
        let text = Text::new(format_args!("-- {}: {what}\n", self.name));
        self.log.lock().push(text.as_str().as_bytes());
    }

    /// Shows the last that it has said; and how many bytes were before that.
    pub(crate) fn with_log<R>(&self, show: impl FnOnce(&LogRing) -> R) -> R {
        show(&self.log.lock())
    }
}

impl<P: Platform> fmt::Debug for Service<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
