//! How the registers of a local APIC are reached: as memory in xAPIC mode, as registers of the CPU in x2APIC mode.
//!
//! Both have the same registers at the same places, one each 16 bytes or one each number, but for the command: two halves of which the
//! second sends, against one. Source: Intel SDM volume 3, sections 12.4.1 and 12.12.1.

use core::arch::x86_64::{_mm_lfence, _mm_mfence};

use kos_x86_64::layout::DEVICES;
use x86_64::registers::model_specific::Msr;

use crate::address::pointer;
use crate::env::IrqGuard;

/// The registers in use, as offsets in the page.
#[derive(Clone, Copy)]
pub(super) enum Register {
    TaskPriority = 0x80,
    EndOfInterrupt = 0xb0,
    Spurious = 0xf0,
    CommandLow = 0x300,
    CommandHigh = 0x310,
    LvtTimer = 0x320,
    LvtLint0 = 0x350,
    LvtLint1 = 0x360,
    LvtError = 0x370,
    InitialCount = 0x380,
    CurrentCount = 0x390,
    DivideBy = 0x3e0,
}

/// Where the registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// In memory, in the page with this physical address, which the device window shows.
    Page(u64),
    /// In the CPU: it is in x2APIC mode.
    Msr,
}

/// The number of the first register of the CPU, and of the command there.
const FIRST: u32 = 0x800;
const COMMAND: u32 = 0x830;

/// In the command: not taken by the receiver yet. There is no such bit in x2APIC mode.
const PENDING: u32 = 1 << 12;
/// Looks at a command that is pending before it is left alone; a healthy one takes none.
const LOOKS: u32 = 100_000;

impl Access {
    pub(super) fn read(self, register: Register) -> u32 {
        match self {
            // SAFETY: the page of registers is mapped in the device window by the boot tables and by the final ones.
            Self::Page(page) => unsafe { in_window(page, register).read_volatile() },
            // SAFETY: a CPU in x2APIC mode has those in use. The upper half is reserved.
            Self::Msr => unsafe { low(msr(register).read()) },
        }
    }

    pub(super) fn write(self, register: Register, value: u32) {
        match self {
            // SAFETY: mapped as for `read`. The registers in use deliver interrupts, all of which have handlers, to CPUs that run,
            // and start those that do not as `smp.rs` says; they touch no memory.
            Self::Page(page) => unsafe { in_window(page, register).write_volatile(value) },
            // SAFETY: the same registers. What is written to them there may be written here.
            Self::Msr => unsafe { msr(register).write(u64::from(value)) },
        }
    }

    /// Sends `command` to the CPU with this APIC id; returns once it is on its way.
    pub(super) fn command(self, id: u32, command: u32) {
        match self {
            Self::Page(_) => self.command_in_halves(id, command),
            Self::Msr => {
                // Unlike a store to the page, this write waits for no earlier store: the other CPU could look for what it was
                // called for before it is there. Intel SDM volume 3, section 12.12.3.
                // SAFETY: every x86_64 CPU has SSE2.
                unsafe { _mm_mfence() };
                // SAFETY: likewise.
                unsafe { _mm_lfence() };
                // SAFETY: as for `write`.
                unsafe { Msr::new(COMMAND).write(u64::from(id) << 32 | u64::from(command)) };
            }
        }
    }

    fn command_in_halves(self, id: u32, command: u32) {
        // An interrupt between the two halves could send something itself.
        let _masked = IrqGuard::new();
        self.write(Register::CommandHigh, id << 24);
        self.write(Register::CommandLow, command);
        for _ in 0..LOOKS {
            if self.read(Register::CommandLow) & PENDING == 0 {
                return;
            }
            core::hint::spin_loop();
        }
    }
}

fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0)
}

fn in_window(page: u64, register: Register) -> *mut u32 {
    pointer(DEVICES + page + register as u64)
}

const fn msr(register: Register) -> Msr {
    Msr::new(FIRST + register as u32 / 16)
}
