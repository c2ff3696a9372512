//! The local APIC: its timer, the end of an interrupt, interrupts to other CPUs, the spurious vector.
//!
//! Source: Intel SDM volume 3, chapter 12.

mod access;

use access::{Access, Register};
use kos_x86_64::layout;
use raw_cpuid::CpuId;
use x86_64::registers::model_specific::Msr;

/// Vector of the timer.
pub(crate) const TIMER_VECTOR: u8 = 0x30;
/// Vector of the first line of the ISA bus; the others follow.
pub(crate) const FIRST_LINE_VECTOR: u8 = 0x40;
/// Vector of the disk.
pub(crate) const DISK_VECTOR: u8 = 0x60;
/// Vector of the network card.
pub(crate) const NET_VECTOR: u8 = 0x61;
/// Vector of the device of random numbers.
pub(crate) const DICE_VECTOR: u8 = 0x62;
/// Vector of the line to the host.
pub(crate) const HVC_VECTOR: u8 = 0x63;
/// Vector by which another CPU ends the sleep of this one.
pub(crate) const RESCHEDULE_VECTOR: u8 = 0xf0;
/// Vector by which another CPU requests something: that translations be forgotten, that caches be drained.
pub(crate) const CALL_VECTOR: u8 = 0xf1;
/// Vector by which a CPU that reports the end stops the others.
pub(crate) const STOP_VECTOR: u8 = 0xf2;
/// Vector of an interrupt that vanished before it was taken; it needs no end.
pub(crate) const SPURIOUS_VECTOR: u8 = 0xff;

const BASE_MSR: u32 = 0x1b;
const ENABLED: u64 = 1 << 11;
const X2APIC: u64 = 1 << 10;
const ADDRESS: u64 = 0xf_ffff_f000;

const SOFTWARE_ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const DIVIDE_BY_16: u32 = 0x3;
/// What one CPU sends to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipi {
    /// Reset; wait for a start signal.
    Init,
    /// Start in real mode at the start of this page.
    Start { page: u8 },
    /// Take this interrupt.
    Vector(u8),
}

impl Ipi {
    fn command(self) -> u32 {
        const ASSERT: u32 = 1 << 14;
        match self {
            Self::Init => ASSERT | 0x500,
            Self::Start { page } => ASSERT | 0x600 | u32::from(page),
            Self::Vector(vector) => ASSERT | u32::from(vector),
        }
    }
}

/// The local APIC of the CPU that uses it: each reaches its own in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalApic {
    registers: Access,
}

impl LocalApic {
    /// Finds it and turns it on with every source masked, in x2APIC mode where the CPU has that. `None` if the CPU has no APIC, if
    /// firmware turned it off, or put its page above the device window.
    pub(crate) fn start() -> Option<Self> {
        let features = CpuId::new().get_feature_info().filter(|features| features.has_apic())?;
        let apic = Self { registers: reach(features.has_x2apic())? };
        apic.registers.write(Register::TaskPriority, 0);
        for source in [Register::LvtTimer, Register::LvtLint0, Register::LvtLint1, Register::LvtError] {
            apic.registers.write(source, MASKED);
        }
        apic.registers.write(Register::DivideBy, DIVIDE_BY_16);
        apic.registers.write(Register::Spurious, SOFTWARE_ENABLE | u32::from(SPURIOUS_VECTOR));
        Some(apic)
    }

    /// Physical address of its page of registers, where they are memory.
    pub(crate) fn page(self) -> Option<u64> {
        match self.registers {
            Access::Page(page) => Some(page),
            Access::Msr => None,
        }
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self.registers {
            Access::Page(_) => "local APIC",
            Access::Msr => "local x2APIC",
        }
    }

    /// Lets the timer count down from the top, without an interrupt.
    pub(crate) fn start_counting(self) {
        self.registers.write(Register::InitialCount, u32::MAX);
    }

    /// How far it has counted since [`start_counting`](Self::start_counting).
    pub(crate) fn counted(self) -> u32 {
        u32::MAX - self.registers.read(Register::CurrentCount)
    }

    /// Raises [`TIMER_VECTOR`] once it has counted `count`; 0: not at all.
    pub(crate) fn alarm_after(self, count: u32) {
        self.registers.write(Register::LvtTimer, u32::from(TIMER_VECTOR));
        self.registers.write(Register::InitialCount, count);
    }

    /// Ends the interrupt that is being handled, so that others can come.
    pub(crate) fn end_of_interrupt(self) {
        self.registers.write(Register::EndOfInterrupt, 0);
    }

    /// Sends to the CPU with this APIC id; returns once the command is on its way.
    pub(crate) fn send(self, id: u8, what: Ipi) {
        self.registers.command(u32::from(id), what.command());
    }
}

/// How this CPU reaches its registers. `x2apic`: it has that mode, and is put into it, as no way leads back from it but through off: who
/// finds it there, left by firmware, must be at home in it.
fn reach(x2apic: bool) -> Option<Access> {
    let mut register = Msr::new(BASE_MSR);
    // SAFETY: a CPU with an APIC has this register.
    let base = unsafe { register.read() };
    if base & ENABLED == 0 {
        return None;
    }
    if x2apic {
        // SAFETY: the CPU has the mode. Only the page of registers vanishes, and nobody looks there any more.
        unsafe { register.write(base | X2APIC) };
        return Some(Access::Msr);
    }
    Some(base & ADDRESS).filter(|&page| page < layout::BOOT_MAPPED).map(Access::Page)
}
