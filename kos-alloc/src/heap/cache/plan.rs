//! How large the magazines are: [`Plan`].
//!
//! Each class has three magazines a CPU, two in its cache and one in the depot. A magazine holds 2 to 128 blocks and at most
//! 16 KiB. Where the terms allow less, every class gets the same lesser number of bytes, but at least two blocks. Where that
//! leaves too little for small blocks, which kernels use most, what is larger gets no magazine.

use core::mem::size_of;

use super::cpu::CpuCache;
use super::magazine::Magazine;
use crate::slab::{CLASSES, Class, PerClass};

/// Most bytes of the blocks in a magazine.
const MOST_BYTES: usize = 16 << 10;
/// Most blocks in a magazine.
const MOST_BLOCKS: usize = 128;
/// While magazines have at least so many bytes, those of large blocks have two blocks all the same.
const LEAST_FOR_ALL: usize = 2 << 10;
/// Magazines for each class and CPU.
pub(super) const MAGAZINES: usize = 3;
/// The terms if the caller has none: this part of memory, for all CPUs together ...
const PART_OF_MEMORY: usize = 64;
/// ... and at most so many bytes for each.
const MOST_FOR_A_CPU: usize = 1 << 20;

/// The memory of the caches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(super) cpus: usize,
    capacities: PerClass<usize>,
}

impl Plan {
    /// Caches for `cpus` CPUs, each with blocks and books of at most `bytes` bytes; `None` if that is not enough for any.
    pub(crate) fn new(cpus: usize, bytes: usize) -> Option<Self> {
        let rooms = || core::iter::successors(Some(MOST_BYTES), |room| Some(room * 7 / 8));
        let of_all =
            rooms().take_while(|room| *room >= LEAST_FOR_ALL).map(|room| Self::with_room(cpus, room, 2));
        let of_some = rooms().take_while(|room| *room >= 8).map(|room| Self::with_room(cpus, room, 0));
        let mut fitting = of_all.chain(of_some).filter(|plan| plan.bytes_at_rest() <= bytes);
        fitting.next().filter(|plan| cpus > 0 && plan.capacities.iter().any(|(_, capacity)| *capacity > 0))
    }

    /// The terms of who has none, in a memory of so many bytes.
    pub(crate) fn default_bytes(memory: usize, cpus: usize) -> usize {
        (memory / PART_OF_MEMORY / cpus.max(1)).min(MOST_FOR_A_CPU)
    }

    /// With magazines of `room` bytes; of what is larger, `large` blocks.
    fn with_room(cpus: usize, room: usize, large: usize) -> Self {
        let mut capacities = PerClass::new([0; CLASSES]);
        for class in Class::all() {
            *capacities.of_mut(class) = match room / class.size() {
                0 => large,
                blocks => blocks.clamp(2, MOST_BLOCKS),
            };
        }
        Self { cpus, capacities }
    }

    /// Blocks in a magazine of `class`; 0: there is none.
    pub(super) fn capacity(&self, class: Class) -> usize {
        *self.capacities.of(class)
    }

    /// Bytes to carve the caches out of.
    pub(crate) fn bytes(&self) -> usize {
        self.cpus.saturating_mul(self.books())
    }

    /// Bytes of the books of one CPU.
    fn books(&self) -> usize {
        let magazines: usize = self.each().map(|(_, capacity)| MAGAZINES * Magazine::bytes(capacity)).sum();
        size_of::<CpuCache>() + magazines
    }

    /// Most bytes that one CPU keeps from others: its books, and what can rest in its magazines.
    fn bytes_at_rest(&self) -> usize {
        let blocks: usize = self.each().map(|(class, capacity)| MAGAZINES * capacity * class.size()).sum();
        self.books() + blocks
    }

    /// The classes that have magazines.
    fn each(&self) -> impl Iterator<Item = (Class, usize)> {
        self.capacities
            .iter()
            .map(|(class, capacity)| (class, *capacity))
            .filter(|(_, capacity)| *capacity > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacities(plan: &Plan) -> alloc::vec::Vec<usize> {
        Class::all().map(|class| plan.capacity(class)).collect()
    }

    #[test]
    fn a_large_machine_has_deep_magazines() {
        let plan = Plan::new(8, Plan::default_bytes(16 << 30, 8)).unwrap();
        let capacities = capacities(&plan);
        assert_eq!((capacities[0], capacities[7], capacities[35]), (128, 128, 2));
        assert!(plan.bytes_at_rest() <= 1 << 20 && plan.bytes_at_rest() > 3 << 18);
    }

    #[test]
    fn magazines_hold_2_to_128_blocks_of_at_most_16_kib() {
        for bytes in (10..22).map(|power| 1 << power) {
            let Some(plan) = Plan::new(1, bytes) else { continue };
            for class in Class::all() {
                let capacity = plan.capacity(class);
                assert!(capacity == 0 || (2..=128).contains(&capacity), "{class:?}: {capacity}");
                assert!(capacity * class.size() <= 16 << 10);
            }
            assert!(plan.bytes_at_rest() <= bytes);
        }
    }

    /// 5 % of memory may be overhead; of 64 MiB with eight CPUs caches keep a third of that.
    #[test]
    fn all_caches_together_keep_a_64th_of_memory() {
        for (memory, cpus) in [(64 << 20, 8), (64 << 20, 1), (1 << 30, 64), (1 << 30, 256)] {
            let plan = Plan::new(cpus, Plan::default_bytes(memory, cpus)).unwrap();
            assert!(plan.bytes_at_rest() * cpus <= memory / 64);
            assert!(plan.capacity(Class::of(core::alloc::Layout::new::<[u64; 8]>()).unwrap()) >= 2);
        }
    }

    #[test]
    fn a_tiny_machine_has_no_caches() {
        assert!(Plan::new(8, Plan::default_bytes(256 << 10, 8)).is_none());
        assert!(Plan::new(0, 1 << 20).is_none());
    }
}
