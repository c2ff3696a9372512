//! Reports, letter by letter.

use alloc::format;

use super::{Paper, blocks};
use crate::health::{BuddyInfo, ExternalIndex, FrameDump, SlabInfo, UnusableIndex, ZoneInfo};
use crate::heap::KernelHeap;
use crate::testing::{HostEnv, PlainFrames};
use crate::types::{FrameRange, Pfn};

fn paper() -> Paper {
    Paper::new(&[("DMA32", blocks(&[(0, 4), (2, 1)])), ("Normal", blocks(&[(17, 3)]))])
}

#[test]
fn zones_by_order() {
    let zeros = |count| "     0 ".repeat(count);
    let expected = format!(
        "Node 0, zone    DMA32      4      0      1 {}\nNode 0, zone   Normal {}     3      0 \n",
        zeros(16),
        zeros(17)
    );
    assert_eq!(format!("{}", BuddyInfo(&paper())), expected);
}

#[test]
fn indices_by_order() {
    let line = |zone, first: &str, last: &str| format!("Node 0, zone {zone:>8}{first}{last}\n");
    // DMA32: 8 frames in 5 blocks. At order 3: 1000 - (1000 + 1000)/5 = 600; at 4: 1000 - 1500/5 = 700; …
    let rising = " -1.000 -1.000 -1.000  0.600  0.700  0.750  0.775  0.788  0.794  0.797  0.799";
    let dma = line("DMA32", rising, &"  0.800".repeat(8));
    // Normal: 1000 - (1000 + 3·500)/3 = 1000 - 833.
    let normal = line("Normal", &" -1.000".repeat(18), "  0.167");
    assert_eq!(format!("{}", ExternalIndex(&paper())), dma + &normal);
    let unusable = line("DMA32", "  0.000  0.500  0.500", &"  1.000".repeat(16));
    let usable = line("Normal", &"  0.000".repeat(18), "  1.000");
    assert_eq!(format!("{}", UnusableIndex(&paper())), unusable + &usable);
}

#[test]
fn watermarks() {
    let paper = Paper::new(&[("DMA", blocks(&[(4, 100)]))]);
    let expected = "\
Node 0, zone      DMA
  frames free     1607
        min      80
        low      100
        high     120
        managed  10000
        cached   7
";
    assert_eq!(format!("{}", ZoneInfo(&paper)), expected);
}

#[test]
fn a_dump_is_bounded_and_says_where_to_go_on() {
    let mut paper = paper();
    paper.free =
        [(0x10, 2), (0x14, 4), (0x100, 256)].map(|(at, n)| FrameRange::new(Pfn(at), n).unwrap()).to_vec();
    let dump = |from, lines| format!("{}", FrameDump { frames: &paper, from: Pfn(from), lines });
    let first = "0x0000000010-0x0000000012          2\n0x0000000014-0x0000000018          4\n";
    assert_eq!(dump(0, 2), format!("{first}... from 0x100\n"));
    assert_eq!(dump(0x100, 2), "0x0000000100-0x0000000200        256\n");
    assert_eq!(dump(0, 3), format!("{first}{}", dump(0x100, 1)));
    assert_eq!((dump(0x101, 9), dump(0x101, 0)), ("".into(), "".into()));
}

#[test]
fn size_classes() {
    let span = FrameRange::between(Pfn(1), Pfn(64));
    let env = HostEnv::new(span);
    let mut stats = KernelHeap::new(&env, PlainFrames::new(span)).stats();
    for (index, size, slabs, objects, live) in [(7, 64, 2, 126, 100), (23, 1024, 1, 15, 1)] {
        let class = &mut stats.classes[index];
        (class.size, class.slabs, class.objects, class.live) = (size, slabs, objects, live);
    }
    let expected = " Active / Total Objects (% used) : 101 / 141 (71.6%)
 Active / Total Caches (% used)  : 2 / 36 (5.5%)
 Active / Total Size (% used)    : 8K / 23K (34.7%)
 Slabs                           : 3

  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME
   126    100  79%      64B      2       63         8K heap-64
    15      1   6%    1024B      1       15        15K heap-1024
";
    assert_eq!(format!("{}", SlabInfo(&stats)), expected);
}
