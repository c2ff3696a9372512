//! The image in memory: its sections and stacks, as `link.ld` lays them out.

use core::ops::Range;

use kos_demo_kernel::platform::{Mapping, Rights};
use kos_x86_64::layout::{KERNEL_BASE, PAGE};
use kos_x86_64::trap;

unsafe extern "C" {
    static image_start: u8;
    static text_end: u8;
    static rodata_end: u8;
    static data_end: u8;
    static boot_stack_bottom: u8;
    static boot_stack_top: u8;
    static ist_stacks: u8;
    static image_end: u8;
}

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

    fn name(self) -> &'static str {
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

/// The address of a linker symbol, of which only the address means something.
fn address(symbol: *const u8) -> u64 {
    symbol.addr() as u64
}

/// The virtual addresses of the whole image.
pub(crate) fn range() -> Range<u64> {
    address(&raw const image_start)..address(&raw const image_end)
}

/// The physical addresses of the whole image.
pub(crate) fn physical() -> Range<u64> {
    let Range { start, end } = range();
    start - KERNEL_BASE..end - KERNEL_BASE
}

/// Whether `address` is in the code of the image.
pub(crate) fn is_code(address: u64) -> bool {
    (self::address(&raw const image_start)..self::address(&raw const text_end)).contains(&address)
}

/// One of the interrupt stacks.
pub(crate) fn ist_stack(stack: IstStack) -> Stack {
    let bottom = address(&raw const ist_stacks) + stack as u64 * (PAGE + IST_STACK_SIZE) + PAGE;
    Stack { name: stack.name(), bottom, top: bottom + IST_STACK_SIZE }
}

/// All stacks.
pub(crate) fn stacks() -> impl Iterator<Item = Stack> {
    let bottom = address(&raw const boot_stack_bottom);
    let boot = Stack { name: "boot stack", bottom, top: address(&raw const boot_stack_top) };
    core::iter::once(boot).chain(IstStack::ALL.into_iter().map(ist_stack))
}

/// What the final tables must map for the image, guard pages included.
pub(crate) fn mappings() -> impl Iterator<Item = Mapping> {
    let [start, text, rodata, data] =
        [&raw const image_start, &raw const text_end, &raw const rodata_end, &raw const data_end]
            .map(address);
    let sections = [
        mapping("text", start..text, Rights::ReadExecute),
        mapping("rodata", text..rodata, Rights::Read),
        mapping("data", rodata..data, Rights::ReadWrite),
    ];
    let stacks = stacks().flat_map(|stack| {
        [
            mapping("guard", stack.guard(), Rights::Guard),
            mapping(stack.name, stack.range(), Rights::ReadWrite),
        ]
    });
    sections.into_iter().chain(stacks)
}

fn mapping(name: &'static str, range: Range<u64>, rights: Rights) -> Mapping {
    Mapping {
        name,
        virt: range.start,
        phys: range.start - KERNEL_BASE,
        length: range.end - range.start,
        rights,
    }
}
