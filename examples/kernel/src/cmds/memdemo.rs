//! `memdemo`: the memory of the kernel from all sides: what is given comes back, what is wrong or too much is refused.

use core::alloc::Layout;
use core::fmt::Write;

use super::{heap, no_arguments, txn};
use crate::Kernel;
use crate::owned::Block;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

/// More than comes out of memory that rests somewhere: the frame allocator is asked.
const LARGE: usize = 2 << 20;

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    writeln!(out, "--- blocks are given and come back, a wrong free is refused")?;
    heap::demo(kernel, &[], out)?;
    writeln!(out, "--- memory ends in the middle of something larger: it is taken back whole")?;
    txn::run(kernel, &[], out)?;
    writeln!(out, "--- memory ends")?;
    out_of_memory(kernel, out)
}

/// A block that is refused leaves nothing, and the next one is given.
fn out_of_memory<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    let (heap, before) = (kernel.heap(), kernel.in_use());
    let layout = Layout::array::<u8>(LARGE)?;
    kernel.injector().arm(0);
    let refused = Block::new(heap, layout);
    kernel.injector().disarm();
    match refused {
        Err(error) => writeln!(out, "         {LARGE} bytes are refused: {error}")?,
        Ok(block) => {
            block.free()?;
            return Err(CommandError::Failed(Text::new(format_args!(
                "{LARGE} bytes were given all the same"
            ))));
        }
    }
    Block::new(heap, layout)?.free()?;
    let after = kernel.in_use();
    if after != before {
        return Err(CommandError::Failed(Text::new(format_args!("leaked: before {before}, after {after}"))));
    }
    writeln!(out, "         then given, and come back: {after}")?;
    Ok(Next::Continue)
}
