//! [`Hosted`]: a machine inside a process. Memory is an arena, the MMU a walk in software, the clock the host's.
//!
//! The image is imaginary: its sections take physical memory and appear in the page tables as on bare metal, so that what the
//! kernel says about itself has the same shape on both machines. Addresses of the kernel's heap, though, are the process's.

use alloc::sync::Arc;
use core::any::Any;
use core::iter;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant as HostInstant;

use kos_demo_kernel::Platform;
use kos_demo_kernel::platform::{
    Access, DeviceError, DeviceFault, FirmwareRegion, Input, InterruptCount, Listening, Mapping, Refused,
    Reserved, Rights, TIMER, TimerReport, TrapReport,
};
use kos_demo_kernel::time::Instant;
use kos_paging::{Flags, FlushSet, LongCaps, PhysAddr, TlbControl, VirtAddr, X86Long};
use kos_sched::Clock;
use kos_sched::arch::x86_64::StackSwitch;

use crate::arena::{Arena, HostedEnv, HostedPhys};
use crate::scheduler::HostedScheduler;
use crate::terminal::Terminal;

const KIB: u64 = 1 << 10;
const IMAGE_PHYS: u64 = 1 << 20;
const IMAGE_VIRT: u64 = 0xffff_ffff_8000_0000;
const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
const TICKS_PER_SECOND: u32 = 100;

/// The imaginary image, section behind section; the stack lies between two guard pages.
const IMAGE: [Mapping; 6] = [
    section("text", 0, 512, Rights::ReadExecute),
    section("rodata", 512, 128, Rights::Read),
    section("data", 640, 192, Rights::ReadWrite),
    section("guard below stack", 832, 4, Rights::Guard),
    section("stack", 836, 64, Rights::ReadWrite),
    section("guard above stack", 900, 4, Rights::Guard),
];
const IMAGE_KIB: u64 = 904;

const fn section(name: &'static str, from_kib: u64, kib: u64, rights: Rights) -> Mapping {
    let offset = IMAGE_PHYS + from_kib * KIB;
    Mapping { name, virt: IMAGE_VIRT + offset, phys: offset, length: kib * KIB, rights }
}

/// Where the log goes.
#[derive(Debug)]
pub enum Console {
    /// Into memory, for who started the machine.
    Memory(Arc<Mutex<Vec<u8>>>),
    /// To the terminal, which also is the keyboard.
    Terminal(Terminal),
}

/// A device that a machine lacks, to see what the kernel makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// No trap is ever taken.
    Traps,
    /// There is no timer.
    Timer,
    /// The CPU has no execute-disable bit.
    Nx,
}

/// The machine.
#[derive(Debug)]
pub struct Hosted {
    arena: Arc<Arena>,
    memory_map: Vec<FirmwareRegion>,
    command_line: Vec<u8>,
    console: Console,
    broken: Option<Broken>,
    entry: HostInstant,
    /// The physical address of the root table; 0: none is loaded.
    root: AtomicU64,
    page_faults: AtomicU64,
    records: Mutex<Vec<u8>>,
    /// That of a thread, on its way to whoever started the machine.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Hosted {
    /// A machine with this firmware map and memory up to `end_of_memory`.
    ///
    /// # Errors
    /// The host has not so much address space.
    pub fn new(
        memory_map: Vec<FirmwareRegion>,
        end_of_memory: u64,
        command_line: Vec<u8>,
        console: Console,
        broken: Option<Broken>,
    ) -> io::Result<Self> {
        Ok(Self {
            arena: Arc::new(Arena::new(end_of_memory)?),
            memory_map,
            command_line,
            console,
            broken,
            entry: HostInstant::now(),
            root: AtomicU64::new(0),
            page_faults: AtomicU64::new(0),
            records: Mutex::new(Vec::new()),
            panic: Mutex::new(None),
        })
    }

    /// The bytes written to the record channel since the last call.
    #[must_use]
    pub fn take_records(&self) -> Vec<u8> {
        core::mem::take(&mut *lock(&self.records))
    }

    fn has_nx(&self) -> bool {
        self.broken != Some(Broken::Nx)
    }

    /// What an MMU would say to an access.
    fn walk(&self, address: u64, access: Access) -> Result<(), Refused> {
        let root = PhysAddr::new(self.root.load(Ordering::Relaxed));
        let found = kos_paging::walk::translate(self.format(), &self.phys(), root, VirtAddr::new(address));
        match found {
            Err(_) => Err(Refused { address, present: false }),
            Ok(found) => {
                let allowed = access == Access::Read || found.leaf.attrs.flags.contains(Flags::WRITE);
                if allowed && self.arena.holds(found.phys.get()) {
                    Ok(())
                } else {
                    Err(Refused { address, present: true })
                }
            }
        }
    }
}

/// The format of a CPU with or without an execute-disable bit.
const fn format(nx: bool) -> X86Long<4> {
    match X86Long::new(LongCaps { nx, ..LongCaps::FULL }) {
        Ok(format) => format,
        Err(_) => unreachable!(),
    }
}

/// The bytes, whatever became of the thread that wrote them before.
fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Software that walks tables anew for each access has nothing to forget.
#[derive(Clone, Copy, Debug)]
pub struct NoTlb;

#[expect(unsafe_code, reason = "the port promises that stale translations are gone")]
// SAFETY: no translation outlives the walk that found it, so none is stale.
unsafe impl TlbControl for NoTlb {
    type Error = core::convert::Infallible;

    fn flush(&self, _: &FlushSet) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Platform for Hosted {
    type Env = HostedEnv;
    type Phys = HostedPhys;
    type Tlb = NoTlb;
    type Format = X86Long<4>;
    type Scheduler = HostedScheduler;
    type Switch = StackSwitch;

    const INTERRUPTS: bool = false;

    fn name(&self) -> &str {
        "a Linux process"
    }

    fn env(&self) -> HostedEnv {
        self.arena.env()
    }

    fn phys(&self) -> HostedPhys {
        HostedPhys(Arc::clone(&self.arena))
    }

    fn tlb(&self) -> NoTlb {
        NoTlb
    }

    fn scheduler(&self) -> HostedScheduler {
        HostedScheduler { entry: self.entry }
    }

    fn format(&self) -> X86Long<4> {
        const FORMATS: [X86Long<4>; 2] = [format(false), format(true)];
        let [without, with] = FORMATS;
        if self.has_nx() { with } else { without }
    }

    fn memory_map(&self) -> impl Iterator<Item = FirmwareRegion> {
        self.memory_map.iter().copied()
    }

    fn reserved(&self) -> impl Iterator<Item = Reserved> {
        [
            Reserved { name: "image", start: IMAGE_PHYS, length: IMAGE_KIB * KIB },
            Reserved { name: "page 0", start: 0, length: 4 * KIB },
        ]
        .into_iter()
    }

    fn command_line(&self) -> &[u8] {
        &self.command_line
    }

    fn modules(&self) -> impl Iterator<Item = &[u8]> {
        iter::empty()
    }

    fn mappings(&self) -> impl Iterator<Item = Mapping> {
        IMAGE.into_iter()
    }

    fn direct_map_base(&self) -> u64 {
        DIRECT_MAP
    }

    fn features(&self) -> impl Iterator<Item = (&'static str, bool)> {
        [("nx", self.has_nx()), ("1g-pages", true)].into_iter()
    }

    #[expect(unsafe_code, reason = "loading a root is unsafe on real machines")]
    unsafe fn activate(&self, root: u64) {
        self.root.store(root, Ordering::Relaxed);
    }

    fn start_traps(&self) -> Result<TrapReport, DeviceError> {
        if self.broken == Some(Broken::Traps) {
            return Err(DeviceError { device: "software MMU", fault: DeviceFault::Absent });
        }
        // The only trap of this machine: an address that nothing maps is refused.
        match self.probe(0, Access::Read) {
            Err(_) => Ok(TrapReport { vectors: 0, breakpoints: 0, page_faults: 1 }),
            Ok(()) => Err(DeviceError { device: "software MMU", fault: DeviceFault::Silent }),
        }
    }

    fn start_timer(&self) -> Result<TimerReport, DeviceError> {
        if self.broken == Some(Broken::Timer) {
            return Err(DeviceError { device: "host clock", fault: DeviceFault::Absent });
        }
        Ok(TimerReport {
            device: "host clock",
            counter_hz: 1_000_000_000,
            ticks_per_second: TICKS_PER_SECOND,
        })
    }

    fn set_tick_rate(&self, _: u32) -> Result<(), DeviceError> {
        // Ticks are computed from the time, not taken.
        Err(DeviceError { device: "host clock", fault: DeviceFault::NoInterrupt })
    }

    fn run_thread(&self, work: &mut dyn FnMut()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
    }

    fn resume_panic(&self) {
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    fn now(&self) -> Instant {
        self.scheduler().now()
    }

    fn interrupts(&self) -> impl Iterator<Item = InterruptCount> {
        let tick_ms = u64::from(1000 / TICKS_PER_SECOND);
        let ticks = if self.broken == Some(Broken::Timer) {
            0
        } else {
            self.now().duration_since_epoch().as_millis() / tick_ms
        };
        let faults = self.page_faults.load(Ordering::Relaxed);
        [
            InterruptCount { vector: 14, name: "page fault", count: faults },
            InterruptCount { vector: 32, name: TIMER, count: ticks },
        ]
        .into_iter()
    }

    fn probe(&self, address: u64, access: Access) -> Result<(), Refused> {
        let answer = self.walk(address, access);
        if answer.is_err() {
            self.page_faults.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn read_input(&self) -> Input {
        match &self.console {
            Console::Memory(_) => Input::Closed,
            Console::Terminal(terminal) => terminal.read(),
        }
    }

    fn listen(&self) -> Listening {
        if let Console::Terminal(terminal) = &self.console {
            terminal.wait();
        }
        Listening::Ready
    }

    fn write_log(&self, bytes: &[u8]) {
        match &self.console {
            Console::Memory(log) => lock(log).extend(bytes),
            Console::Terminal(terminal) => terminal.write(bytes),
        }
    }

    fn write_record(&self, bytes: &[u8]) {
        lock(&self.records).extend(bytes);
    }
}
