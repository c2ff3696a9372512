//! Threads that take turns by a seed, in virtual time: [`SimPark`], [`simulate`].
//!
//! One thread runs at a time. Who runs next is drawn at every park and unpark; when nobody can run, the time goes on to the
//! earliest deadline, and now and then it does so before: a CPU may be slow. So one seed is one order of events, always.

use core::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{HostLock, HostMask, Rng};
use crate::policy::NoPolicy;
use crate::ports::{BlockReason, Env, Park, Resume};
use crate::time::Instant;

/// Simulated threads, a lock that wants interrupts masked, no policy.
#[derive(Clone, Copy, Debug)]
pub struct SimEnv;

impl Env for SimEnv {
    type Lock = HostLock;
    type Irq = HostMask;
    type Park = SimPark;
    type Policy = NoPolicy;
}

/// A simulated thread, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimToken(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Ready,
    Parked { until: Option<u64> },
    TimedOut,
    Over,
}

#[derive(Debug)]
struct Sleeper {
    standing: Standing,
    permit: bool,
    interrupted: bool,
}

#[derive(Debug)]
struct World {
    rng: Rng,
    now: u64,
    running: Option<usize>,
    sleepers: Vec<Sleeper>,
    /// Who slept when nobody could run any more: from then on every park is interrupted.
    stuck: Option<Vec<usize>>,
}

/// A scheduler of simulated threads. Clones are the same one.
#[derive(Clone, Debug)]
pub struct SimPark(Arc<(Mutex<World>, Condvar)>);

/// Threads that slept with nobody left to wake them: a lost wake-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Their numbers.
    pub threads: Vec<usize>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threads {:?} sleep for ever", self.threads)
    }
}

impl core::error::Error for Stuck {}

/// A simulated thread's work.
pub type SimBody<'a> = Box<dyn FnOnce(SimToken) + Send + 'a>;

/// Runs `make(park)` threads to their ends in the order of events that `seed` draws.
///
/// # Errors
/// [`Stuck`] if threads slept with nobody left to wake them; their parks were interrupted then.
///
/// # Panics
/// If one of them does.
pub fn simulate<'a>(seed: u64, make: impl FnOnce(&SimPark) -> Vec<SimBody<'a>>) -> Result<(), Stuck> {
    let park = SimPark::new(seed);
    let bodies = make(&park);
    let ready = || Sleeper { standing: Standing::Ready, permit: false, interrupted: false };
    park.world().sleepers.extend(bodies.iter().map(|_| ready()));
    thread::scope(|scope| {
        for (number, body) in bodies.into_iter().enumerate() {
            let park = park.clone();
            scope.spawn(move || {
                let _over = Over { park: &park, number };
                park.wait_for_turn(park.world(), number);
                body(SimToken(number));
            });
        }
        let mut world = park.world();
        world.choose();
        drop(world);
        park.0.1.notify_all();
    });
    let stuck = park.world().stuck.take();
    stuck.map_or(Ok(()), |threads| Err(Stuck { threads }))
}

/// Gives the turn away for good, after a panic too.
struct Over<'a> {
    park: &'a SimPark,
    number: usize,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut world = self.park.world();
        world.set(self.number, Standing::Over);
        world.choose();
        drop(world);
        self.park.0.1.notify_all();
    }
}

impl World {
    #[expect(clippy::indexing_slicing, reason = "tokens are numbers of this simulation")]
    fn sleeper(&mut self, number: usize) -> &mut Sleeper {
        &mut self.sleepers[number]
    }

    fn set(&mut self, number: usize, standing: Standing) {
        self.sleeper(number).standing = standing;
    }

    /// Draws who runs next.
    #[expect(clippy::indexing_slicing, reason = "drawn below the length")]
    fn choose(&mut self) {
        let hurry = self.rng.below(8) == 0;
        if hurry || self.ready().is_empty() {
            self.pass_time();
        }
        if self.ready().is_empty() {
            self.give_up();
        }
        let ready = self.ready();
        self.running = match ready.len() {
            0 => None,
            count => Some(ready[self.rng.below(count)]),
        };
    }

    fn ready(&self) -> Vec<usize> {
        let can_run = |sleeper: &Sleeper| matches!(sleeper.standing, Standing::Ready | Standing::TimedOut);
        (0..).zip(&self.sleepers).filter(|(_, sleeper)| can_run(sleeper)).map(|(number, _)| number).collect()
    }

    /// Lets it be the time of the earliest deadline.
    fn pass_time(&mut self) {
        let deadline = |sleeper: &Sleeper| match sleeper.standing {
            Standing::Parked { until } => until,
            _ => None,
        };
        let Some(earliest) = self.sleepers.iter().filter_map(deadline).min() else { return };
        self.now = self.now.max(earliest);
        for sleeper in &mut self.sleepers {
            if deadline(sleeper).is_some_and(|until| until <= self.now) {
                sleeper.standing = Standing::TimedOut;
            }
        }
    }

    /// Nobody can run: wakes all who sleep, and remembers them.
    fn give_up(&mut self) {
        let asleep = |sleeper: &Sleeper| matches!(sleeper.standing, Standing::Parked { .. });
        let found: Vec<usize> = (0..)
            .zip(&self.sleepers)
            .filter(|(_, sleeper)| asleep(sleeper))
            .map(|(number, _)| number)
            .collect();
        if found.is_empty() {
            return;
        }
        found.iter().for_each(|&number| self.set(number, Standing::Ready));
        self.stuck.get_or_insert(found);
    }
}

impl SimPark {
    fn new(seed: u64) -> Self {
        let world = World { rng: Rng::new(seed), now: 0, running: None, sleepers: Vec::new(), stuck: None };
        Self(Arc::new((Mutex::new(world), Condvar::new())))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, in virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_ticks(self.world().now)
    }

    /// Lets another thread run, if the seed says so.
    pub fn yield_now(&self, me: SimToken) {
        self.turn(self.world(), me.0);
    }

    /// Ends the next park of `thread`, or the one it is in, with [`Resume::Interrupted`].
    pub fn interrupt(&self, thread: SimToken) {
        let mut world = self.world();
        let sleeper = world.sleeper(thread.0);
        sleeper.interrupted = true;
        if matches!(sleeper.standing, Standing::Parked { .. }) {
            sleeper.standing = Standing::Ready;
        }
    }

    fn turn(&self, mut world: MutexGuard<'_, World>, me: usize) {
        world.choose();
        self.0.1.notify_all();
        self.wait_for_turn(world, me);
    }

    fn turn_of_running(&self) {
        let world = self.world();
        if let Some(running) = world.running {
            self.turn(world, running);
        }
    }

    fn wait_for_turn(&self, mut world: MutexGuard<'_, World>, me: usize) {
        while world.running != Some(me) {
            world = self.0.1.wait(world).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Park for SimPark {
    type Token = SimToken;

    fn park(&self, me: &SimToken, until: Option<Instant>, _: BlockReason) -> Resume {
        assert!(!HostMask::is_masked(), "parked with interrupts masked");
        let mut world = self.world();
        let (now, stuck) = (world.now, world.stuck.is_some());
        let sleeper = world.sleeper(me.0);
        let until = until.map(|until| until.as_ticks());
        let early = sleeper.permit || sleeper.interrupted || stuck;
        let late = until.is_some_and(|until| until <= now);
        sleeper.standing = match (early, late) {
            (true, _) => Standing::Ready,
            (false, true) => Standing::TimedOut,
            (false, false) => Standing::Parked { until },
        };
        self.turn(world, me.0);
        let mut world = self.world();
        let stuck = world.stuck.is_some();
        let sleeper = world.sleeper(me.0);
        let standing = core::mem::replace(&mut sleeper.standing, Standing::Ready);
        if core::mem::take(&mut sleeper.interrupted) || stuck {
            return Resume::Interrupted;
        }
        match (core::mem::take(&mut sleeper.permit), standing) {
            (false, Standing::TimedOut) => Resume::TimedOut,
            _ => Resume::Woken,
        }
    }

    fn unpark(&self, thread: &SimToken) {
        assert!(!HostMask::is_masked(), "woke somebody with a lock held");
        // The thread may also run between the end of its wait and its permit.
        self.turn_of_running();
        let mut world = self.world();
        let sleeper = world.sleeper(thread.0);
        sleeper.permit = true;
        if matches!(sleeper.standing, Standing::Parked { .. }) {
            sleeper.standing = Standing::Ready;
        }
        drop(world);
        self.turn_of_running();
    }

    fn interrupt(&self, thread: &SimToken) {
        assert!(!HostMask::is_masked(), "told somebody with a lock held");
        self.turn_of_running();
        Self::interrupt(self, *thread);
        self.turn_of_running();
    }
}
