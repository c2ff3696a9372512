//! Waiting for whichever of many sources is ready: [`WaitSet`].
//!
//! | item | what it is |
//! |---|---|
//! | [`WaitSet`] | the registrations, and who waits for one of them |
//! | [`WatchSlot`] | a place for a registration |
//! | [`Event`], [`Mode`] | what is reported, and how often |
//! | [`Nesting`] | what sets share that watch each other |
//!
//! A registration has its packet in its slot: to signal it puts the packet in the list of ready ones, or adds bits to it where it
//! is, so that it cannot fail. Who waits takes packets from the list and looks at each source: what is reported is there. So a
//! wait costs what is ready, however much is registered.
//!
//! Whoever begins to watch, or arms a registration again, has it looked at: what came before is not missed. While a source is
//! looked at its packet is in no list; a signal that comes then has it looked at again. A registration that is taken off takes
//! its packet along, and its slot has another generation from then on: what is reported is never that of the one before.
//!
//! Sources: Linux, epoll(7), with which the tests compare it; Zircon, whose packets lie in their waits.

mod collect;
mod error;
mod nest;
#[expect(unsafe_code, reason = "ties slots to the hub that outlives their use")]
mod registration;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(all(target_os = "linux", not(loom)))]
mod tests_linux;
#[cfg(test)]
mod tests_sources;
#[cfg(test)]
mod tests_threads;

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::pin::Pin;

use crate::caller::Caller;
use crate::error::Corruption;
use crate::policy::{ObjectKind, ObjectMeta, Op};
use crate::ports::Env;
use crate::quota::Quota;
use crate::wait::pinned::{Hub, Observers};
use crate::wait::{Parts, Readiness, Source, WatchSlot};

pub use error::{WaitSetError, WatchError, WatchReason};
pub use nest::Nesting;

/// How often something that is ready is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// As long as it is.
    Level,
    /// Whenever it is signalled (EPOLLET).
    Edge,
    /// Once, until it is armed again by [`WaitSet::modify`] (EPOLLONESHOT).
    OneShot,
}

/// Names a registration of one set. What is asked of one that was taken off is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WatchId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// Something that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The registration.
    pub id: WatchId,
    /// What it was given to be known by.
    pub key: u64,
    /// What is ready of what it waits for, as of now.
    pub ready: Readiness,
    /// What of that was signalled since the last report, if anything was.
    pub signalled: Readiness,
}

impl Event {
    /// None: a place for one.
    pub const NONE: Self = Self {
        id: WatchId { slot: 0, generation: 0 },
        key: 0,
        ready: Readiness::empty(),
        signalled: Readiness::empty(),
    };
}

/// Sources that are watched, and threads and futures that wait until one of them is ready.
///
/// `H` is how sources are held, as `&dyn Source<E>` or a counted pointer; `S` lends the slots, as `&mut [_]` or a box. Both are
/// pinned, and so is the set: sources point to it.
///
/// ```
/// use core::pin::{Pin, pin};
/// use kos_ipc::Caller;
/// use kos_ipc::notify::{Notification, Semaphore};
/// use kos_ipc::policy::NoPolicy;
/// use kos_ipc::testing::{StdEnv, StdPark};
/// use kos_ipc::wait::{Event, Mode, Nesting, Readiness, Source, WaitSet, WatchSlot};
///
/// let park = StdPark::new();
/// let token = park.token();
/// let caller = Caller::new(&token, (), &NoPolicy);
/// let news = pin!(Notification::<StdEnv>::new(park.clone(), 0, 1));
/// let permits = pin!(Semaphore::<StdEnv>::new(park.clone(), 0, 0, 2));
/// let (news, permits) = (news.into_ref(), permits.into_ref());
///
/// let nesting = Nesting::new();
/// let slots: Pin<&mut [WatchSlot<StdEnv, &dyn Source<StdEnv>>]> = pin!([const { WatchSlot::new() }; 4]);
/// let set = pin!(WaitSet::new(park, slots, None, &nesting, 0, 3));
/// let set = set.into_ref();
/// set.watch(&caller, news, 10, Readiness::READABLE, Mode::Edge).unwrap();
/// set.watch(&caller, permits, 20, Readiness::READABLE, Mode::Level).unwrap();
///
/// permits.release(&caller, 1).unwrap();
/// let mut events = [Event::NONE; 4];
/// assert_eq!(set.wait(&caller, &mut events, None), Ok(1));
/// assert_eq!((events[0].key, events[0].ready), (20, Readiness::READABLE));
/// ```
pub struct WaitSet<'w, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    hub: Hub<E>,
    slots: Pin<S>,
    quota: Option<Quota<'w, E>>,
    nesting: &'w Nesting<E>,
    park: E::Park,
    meta: ObjectMeta,
    _handles: PhantomData<H>,
}

impl<'w, E, H, S> WaitSet<'w, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    /// Nothing is watched; as much as there are `slots` can be, each charged to `quota` if there is one. `label` and `id` are for
    /// the policy.
    #[must_use]
    pub fn new(
        park: E::Park,
        slots: Pin<S>,
        quota: Option<Quota<'w, E>>,
        nesting: &'w Nesting<E>,
        label: u16,
        id: u32,
    ) -> Self
    where
        E::Park: Clone,
    {
        let meta = ObjectMeta { kind: ObjectKind::WaitSet, label, id };
        let hub = Hub::new(park.clone());
        let set = Self { hub, slots, quota, nesting, park, meta, _handles: PhantomData };
        set.add_slots();
        set
    }

    /// Watches `source` for what is of `interest`, and for its end, until it is taken off; reports `key` with it. The set keeps the
    /// handle. What is ready already is reported too. Any context; takes constant time.
    ///
    /// # Errors
    /// [`WatchError`]
    pub fn watch(
        self: Pin<&Self>,
        caller: &Caller<'_, E>,
        source: Pin<H>,
        key: u64,
        interest: Readiness,
        mode: Mode,
    ) -> Result<WatchId, WatchError<H>> {
        let asked = [&self.meta, source.meta()];
        let refused = asked.into_iter().try_for_each(|meta| caller.authorize(Op::Watch, meta));
        match refused {
            Err(refused) => Err(WatchError { reason: WatchReason::Refused(refused), source }),
            Ok(()) => self.register(source, key, interest, mode),
        }
    }

    /// Watches for something else from now on, or again. Any context; takes constant time.
    ///
    /// # Errors
    /// [`WaitSetError::Stale`], [`WaitSetError::Refused`]
    pub fn modify(
        &self,
        caller: &Caller<'_, E>,
        id: WatchId,
        key: u64,
        interest: Readiness,
        mode: Mode,
    ) -> Result<(), WaitSetError> {
        caller.authorize(Op::Watch, &self.meta).map_err(WaitSetError::Refused)?;
        self.rearm(id, key, interest, mode)
    }

    /// Watches no more: nothing is reported of that registration from now on. The handle goes, at once or when a look that is under
    /// way has ended. Any context; takes constant time.
    ///
    /// # Errors
    /// [`WaitSetError::Stale`], [`WaitSetError::Refused`]
    pub fn unwatch(&self, caller: &Caller<'_, E>, id: WatchId) -> Result<(), WaitSetError> {
        caller.authorize(Op::Watch, &self.meta).map_err(WaitSetError::Refused)?;
        self.take_off(id)
    }

    /// Walks every invariant, with the locks held in turn.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.hub.waiters.check()?;
        self.hub.with(|ready| ready.check(self.slots.len())).map_err(|what| Corruption { what })
    }

    fn slot(&self, number: u32) -> Option<&WatchSlot<E, H>> {
        self.slots.get(number as usize)
    }
}

impl<E, H, S> Parts<E> for WaitSet<'_, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    fn observers(&self) -> &Observers<E> {
        &self.hub.observers
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn set(&self) -> Option<(&Hub<E>, &Nesting<E>)> {
        Some((&self.hub, self.nesting))
    }
}

impl<E, H, S> fmt::Debug for WaitSet<'_, E, H, S>
where
    E: Env,
    H: Deref<Target: Source<E>>,
    S: Deref<Target = [WatchSlot<E, H>]>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitSet").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}
