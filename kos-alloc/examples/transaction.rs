//! A process comes about in eight steps, each of which fails once: `cargo run -p kos-alloc --example transaction`.
//!
//! Nothing in `build` undoes anything; the transaction does.

#![expect(clippy::print_stdout, reason = "an example prints")]

use core::alloc::Layout;
use core::error::Error;
use core::ptr::NonNull;

use kos_alloc::testing::{FaultyHeap, HostEnv, Live, PlainFrames};
use kos_alloc::txn::{BlockBox, Log, LogEntry};
use kos_alloc::{
    AllocError, BlockAlloc, Env, FrameAlloc, FrameRange, FrameRequest, HeapConfig, KernelHeap, Pfn,
    Reservation, Transaction,
};

/// A kernel's heap that fails when it is told to.
type Heap<'m> = FaultyHeap<KernelHeap<&'m HostEnv, PlainFrames>>;
type Boxed<'h, 'm, T> = BlockBox<'h, Heap<'m>, T>;

const STEPS: [&str; 8] =
    ["page table", "kernel stack", "user stack", "image", "file table", "address space", "thread", "process"];
const TABLE: FrameRequest = FrameRequest::new(1);
const STACK: FrameRequest = FrameRequest::new(4).aligned(4);
const IMAGE: FrameRequest = FrameRequest::new(12);
const FILES: Layout = Layout::new::<[usize; 64]>();

struct Process<'h, 'm> {
    space: Boxed<'h, 'm, Space>,
    thread: Boxed<'h, 'm, Thread>,
    files: NonNull<u8>,
}

struct Space {
    table: FrameRange,
    stack: FrameRange,
    image: FrameRange,
}

struct Thread {
    kernel_stack: FrameRange,
    _registers: [u64; 32],
}

/// The eight steps. Each `?` leaves what was there before.
fn build<'h, 'm, L: Log>(
    tx: &mut Transaction<'h, Heap<'m>, L>,
) -> Result<Boxed<'h, 'm, Process<'h, 'm>>, AllocError> {
    let table = tx.allocate_frames(&TABLE)?;
    let kernel_stack = tx.allocate_frames(&STACK)?;
    let stack = tx.allocate_frames(&STACK)?;
    let image = tx.allocate_frames(&IMAGE)?;
    let files = tx.allocate(FILES)?;
    let space = tx.new_box(Space { table, stack, image })?;
    let thread = tx.new_box(Thread { kernel_stack, _registers: [0; 32] })?;
    // Both leave the transaction when there is a block for the process that takes them.
    let process = tx.new_box_with(|| Process { space: space.keep(), thread: thread.keep(), files })?;
    Ok(process.keep())
}

fn create<'h, 'm>(heap: &'h Heap<'m>) -> Result<Boxed<'h, 'm, Process<'h, 'm>>, (AllocError, Live)> {
    let mut tx = Transaction::begin::<8>(heap);
    // On the way out the transaction is dropped, and with it whatever stood by then.
    let process = build(&mut tx).map_err(|error| (error, heap.live()))?;
    tx.commit();
    Ok(process)
}

/// Another image and file table in place of the old ones, which are there until the new ones stand.
fn exec(heap: &Heap<'_>, process: &mut Process<'_, '_>) -> Result<(), AllocError> {
    let tx = Transaction::begin::<4>(heap);
    // SAFETY: the old image is the process's alone, and after the commit nobody uses it.
    unsafe { tx.defer_free_frames(process.space.image) }?;
    // SAFETY: as above.
    unsafe { tx.defer_free(process.files, FILES) }?;
    (process.space.image, process.files) = (tx.allocate_frames(&IMAGE)?, tx.allocate(FILES)?);
    tx.commit();
    Ok(())
}

fn exit(heap: &Heap<'_>, process: &Process<'_, '_>) -> Result<(), Box<dyn Error>> {
    for frames in [process.space.table, process.space.stack, process.space.image, process.thread.kernel_stack]
    {
        // SAFETY: the process owned them, and ends here.
        unsafe { heap.frames().free(frames) }?;
    }
    // SAFETY: as above.
    Ok(unsafe { heap.free(process.files, FILES) }?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let memory = FrameRange::between(Pfn(0x1003), Pfn(0x1083));
    let env = HostEnv::new(memory);
    let kernel = KernelHeap::new(&env, PlainFrames::new(memory));
    kernel.init(HeapConfig::default())?;
    let heap = FaultyHeap::new(kernel);
    println!("{:<16}  {:<8}  {:>15}  {:>15}", "fails at", "stands", "in use by then", "left behind");
    for (k, step) in STEPS.iter().enumerate() {
        heap.fail_at(Some(k));
        let Err((_, then)) = create(&heap) else { return Err("nothing failed".into()) };
        println!("{} {step:<14}  {:·<8}  {}  {}", k + 1, "■".repeat(k), show(then), show(heap.live()));
    }
    heap.fail_at(None);
    let mut process = create(&heap).map_err(|(error, _)| error)?;
    println!("{:<16}  {:·<8}  {}", "never", "■".repeat(8), show(heap.live()));
    let (log, calls) = (8 * size_of::<LogEntry>(), heap.calls() - STEPS.len());
    println!("\nThe log: 8 entries, {log} bytes on the stack, {calls} allocations of its own.\n");
    for k in 0..3 {
        heap.fail_at(Some(k));
        let result = exec(&heap, &mut process).map_or_else(|error| error.to_string(), |()| "done".into());
        println!("exec: image at {}, {}: {result}", process.space.image, show(heap.live()).trim());
    }
    exit(&heap, &process)?;
    drop(process);
    reserve(&heap, &env)?;
    Ok(heap.inner().check()?)
}

/// First what may fail, then what cannot, with interrupts masked and a heap that gives nothing more.
fn reserve(heap: &Heap<'_>, env: &HostEnv) -> Result<(), Box<dyn Error>> {
    heap.fail_at(None);
    let mut reserved = Reservation::new(heap, &[(FILES, 2)], &[(STACK, 1)])?;
    println!("\nreserved: {}", show(heap.live()).trim());
    let (blocks, stack, calls) = {
        let _masked = env.irq_save();
        heap.fail_at(Some(0));
        ([reserved.take(FILES)?, reserved.take(FILES)?], reserved.take_frames(&STACK)?, heap.calls())
    };
    println!(
        "taken with interrupts masked: {} blocks, {stack:?}; calls into the heap: {calls}",
        blocks.len()
    );
    println!(
        "once more: {}",
        reserved.take(FILES).map_or_else(|error| error.to_string(), |_| "given".into())
    );
    Ok(())
}

fn show(live: Live) -> String {
    let unit = if live.frames == 1 { "frame " } else { "frames" };
    format!("{:>4} B {:>2} {unit}", live.bytes, live.frames)
}
