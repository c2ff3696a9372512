//! The local APIC in xAPIC mode: its timer, the end of an interrupt, interrupts to other CPUs, the spurious vector.
//!
//! Registers are memory, at [`layout::DEVICES`] plus the base that the CPU gives. Source: Intel SDM volume 3, chapter 12.

use kos_x86_64::layout;
use raw_cpuid::CpuId;
use x86_64::registers::model_specific::Msr;

use crate::address::pointer;
use crate::env::IrqGuard;

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

/// The registers in use, as offsets.
#[derive(Clone, Copy)]
enum Register {
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

const SOFTWARE_ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const DIVIDE_BY_16: u32 = 0x3;
/// In the command: not taken by the receiver yet.
const PENDING: u32 = 1 << 12;
/// Looks at a command that is pending before it is left alone; a healthy one takes none.
const LOOKS: u32 = 100_000;

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

/// The local APIC of the CPU that uses it: each sees its own at the same address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalApic {
    physical: u64,
}

impl LocalApic {
    /// Finds it and turns it on with every source masked. `None` if the CPU has none, if firmware left it in x2APIC mode or
    /// put it above the device window.
    pub(crate) fn start() -> Option<Self> {
        CpuId::new().get_feature_info().filter(|features| features.has_apic())?;
        // SAFETY: a CPU with an APIC has this register.
        let base = unsafe { Msr::new(BASE_MSR).read() };
        let physical = base & ADDRESS;
        if base & (ENABLED | X2APIC) != ENABLED || physical >= layout::BOOT_MAPPED {
            return None;
        }
        let apic = Self { physical };
        apic.write(Register::TaskPriority, 0);
        for source in [Register::LvtTimer, Register::LvtLint0, Register::LvtLint1, Register::LvtError] {
            apic.write(source, MASKED);
        }
        apic.write(Register::DivideBy, DIVIDE_BY_16);
        apic.write(Register::Spurious, SOFTWARE_ENABLE | u32::from(SPURIOUS_VECTOR));
        Some(apic)
    }

    /// Physical address of its page of registers.
    pub(crate) fn physical(self) -> u64 {
        self.physical
    }

    /// Lets the timer count down from the top, without an interrupt.
    pub(crate) fn start_counting(self) {
        self.write(Register::InitialCount, u32::MAX);
    }

    /// How far it has counted since [`start_counting`](Self::start_counting).
    pub(crate) fn counted(self) -> u32 {
        u32::MAX - self.read(Register::CurrentCount)
    }

    /// Raises [`TIMER_VECTOR`] once it has counted `count`; 0: not at all.
    pub(crate) fn alarm_after(self, count: u32) {
        self.write(Register::LvtTimer, u32::from(TIMER_VECTOR));
        self.write(Register::InitialCount, count);
    }

    /// Ends the interrupt that is being handled, so that others can come.
    pub(crate) fn end_of_interrupt(self) {
        self.write(Register::EndOfInterrupt, 0);
    }

    /// Sends to the CPU with this APIC id; returns once the command is on its way.
    pub(crate) fn send(self, id: u8, what: Ipi) {
        // An interrupt between the two halves could send something itself.
        let _masked = IrqGuard::new();
        self.write(Register::CommandHigh, u32::from(id) << 24);
        self.write(Register::CommandLow, what.command());
        for _ in 0..LOOKS {
            if self.read(Register::CommandLow) & PENDING == 0 {
                return;
            }
            core::hint::spin_loop();
        }
    }

    fn register(self, register: Register) -> *mut u32 {
        pointer(layout::DEVICES + self.physical + register as u64)
    }

    fn read(self, register: Register) -> u32 {
        // SAFETY: the page of registers is mapped in the device window by the boot tables and by the final ones.
        unsafe { self.register(register).read_volatile() }
    }

    fn write(self, register: Register, value: u32) {
        // SAFETY: mapped as for `read`. The registers in use deliver interrupts, all of which have handlers, to CPUs that run,
        // and start those that do not as `smp.rs` says; they touch no memory.
        unsafe { self.register(register).write_volatile(value) }
    }
}
