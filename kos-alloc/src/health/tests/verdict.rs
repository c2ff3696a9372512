//! What is said of which state.

use alloc::vec::Vec;
use alloc::{format, vec};
use core::alloc::Layout;

use super::{Paper, blocks};
use crate::KernelHeap;
use crate::error::Corruption;
use crate::frame::Histogram;
use crate::health::{Config, Health, ZoneUsage, assess};
use crate::heap::HeapConfig;
use crate::ports::{FrameAlloc, Inventory};
use crate::testing::{HostEnv, host_frames};
use crate::types::{FrameRange, FrameRequest, Pfn};

fn verdict(zones: &[(&'static str, Histogram)]) -> Health {
    assess(&Paper::new(zones), &Config::default())
}

#[test]
fn enough_in_large_blocks_is_ok() {
    assert_eq!(verdict(&[("DMA", blocks(&[(0, 200)])), ("Normal", blocks(&[(9, 1)]))]), Health::Ok);
    assert_eq!(verdict(&[]), Health::Ok);
}

#[test]
fn a_zone_below_its_low_watermark_is_under_pressure() {
    let (short, ample) = (blocks(&[(0, 92)]), blocks(&[(0, 93), (9, 1)]));
    assert_eq!(verdict(&[("DMA", ample), ("Normal", ample)]), Health::Ok);
    let expected = Health::Pressure { zone: "Normal", free: 99, low: 100 };
    assert_eq!(verdict(&[("DMA", ample), ("Normal", short)]), expected);
    assert_eq!(format!("{expected}"), "pressure: Normal has 99 of 100 frames");
}

#[test]
fn without_a_watermark_the_config_decides() {
    let mut paper = Paper::new(&[("Normal", blocks(&[(0, 152)]))]);
    paper.zones[0].low = 0;
    let pressed = Health::Pressure { zone: "Normal", free: 159, low: 160 };
    assert_eq!(assess(&paper, &Config::default()), pressed);
    assert_eq!(assess(&paper, &Config { pressure: 15, order: 0, ..Config::default() }), Health::Ok);
}

#[test]
fn enough_in_small_blocks_is_fragmented() {
    let pieces = blocks(&[(0, 1000), (1, 1000)]);
    // Order 2 over both zones: 1000 - (1000 + 6000·1000/4)/4000 = 1000 - 375.
    let expected = Health::Fragmented { order: 2, index: 625 };
    assert_eq!(verdict(&[("DMA", pieces), ("Normal", pieces)]), expected);
    assert_eq!(verdict(&[("DMA", pieces), ("Normal", blocks(&[(0, 93), (9, 1)]))]), Health::Ok);
    let paper = Paper::new(&[("Normal", pieces)]);
    assert_eq!(assess(&paper, &Config { order: 1, ..Config::default() }), Health::Ok);
    // Order 2 stays below this threshold, order 3 has 1000 - (1000 + 3000·1000/8)/2000 = 812.
    let patient = Config { fragmentation: 700, ..Config::default() };
    assert_eq!(assess(&paper, &patient), Health::Fragmented { order: 3, index: 812 });
}

/// Frames of a real buddy, every second one taken.
#[test]
fn a_heap_tells_of_its_frames() {
    let env = HostEnv::new(FrameRange::between(Pfn(0), Pfn(2049)));
    let mut storage = vec![];
    let frames = host_frames(&env, &mut storage);
    let heap = KernelHeap::new(&env, &frames);
    heap.init(HeapConfig::default()).unwrap();
    assert_eq!(heap.health(&Config::default()), Health::Ok);
    let taken: Vec<_> = core::iter::from_fn(|| frames.allocate(&FrameRequest::new(1)).ok()).collect();
    assert!(matches!(heap.health(&Config::default()), Health::Pressure { zone: "Normal", free: 0, low: 32 }));
    for range in taken.iter().filter(|range| range.start().0 % 2 == 0) {
        // SAFETY: the frame is the test's, and unused.
        unsafe { frames.free(*range) }.unwrap();
    }
    // 1024 single frames: 1000 - (1000 + 1024·1000/2)/1024 = 1000 - 500.
    let sensitive = Config { fragmentation: 499, ..Config::default() };
    assert_eq!(heap.health(&sensitive), Health::Fragmented { order: 1, index: 500 });
    // Order 2: 1000 - (1000 + 256000)/1024 = 1000 - 250.
    assert_eq!(heap.health(&Config::default()), Health::Fragmented { order: 2, index: 750 });
}

#[test]
fn waste_is_what_nobody_asked_for() {
    let env = HostEnv::new(FrameRange::between(Pfn(0), Pfn(64)));
    let mut storage = vec![];
    let heap = KernelHeap::new(&env, host_frames(&env, &mut storage));
    heap.init(HeapConfig::default()).unwrap();
    assert_eq!(heap.stats().waste(), 0);
    // 65 bytes take 80: 15/80 = 187/1000.
    let layout = Layout::from_size_align(65, 1).unwrap();
    let block = heap.allocate(layout).unwrap();
    assert_eq!(heap.stats().waste(), 187);
    // SAFETY: the block is the test's, and unused.
    unsafe { heap.free(block, layout) }.unwrap();
    assert_eq!(heap.stats().waste(), 0);
}

/// Corruption outweighs everything.
#[test]
fn a_broken_invariant_is_told_first() {
    struct Broken<F>(F);
    impl<F> Inventory for Broken<F> {
        fn zone(&self, _: usize) -> Option<ZoneUsage> {
            None
        }
        fn next_free(&self, _: Pfn) -> Option<FrameRange> {
            None
        }
        fn check(&self) -> Result<(), Corruption> {
            Err(Corruption { what: "a broken source", frame: Pfn(3) })
        }
    }
    // SAFETY: passes everything on.
    unsafe impl<F: FrameAlloc> FrameAlloc for Broken<F> {
        fn span(&self) -> FrameRange {
            self.0.span()
        }
        fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, crate::FrameError> {
            self.0.allocate(request)
        }
        unsafe fn free(&self, range: FrameRange) -> Result<(), crate::FreeError<FrameRange>> {
            // SAFETY: passed on.
            unsafe { self.0.free(range) }
        }
    }
    let env = HostEnv::new(FrameRange::between(Pfn(0), Pfn(64)));
    let mut storage = vec![];
    let heap = KernelHeap::new(&env, Broken(host_frames(&env, &mut storage)));
    heap.init(HeapConfig::default()).unwrap();
    let told = heap.health(&Config::default());
    assert_eq!(told, Health::Corrupt(Corruption { what: "a broken source", frame: Pfn(3) }));
    assert_eq!(format!("{told}"), "corrupt at frame 0x3: a broken source");
}
