//! The invariants of the caches.
//!
//! Walked are the depots and the cache of the calling CPU: what lies in others moves meanwhile.

use core::ptr::NonNull;

use super::magazine::Magazine;
use crate::error::Corruption;
use crate::heap::KernelHeap;
use crate::heap::ground::Ground;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Class, seal};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Whether every block that rests in a magazine of this CPU or of a depot is a free block of its class.
    pub(in crate::heap) fn check_caches(&self, ground: &Ground) -> Result<(), Corruption> {
        Class::all().try_for_each(|class| {
            self.check_own_cache(ground, class)?;
            self.depot(class).with(&self.env, |depot| {
                let sum = depot.full().map(Magazine::len).sum::<usize>();
                if sum != depot.resting() {
                    return Err(broken(ground, None, "the count of a depot differs from its magazines"));
                }
                depot.full().try_for_each(|magazine| self.check_magazine(ground, class, magazine))
            })
        })
    }

    fn check_own_cache(&self, ground: &Ground, class: Class) -> Result<(), Corruption> {
        let _masked = self.env.irq_save();
        let cache = self.env.cpu().and_then(|cpu| self.caches.all().get(cpu.0));
        // An NMI that interrupted the owner does not look.
        let Some(turn) = cache.and_then(|cache| cache.enter()) else { return Ok(()) };
        let shelf = turn.shelf(class);
        [shelf.loaded, shelf.previous].into_iter().try_for_each(|magazine| {
            if magazine.len() > shelf.capacity() {
                return Err(broken(ground, None, "a magazine has more blocks than room"));
            }
            self.check_magazine(ground, class, magazine)
        })
    }

    fn check_magazine(&self, ground: &Ground, class: Class, magazine: Magazine) -> Result<(), Corruption> {
        magazine.blocks().try_for_each(|block| self.check_resting(ground, class, block))
    }

    fn check_resting(&self, ground: &Ground, class: Class, block: NonNull<u8>) -> Result<(), Corruption> {
        let index = ground.arena.index_of(block.addr().get());
        let of_class = index.is_some_and(|index| ground.arena.is_slab(index, class));
        let place = Self::locate_block(ground, block, class).ok().filter(|_| of_class);
        let Some((slab, number)) = place else {
            return Err(broken(ground, index, "what rests in a magazine is no block of its class"));
        };
        if self.bin(class).with(&self.env, |_| slab.is_free(Self::geometry(class), number)) {
            return Err(broken(ground, index, "a block rests in a magazine and in its slab"));
        }
        // SAFETY: it is a block of a live slab.
        if unsafe { seal::is_sealed(block, ground.secret) } {
            return Ok(());
        }
        Err(broken(ground, index, "a free block was written to"))
    }
}

fn broken(ground: &Ground, index: Option<usize>, what: &'static str) -> Corruption {
    Corruption { what, frame: ground.arena.frame(index.unwrap_or(0)) }
}
