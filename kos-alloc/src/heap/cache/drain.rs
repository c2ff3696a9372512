//! Blocks that rest in caches go home: under pressure, on request, for a CPU that stopped.
//!
//! A magazine at a time is emptied masked, as in an exchange; what became free of blocks leaves between.

use super::cpu::{CpuCache, Shelf};
use super::exchange::Exchange;
use super::magazine::Magazine;
use crate::heap::KernelHeap;
use crate::heap::ground::Ground;
use crate::heap::pagemap::Frame;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Chain, Class};
use crate::sync::{Bug, seeded};
use crate::types::CpuIndex;

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Brings home what rests in the cache of the calling CPU: for the handler of [`Env::kick`], and for a CPU that is
    /// about to sleep for long. Works in interrupt context, not in an NMI.
    pub fn drain_local(&self) {
        self.drain_cache(|| self.caches.all().get(self.env.cpu()?.0));
    }

    /// Brings home what rests in the cache of a CPU that does not run: one that was taken offline. If it stopped in the
    /// middle of a call, nothing is done.
    ///
    /// # Safety
    ///
    /// `cpu` uses no method of the heap until this returns, and whatever it did before is visible to the caller.
    pub unsafe fn drain_parked(&self, cpu: CpuIndex) {
        self.drain_cache(|| self.caches.all().get(cpu.0));
    }

    /// Brings home everything that the calling CPU can reach, and gives the frames of empty slabs and of empty chunks of the simple pool back to the source; says
    /// how many. The heap does this by itself before it fails for want of memory.
    pub fn shrink(&self) -> usize {
        let Some(ground) = self.ground.get() else { return 0 };
        self.settle_deferred(ground);
        self.drain_local();
        Class::all().for_each(|class| self.drain_depot(ground, class));
        let slabs: usize = Class::all().map(|class| self.shrink_class(ground, class)).sum();
        slabs + self.shrink_simple(ground)
    }

    /// As [`shrink`](Self::shrink), and asks all other CPUs to [`drain_local`](Self::drain_local): by
    /// [`Env::kick`], and by a flag that they see when next they exchange a magazine.
    pub fn collect(&self) -> usize {
        let own = {
            let _masked = self.env.irq_save();
            self.env.cpu()
        };
        for (cpu, cache) in (0..).map(CpuIndex).zip(self.caches.all()) {
            if Some(cpu) != own && cache.is_used() {
                cache.ask_to_drain();
                if seeded(Bug::OthersDrained) {
                    self.drain_cache(|| self.caches.all().get(cpu.0));
                }
                self.env.kick(cpu);
            }
        }
        self.shrink()
    }

    /// Empties the magazines of the cache that `find` finds; it is called masked.
    fn drain_cache<'h>(&'h self, find: impl Fn() -> Option<&'h CpuCache>) {
        let Some(ground) = self.ground.get() else { return };
        for class in Class::all() {
            self.drain_magazine(ground, class, &find, |shelf| shelf.loaded);
            self.drain_magazine(ground, class, &find, |shelf| shelf.previous);
        }
    }

    fn drain_magazine<'h>(
        &'h self,
        ground: &Ground,
        class: Class,
        find: impl Fn() -> Option<&'h CpuCache>,
        which: fn(&Shelf<'_>) -> Magazine,
    ) {
        self.until_done(class, |leaving| {
            let _masked = self.env.irq_save();
            let Some(turn) = find().and_then(CpuCache::enter) else { return Exchange::Useless };
            let shelf = turn.shelf(class);
            let magazine = which(&shelf);
            if magazine.is_empty() { Exchange::Useless } else { self.flush(ground, magazine, class, leaving) }
        });
    }

    /// Empties the magazines that are in the depot now.
    fn drain_depot(&self, ground: &Ground, class: Class) {
        let magazines = self.depot(class).with(&self.env, |depot| depot.full().count());
        for _ in 0..magazines {
            let Some(full) = self.depot(class).with(&self.env, super::Depot::take_full) else { return };
            self.until_done(class, |leaving| self.flush(ground, full, class, leaving));
            self.depot(class).with(&self.env, |depot| depot.put_empty(full));
        }
    }

    /// Repeats `flush` while it stops at broken blocks, telling of each; slabs leave after each time.
    fn until_done(&self, class: Class, mut flush: impl FnMut(&mut Chain) -> Exchange) {
        loop {
            let mut leaving = Chain::new();
            let outcome = flush(&mut leaving);
            self.dispose_of_slabs(class, leaving);
            let Exchange::Broken(error) = outcome else { return };
            self.report(error, class.layout());
        }
    }

    /// Brings home what NMIs left.
    #[inline]
    pub(in crate::heap) fn settle_deferred(&self, ground: &Ground) {
        if !self.deferred.is_empty() {
            self.settle(ground);
        }
    }

    #[cold]
    fn settle(&self, ground: &Ground) {
        while let Some(block) = self.deferred.take() {
            let index = ground.arena.index_of(block.addr().get());
            let Some(Frame::Slab(class)) = index.map(|index| ground.arena.look(index)) else { continue };
            let home = self.bin(class).with(&self.env, |bin| Self::bring_home(ground, bin, class, block));
            if let Err(error) = home {
                self.report(error, class.layout());
            }
        }
    }
}
