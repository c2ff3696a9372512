//! A whole Rust process on a `KernelHeap`: `cargo run -p kos-alloc --example heap`.
//!
//! A kernel does the same with its own `Env` and its firmware's memory map, and calls `boot` before its first `Box`.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "an example speaks, and stops when it cannot start"
)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::HashMap;
use std::thread;

use kos_alloc::frame::Config;
use kos_alloc::{Buddy, CpuIndex, DirectMap, Env, FrameRange, Frames, HeapConfig, KernelHeap, Pfn};

const FRAMES: usize = 4096;
/// Memory that is handed out once, by `boot`.
#[repr(align(65536))]
struct Lent<T>(UnsafeCell<T>);
// SAFETY: only the allocators reach it, and they give each byte to one owner.
unsafe impl<T> Sync for Lent<T> {}

/// The machine's memory: 16 MiB whose "physical" addresses are their own.
static MEMORY: Lent<[u8; FRAMES << 12]> = Lent(UnsafeCell::new([0; FRAMES << 12]));
/// The frame allocator's tables.
static TABLES: Lent<[u64; 1024]> = Lent(UnsafeCell::new([0; 1024]));
static HEAP: KernelHeap<Host, Frames<Host>> = KernelHeap::new(Host, Frames::new(Host));

struct Host;
// SAFETY: the spin lock excludes, a process has no interrupt handlers, and the memory is static.
unsafe impl Env for Host {
    type Lock = spin::Mutex<()>;
    type Irq = ();

    fn irq_save(&self) {}

    fn cpu(&self) -> Option<CpuIndex> {
        None
    }

    fn direct_map(&self) -> DirectMap {
        let base = NonNull::from(&MEMORY.0).cast::<u8>();
        let first = base.addr().get() >> Self::PAGE_SHIFT;
        DirectMap::new(base, FrameRange::between(Pfn(first), Pfn(first + FRAMES)))
    }

    fn secret(&self) -> u64 {
        0x6b65_726e_656c_2121
    }
}

fn boot() {
    // SAFETY: this is the only reference to the tables; `boot` runs once.
    let tables = unsafe { &mut *TABLES.0.get() };
    let usable = [Host.direct_map().frames()];
    let buddy = Buddy::new(tables, Config::default(), &usable, &[]).expect("a memory map");
    // SAFETY: the memory is used through this allocator alone.
    unsafe { HEAP.frames().init(buddy) }.expect("the first initialisation");
    HEAP.init(HeapConfig::default()).expect("frames for the page map");
}

/// A process allocates before `main`; a kernel, which does not, makes `HEAP` itself the global allocator.
struct BootFirst(AtomicBool);
// SAFETY: passes everything on.
unsafe impl GlobalAlloc for BootFirst {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !self.0.swap(true, Ordering::Relaxed) {
            boot();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { HEAP.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { HEAP.dealloc(ptr, layout) };
    }
}
#[global_allocator]
static GLOBAL: BootFirst = BootFirst(AtomicBool::new(false));

fn main() {
    let count = |from: u32| (from..from + 1000).map(|n| (n, format!("{n:x}"))).collect::<HashMap<_, _>>();
    let workers = [0, 1, 2, 3].map(|n| thread::spawn(move || count(n * 1000).len()));
    println!("strings made and dropped: {:?}", workers.map(|worker| worker.join().ok()));
    let layout = Layout::new::<[u64; 12]>();
    let block = HEAP.allocate(layout).expect("96 bytes");
    // SAFETY: the block is live and unused; the second free is refused.
    let frees = [(); 2].map(|()| unsafe { HEAP.free(block, layout) });
    println!("freed twice: {frees:?}");
    println!("{}\ncheck: {:?}", HEAP.stats(), HEAP.check());
}
