//! Wait sets that watch counters and each other, beside lists of who watches what: [`run`].
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a model: what it says that is there, is there, or the test is to end"
)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;

use super::{Choices, StdEnv, StdPark};
use crate::caller::Caller;
use crate::notify::{CounterMode, EventCounter};
use crate::policy::NoPolicy;
use crate::quota::{Limits, Quota, QuotaNode, Quotas, Resource};
use crate::wait::{Event, Mode, Nesting, Readiness, Source, WaitSet, WatchId, WatchReason, WatchSlot};

const COUNTERS: usize = 3;
const SETS: usize = 7;
/// Of each set.
const SLOTS: usize = 4;
/// Registrations of all sets at a time.
const LIMIT: usize = 16;
const ENDS: Readiness = Readiness::HUNG_UP.union(Readiness::BROKEN);

type Handle<'a> = Arc<dyn Source<StdEnv> + 'a>;
type Set<'a> = WaitSet<'a, StdEnv, Handle<'a>, Box<[WatchSlot<StdEnv, Handle<'a>>]>>;

/// A registration. Its source is a counter, or behind those a set.
#[derive(Clone, Copy, Debug)]
struct Watch {
    id: WatchId,
    set: usize,
    source: usize,
    key: u64,
    interest: Readiness,
    mode: Mode,
}

/// What should be there.
#[derive(Debug, Default)]
struct Lists {
    counts: [u64; COUNTERS],
    /// In the order in which they began.
    watches: Vec<Watch>,
    /// Those that are to be looked at, of each set.
    queues: [Vec<WatchId>; SETS],
}

impl Lists {
    fn of(&self, set: usize, id: WatchId) -> usize {
        self.watches.iter().position(|watch| watch.set == set && watch.id == id).unwrap()
    }

    fn parent(&self, set: usize) -> Option<usize> {
        self.watches.iter().find(|watch| watch.source == COUNTERS + set).map(|watch| watch.set)
    }

    fn height(&self, set: usize) -> usize {
        let within = self.watches.iter().filter(|watch| watch.set == set);
        within
            .filter_map(|watch| watch.source.checked_sub(COUNTERS))
            .map(|set| self.height(set))
            .max()
            .unwrap_or(0)
            + 1
    }

    /// Why `set` cannot watch `source`.
    fn refusal(&self, set: usize, source: usize) -> Option<WatchReason> {
        if self.watches.iter().filter(|watch| watch.set == set).count() == SLOTS {
            return Some(WatchReason::Full);
        }
        let inner = source.checked_sub(COUNTERS)?;
        let above: Vec<usize> = core::iter::successors(Some(set), |&set| self.parent(set)).collect();
        if above.contains(&inner) {
            return Some(WatchReason::Cycle);
        }
        if self.parent(inner).is_some() {
            return Some(WatchReason::Watched);
        }
        (above.len() + self.height(inner) > 5).then_some(WatchReason::TooDeep)
    }

    fn signal(&mut self, source: usize, what: Readiness) {
        let told: Vec<Watch> =
            self.watches.iter().rev().filter(|watch| watch.source == source).copied().collect();
        for watch in told.into_iter().filter(|watch| watch.interest.intersects(what)) {
            if !self.queues[watch.set].contains(&watch.id) {
                self.queues[watch.set].push(watch.id);
            }
            self.signal(COUNTERS + watch.set, Readiness::READABLE);
        }
    }

    /// What is ready of what a registration waits for.
    fn look(&mut self, at: usize) -> Readiness {
        let watch = self.watches[at];
        let ready = match watch.source.checked_sub(COUNTERS) {
            None if self.counts[watch.source] > 0 => Readiness::READABLE | Readiness::WRITABLE,
            None => Readiness::WRITABLE,
            Some(set) => self.peek(set),
        };
        ready & watch.interest
    }

    fn peek(&mut self, set: usize) -> Readiness {
        while let Some(&id) = self.queues[set].first() {
            let at = self.of(set, id);
            if !self.look(at).is_empty() {
                return Readiness::READABLE;
            }
            self.queues[set].remove(0);
        }
        Readiness::empty()
    }

    /// Looks at a registration that began or was armed.
    fn begin(&mut self, at: usize) {
        let watch = self.watches[at];
        if !self.queues[watch.set].contains(&watch.id) && !self.look(at).is_empty() {
            self.queues[watch.set].push(watch.id);
            self.signal(COUNTERS + watch.set, Readiness::READABLE);
        }
    }

    fn wait(&mut self, set: usize, room: usize) -> Vec<(u64, Readiness)> {
        let mut found = Vec::new();
        for _ in 0..self.queues[set].len() {
            if found.len() == room {
                break;
            }
            let id = self.queues[set].remove(0);
            let at = self.of(set, id);
            let ready = self.look(at);
            if ready.is_empty() {
                continue;
            }
            found.push((self.watches[at].key, ready));
            match self.watches[at].mode {
                Mode::Level => self.queues[set].push(id),
                Mode::Edge => {}
                Mode::OneShot => self.watches[at].interest = Readiness::empty(),
            }
        }
        found
    }
}

/// The sets and the lists.
struct World<'a, 'c> {
    caller: Caller<'c, StdEnv>,
    sets: Vec<Pin<Arc<Set<'a>>>>,
    counters: Vec<Pin<Arc<EventCounter<StdEnv>>>>,
    quota: Quota<'a, StdEnv>,
    lists: Lists,
    stale: Vec<(usize, WatchId)>,
}

/// Does what `choices` say, and compares after each step.
///
/// # Panics
/// If sets and lists differ.
pub(crate) fn run(choices: &mut Choices<'_>) {
    let (park, nesting) = (StdPark::new(), Nesting::new());
    let mut nodes = [QuotaNode::new()];
    let quotas = Quotas::new(&mut nodes);
    let quota = quotas.root(Limits { registrations: LIMIT, ..Limits::UNLIMITED }).unwrap();
    let token = park.token();
    let set = |_| {
        let slots: Box<[_]> = (0..SLOTS).map(|_| WatchSlot::new()).collect();
        Arc::pin(Set::new(park.clone(), Box::into_pin(slots), Some(quota.clone()), &nesting, 0, 0))
    };
    let counter = |_| Arc::pin(EventCounter::new(park.clone(), 0, CounterMode::Whole, 0, 0));
    let mut world = World {
        caller: Caller::new(&token, (), &NoPolicy),
        sets: (0..SETS).map(set).collect(),
        counters: (0..COUNTERS).map(counter).collect(),
        quota: quota.clone(),
        lists: Lists::default(),
        stale: Vec::new(),
    };
    while choices.more() {
        world.step(choices);
        assert_eq!(world.quota.used(Resource::Registrations), world.lists.watches.len());
        assert!(world.sets.iter().all(|set| set.check().is_ok()));
    }
    drop(world);
    assert_eq!(quota.used(Resource::Registrations), 0, "what is gone is given back");
}

impl World<'_, '_> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let (set, counter) = (choices.below(SETS), choices.below(COUNTERS));
        match choices.below(12) {
            0..=2 => self.write(counter, choices.below(3) as u64),
            3 => self.read(counter),
            4..=6 if choices.once_in(3) => self.watch(set, COUNTERS + choices.below(SETS), choices),
            4..=6 => self.watch(set, counter, choices),
            7 => self.modify(choices),
            8 => self.unwatch(choices),
            _ => self.wait(set, choices.below(4) + 1),
        }
    }

    fn write(&mut self, counter: usize, events: u64) {
        self.counters[counter].try_write(&self.caller, events).unwrap();
        self.lists.counts[counter] += events;
        self.lists.signal(counter, Readiness::READABLE);
    }

    fn read(&mut self, counter: usize) {
        let there = core::mem::take(&mut self.lists.counts[counter]);
        assert_eq!(self.counters[counter].try_read(&self.caller).unwrap_or(0), there);
        if there > 0 {
            self.lists.signal(counter, Readiness::WRITABLE);
        }
    }

    fn watch(&mut self, set: usize, source: usize, choices: &mut Choices<'_>) {
        let (interest, mode) = wish(choices);
        let handle: Pin<Handle<'_>> = match source.checked_sub(COUNTERS) {
            None => self.counters[source].clone(),
            Some(inner) => self.sets[inner].clone(),
        };
        let key = choices.below(250) as u64;
        let result = self.sets[set].as_ref().watch(&self.caller, handle, key, interest, mode);
        let refused = result.as_ref().err().map(|error| error.reason);
        if let Some(WatchReason::Quota(error)) = refused {
            return assert!(self.lists.watches.len() == LIMIT && error.left == 0);
        }
        assert_eq!(refused, self.lists.refusal(set, source));
        let Ok(id) = result else { return };
        assert!(!self.stale.contains(&(set, id)), "a number came back");
        self.lists.watches.push(Watch { id, set, source, key, interest: interest | ENDS, mode });
        self.lists.begin(self.lists.watches.len() - 1);
    }

    fn modify(&mut self, choices: &mut Choices<'_>) {
        let (at, (interest, mode)) = (choices.below(self.lists.watches.len()), wish(choices));
        let Some(watch) = self.lists.watches.get_mut(at) else { return };
        self.sets[watch.set].modify(&self.caller, watch.id, watch.key, interest, mode).unwrap();
        (watch.interest, watch.mode) = (interest | ENDS, mode);
        self.lists.begin(at);
    }

    fn unwatch(&mut self, choices: &mut Choices<'_>) {
        if choices.once_in(4) && !self.stale.is_empty() {
            let (set, id) = self.stale[choices.below(self.stale.len())];
            return assert!(self.sets[set].unwatch(&self.caller, id).is_err(), "a stale number was taken");
        }
        if self.lists.watches.is_empty() {
            return;
        }
        let watch = self.lists.watches.remove(choices.below(self.lists.watches.len()));
        self.sets[watch.set].unwatch(&self.caller, watch.id).unwrap();
        self.lists.queues[watch.set].retain(|&id| id != watch.id);
        self.stale.push((watch.set, watch.id));
    }

    fn wait(&mut self, set: usize, room: usize) {
        let mut events = [Event::NONE; 4];
        let count = self.sets[set].try_wait(&self.caller, &mut events[..room]).unwrap_or(0);
        let found: Vec<_> = events[..count].iter().map(|event| (event.key, event.ready)).collect();
        assert_eq!(found, self.lists.wait(set, room));
    }
}

/// What to wait for, and how.
fn wish(choices: &mut Choices<'_>) -> (Readiness, Mode) {
    let modes = [Mode::Level, Mode::Edge, Mode::OneShot];
    let interests = [
        Readiness::empty(),
        Readiness::READABLE,
        Readiness::WRITABLE,
        Readiness::READABLE | Readiness::WRITABLE,
    ];
    (interests[choices.below(4)], modes[choices.below(3)])
}
