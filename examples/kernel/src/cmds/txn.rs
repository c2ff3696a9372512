//! `txn-demo`: a process that comes into being whole or not at all, whichever of its allocations fails.

use core::alloc::Layout;
use core::fmt::Write;
use core::ptr::NonNull;

use kos_alloc::txn::BlockBox;
use kos_alloc::{AllocError, BlockAlloc, FrameRange, FrameRequest, Transaction};

use super::no_arguments;
use crate::Kernel;
use crate::glue::inject::HeapInjector;
use crate::owned::{Run, Space};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

/// What [`create`] allocates, in order; the last but one and the one before it in a nested transaction.
const STEPS: [&str; 6] = [
    "1 frame for a table",
    "4 frames for a stack",
    "512 bytes for files",
    "nested: 96 bytes of header",
    "nested: 16 frames of image",
    "a box for all of it",
];
const FILES: Layout = Layout::new::<[u64; 64]>();
const HEADER: Layout = Layout::new::<[u64; 12]>();

pub(crate) struct Process {
    frames: [FrameRange; 3],
    files: NonNull<u8>,
    header: NonNull<u8>,
}

/// Each `?` leaves nothing behind.
pub(crate) fn create<A: BlockAlloc>(heap: &A) -> Result<BlockBox<'_, A, Process>, AllocError> {
    let mut tx = Transaction::begin::<8>(heap);
    let table = tx.allocate_frames(&FrameRequest::new(1))?;
    let stack = tx.allocate_frames(&FrameRequest::new(4))?;
    let files = tx.allocate(FILES)?;
    let image = tx.nested();
    let header = image.allocate(HEADER)?;
    let pages = image.allocate_frames(&FrameRequest::new(16))?;
    image.commit();
    let process = tx.new_box(Process { frames: [table, stack, pages], files, header })?.keep();
    tx.commit();
    Ok(process)
}

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    let before = kernel.in_use();
    let unchanged = || {
        let after = kernel.in_use();
        if after == before {
            Ok("as before")
        } else {
            Err(leak(format_args!("before {before}, after {after}")))
        }
    };
    writeln!(out, "before     {before}")?;
    writeln!(out, "{:>4}  {:<27} {:<53} in use", "step", "allocates", "fails with")?;
    for (index, what) in STEPS.iter().enumerate() {
        let heap = HeapInjector::new(kernel.heap(), index);
        let Err(error) = create(&heap) else {
            return Err(leak(format_args!("step {} did not fail", index + 1)));
        };
        let error = Text::new(format_args!("{error}"));
        writeln!(out, "{:>4}  {what:<27} {error:<53} {}", index + 1, unchanged()?)?;
    }
    let process = create(kernel.heap())?;
    writeln!(out, "commit     {}", kernel.in_use())?;
    take_apart(kernel, process);
    writeln!(out, "taken apart again: {}", unchanged()?)?;
    Ok(Next::Continue)
}

fn leak(what: core::fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

/// Ends a process: its parts get owners, which give them back.
#[expect(unsafe_code, reason = "the parts of a value become owners")]
pub(crate) fn take_apart<P: Platform>(kernel: &Kernel<P>, process: BlockBox<'_, crate::Heap<P>, Process>) {
    let heap = kernel.heap();
    for range in process.frames {
        // SAFETY: the transaction that made the process has committed, and the process, which is here, was their owner.
        drop(unsafe { Run::adopt(heap.frames(), range) });
    }
    for (start, layout) in [(process.files, FILES), (process.header, HEADER)] {
        // SAFETY: as above.
        drop(unsafe { Space::adopt(heap, start, layout) });
    }
}
