//! The ends of the machine: a status for who started QEMU, power off, reset, stop.
//!
//! Each way out is tried in turn and the last one stops the CPU for good, because under emulation an exit is asynchronous:
//! the CPU runs on for a while after the write.

use x86_64::VirtAddr;
use x86_64::instructions::port::Port;
use x86_64::instructions::tables::lidt;
use x86_64::instructions::{hlt, interrupts};
use x86_64::structures::DescriptorTablePointer;

use crate::serial::{COM1, COM2};

/// Exit status of the QEMU process. 0 is none of them: a triple fault ends with 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    /// Everything succeeded.
    Success = 33,
    /// Something failed and was reported.
    Failed = 35,
    /// A panic, a fatal exception or a failed boot.
    Panicked = 37,
}

/// Ends QEMU with this status through `isa-debug-exit`; powers off where that device is absent.
pub(crate) fn exit(status: Status) -> ! {
    drain();
    write_u32(0xf4, (status as u32 - 1) / 2);
    power_off()
}

/// Powers the machine off through the ACPI sleep registers of QEMU's q35 and pc, else stops.
pub(crate) fn power_off() -> ! {
    drain();
    write_u16(0x604, 0x2000);
    stop()
}

/// Resets the machine: reset control register, keyboard controller, triple fault.
pub(crate) fn reset() -> ! {
    drain();
    write_u8(0xcf9, 0x06);
    write_u8(0x64, 0xfe);
    triple_fault();
    stop()
}

/// What was said last is heard.
fn drain() {
    COM1.drain();
    COM2.drain();
}

/// Makes the CPU fault without a handler for the fault or for the fault of that: it shuts down.
pub(crate) fn triple_fault() {
    let pointer = DescriptorTablePointer { limit: 0, base: VirtAddr::zero() };
    // SAFETY: no gate lies within the limit, so the CPU reads none: the next trap shuts it down.
    unsafe { lidt(&pointer) };
    interrupts::int3();
}

/// Stops this CPU for good.
pub(crate) fn stop() -> ! {
    loop {
        interrupts::disable();
        hlt();
    }
}

fn write_u8(port: u16, value: u8) {
    // SAFETY: the ports of this module reset the machine or do nothing; nobody is left to see memory.
    unsafe { Port::new(port).write(value) }
}

fn write_u16(port: u16, value: u16) {
    // SAFETY: the ports of this module end the machine or do nothing.
    unsafe { Port::new(port).write(value) }
}

fn write_u32(port: u16, value: u32) {
    // SAFETY: the ports of this module end the machine or do nothing.
    unsafe { Port::new(port).write(value) }
}
