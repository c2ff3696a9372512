//! The end of a broken kernel: the report on the log, then exit status 37.
//!
//! A report takes no lock and allocates nothing; the other CPUs are stopped first. A fault while one is being made ends the
//! machine at once.

use core::arch::asm;
use core::fmt::{self, Write};
use core::ops::Range;
use core::panic::PanicInfo;

use kos_demo_kernel::backtrace::{Backtrace, StackMemory};
use kos_demo_kernel::text::Text;
use kos_x86_64::report::{CallChain, FaultReport};
use kos_x86_64::trap::{DOUBLE_FAULT, Frame, PAGE_FAULT};
use x86_64::registers::control::Cr2;

use crate::address::pointer;
use crate::exit::{self, Status};
use crate::metal::Reporter;
use crate::serial::COM1;
use crate::{image, percpu, smp, stacks};

/// The stacks of this CPU.
struct Stacks;

impl StackMemory for Stacks {
    fn stack(&self, address: u64) -> Option<Range<u64>> {
        let mut own = stacks::of(percpu::number()).map(|stack| stack.range());
        own.find(|range| range.contains(&address))
            .or_else(|| crate::kernel()?.running_stack().filter(|range| range.contains(&address)))
    }

    fn word(&self, address: u64) -> Option<u64> {
        // SAFETY: the caller passes an aligned word inside a stack of this CPU, which is always mapped, or of the thread that it
        // runs.
        Some(unsafe { pointer::<u64>(address).read_volatile() })
    }
}

/// Reports a fatal exception and ends the machine.
pub(crate) fn fatal(frame: &Frame) -> ! {
    let address = Cr2::read_raw();
    let mut stacks = stacks::of(percpu::number());
    let overflow = match frame.vector {
        PAGE_FAULT | DOUBLE_FAULT => {
            let own = stacks.find(|stack| stack.guard().contains(&address));
            own.map(|stack| Text::new(format_args!("{}", stack.name)))
                .or_else(|| crate::kernel()?.overflowed_stack(address))
        }
        _ => None,
    };
    let overflow = overflow.as_ref().map(Text::as_str);
    let symbols = crate::metal().symbols().filter(|_| image::is_code(frame.rip));
    die(format_args!("{}", FaultReport { frame, address, overflow, symbols }), frame.rbp)
}

/// Reports a panic and ends the machine.
#[cfg_attr(panic = "abort", panic_handler)]
#[cfg_attr(
    not(panic = "abort"),
    expect(dead_code, reason = "only checked, see main.rs: std has the handler")
)]
fn panicked(info: &PanicInfo<'_>) -> ! {
    die(format_args!("kernel {info}\n"), frame_pointer())
}

fn die(what: fmt::Arguments<'_>, frame_pointer: u64) -> ! {
    let metal = crate::metal();
    match metal.die() {
        Reporter::Caller => metal.stop_others(),
        Reporter::CallerAgain => {
            COM1.write(b"kernel fault: again while reporting\n");
            exit::exit(Status::Panicked);
        }
        Reporter::Another => smp::stop(metal),
    }
    let calls = Backtrace::new(&Stacks, frame_pointer).take_while(|&returns_to| image::is_code(returns_to));
    let chain = CallChain::new(calls, metal.symbols());
    // Writing to the console cannot fail.
    let _ = write!(Last, "\n{what}on cpu {}; {chain}", percpu::number());
    exit::exit(Status::Panicked)
}

/// The console, which nobody else uses any more.
struct Last;

impl Write for Last {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        crate::metal().console.write_last(text.as_bytes());
        Ok(())
    }
}

fn frame_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: copies a register.
    unsafe { asm!("mov {}, rbp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}
