//! Messages in two directions over lent memory: [`Channel`].
//!
//! | item | what it is |
//! |---|---|
//! | [`Channel`], [`End`] | two directions; what one side does |
//! | [`Permit`] | a promise of room |
//! | [`Txid`] | the right to answer a call |
//! | [`Outgoing`], [`Incoming`] | capabilities into a message and out of it |
//! | [`Levels`], [`Level`] | keeps channels from lying in each other for ever |
//!
//! A message is bytes and capabilities. Both lie in memory that was lent when the channel was made and charged to a quota: there is
//! [`Full`](SendReason::Full), and no growth. Who sends is promised room first, in the order in which it was asked for, and
//! nothing can fail after that: so a refused message comes back whole. Long messages are copied 4 KiB under one hold of the lock, and
//! come into the queue when they are complete.
//!
//! Room for the answer to a call is promised with the call, so that an answer always finds it. The answer goes to who called, past the
//! queue.
//!
//! A direction becomes writable when what is in use has fallen to the low water, and is so until it rises to the high water or a
//! message finds no room: a sender that waits for it does not come back for every message that is read.
//!
//! Sources: the channels of Zircon, but bounded; Tokio's permits.

mod call;
mod calls;
mod caps;
mod close;
mod error;
mod frame;
mod level;
mod permit;
mod receive;
mod room;
mod send;
mod store;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_sweep;

use core::fmt;

use crate::caller::Token;
use crate::cap::Object;
use crate::error::Corruption;
use crate::policy::{ObjectKind, ObjectMeta};
use crate::ports::Env;
use crate::quota::{Quota, Resource};
use crate::wait::{Observers, Parts, Queue, Readiness, Source, WaitQueue};

pub use call::Answer;
pub use calls::{CallPlace, Txid};
pub use caps::{Incoming, Outgoing, ToSpace};
pub use close::Closing;
pub use error::{CallError, CreateError, ReceiveError, SendError, SendReason};
pub use frame::Block;
pub use level::{Level, Levels};
pub use permit::Permit;
pub use receive::Received;
use room::Room;
pub use store::CapPlace;
use store::{Need, Store};

/// Bytes of a message at most.
pub const MAX_MESSAGE: usize = 64 << 10;
/// Capabilities of a message at most.
pub const MAX_CAPS: usize = 64;

/// Limits of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes of a message, at most [`MAX_MESSAGE`].
    pub max_message: usize,
    /// Capabilities of a message, at most [`MAX_CAPS`].
    pub max_caps: usize,
    /// Blocks of a direction in use at which it becomes writable.
    pub low_water: usize,
    /// Blocks of a direction in use at which it is writable no more.
    pub high_water: usize,
}

impl Config {
    /// For so many blocks and places of each direction: messages as long as fit, writable from half of the blocks on, until all are
    /// in use.
    #[must_use]
    pub const fn of(blocks: usize, places: usize) -> Self {
        let fit = (blocks * frame::DATA).saturating_sub(frame::HEADER);
        Self {
            max_message: if fit < MAX_MESSAGE { fit } else { MAX_MESSAGE },
            max_caps: if places < MAX_CAPS { places } else { MAX_CAPS },
            low_water: blocks / 2,
            high_water: blocks,
        }
    }
}

/// When a direction is writable.
#[derive(Clone, Copy, Debug)]
struct Water {
    low: Need,
    high: usize,
}

/// Memory of one direction.
#[derive(Debug)]
pub struct Memory<'m, 'c, E: Env, O: Object> {
    /// For bytes.
    pub blocks: &'m mut [Block],
    /// For capabilities.
    pub caps: &'m mut [CapPlace<'c, E, O>],
    /// For calls whose answers come by it.
    pub calls: &'m mut [CallPlace<Token<E>>],
}

/// A side of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one.
    A,
    /// The other.
    B,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Messages and answers that were sent.
    pub sent: u64,
    /// Messages that were taken out of the queue.
    pub taken: u64,
    /// Messages that found no room at once.
    pub full: u64,
}

/// Messages in two directions. Its ends are [`end`](Self::end) of each [`Side`], of each as many as you like: whoever counts them
/// [closes](End::close) a side with its last.
pub struct Channel<'m, 'c, E: Env, O: Object> {
    /// What A sends, and what B sends.
    from_a: Direction<'m, 'c, E, O>,
    from_b: Direction<'m, 'c, E, O>,
    levels: &'c Levels<'c, E>,
    level: Level,
    quota: Quota<'c, E>,
    charged: usize,
    config: Config,
    meta: ObjectMeta,
}

struct Direction<'m, 'c, E: Env, O: Object> {
    room: Queue<E, Room<'m, 'c, O>>,
    readers: WaitQueue<E>,
}

impl<'m, 'c, E: Env, O: Object> Channel<'m, 'c, E, O> {
    /// Nothing is queued. `memory` is that of what A sends, and of what B sends; `quota` pays for it. `label` and `id` are for the
    /// policy.
    ///
    /// # Errors
    /// [`CreateError`]
    pub fn new(
        park: E::Park,
        memory: [Memory<'m, 'c, E, O>; 2],
        levels: &'c Levels<'c, E>,
        quota: Quota<'c, E>,
        config: Config,
        label: u16,
        id: u32,
    ) -> Result<Self, CreateError>
    where
        E::Park: Clone,
    {
        memory.iter().try_for_each(|memory| check_config(&config, memory))?;
        let charged = memory.iter().map(size).sum();
        quota.charge(Resource::Bytes, charged).map_err(CreateError::Quota)?;
        let [from_a, from_b] = memory.map(|memory| Direction::new(park.clone(), memory, &config));
        let meta = ObjectMeta { kind: ObjectKind::Channel, label, id };
        Ok(Self { from_a, from_b, levels, level: levels.level(), quota, charged, config, meta })
    }

    /// What `side` does.
    pub const fn end(&self, side: Side) -> End<'_, 'm, 'c, E, O> {
        End { channel: self, side }
    }

    /// For [`Object::level`] of its ends.
    pub const fn level(&self) -> &Level {
        &self.level
    }

    /// Counts of what `side` sends.
    pub fn stats(&self, side: Side) -> ChannelStats {
        self.from(side).room.with(|held| held.state.stats)
    }

    /// Walks every invariant, with the locks held in turn.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        [&self.from_a, &self.from_b].into_iter().try_for_each(Direction::check)
    }

    /// Nothing is queued, promised or under way in either direction.
    pub fn is_idle(&self) -> bool {
        [&self.from_a, &self.from_b].into_iter().all(|way| way.room.with(|held| held.state.is_idle()))
    }

    const fn from(&self, side: Side) -> &Direction<'m, 'c, E, O> {
        match side {
            Side::A => &self.from_a,
            Side::B => &self.from_b,
        }
    }
}

fn check_config<E: Env, O: Object>(
    config: &Config,
    memory: &Memory<'_, '_, E, O>,
) -> Result<(), CreateError> {
    let fits = Block::count_for(config.max_message) <= memory.blocks.len().min(1 << 24);
    let possible = config.max_message <= MAX_MESSAGE && config.max_caps <= MAX_CAPS.min(memory.caps.len());
    if !fits || !possible {
        return Err(CreateError::TooLarge);
    }
    let marks = config.low_water < config.high_water && config.high_water <= memory.blocks.len();
    if marks { Ok(()) } else { Err(CreateError::Water) }
}

fn size<E: Env, O: Object>(memory: &Memory<'_, '_, E, O>) -> usize {
    size_of_val(&*memory.blocks) + size_of_val(&*memory.caps) + size_of_val(&*memory.calls)
}

impl<'m, 'c, E: Env, O: Object> Direction<'m, 'c, E, O> {
    fn new(park: E::Park, memory: Memory<'m, 'c, E, O>, config: &Config) -> Self
    where
        E::Park: Clone,
    {
        let low = Need { blocks: config.low_water, caps: memory.caps.len() / 2 };
        let water = Water { low, high: config.high_water };
        let store = Store::new(memory.blocks, memory.caps, calls::Calls::new(memory.calls), water);
        Self { room: Queue::new(park.clone(), Observers::new(), store), readers: WaitQueue::new(park) }
    }

    fn check(&self) -> Result<(), Corruption> {
        self.readers.check()?;
        self.room.check(|_, _| Ok(()))?;
        self.room.with(|held| held.state.check()).map_err(|what| Corruption { what })
    }
}

impl<E: Env, O: Object> Drop for Channel<'_, '_, E, O> {
    fn drop(&mut self) {
        for side in [Side::A, Side::B] {
            let mut closing = self.end(side).close();
            while closing.step(usize::MAX) == crate::wait::Progress::More {}
        }
        self.quota.refund(Resource::Bytes, self.charged);
    }
}

impl<E: Env, O: Object> fmt::Debug for Channel<'_, '_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// What one side of a channel does.
pub struct End<'a, 'm, 'c, E: Env, O: Object> {
    channel: &'a Channel<'m, 'c, E, O>,
    side: Side,
}

impl<E: Env, O: Object> Clone for End<'_, '_, '_, E, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Env, O: Object> Copy for End<'_, '_, '_, E, O> {}

impl<'a, 'm, 'c, E: Env, O: Object> End<'a, 'm, 'c, E, O> {
    /// What it sends.
    const fn out(&self) -> &'a Direction<'m, 'c, E, O> {
        self.channel.from(self.side)
    }

    /// What it receives.
    const fn incoming(&self) -> &'a Direction<'m, 'c, E, O> {
        self.channel.from(self.side.peer())
    }

    /// What it can do now.
    pub fn readiness(&self) -> Readiness {
        let out = self.out().room.with(|held| (held.state.writable, held.state.receiver_gone));
        let readable = self.incoming().room.with(|held| held.state.peek().is_some());
        let (writable, gone) = out;
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, readable);
        ready.set(Readiness::WRITABLE, writable && !gone);
        ready.set(Readiness::HUNG_UP, gone);
        ready
    }
}

/// The observers are in the channel, wherever its ends go.
impl<E: Env, O: Object> Parts<E> for End<'_, '_, '_, E, O> {
    fn observers(&self) -> &Observers<E> {
        self.out().room.word()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.channel.meta
    }
}

/// Readable while a message is queued, writable as [the module](self) says; hung up when the peer is closed.
impl<E: Env, O: Object> Source<E> for End<'_, '_, '_, E, O> {
    fn readiness(&self) -> Readiness {
        Self::readiness(self)
    }
}

impl<E: Env, O: Object> fmt::Debug for End<'_, '_, '_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("side", &self.side).finish_non_exhaustive()
    }
}
