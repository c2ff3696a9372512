//! A frame allocator for a machine of 64 GiB, without the machine: frames are only numbers.
//!
//! `cargo run --release -p kos-alloc --example frames`

#![expect(clippy::print_stdout, reason = "an example prints")]

use core::error::Error;

use kos_alloc::boot::RegionSet;
use kos_alloc::frame::{Backend, Buddy, Config, MAX_ORDER};
use kos_alloc::{FrameRange, FrameRequest};

const PAGE_SHIFT: u32 = 12;
const MIB: u64 = 1 << 20;

/// What a firmware could report as usable: first byte, bytes.
const FIRMWARE_MAP: [(u64, u64); 5] = [
    (0, 0x9_fc00),
    (0x10_0000, 2047 * MIB),
    (4096 * MIB, 30 * 1024 * MIB),
    (34 * 1024 * MIB + 0x3000, 32 * 1024 * MIB), // directly behind the last but three pages
    (1 << 46, MIB),                              // a small bank very far away
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut ranges = [FrameRange::EMPTY; 16];
    let mut usable = RegionSet::new(&mut ranges);
    for (start, bytes) in FIRMWARE_MAP {
        usable.add(FrameRange::inside(start, bytes, PAGE_SHIFT)?)?;
    }
    usable.remove(FrameRange::covering(0, 0x1000, PAGE_SHIFT)?)?; // page 0: no pointer may be null
    usable.remove(FrameRange::covering(0x10_0000, 9 * MIB, PAGE_SHIFT)?)?; // the kernel's image

    let mut storage = vec![0; Buddy::storage_words(Config::default(), &usable, &[])?];
    let tables = storage.len() * size_of::<u64>();
    let mut buddy = Buddy::new(&mut storage, Config::default(), &usable, &[])?;
    let bytes = buddy.stats().managed << PAGE_SHIFT;
    println!("{} regions, {} MiB", usable.len(), bytes >> 20);
    println!("tables: {} KiB, {:.4} % of memory", tables >> 10, 100.0 * tables as f64 / bytes as f64);

    let stack = buddy.allocate(&FrameRequest::new(5))?;
    let huge = buddy.allocate(&FrameRequest::new(512).aligned(512))?;
    let giant = buddy.allocate(&FrameRequest::new(3 << MAX_ORDER))?;
    for given in [stack, huge, giant] {
        println!("{:>8} frames at {:#x}", given.count(), given.start().0 << PAGE_SHIFT);
    }

    show("\nfree blocks with these in use", &buddy);
    for given in [stack, huge, giant] {
        buddy.free(given)?;
    }
    show("\nfree blocks after they came back", &buddy);
    if let Err(error) = buddy.free(huge) {
        println!("freed once more: {error}");
    }
    Ok(buddy.check()?)
}

/// A line of orders and a line of blocks.
fn show(title: &str, buddy: &Buddy<'_>) {
    let histogram = buddy.histogram();
    let (mut orders, mut blocks) = (String::new(), String::new());
    for order in 0..=MAX_ORDER {
        orders += &format!("{order:>4}");
        blocks += &format!("{:>4}", histogram.of(order));
    }
    println!("{title}\n  order {orders}\n  blocks{blocks}");
}
