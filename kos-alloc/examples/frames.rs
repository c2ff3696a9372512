//! The frames of a server with 16 TiB and 256 CPUs, without the server: frames are only numbers, CPUs are turns of a few
//! threads.
//!
//! `cargo run --release -p kos-alloc --example frames`

#![expect(clippy::print_stdout, reason = "an example prints")]

use core::cell::Cell;
use core::error::Error;
use core::ptr::NonNull;
use std::thread;

use kos_alloc::boot::RegionSet;
use kos_alloc::frame::zone::{Config, Zones, dma_dma32_normal};
use kos_alloc::health::{BuddyInfo, ZoneInfo};
use kos_alloc::{CpuIndex, DirectMap, Env, FrameAlloc, FrameRange, FrameRequest, Pfn, ZoneSet};

/// Frames of 64 KiB, as large arm64 machines have.
const PAGE_SHIFT: u32 = 16;
const CPUS: usize = 256;
const THREADS: usize = 8;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// What a firmware could report as usable: first byte, bytes.
const FIRMWARE_MAP: [(u64, u64); 7] = [
    (0, 0x9_fc00),
    (MIB, 2 * GIB - MIB),
    (4 * GIB, 4 * TIB - 4 * GIB),
    (4 * TIB, 4 * TIB - 512 * MIB), // directly behind the last
    (8 * TIB, 4 * TIB - 3 * MIB),
    (12 * TIB, 4 * TIB + 0x1_2345),
    (1 << 46, GIB), // a small bank very far away
];

thread_local! {
    /// The CPU that a thread is just now.
    static CPU: Cell<usize> = const { Cell::new(0) };
}

struct Server;

// SAFETY: the spin lock excludes, there are no interrupts, each thread plays CPUs of its own, and no memory is mapped.
unsafe impl Env for Server {
    const PAGE_SHIFT: u32 = PAGE_SHIFT;
    type Lock = spin::Mutex<()>;
    type Irq = ();

    fn irq_save(&self) {}

    fn cpus(&self) -> usize {
        CPUS
    }

    fn cpu(&self) -> Option<CpuIndex> {
        Some(CpuIndex(CPU.get()))
    }

    fn direct_map(&self) -> DirectMap {
        DirectMap::new(NonNull::dangling(), FrameRange::EMPTY)
    }

    fn secret(&self) -> u64 {
        0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut ranges = [FrameRange::EMPTY; 16];
    let mut usable = RegionSet::new(&mut ranges);
    for (start, bytes) in FIRMWARE_MAP {
        usable.add(FrameRange::inside(start, bytes, PAGE_SHIFT)?)?;
    }
    usable.remove(FrameRange::covering(0, 1, PAGE_SHIFT)?)?; // frame 0: no pointer may be null
    usable.remove(FrameRange::covering(MIB, 9 * MIB, PAGE_SHIFT)?)?; // the kernel's image

    let zones = Zones::new(Server);
    let table = dma_dma32_normal(PAGE_SHIFT);
    let config = Config::new(&table);
    let mut storage = vec![0; zones.storage_words(&config, &usable, &[])?];
    let tables = size_of_val(&*storage);
    // SAFETY: nobody uses these frames: there is no memory behind them.
    unsafe { zones.init(&mut storage, &config, &usable, &[]) }?;

    let bytes = (zones.stats().managed as u64) << PAGE_SHIFT;
    println!("{} regions, {} GiB, {CPUS} CPUs", usable.len(), bytes / GIB);
    println!("tables: {} MiB, {:.4} % of memory\n", tables >> 20, 100.0 * tables as f64 / bytes as f64);
    println!("{}", ZoneInfo(&zones));
    println!("free blocks of each order, from 0\n{}", BuddyInfo(&zones));

    show(&zones)?;
    churn(&zones);
    Ok(zones.check()?)
}

/// Some requests, and where they are served from.
fn show(zones: &Zones<'_, Server>) -> Result<(), Box<dyn Error>> {
    let requests = [
        ("5 frames", FrameRequest::new(5)),
        ("512 aligned frames", FrameRequest::new(512).aligned(512)),
        ("256 GiB in one piece", FrameRequest::new(256 << (30 - PAGE_SHIFT))),
        ("3 frames from DMA", FrameRequest::new(3).from_zones(ZoneSet::only(0))),
        ("3 frames below 1 GiB", FrameRequest::new(3).below(Pfn(1 << (30 - PAGE_SHIFT)))),
    ];
    for (what, request) in requests {
        let given = zones.allocate(&request)?;
        println!("{what:>24} at {:#014x}", given.start().0 << PAGE_SHIFT);
        // SAFETY: allocated above; nobody uses them.
        unsafe { zones.free(given) }?;
        // SAFETY: it does not come to a second free: that is an error, and nothing changes.
        let again = unsafe { zones.free(given) };
        assert!(again.is_err(), "a double free is refused wherever the frames rest");
    }
    Ok(())
}

/// Every CPU allocates, and frees what others allocated.
fn churn(zones: &Zones<'_, Server>) {
    drain(zones);
    let (free, blocks) = (zones.stats().free, zones.histogram());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || play(zones, thread));
        }
    });
    let stats = zones.stats();
    let cached: usize = (0..3).filter_map(|zone| zones.zone_stats(zone)).map(|zone| zone.cached).sum();
    println!("\n{} allocations and {} frees on {CPUS} CPUs", stats.allocations, stats.frees);
    println!("free before and after: {free} and {} frames; {cached} of them rest with CPUs", stats.free);
    drain(zones);
    println!("as the CPUs give them back, all blocks coalesce: {}", zones.histogram() == blocks);
}

/// One thread is every [`THREADS`]th CPU in turn; what one of these allocates, another frees.
fn play(zones: &Zones<'_, Server>, thread: usize) {
    let counts = [1, 1, 1, 2, 4, 8, 3, 512].into_iter().cycle();
    let mut live: Vec<FrameRange> = Vec::new();
    let free = |given| {
        // SAFETY: it was allocated here and is unused.
        assert_eq!(unsafe { zones.free(given) }, Ok(()), "who owns frames can free them");
    };
    for (turn, count) in counts.enumerate().take(40_000) {
        CPU.set(thread + turn * THREADS % CPUS);
        live.extend(zones.allocate(&FrameRequest::new(count)));
        if live.len() > 1000 {
            free(live.swap_remove(turn * 7919 % live.len()));
        }
    }
    live.into_iter().for_each(free);
}

/// Every CPU gives back what rests with it.
fn drain(zones: &Zones<'_, Server>) {
    for cpu in 0..CPUS {
        CPU.set(cpu);
        zones.drain_local();
    }
}
