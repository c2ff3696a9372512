//! The heap as the `malloc` of unmodified programs: `cargo build -p kos-alloc --release --example c_malloc`, then
//! `LD_PRELOAD=target/release/examples/libc_malloc.so ls`.
//!
//! One arena from `mmap` plays physical memory, a thread plays a CPU: it holds a slot from its first allocation to its
//! end, and where there are more threads than slots the rest take the locked path. Nothing here allocates: slots are
//! values of a pthread key (Rust's and C++'s destructors of thread-locals would call `calloc`), a bad free is told from the
//! stack. Like glibc's: `malloc(0)` is a block, `realloc(p, 0)` frees and returns null, a bad free aborts.
//! Not replaced: `valloc` and `pvalloc`, whose blocks would be refused by `free`. The child of a program with several threads
//! may not allocate before `exec`: POSIX allows it no more, glibc does.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use core::alloc::Layout;
use core::ffi::{c_int, c_void};
use core::fmt::Write;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Once, OnceLock};

use kos_alloc::frame::Config;
use kos_alloc::{
    Buddy, CpuIndex, DirectMap, Env, FrameRange, Frames, FreeError, HeapConfig, KernelHeap, Mode, Pfn,
    ReallocError,
};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// Bytes of the arena; the system lends them as they are touched.
const ARENA: usize = 4 << 30;
/// Threads that have a slot at one time.
const SLOTS: u32 = 64;
/// Bytes that may rest with a slot.
const CACHE: usize = 256 << 10;
/// The alignment of every block: that of C's `max_align_t`.
const ALIGN: usize = 16;
/// The value of the pthread key in a thread that gave its slot back.
const LEFT: usize = usize::MAX;

static HEAP: KernelHeap<Process, Frames<Process>> = KernelHeap::new(Process, Frames::new(Process));
static LENT: OnceLock<Lent> = OnceLock::new();
/// One bit a slot that some thread holds.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// What the system lent this process.
struct Lent {
    arena: DirectMap,
    secret: u64,
    key: Option<libc::pthread_key_t>,
}
// SAFETY: the arena is plain memory, the same for every thread.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

/// Yields to the holder of a lock, who may have been preempted.
struct Yield;
impl spin::RelaxStrategy for Yield {
    fn relax() {
        // SAFETY: no conditions.
        unsafe { libc::sched_yield() };
    }
}

struct Process;
// SAFETY: the lock excludes; signal handlers must not allocate, as POSIX has it; the arena is never unmapped.
unsafe impl Env for Process {
    type Lock = spin::mutex::Mutex<(), Yield>;
    type Irq = ();

    fn irq_save(&self) {}

    fn cpus(&self) -> usize {
        SLOTS as usize
    }

    fn cpu(&self) -> Option<CpuIndex> {
        let key = LENT.get()?.key?;
        // SAFETY: the key was created and is never deleted.
        match unsafe { libc::pthread_getspecific(key) }.addr() {
            0 => claim(key),
            LEFT => None,
            slot => Some(CpuIndex(slot - 1)),
        }
    }

    fn direct_map(&self) -> DirectMap {
        LENT.get().map_or(DirectMap::new(NonNull::dangling(), FrameRange::EMPTY), |lent| lent.arena)
    }

    fn secret(&self) -> u64 {
        LENT.get().map_or(0, |lent| lent.secret)
    }
}

/// A free slot for this thread, from now to its end.
#[cold]
fn claim(key: libc::pthread_key_t) -> Option<CpuIndex> {
    let slot =
        TAKEN.fetch_update(Ordering::Acquire, Ordering::Relaxed, |taken| Some(taken | taken.wrapping_add(1)));
    let slot = slot.ok().map(u64::trailing_ones).filter(|slot| *slot < SLOTS)?;
    hold(key, slot as usize + 1);
    Some(CpuIndex(slot as usize))
}

/// Remembers `value` for this thread. Allocates nothing: glibc keeps the values of the first 32 keys in the thread itself.
fn hold(key: libc::pthread_key_t, value: usize) {
    // SAFETY: the key was created and is never deleted.
    unsafe { libc::pthread_setspecific(key, ptr::without_provenance(value)) };
}

/// Ends a thread's use of its slot; runs after the destructors of its thread-locals. What frees later has no slot.
unsafe extern "C" fn leave(value: *mut c_void) {
    let Some(key) = LENT.get().and_then(|lent| lent.key) else { return };
    hold(key, LEFT);
    if value.addr() != LEFT {
        TAKEN.fetch_and(!(1 << (value.addr() - 1)), Ordering::Release);
    }
}

/// Borrows the arena, with the frame allocator's tables in its first frames. Without memory every allocation fails.
#[cold]
fn start() -> Option<()> {
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
    // SAFETY: a fresh mapping, at an address of the system's choice.
    let base = NonNull::new(unsafe { mmap_anonymous(ptr::null_mut(), ARENA, access, flags) }.ok()?)?;
    let (first, frames) = (Pfn(base.addr().get() >> Process::PAGE_SHIFT), ARENA >> Process::PAGE_SHIFT);
    let all = FrameRange::new(first, frames)?;
    let (mut secret, mut key) = ([0; 8], 0);
    // SAFETY: the buffer has that many bytes.
    unsafe { libc::getrandom(secret.as_mut_ptr().cast(), secret.len(), 0) };
    // SAFETY: `leave` may be called in any thread.
    let made = unsafe { libc::pthread_key_create(&raw mut key, Some(leave)) } == 0;
    let arena = DirectMap::new(base.cast(), all);
    LENT.set(Lent { arena, secret: u64::from_ne_bytes(secret), key: (made && key < 32).then_some(key) })
        .ok()?;
    let words = Buddy::storage_words(Config::default(), &[all], &[]).ok()?;
    let tables = FrameRange::new(first, (words * 8).div_ceil(1 << Process::PAGE_SHIFT))?;
    // SAFETY: the arena begins with these words, zeroed, and they are reserved below.
    let storage = unsafe { core::slice::from_raw_parts_mut(base.as_ptr().cast(), words) };
    let buddy = Buddy::new(storage, Config::default(), &[all], &[tables]).ok()?;
    // SAFETY: the arena is used through this allocator alone.
    unsafe { HEAP.frames().init(buddy) }.ok()?;
    HEAP.init(HeapConfig { mode: Mode::Hybrid, cache_bytes_per_cpu: Some(CACHE), ..HeapConfig::default() })
        .ok()
}

// The exported functions call none of each other: in a process that has them twice, the call would go to libc's.

/// The heap, set up.
fn heap() -> &'static KernelHeap<Process, Frames<Process>> {
    static START: Once = Once::new();
    START.call_once(|| {
        let _ = start();
    });
    &HEAP
}

fn fail(code: c_int) -> *mut c_void {
    // SAFETY: no conditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's own.
    unsafe { errno.write(code) };
    ptr::null_mut()
}

fn out_of_memory() -> *mut c_void {
    fail(libc::ENOMEM)
}

/// `size` bytes at a multiple of `align`, a power of two; at least one, so that every block has an address of its own.
fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), align.max(ALIGN)).ok()
}

fn allocate(size: usize, align: usize) -> *mut c_void {
    if !align.is_power_of_two() {
        return fail(libc::EINVAL);
    }
    let block = layout(size, align).and_then(|layout| heap().allocate(layout).ok());
    block.map_or_else(out_of_memory, |block| block.as_ptr().cast())
}

/// A layout of the block at `ptr`, by what the heap knows of it.
fn layout_of(ptr: NonNull<u8>) -> Layout {
    match heap().usable_size(ptr) {
        Ok(size) => layout(size, ALIGN).unwrap_or_else(|| abort(&FreeError::Corrupt(ptr))),
        Err(error) => abort(&error),
    }
}

/// Frees the block at `ptr`.
///
/// # Safety
///
/// Nobody uses it any more.
unsafe fn release(ptr: NonNull<u8>) {
    // SAFETY: the caller's promise.
    if let Err(error) = unsafe { heap().free(ptr, layout_of(ptr)) } {
        abort(&error);
    }
}

/// Tells of a wrong free and ends the process, as glibc does.
fn abort(error: &FreeError<NonNull<u8>>) -> ! {
    let mut line = heapless::String::<128>::new();
    let _ = writeln!(line, "c_malloc: {error}");
    // SAFETY: the buffer has that many bytes.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
    // SAFETY: no conditions.
    unsafe { libc::abort() }
}

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    allocate(size, ALIGN)
}

#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let layout = count.checked_mul(size).and_then(|size| layout(size, ALIGN));
    let block = layout.and_then(|layout| heap().allocate_zeroed(layout).ok());
    block.map_or_else(out_of_memory, |block| block.as_ptr().cast())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(ptr: *mut c_void) {
    // SAFETY: passed on from the caller.
    NonNull::new(ptr.cast()).into_iter().for_each(|ptr| unsafe { release(ptr) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
    let Some(old) = NonNull::new(ptr.cast()) else { return allocate(size, ALIGN) };
    if size == 0 {
        // SAFETY: passed on from the caller.
        unsafe { release(old) };
        return ptr::null_mut();
    }
    // SAFETY: the caller no longer uses the old block, unless null comes back.
    match unsafe { heap().reallocate(old, layout_of(old), size) } {
        Ok(new) => new.as_ptr().cast(),
        Err(ReallocError::Free(error)) => abort(&error),
        Err(_) => out_of_memory(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    allocate(size, align)
}

#[unsafe(no_mangle)]
extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    allocate(size, align)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<*mut c_void>()) {
        return libc::EINVAL;
    }
    let Some(block) = layout(size, align).and_then(|layout| heap().allocate(layout).ok()) else {
        return libc::ENOMEM;
    };
    // SAFETY: the caller lends a place for a pointer.
    unsafe { out.write(block.as_ptr().cast()) };
    0
}

#[unsafe(no_mangle)]
extern "C" fn malloc_usable_size(ptr: *mut c_void) -> usize {
    NonNull::new(ptr.cast()).map_or(0, |ptr| heap().usable_size(ptr).unwrap_or(0))
}
