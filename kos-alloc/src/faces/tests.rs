//! Containers of both versions of allocator-api2 on one heap.

#![cfg(all(feature = "allocator-api2-02", feature = "allocator-api2-04"))]

use core::alloc::Layout;
use core::hash::BuildHasherDefault;
use core::ptr::NonNull;
use std::hash::DefaultHasher;

use allocator_api2_02::alloc::Allocator as Allocator02;
use allocator_api2_04::alloc::Allocator as Allocator04;
use allocator_api2_04::boxed::Box;
use allocator_api2_04::vec::Vec;
use hashbrown::HashMap;

use crate::KernelHeap;
use crate::error::FreeError;
use crate::heap::HeapConfig;
use crate::testing::{FailAt, HostEnv, PlainFrames};
use crate::types::{FrameRange, Pfn};

type Heap<'a> = KernelHeap<&'a HostEnv, &'a FailAt<PlainFrames>>;
type Map<'a, K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>, &'a Heap<'a>>;

struct Machine {
    env: HostEnv,
    frames: FailAt<PlainFrames>,
}

impl Machine {
    fn new(start: usize, frames: usize) -> Self {
        let span = FrameRange::new(Pfn(start), frames).unwrap();
        Self { env: HostEnv::new(span), frames: FailAt::new(PlainFrames::new(span)) }
    }

    fn heap(&self) -> Heap<'_> {
        let heap = KernelHeap::new(&self.env, &self.frames);
        heap.init(HeapConfig::default()).unwrap();
        heap
    }

    /// Nothing is live, nothing is broken, and nobody freed what he should not.
    fn assert_even(&self, heap: &Heap<'_>) {
        assert_eq!((heap.stats().live, heap.check()), (0, Ok(())));
        assert!(self.env.take_violations().is_empty());
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn bytes(block: NonNull<[u8]>) -> alloc::vec::Vec<u8> {
    // SAFETY: the tests pass live blocks that they have written whole.
    unsafe { block.as_ref() }.to_vec()
}

fn fill(block: NonNull<[u8]>) {
    for (index, byte) in (0..=u8::MAX).cycle().take(block.len()).enumerate() {
        // SAFETY: the index is within the block.
        let at = unsafe { block.cast::<u8>().add(index) };
        // SAFETY: the block is live and the test's.
        unsafe { at.write(byte) };
    }
}

#[test]
fn a_map_of_0_2_and_a_vector_of_0_4_share_one_heap() {
    let machine = Machine::new(0x101, 600);
    let heap = machine.heap();
    let mut map: Map<'_, u64, Box<u64, &Heap<'_>>> = HashMap::with_hasher_in(Default::default(), &heap);
    let mut squares = Vec::new_in(&heap);
    for number in 0..4000 {
        map.insert(number, Box::new_in(number * number, &heap));
        squares.push(number * number);
    }
    for number in (0..4000).step_by(2) {
        assert_eq!(map.remove(&number).as_deref(), Some(&(number * number)));
    }
    map.shrink_to_fit();
    squares.retain(|square| square % 2 == 1);
    squares.shrink_to_fit();
    assert_eq!((map.len(), squares.len(), heap.check()), (2000, 2000, Ok(())));
    assert!((1..4000).step_by(2).eq(squares.iter().map(|square| square.isqrt())));
    assert!(
        (1..4000).step_by(2).all(|number| map.get(&number).is_some_and(|square| **square == number * number))
    );
    assert!(heap.stats().requested >= 2000 * 8 * 3);
    drop((map, squares));
    machine.assert_even(&heap);
}

#[test]
fn a_block_of_one_version_is_freed_by_the_other() {
    let machine = Machine::new(0x101, 40);
    let heap = machine.heap();
    for layout in [layout(0, 8), layout(1, 1), layout(100, 64), layout(8192, 4096), layout(20_000, 8)] {
        let block = Allocator02::allocate(&&heap, layout).unwrap();
        assert_eq!((block.len(), block.cast::<u8>().addr().get() % layout.align()), (layout.size(), 0));
        // SAFETY: the block is the test's.
        unsafe { Allocator04::deallocate(&&heap, block.cast(), layout) };
        let block = Allocator04::allocate_zeroed(&&heap, layout).unwrap();
        assert!(bytes(block).iter().all(|byte| *byte == 0));
        // SAFETY: the block is the test's.
        unsafe { Allocator02::deallocate(&&heap, block.cast(), layout) };
    }
    machine.assert_even(&heap);
}

/// Also across alignments, which decide the class that a block must be freed to.
#[test]
fn resized_blocks_keep_their_content() {
    let machine = Machine::new(0x101, 60);
    let heap = machine.heap();
    let layouts = [(0, 1), (10, 1), (10, 16), (100, 64), (100, 8), (4000, 8), (9000, 8), (30_000, 4096)];
    let layouts = layouts.map(|(size, align)| layout(size, align));
    for (old, new) in layouts.iter().flat_map(|old| layouts.iter().map(move |new| (*old, *new))) {
        let block = Allocator04::allocate(&&heap, old).unwrap();
        fill(block);
        let before = bytes(block);
        let resized = if new.size() >= old.size() {
            // SAFETY: the block is the test's and of that layout, which is not longer.
            unsafe { Allocator04::grow_zeroed(&&heap, block.cast(), old, new) }
        } else {
            // SAFETY: the block is the test's and of that layout, which is longer.
            unsafe { Allocator04::shrink(&&heap, block.cast(), old, new) }
        };
        let after = bytes(resized.unwrap());
        let kept = old.size().min(new.size());
        assert_eq!((after.len(), &after[..kept]), (new.size(), &before[..kept]), "{old:?} to {new:?}");
        assert!(after[kept..].iter().all(|byte| *byte == 0), "{old:?} to {new:?}");
        assert_eq!(resized.unwrap().cast::<u8>().addr().get() % new.align(), 0);
        // SAFETY: the block is the test's.
        unsafe { Allocator02::deallocate(&&heap, resized.unwrap().cast(), new) };
    }
    machine.assert_even(&heap);
}

#[test]
fn growth_within_the_class_stays_in_place() {
    let machine = Machine::new(0x101, 40);
    let heap = machine.heap();
    let mut numbers: Vec<u8, _> = Vec::with_capacity_in(65, &heap);
    let at = numbers.as_ptr();
    numbers.reserve_exact(80);
    assert_eq!((numbers.as_ptr(), numbers.capacity()), (at, 80));
    numbers.reserve_exact(81);
    assert_ne!(numbers.as_ptr(), at);
}

#[test]
fn failed_growth_leaves_the_container_whole() {
    let machine = Machine::new(0x101, 24);
    let heap = machine.heap();
    let mut numbers = Vec::new_in(&heap);
    let refused = loop {
        if let Err(refused) = numbers.try_reserve(1) {
            break refused;
        }
        numbers.push(numbers.len());
    };
    assert!(alloc::format!("{refused}").contains("memory allocation failed"), "{refused}");
    assert!(numbers.iter().copied().eq(0..numbers.len()) && numbers.len() >= 1024);
    let mut map: Map<'_, usize, usize> = HashMap::with_hasher_in(Default::default(), &heap);
    assert!(map.try_reserve(1 << 20).is_err());
    assert!(Box::try_new_in([0u8; 100_000], &heap).is_err());
    assert_eq!(heap.check(), Ok(()));
    drop((numbers, map));
    machine.assert_even(&heap);
}

#[test]
fn two_heaps_coexist() {
    let (here, there) = (Machine::new(0x101, 60), Machine::new(0x101, 60));
    let (heap, other) = (here.heap(), there.heap());
    let mut numbers = Vec::new_in(&heap);
    let mut map: Map<'_, usize, usize> = HashMap::with_hasher_in(Default::default(), &other);
    for number in 0..500 {
        numbers.push(number);
        map.insert(number, numbers.len());
    }
    let stray = NonNull::from(numbers.as_slice()).cast();
    // SAFETY: no block of the other heap: to be refused.
    unsafe { Allocator02::deallocate(&&other, stray, layout(4096, 8)) };
    let told: alloc::vec::Vec<_> = there.env.take_violations().iter().map(|told| told.error).collect();
    assert_eq!(told, [FreeError::NotManaged(stray)]);
    assert!(numbers.iter().copied().eq(0..500) && map.iter().all(|(number, len)| number + 1 == *len));
    drop((numbers, map));
    here.assert_even(&heap);
    there.assert_even(&other);
}
