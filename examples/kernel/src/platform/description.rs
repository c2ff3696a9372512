//! What a machine tells of itself: memory, mappings, CPUs, traps, timers, input, and devices that do not do their work.
//!
//! Plain values; [`Platform`](super::Platform) says who gives them and when.

use core::error::Error;
use core::fmt;

use kos_alloc::CpuIndex;

/// One entry of the firmware's memory map, exactly as the firmware gave it: unsorted, perhaps overlapping, unaligned, empty or
/// wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareRegion {
    /// First byte, a physical address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// What the firmware says it is.
    pub kind: FirmwareKind,
}

/// The kinds that a firmware memory map distinguishes (E820 types, as PVH passes them on); a later one is stricter and wins
/// where entries overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirmwareKind {
    /// Ordinary memory (E820 type 1).
    Usable,
    /// ACPI tables, reusable once read (type 3).
    AcpiReclaimable,
    /// ACPI non-volatile storage (type 4).
    AcpiNvs,
    /// Reserved by the firmware (type 2 and every unknown type).
    Reserved,
    /// Memory that failed its test (type 5).
    Bad,
}

impl FirmwareKind {
    /// Every kind, the mildest first.
    pub const ALL: [Self; 5] =
        [Self::Usable, Self::AcpiReclaimable, Self::AcpiNvs, Self::Reserved, Self::Bad];
}

impl fmt::Display for FirmwareKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Usable => "usable",
            Self::AcpiReclaimable => "acpi",
            Self::AcpiNvs => "nvs",
            Self::Reserved => "reserved",
            Self::Bad => "bad",
        })
    }
}

/// What takes a time that a simulation chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delayed {
    /// A request to the disk.
    Disk,
    /// The way of packets from this host to itself.
    Packets,
}

/// Memory that is nearer to some CPUs than to others: one piece of a node. Holes and devices may lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeMemory {
    /// Which node, from 0 on.
    pub node: u32,
    /// First byte, a physical address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
}

/// Memory that is taken before the kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// What lies there, in a word or two: `image`, `page 0`, `module`.
    pub name: &'static str,
    /// First byte, a physical address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
}

/// One piece of the kernel's virtual address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What it is, in a word or two: `text`, `boot stack`, `apic`.
    pub name: &'static str,
    /// First virtual address; a multiple of the page size.
    pub virt: u64,
    /// First physical address; a multiple of the page size. Ignored for [`Rights::Guard`].
    pub phys: u64,
    /// Length in bytes; a multiple of the page size.
    pub length: u64,
    /// Who may do what there.
    pub rights: Rights,
}

/// Rights of a [`Mapping`]. Write and execute together cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Code.
    ReadExecute,
    /// Constants.
    Read,
    /// Data and stacks.
    ReadWrite,
    /// Registers of a device: read, write, uncached.
    Device,
    /// Nothing: the pages must stay unmapped, so that an overrun of their neighbour faults.
    Guard,
}

/// A kind of access, for [`Platform::probe`](super::Platform::probe).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Loads one byte.
    Read,
    /// Loads one byte and stores it again.
    Write,
}

/// The MMU refused an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The address that was accessed.
    pub address: u64,
    /// Whether the page was present, that is, whether a right was missing rather than the page.
    pub present: bool,
}

/// One CPU of the firmware's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The kernel's number for it; the allocators use the same.
    pub number: CpuIndex,
    /// The hardware's: on x86_64 the id of its local APIC.
    pub id: u32,
    /// How far it came.
    pub state: CpuState,
}

/// How far a CPU came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuState {
    /// Nobody has started it yet.
    Waiting,
    /// It runs.
    Online,
    /// It will not run.
    LeftOut(LeftOut),
}

/// Why a CPU was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It did not answer the start signal.
    Silent,
    /// There is no memory for its stacks.
    NoMemory,
}

impl fmt::Display for CpuState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Waiting => "not started",
            Self::Online => "online",
            Self::LeftOut(LeftOut::Silent) => "silent",
            Self::LeftOut(LeftOut::NoMemory) => "no memory",
        })
    }
}

/// Memory that a CPU needs to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuMemory {
    /// What it is, in a word or two: `boot stack`.
    pub name: &'static str,
    /// First virtual address; a multiple of the page size.
    pub virt: u64,
    /// Length in bytes; a multiple of the page size.
    pub length: u64,
}

/// What [`Platform::start_traps`](super::Platform::start_traps) proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapReport {
    /// Vectors with a handler.
    pub vectors: u16,
    /// Breakpoints taken and survived.
    pub breakpoints: u32,
    /// Page faults taken and survived.
    pub page_faults: u32,
}

/// What [`Platform::start_timer`](super::Platform::start_timer) started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerReport {
    /// The device: `local APIC`.
    pub device: &'static str,
    /// Input frequency of its counter, as calibrated.
    pub counter_hz: u64,
    /// The counter that it was calibrated against, where that was needed: `PIT`.
    pub told_by: Option<&'static str>,
    /// Ticks per second; 0 for a timer that does not tick.
    pub ticks_per_second: u32,
}

/// How often one vector was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptCount {
    /// The vector.
    pub vector: u16,
    /// What it is: `page fault`, `timer`.
    pub name: &'static str,
    /// Times taken since entry.
    pub count: u64,
}

/// The vector number by which [`Platform::interrupts`](super::Platform::interrupts) names the periodic timer's [`InterruptCount::name`].
pub const TIMER: &str = "timer";

/// What [`Platform::read_input`](super::Platform::read_input) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// One byte.
    Byte(u8),
    /// Nothing yet.
    Empty,
    /// Nothing, and never again: the other end is gone.
    Closed,
}

/// How input tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// There is some now.
    Ready,
    /// The machine calls [`Kernel::input`](crate::Kernel::input) when there is.
    Interrupts,
    /// Nobody tells: who waits looks again from time to time.
    Silent,
}

/// A device or trap that does not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceError {
    /// Which one: `breakpoint`, `local APIC`, `PIT`.
    pub device: &'static str,
    /// What is wrong with it.
    pub fault: DeviceFault,
}

/// What is wrong with a device.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFault {
    /// It is not there.
    Absent,
    /// It was there but did not answer.
    Silent,
    /// It answered, but not plausibly.
    Implausible {
        /// The value that it gave.
        value: u64,
    },
    /// It counts, but interrupts nobody.
    NoInterrupt,
    /// There is no memory for its requests.
    NoMemory,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.device;
        match self.fault {
            DeviceFault::Absent => write!(f, "{device} is absent"),
            DeviceFault::Silent => write!(f, "{device} does not answer"),
            DeviceFault::Implausible { value } => write!(f, "{device} answers {value}, which cannot be"),
            DeviceFault::NoInterrupt => write!(f, "{device} does not interrupt"),
            DeviceFault::NoMemory => write!(f, "{device} lacks memory for its requests"),
        }
    }
}

impl Error for DeviceError {}
