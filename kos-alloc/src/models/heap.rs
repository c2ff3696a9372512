//! The whole heap on two CPUs, with magazines of two blocks.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::collections::HashSet;
use std::vec::Vec;

use loom::sync::Arc;

use super::machine::{Cpus, enter};
use super::{explore, must_find, spawn};
use crate::heap::cache::Plan;
use crate::heap::{HeapConfig, KernelHeap, Mode};
use crate::sync::Bug;
use crate::testing::PlainFrames;
use crate::types::{CpuIndex, FrameRange, Pfn};

/// Small blocks have magazines even where caches get next to nothing.
const BLOCK: Layout = Layout::new::<u64>();

/// A block on its way to the other CPU.
struct Crossing(NonNull<u8>);

// SAFETY: a block may be freed on any CPU.
unsafe impl Send for Crossing {}

impl Crossing {
    fn into_inner(self) -> NonNull<u8> {
        self.0
    }
}

struct Machine<const EXCLUDES: bool> {
    heap: KernelHeap<Cpus<EXCLUDES>, PlainFrames>,
    /// The blocks that somebody has. Only looked at between two steps of the model.
    live: std::sync::Mutex<HashSet<usize>>,
}

impl<const EXCLUDES: bool> Machine<EXCLUDES> {
    fn new(mode: Mode) -> Arc<Self> {
        let memory = FrameRange::between(Pfn(16), Pfn(64));
        let least = (1..).map(|step| step << 9).find(|&bytes| Plan::new(2, bytes).is_some());
        let config = HeapConfig { mode, cache_bytes_per_cpu: least, ..HeapConfig::default() };
        let heap = KernelHeap::new(Cpus::new(memory), PlainFrames::new(memory));
        heap.init(config).unwrap();
        enter(0);
        Arc::new(Self { heap, live: std::sync::Mutex::default() })
    }

    fn allocate(&self) -> NonNull<u8> {
        let block = self.heap.allocate(BLOCK).unwrap();
        assert!(self.live.lock().unwrap().insert(block.addr().get()), "a block has two owners");
        block
    }

    fn free(&self, block: NonNull<u8>) {
        self.live.lock().unwrap().remove(&block.addr().get());
        // SAFETY: allocated with this layout, freed once.
        assert_eq!(unsafe { self.heap.free(block, BLOCK) }, Ok(()));
    }

    fn allocate_and_free(&self, blocks: usize) {
        let blocks: Vec<_> = (0..blocks).map(|_| self.allocate()).collect();
        blocks.into_iter().for_each(|block| self.free(block));
    }

    /// Everything comes home when both CPUs have stopped.
    fn settle(&self) {
        for cpu in [0, 1] {
            // SAFETY: the other thread was joined.
            unsafe { self.heap.drain_parked(CpuIndex(cpu)) };
        }
        self.heap.shrink();
        assert_eq!(self.heap.check(), Ok(()));
        let stats = self.heap.stats();
        assert_eq!((stats.live_blocks(), stats.slab_bytes(), stats.lost_frames), (0, 0, 0));
    }
}

/// Runs `first` on CPU 0 and `second` on CPU 1.
fn both<const EXCLUDES: bool>(
    machine: &Arc<Machine<EXCLUDES>>,
    first: impl FnOnce(&Machine<EXCLUDES>),
    second: impl FnOnce(&Machine<EXCLUDES>) + Send + 'static,
) {
    let other = Arc::clone(machine);
    let thread = spawn(move || {
        enter(1);
        second(&other);
    });
    first(machine);
    thread.join().unwrap();
    machine.settle();
}

/// A model with room on its stack.
fn roomy(model: fn()) -> impl Fn() + Sync + Send + Clone {
    move || spawn(model).join().unwrap()
}

/// Two CPUs trade magazines with the depot.
fn exchange<const EXCLUDES: bool>() {
    let machine = Machine::<EXCLUDES>::new(Mode::Hybrid);
    machine.allocate_and_free(5);
    both(&machine, |machine| machine.allocate_and_free(5), |machine| machine.allocate_and_free(3));
}

/// One CPU wants all memory back while the other allocates and frees.
fn drain() {
    let machine = Machine::<true>::new(Mode::Hybrid);
    enter(1);
    machine.allocate_and_free(2);
    enter(0);
    both(&machine, |machine| _ = machine.heap.collect(), |machine| machine.allocate_and_free(2));
}

/// One CPU switches there and back while the other does too, and frees what another mode allocated.
fn modes() {
    let machine = Machine::<true>::new(Mode::TwoTier);
    let old = machine.allocate();
    let switch = |machine: &Machine<true>, mode| machine.heap.set_mode(mode).unwrap();
    let first = |machine: &Machine<true>| {
        switch(machine, Mode::Hybrid);
        machine.allocate_and_free(1);
        switch(machine, Mode::TwoTier);
    };
    let old = Crossing(old);
    let second = move |machine: &Machine<true>| {
        switch(machine, Mode::Hybrid);
        machine.free(old.into_inner());
        machine.allocate_and_free(1);
    };
    both(&machine, first, second);
}

#[test]
fn a_magazine_has_one_owner() {
    explore(roomy(exchange::<true>));
}

#[test]
fn a_lock_that_excludes_nobody_is_found() {
    assert!(std::panic::catch_unwind(|| explore(roomy(exchange::<false>))).is_err());
}

#[test]
fn a_drain_leaves_the_other_cpu_alone() {
    explore(roomy(drain));
}

#[test]
fn draining_others_is_found() {
    must_find(Bug::OthersDrained, roomy(drain));
}

#[test]
fn modes_change_under_live_blocks() {
    explore(roomy(modes));
}

#[test]
fn caches_made_twice_are_found() {
    must_find(Bug::CarvedTwice, roomy(modes));
}
