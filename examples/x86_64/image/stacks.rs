//! The stacks of each CPU: one to run on, and those of the interrupt stack table. Below each lies a guard page.
//!
//! Those of the first CPU are part of the image. Those of the others lie in [`layout::CPU_AREAS`], one area a CPU, behind its
//! page of data ([`crate::percpu`]):
//!
//! ```text
//! data | guard | boot stack | guard | interrupt stack | guard | exception stack | …
//! ```

use core::iter;
use core::ops::Range;

use kos_demo_kernel::platform::CpuMemory;
use kos_x86_64::layout::{CPU_AREA, CPU_AREAS, PAGE};
use kos_x86_64::trap;

use crate::image;

/// Bytes of the stack on which a CPU besides the first starts, without its guard page.
const BOOT_STACK_SIZE: u64 = 0x8000;
/// Bytes of each interrupt stack, without its guard page; `IST_STACK_SIZE` in `link.ld`.
const IST_STACK_SIZE: u64 = 0x4000;

/// A stack; the page below it is its guard page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) bottom: u64,
    pub(crate) top: u64,
}

impl Stack {
    pub(crate) fn range(self) -> Range<u64> {
        self.bottom..self.top
    }

    pub(crate) fn guard(self) -> Range<u64> {
        self.bottom - PAGE..self.bottom
    }
}

/// The stacks of the interrupt stack table, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IstStack {
    /// Device interrupts, only until their frame is moved.
    Interrupt,
    /// Exceptions without a stack of their own.
    Exception,
    NonMaskable,
    DoubleFault,
    MachineCheck,
    Debug,
}

impl IstStack {
    pub(crate) const ALL: [Self; 6] = [
        Self::Interrupt,
        Self::Exception,
        Self::NonMaskable,
        Self::DoubleFault,
        Self::MachineCheck,
        Self::Debug,
    ];

    /// The stack on which a vector enters.
    pub(crate) fn of_vector(vector: u64) -> Self {
        match vector {
            trap::DEBUG => Self::Debug,
            trap::NON_MASKABLE => Self::NonMaskable,
            trap::DOUBLE_FAULT => Self::DoubleFault,
            trap::MACHINE_CHECK => Self::MachineCheck,
            0..trap::EXCEPTIONS => Self::Exception,
            _ => Self::Interrupt,
        }
    }

    /// Its number in a gate: from 1.
    pub(crate) fn number(self) -> u8 {
        self as u8 + 1
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt stack",
            Self::Exception => "exception stack",
            Self::NonMaskable => "nmi stack",
            Self::DoubleFault => "double fault stack",
            Self::MachineCheck => "machine check stack",
            Self::Debug => "debug stack",
        }
    }
}

/// The last one of an area ends in it.
const _: () = assert!(2 * PAGE + BOOT_STACK_SIZE + 6 * (PAGE + IST_STACK_SIZE) <= CPU_AREA);

/// How far above the start of an area the stack ends on which a CPU starts; `ap.s` is told.
pub(crate) const BOOT_STACK_TOP: u64 = 2 * PAGE + BOOT_STACK_SIZE;

/// Where the memory of a CPU besides the first lies; its data is there.
pub(crate) fn area(cpu: u32) -> u64 {
    CPU_AREAS + u64::from(cpu) * CPU_AREA
}

/// The stack of `cpu` for a kind of vectors.
pub(crate) fn ist_stack(cpu: u32, stack: IstStack) -> Stack {
    let start = if cpu == 0 { image::ist_stacks_start() } else { area(cpu) + BOOT_STACK_TOP };
    let bottom = start + stack as u64 * (PAGE + IST_STACK_SIZE) + PAGE;
    Stack { name: stack.name(), bottom, top: bottom + IST_STACK_SIZE }
}

/// The stacks of the first CPU.
pub(crate) fn of_first() -> impl Iterator<Item = Stack> {
    of(0)
}

/// The stacks of `cpu`.
pub(crate) fn of(cpu: u32) -> impl Iterator<Item = Stack> {
    let boot = if cpu == 0 {
        image::boot_stack()
    } else {
        let top = area(cpu) + BOOT_STACK_TOP;
        top - BOOT_STACK_SIZE..top
    };
    let boot = Stack { name: "boot stack", bottom: boot.start, top: boot.end };
    iter::once(boot).chain(IstStack::ALL.into_iter().map(move |stack| ist_stack(cpu, stack)))
}

/// What must be mapped for `cpu`, which is not the first.
pub(crate) fn memory(cpu: u32) -> impl Iterator<Item = CpuMemory> {
    let data = CpuMemory { name: "cpu data", virt: area(cpu), length: PAGE };
    let stacks =
        of(cpu).map(|Stack { name, bottom, top }| CpuMemory { name, virt: bottom, length: top - bottom });
    iter::once(data).chain(stacks)
}
