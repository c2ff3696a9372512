//! `heapmode`: who serves the heap's blocks, and another one from now on.

use core::alloc::Layout;
use core::fmt::Write;

use kos_alloc::Mode;

use crate::Kernel;
use crate::kernel::Heap;
use crate::owned::{Block, HeapBlock};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

/// A mode as people call it.
pub(crate) struct NamedMode {
    pub(crate) mode: Mode,
    pub(crate) name: &'static str,
    summary: &'static str,
}

/// Every mode.
pub(crate) const MODES: [NamedMode; 3] = [
    NamedMode {
        mode: Mode::SimpleHeap,
        name: "simple",
        summary: "one pool by TLSF behind one lock, which grows in steps to 8 MiB",
    },
    NamedMode {
        mode: Mode::TwoTier,
        name: "twotier",
        summary: "slabs and whole frames, a lock for each size class",
    },
    NamedMode {
        mode: Mode::Hybrid,
        name: "hybrid",
        summary: "the same with a cache for each CPU: most calls take no lock",
    },
];

/// The largest of the blocks that live through a switch, as a power of two.
const LARGEST: u32 = 16;
/// All of them: two of each power of two from 8 bytes on.
const BLOCKS: usize = 2 * (LARGEST as usize - 2);

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    match arguments {
        [] => show(kernel, out)?,
        [name] => match MODES.iter().find(|mode| mode.name == *name) {
            Some(mode) => switch(kernel, mode, out)?,
            None => return Err(CommandError::Usage(Text::new(format_args!("there is no mode '{name}'")))),
        },
        [_, extra, ..] => return Err(CommandError::Usage(Text::new(format_args!("unexpected '{extra}'")))),
    }
    Ok(Next::Continue)
}

fn show<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> core::fmt::Result {
    let now = kernel.heap().mode();
    MODES.iter().try_for_each(|NamedMode { mode, name, summary }| {
        writeln!(out, "{} {name:<9}{summary}", if *mode == now { '*' } else { ' ' })
    })
}

/// Switches while blocks of the mode before live: they keep what they hold, and go back whence they came.
fn switch<P: Platform>(kernel: &Kernel<P>, to: &NamedMode, out: &mut dyn Write) -> Result<(), CommandError> {
    let (heap, before) = (kernel.heap(), kernel.heap().mode());
    let blocks = live_blocks::<P>(heap)?;
    heap.set_mode(to.mode)?;
    for (mut block, stamp) in blocks {
        if block.bytes().iter().any(|&byte| byte != stamp) {
            return Err(CommandError::Failed(Text::new(format_args!(
                "a block at {:p} changed",
                block.start()
            ))));
        }
        block.free()?;
    }
    heap.check()?;
    writeln!(
        out,
        "{} -> {}: {BLOCKS} blocks of 8 B to 64 KiB lived through it, and were freed after it",
        name(before),
        to.name
    )?;
    Ok(())
}

/// What people call a mode.
pub(super) fn name(mode: Mode) -> &'static str {
    MODES.iter().find(|named| named.mode == mode).map_or("another mode", |named| named.name)
}

/// Blocks of many sizes, each filled with its stamp.
fn live_blocks<P: Platform>(
    heap: &Heap<P>,
) -> Result<heapless::Vec<(HeapBlock<'_, P>, u8), BLOCKS>, CommandError> {
    let mut blocks = heapless::Vec::new();
    for stamp in 0..BLOCKS {
        let layout = Layout::from_size_align(8 << (stamp / 2), 8)?;
        let mut block = Block::new(heap, layout)?;
        let stamp = u8::try_from(stamp).unwrap_or(0);
        block.bytes().fill(stamp);
        // There is room for so many.
        let _ = blocks.push((block, stamp));
    }
    Ok(blocks)
}
