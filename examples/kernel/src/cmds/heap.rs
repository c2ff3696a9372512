//! `alloc` and `kmalloc-demo`: the heap at work.

use core::alloc::Layout;
use core::fmt::Write;

use kos_alloc::HeapStats;

use super::no_arguments;
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::owned::{Block, HeapBlock, Wrong, free_wrongly};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, size};
use crate::text::{Bytes, Grouped, Text};

/// Allocates, says what it got, frees.
pub(super) fn alloc<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let (bytes, align) = match arguments {
        [bytes] => (*bytes, "1"),
        [bytes, align] => (*bytes, *align),
        _ => {
            return Err(CommandError::Usage(Text::new(format_args!(
                "give a size, and perhaps an alignment"
            ))));
        }
    };
    let [bytes, align] = [size(bytes), size(align)].map(|word| word.map_err(CommandError::Usage));
    let (bytes, align) = (bytes?, align?);
    let layout = Layout::from_size_align(bytes, align).map_err(|_| {
        CommandError::Failed(Text::new(format_args!(
            "{bytes} bytes aligned to {align} are no layout: align to a power of two, and stay below half the address space"
        )))
    })?;
    let before = kernel.heap().stats();
    let block = Block::zeroed(kernel.heap(), layout)?;
    let place = place(&before, &kernel.heap().stats(), layout);
    writeln!(out, "{} bytes at {:#x}: {place}", Grouped(bytes as u64), block.start().addr())?;
    block.free()?;
    let live = kernel.heap().stats().live;
    writeln!(
        out,
        "freed; live bytes before {}, after {}",
        Grouped(before.live as u64),
        Grouped(live as u64)
    )?;
    Ok(Next::Continue)
}

/// Which class, how much of the simple mode's pool, or how many frames a block took.
fn place(before: &HeapStats, after: &HeapStats, layout: Layout) -> Text {
    if layout.size() == 0 {
        return Text::new(format_args!("nothing is allocated for 0 bytes"));
    }
    let classes = before.classes.iter().zip(&after.classes);
    match classes.into_iter().find(|(before, after)| after.live > before.live) {
        Some((_, class)) => Text::new(format_args!("a block of class {}", class.size)),
        None if after.simple.blocks > before.simple.blocks => {
            Text::new(format_args!("{} bytes of the pool", after.simple.live - before.simple.live))
        }
        None => {
            let frames = after.large.frames.saturating_sub(before.large.frames);
            Text::new(format_args!("{frames} frames, {}", Bytes(frames as u64 * FRAME_BYTES)))
        }
    }
}

/// Statistics, allocations, a wrong free, statistics.
pub(super) fn demo<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    let heap = kernel.heap();
    let before = kernel.in_use();
    writeln!(out, "before   {before}")?;
    let mut blocks = [
        Block::new(heap, bytes_of(1024))?,
        Block::new(heap, bytes_of(2048))?,
        Block::zeroed(heap, Layout::array::<[u8; 64]>(10)?)?,
    ];
    for (block, what) in blocks.iter_mut().zip(["kmalloc(1024)", "kmalloc(2048)", "kcalloc(10, 64)"]) {
        let zeroed = block.bytes().iter().all(|&byte| byte == 0);
        writeln!(
            out,
            "         {what:<16} at {:#x}{}",
            block.start().addr(),
            if zeroed { ", all zero" } else { "" }
        )?;
        block.bytes().fill(0xa5);
    }
    writeln!(out, "during   {}", kernel.in_use())?;
    let [first, ..] = &blocks;
    wrong_free::<P>(heap, first, out)?;
    for block in blocks {
        block.free()?;
    }
    let after = kernel.in_use();
    writeln!(out, "after    {after}")?;
    heap.check()?;
    if after != before {
        return Err(CommandError::Failed(Text::new(format_args!("leaked: before {before}, after {after}"))));
    }
    writeln!(out, "nothing leaked: frames, blocks and tables in use are as before")?;
    Ok(Next::Continue)
}

/// Frees the middle of a block; that must be refused, and the block stay whole.
fn wrong_free<P: Platform>(
    heap: &crate::kernel::Heap<P>,
    block: &HeapBlock<'_, P>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    match free_wrongly(heap, Wrong::Inside(block)) {
        Err(error) => Ok(writeln!(out, "         a wrong free is refused: {error}")?),
        Ok(()) => Err(CommandError::Failed(Text::new(format_args!("the heap took a pointer into a block")))),
    }
}

const fn bytes_of(count: usize) -> Layout {
    match Layout::array::<u8>(count) {
        Ok(layout) => layout,
        Err(_) => Layout::new::<u8>(),
    }
}
