//! The invariants of a direction, walked.

use super::{Need, Store};
use crate::cap::Object;
use crate::channel::frame::{Block, Frame, NONE};
use crate::ports::Env;

impl<E: Env, O: Object> Store<'_, '_, E, O> {
    pub(in crate::channel) fn check(&self) -> Result<(), &'static str> {
        let free = Need { blocks: self.count(self.free_block), caps: self.count_caps(self.free_place) };
        if !self.room.fits(free) {
            return Err("room that is promised and not there");
        }
        let (mut queued, mut at, mut last) = (Need::default(), self.first, NONE);
        while let Some(block) = self.blocks.get(at as usize).filter(|_| queued.blocks <= self.blocks.len()) {
            let frame = Frame::read(block);
            let need = Need::of(frame.len as usize, frame.caps as usize);
            if (self.count(at), self.count_caps(frame.first_cap)) != (need.blocks, need.caps) {
                return Err("a message that is longer or shorter than it says");
            }
            (queued, last, at) = (queued.plus(need), at, frame.next);
        }
        if queued != self.unread || last != self.last {
            return Err("queued messages that are not those that are counted");
        }
        if !free.plus(queued).fits(self.all()) {
            return Err("a block that is in two places");
        }
        self.calls.check()
    }

    /// Blocks of the chain that begins with `first`.
    fn count(&self, first: u32) -> usize {
        let next = |&at: &u32| self.blocks.get(at as usize).map(|block: &Block| block.next);
        let chain = core::iter::successors(Some(first).filter(|&first| first != NONE), next);
        chain.take_while(|&at| at != NONE).take(self.blocks.len() + 1).count()
    }

    fn count_caps(&self, first: u32) -> usize {
        let next = |&at: &u32| self.places.get(at as usize).map(|place| place.next);
        let chain = core::iter::successors(Some(first), next);
        chain.take_while(|&at| at != NONE).take(self.places.len() + 1).count()
    }
}
