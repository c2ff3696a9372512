//! One direction of a channel: blocks, places and messages, under its lock: [`Store`].
//!
//! Invariants:
//! 1. A block is in the list of free ones, in one message that is queued, or with who writes or reads one just now; so is a place
//!    for a capability.
//! 2. What is neither promised nor in use is `room`; at least as much is free. So who was promised room finds it.
//! 3. What queued messages take is `unread`.
//! 4. One hold of the lock moves [`CHUNK`] blocks at most.

mod check;

use core::fmt;

use super::calls::Calls;
use super::frame::{Block, DATA, Frame, HEADER, NONE, copy};
use super::{ChannelStats, Water};
use crate::caller::Token;
use crate::cap::{Carried, Object};
use crate::ports::Env;
use crate::sync::{Bug, seeded};

/// Blocks that are filled or emptied under one hold of the lock, at most: 4 KiB.
pub(super) const CHUNK: usize = 32;

/// A place for a capability of a queued message.
pub struct CapPlace<'c, E: Env, O: Object> {
    cap: Option<Carried<'c, E, O>>,
    next: u32,
}

impl<E: Env, O: Object> CapPlace<'_, E, O> {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { cap: None, next: NONE }
    }
}

impl<E: Env, O: Object> Default for CapPlace<'_, E, O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Env, O: Object> fmt::Debug for CapPlace<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapPlace").field("full", &self.cap.is_some()).finish_non_exhaustive()
    }
}

/// Blocks and places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) blocks: usize,
    pub(super) caps: usize,
}

impl Need {
    pub(super) const fn of(len: usize, caps: usize) -> Self {
        Self { blocks: Block::count_for(len), caps }
    }

    const fn fits(self, room: Self) -> bool {
        self.blocks <= room.blocks && self.caps <= room.caps
    }

    const fn plus(self, other: Self) -> Self {
        Self { blocks: self.blocks + other.blocks, caps: self.caps + other.caps }
    }

    const fn minus(self, other: Self) -> Self {
        let blocks = self.blocks.saturating_sub(other.blocks);
        Self { blocks, caps: self.caps.saturating_sub(other.caps) }
    }
}

/// A message that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    first: u32,
    last: u32,
    /// How much of the last block is full.
    at: usize,
    len: usize,
    first_cap: u32,
    last_cap: u32,
    /// What was promised, and what of it is not used yet.
    left: Need,
    used: Need,
}

/// A message that is being read, or dropped.
#[derive(Debug)]
pub(super) struct Taken {
    block: u32,
    at: usize,
    pub(super) frame: Frame,
    /// Bytes that were not copied yet.
    left: usize,
    cap: u32,
}

/// What the lock of a direction guards.
pub(super) struct Store<'m, 'c, E: Env, O: Object> {
    blocks: &'m mut [Block],
    free_block: u32,
    places: &'m mut [CapPlace<'c, E, O>],
    free_place: u32,
    pub(super) calls: Calls<'m, Token<E>>,
    /// The first and the last queued message, by their first blocks.
    first: u32,
    last: u32,
    room: Need,
    unread: Need,
    water: Water,
    pub(super) writable: bool,
    /// It has become so, and who watches was not told.
    pub(super) became_writable: bool,
    pub(super) sender_gone: bool,
    pub(super) receiver_gone: bool,
    pub(super) stats: ChannelStats,
}

fn place<T>(all: &mut [T], number: u32) -> Option<&mut T> {
    all.get_mut(number as usize)
}

impl<'m, 'c, E: Env, O: Object> Store<'m, 'c, E, O> {
    /// Nothing is queued. What was in the places goes.
    pub(super) fn new(
        blocks: &'m mut [Block],
        places: &'m mut [CapPlace<'c, E, O>],
        calls: Calls<'m, Token<E>>,
        water: Water,
    ) -> Self {
        let room = Need { blocks: blocks.len(), caps: places.len() };
        let (mut free_block, mut free_place) = (NONE, NONE);
        for (number, block) in (0..NONE).zip(blocks.iter_mut()) {
            block.next = core::mem::replace(&mut free_block, number);
        }
        for (number, place) in (0..NONE).zip(places.iter_mut()) {
            *place = CapPlace { cap: None, next: core::mem::replace(&mut free_place, number) };
        }
        Self {
            blocks,
            free_block,
            places,
            free_place,
            calls,
            first: NONE,
            last: NONE,
            room,
            unread: Need::default(),
            water,
            writable: true,
            became_writable: false,
            sender_gone: false,
            receiver_gone: false,
            stats: ChannelStats::default(),
        }
    }

    const fn all(&self) -> Need {
        Need { blocks: self.blocks.len(), caps: self.places.len() }
    }

    /// Promises room, if it is there.
    pub(super) fn claim(&mut self, need: Need) -> bool {
        let fits = need.fits(self.room);
        if fits {
            self.room = self.room.minus(need);
        }
        let used = self.all().minus(self.room);
        self.writable &= fits && used.blocks < self.water.high;
        fits
    }

    /// As [`claim`](Self::claim) for who waits: when enough was read, so that a stream costs few wake-ups.
    pub(super) fn grant(&mut self, need: Need) -> bool {
        self.unread.fits(self.water.low) && self.claim(need)
    }

    /// Gives room back.
    pub(super) fn give_back(&mut self, room: Need) {
        self.room = self.room.plus(room);
        let used = self.all().minus(self.room);
        let becomes = !self.writable && used.fits(self.water.low);
        self.writable |= becomes;
        self.became_writable |= becomes;
    }

    /// Begins a message in room that was promised.
    pub(super) fn begin(&mut self, claim: Need) -> Draft {
        let mut draft = Draft {
            first: NONE,
            last: NONE,
            at: DATA,
            len: 0,
            first_cap: NONE,
            last_cap: NONE,
            left: claim,
            used: Need::default(),
        };
        self.add_block(&mut draft);
        (draft.first, draft.at) = (draft.last, HEADER);
        draft
    }

    fn add_block(&mut self, draft: &mut Draft) {
        let number = self.free_block;
        let Some(block) = place(self.blocks, number) else { return };
        self.free_block = core::mem::replace(&mut block.next, NONE);
        if let Some(last) = place(self.blocks, draft.last) {
            last.next = number;
        }
        (draft.last, draft.at) = (number, 0);
        (draft.left.blocks, draft.used.blocks) = (draft.left.blocks.saturating_sub(1), draft.used.blocks + 1);
    }

    /// Copies the next bytes of a message. How many: 0 if there are no more.
    pub(super) fn append(&mut self, draft: &mut Draft, from: &[u8]) -> usize {
        let mut done = 0;
        for _ in 0..CHUNK {
            let rest = from.get(done..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            if draft.at == DATA {
                self.add_block(draft);
            }
            let Some(block) = place(self.blocks, draft.last) else { break };
            let count = copy(block.bytes.get_mut(draft.at..).unwrap_or_default(), rest);
            (draft.at, done) = (draft.at + count, done + count);
        }
        draft.len += done;
        done
    }

    /// Adds a capability to a message. It comes back if there is no place, which there is.
    pub(super) fn attach(&mut self, draft: &mut Draft, cap: Carried<'c, E, O>) -> Option<Carried<'c, E, O>> {
        let number = self.free_place;
        let Some(free) = place(self.places, number) else { return Some(cap) };
        self.free_place = core::mem::replace(&mut free.next, NONE);
        free.cap = Some(cap);
        match place(self.places, draft.last_cap) {
            Some(last) => last.next = number,
            None => draft.first_cap = number,
        }
        draft.last_cap = number;
        (draft.left.caps, draft.used.caps) = (draft.left.caps.saturating_sub(1), draft.used.caps + 1);
        None
    }

    /// Ends a message, with its frame. What it did not use goes back.
    fn close_draft(&mut self, draft: &Draft, txid: u64) -> Taken {
        let len = u32::try_from(draft.len).unwrap_or(0);
        let caps = u32::try_from(draft.used.caps).unwrap_or(0);
        let frame = Frame { next: NONE, len, first_cap: draft.first_cap, caps, txid };
        if let Some(block) = place(self.blocks, draft.first) {
            frame.write(block);
        }
        self.give_back(draft.left);
        Taken { block: draft.first, at: HEADER, frame, left: draft.len, cap: draft.first_cap }
    }

    /// Queues a message. It comes back if nobody will read it.
    pub(super) fn queue(&mut self, draft: &Draft, txid: u64) -> Option<Taken> {
        let message = self.close_draft(draft, txid);
        if self.receiver_gone && !seeded(Bug::QueuedForNobody) {
            return Some(message);
        }
        self.stats.sent += 1;
        self.unread = self.unread.plus(draft.used);
        let last = core::mem::replace(&mut self.last, draft.first);
        match place(self.blocks, last) {
            Some(block) => Frame { next: draft.first, ..Frame::read(block) }.write(block),
            None => self.first = draft.first,
        }
        None
    }

    /// Ends a message that is the answer to the call in `number`; whom to wake. It comes back if he is gone.
    pub(super) fn answer(
        &mut self,
        draft: &Draft,
        number: u32,
    ) -> Result<Option<crate::wait::Wake<Token<E>>>, Taken> {
        let message = self.close_draft(draft, 0);
        self.stats.sent += 1;
        self.calls.set_answer(number, message)
    }

    /// The frame of the first message.
    pub(super) fn peek(&self) -> Option<Frame> {
        self.blocks.get(self.first as usize).map(Frame::read)
    }

    /// Takes the first message out.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let frame = self.peek()?;
        let block = core::mem::replace(&mut self.first, frame.next);
        if frame.next == NONE {
            self.last = NONE;
        }
        self.unread = self.unread.minus(Need::of(frame.len as usize, frame.caps as usize));
        self.stats.taken += 1;
        Some(Taken { block, at: HEADER, frame, left: frame.len as usize, cap: frame.first_cap })
    }

    /// Copies the next bytes of a message, and frees its blocks on the way. 0 if there are no more.
    pub(super) fn copy_out(&mut self, taken: &mut Taken, to: &mut [u8]) -> usize {
        let mut done = 0;
        for _ in 0..CHUNK {
            if taken.left == 0 {
                break;
            }
            let Some(block) = self.blocks.get(taken.block as usize) else { break };
            let there = block.bytes.get(taken.at..).unwrap_or_default();
            let there = there.get(..taken.left).unwrap_or(there);
            let count = copy(to.get_mut(done..).unwrap_or_default(), there);
            (done, taken.at, taken.left) = (done + count, taken.at + count, taken.left - count);
            if taken.at == DATA && taken.left > 0 {
                self.free_first(taken);
            }
        }
        done
    }

    /// Frees up to [`CHUNK`] blocks of a message whose bytes nobody wants any more. True if there are more.
    pub(super) fn free(&mut self, taken: &mut Taken) -> bool {
        (0..CHUNK).all(|_| self.free_first(taken))
    }

    fn free_first(&mut self, taken: &mut Taken) -> bool {
        let free = self.free_block;
        let Some(block) = place(self.blocks, taken.block) else { return false };
        self.free_block = taken.block;
        taken.block = core::mem::replace(&mut block.next, free);
        taken.at = 0;
        self.give_back(Need { blocks: 1, caps: 0 });
        true
    }

    /// Takes the next capability of a message.
    pub(super) fn next_cap(&mut self, taken: &mut Taken) -> Option<Carried<'c, E, O>> {
        let number = taken.cap;
        let full = place(self.places, number)?;
        let cap = full.cap.take();
        taken.cap = core::mem::replace(&mut full.next, self.free_place);
        self.free_place = number;
        self.give_back(Need { blocks: 0, caps: 1 });
        cap
    }

    /// Nothing is promised and nothing in use.
    pub(super) fn is_idle(&self) -> bool {
        self.room == self.all()
    }
}
