//! What a supervisor decides: [`Supervisor`], a machine without clocks or threads. Time is handed in.
//!
//! ```text
//! Stopped --start--> Starting --ready--> Up
//!    ^                  |  ended          | ended
//!    |                  v                 v
//!    +--stop-- Waiting (back-off) / Done / Failed
//! ```
//!
//! A service that ends and is to be started again waits before: the first time [`Rules::first`], then twice as long each time, up to
//! [`Rules::most`]; one that lived for [`Rules::window`] begins anew. One that was started [`Rules::starts`] times within
//! [`Rules::window`] is not started any more.

use core::fmt;

use super::unit::Restart;
use crate::time::{Duration, Instant};

/// Starts that are remembered.
const STARTS_MAX: usize = 8;

/// How patient a supervisor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether a service that has ended is started again.
    pub restart: Restart,
    /// Whether it tells when it can be used.
    pub tells: bool,
    /// The first wait before it is started again.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
    /// So many starts ...
    pub starts: usize,
    /// ... within so long are too many.
    pub window: Duration,
}

impl Rules {
    /// 100 ms to 5 s; 5 starts in 10 s are too many.
    #[must_use]
    pub const fn new(restart: Restart, tells: bool) -> Self {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(5));
        Self { restart, tells, first, most, starts: 5, window: Duration::from_secs(10) }
    }
}

/// What a service is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run, and is not to.
    Stopped,
    /// It runs, and has not told yet that it can be used.
    Starting,
    /// It can be used.
    Up,
    /// It is to end.
    Stopping,
    /// It has ended, and is started again then.
    Waiting(Instant),
    /// It has ended, and that is well.
    Done,
    /// It has ended, and is not started again.
    Failed,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run it; tell [`Supervisor::ended`] when it has ended.
    Launch,
    /// Wait, until then at most if there is a time.
    Wait(Option<Instant>),
    /// Nothing any more.
    Leave,
}

/// How a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with status 0.
    Good,
    /// In any other way; also if it did not begin.
    Bad,
}

/// The supervisor of one service.
#[derive(Clone, Debug)]
pub struct Supervisor {
    rules: Rules,
    state: State,
    /// Whether [`Action::Launch`] was taken, and no end told.
    runs: bool,
    /// The last starts, the oldest first.
    starts: heapless::Deque<Instant, STARTS_MAX>,
    /// The next wait.
    pause: Duration,
    /// All starts.
    total: u32,
}

impl Supervisor {
    /// One that is not started.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        let pause = rules.first;
        Self { rules, state: State::Stopped, runs: false, starts: heapless::Deque::new(), pause, total: 0 }
    }

    /// What the service is at.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How often it was started.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Somebody wants it: what was is forgotten. True if it was not wanted before; false changes nothing.
    pub fn start(&mut self, now: Instant) -> bool {
        let rests = matches!(self.state, State::Stopped | State::Done | State::Failed) && !self.runs;
        if rests {
            self.starts.clear();
            (self.pause, self.state) = (self.rules.first, State::Waiting(now));
        }
        rests
    }

    /// What is to be done now. Who gets [`Action::Launch`] has to do it.
    pub fn next(&mut self, now: Instant) -> Action {
        match self.state {
            State::Waiting(until) if until <= now => {
                self.launch(now);
                Action::Launch
            }
            State::Waiting(until) => Action::Wait(Some(until)),
            State::Starting | State::Up | State::Stopping => Action::Wait(None),
            State::Stopped | State::Done | State::Failed => Action::Leave,
        }
    }

    fn launch(&mut self, now: Instant) {
        if self.starts.is_full() {
            self.starts.pop_front();
        }
        // There is room.
        let _ = self.starts.push_back(now);
        (self.runs, self.total) = (true, self.total.saturating_add(1));
        self.state = if self.rules.tells { State::Starting } else { State::Up };
    }

    /// It says that it can be used; true if that is news.
    pub fn ready(&mut self) -> bool {
        let news = self.state == State::Starting;
        if news {
            self.state = State::Up;
        }
        news
    }

    /// Somebody wants it no more; true if it runs, and has to be ended.
    pub fn stop(&mut self) -> bool {
        self.state = if self.runs { State::Stopping } else { State::Stopped };
        self.runs
    }

    /// It has ended.
    pub fn ended(&mut self, how: Ending, now: Instant) {
        self.runs = false;
        let again = match self.rules.restart {
            Restart::No => false,
            Restart::OnFailure => how == Ending::Bad,
            Restart::Always => true,
        };
        self.state = match (self.state, again, how) {
            (State::Stopping, ..) => State::Stopped,
            (_, true, _) if self.is_restless(now) => State::Failed,
            (_, true, _) => self.wait(now),
            (_, false, Ending::Good) => State::Done,
            (_, false, Ending::Bad) => State::Failed,
        };
    }

    /// Whether it was started too often lately.
    fn is_restless(&self, now: Instant) -> bool {
        let recent = |start: &&Instant| since(**start, now) < self.rules.window;
        self.starts.iter().filter(recent).count() >= self.rules.starts
    }

    fn wait(&mut self, now: Instant) -> State {
        let lived = self.starts.back().map_or(self.rules.window, |start| since(*start, now));
        let pause = if lived >= self.rules.window { self.rules.first } else { self.pause };
        let twice = Duration::from_ticks(pause.as_ticks().saturating_mul(2));
        self.pause = twice.min(self.rules.most);
        State::Waiting(now.checked_add_duration(pause).unwrap_or(now))
    }
}

fn since(earlier: Instant, now: Instant) -> Duration {
    now.checked_duration_since(earlier).unwrap_or(Duration::from_ticks(0))
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::Waiting(_) => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

#[cfg(test)]
mod tests;
