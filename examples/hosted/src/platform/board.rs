//! [`Board`]: everything that changes in a machine, and the devices on it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kos_alloc::CpuIndex;
use kos_demo_kernel::Kernel;
use kos_demo_kernel::platform::{
    Cpu, CpuState, DeviceError, DeviceFault, FirmwareRegion, Input, InterruptCount, LeftOut, TIMER,
};
use kos_demo_kernel::time::{Duration, Instant};

use super::Hosted;
use super::seat::{Seat, Timer};
use crate::arena::{Arena, HostedEnv};
use crate::disk::FileDisk;
use crate::engine::{self, Engine, Interrupt};
use crate::rough::{Befell, Roughness};
use crate::terminal::Terminal;

/// Where the log goes.
#[derive(Debug)]
pub enum Console {
    /// Into memory, for who started the machine.
    Memory(Mutex<Vec<u8>>),
    /// To the terminal, which also is the keyboard.
    Terminal(Terminal),
}

/// A device that a machine lacks, or that is broken, to see what the kernel makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// No trap is ever taken.
    Traps,
    /// There is no timer.
    Timer,
    /// The CPU has no execute-disable bit.
    Nx,
    /// There is a device of random numbers, which never answers.
    Dice,
}

/// What a machine is to be.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) memory_map: Vec<FirmwareRegion>,
    pub(crate) command_line: Vec<u8>,
    pub(crate) console: Console,
    pub(crate) broken: Option<Broken>,
    pub(crate) cpus: usize,
    pub(crate) engine: Engine,
    pub(crate) disk: Option<Arc<FileDisk>>,
    pub(crate) archive: Option<Vec<u8>>,
    pub(crate) rough: Roughness,
}

/// A machine. On a CPU, everything that calls the host does so with its interrupts masked.
#[derive(Debug)]
pub(crate) struct Board {
    pub(super) arena: Arc<Arena>,
    pub(super) plan: Plan,
    /// When it was switched on, by the engine's clock.
    pub(super) entry: u64,
    /// The physical address of the root table; 0: none is loaded.
    root: AtomicU64,
    page_faults: AtomicU64,
    seats: Box<[Seat]>,
    records: Mutex<Vec<u8>>,
    befell: Mutex<Befell>,
}

impl Board {
    /// A machine with memory up to `end_of_memory`.
    ///
    /// # Errors
    /// The host has not so much address space.
    pub(crate) fn new(plan: Plan, end_of_memory: u64) -> io::Result<Self> {
        let entry = match plan.engine {
            Engine::Threads => engine::now(),
            Engine::Sim { .. } => 0,
        };
        Ok(Self {
            arena: Arc::new(Arena::new(end_of_memory)?),
            seats: (0..plan.cpus.max(1)).map(|_| Seat::default()).collect(),
            plan,
            entry,
            root: AtomicU64::new(0),
            page_faults: AtomicU64::new(0),
            records: Mutex::new(Vec::new()),
            befell: Mutex::default(),
        })
    }

    /// How many CPUs it has.
    pub(crate) fn cpus(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn env(&self) -> HostedEnv {
        let secret = match self.plan.engine {
            Engine::Threads => self.arena.secret(),
            // A run must not depend on where the host put the arena.
            Engine::Sim { seed } => !seed,
        };
        self.arena.env(self.cpus(), secret)
    }

    /// What is to befall packets of this machine to itself, and by which seed, if anything is.
    pub(super) fn roughness(&self) -> Option<(Roughness, u64)> {
        let seed = match self.plan.engine {
            Engine::Threads => 1,
            Engine::Sim { seed } => seed,
        };
        Some((self.plan.rough, seed)).filter(|(rough, _)| !rough.is_smooth())
    }

    pub(super) fn tell_befell(&self, befell: Befell) {
        let _masked = engine::mask_signals();
        *lock(&self.befell) = befell;
    }

    /// What befell packets of this machine to itself so far. Smooth links do not count.
    pub(crate) fn befell(&self) -> Befell {
        *lock(&self.befell)
    }

    pub(super) fn has_nx(&self) -> bool {
        self.plan.broken != Some(Broken::Nx)
    }

    pub(super) fn root(&self) -> u64 {
        self.root.load(Relaxed)
    }

    pub(super) fn set_root(&self, root: u64) {
        self.root.store(root, Relaxed);
    }

    /// Nanoseconds since it was switched on.
    pub(super) fn nanoseconds(&self) -> u64 {
        engine::now().saturating_sub(self.entry)
    }

    /// Since 1970. A simulation must not depend on the day, so it has no such clock.
    pub(super) fn time_of_day(&self) -> Option<Duration> {
        let _masked = engine::mask_signals();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let real = self.plan.engine == Engine::Threads;
        u64::try_from(now.as_nanos()).ok().filter(|_| real).map(Duration::from_ticks)
    }

    /// The timer of the calling CPU.
    pub(super) fn timer(&self) -> Result<Timer<'_>, DeviceError> {
        let absent = DeviceError { device: "host clock", fault: DeviceFault::Absent };
        if !self.has_alarm() {
            return Err(absent);
        }
        self.any_timer().ok_or(absent)
    }

    /// The same; one that does not interrupt still counts.
    fn any_timer(&self) -> Option<Timer<'_>> {
        let seat = self.seats.get(engine::cpu()?)?;
        Some(Timer { seat, entry: self.entry, interrupts: self.has_alarm() })
    }

    /// The scheduler's event on the calling CPU, which is masked, is due at `at`, or never.
    pub(super) fn arm_event(&self, at: Option<Instant>) {
        if let Some(timer) = self.any_timer() {
            timer.set_event(at);
        }
    }

    /// Whether a timer ends a CPU's sleep. Where none does, the CPU looks at the time.
    pub(super) fn has_alarm(&self) -> bool {
        self.plan.broken != Some(Broken::Timer)
    }

    /// Starts the CPUs from 1 up to `prepared` - 1, but for the silent one; those beyond are left out.
    pub(super) fn start_cpus(&self, prepared: usize, silent: Option<CpuIndex>) {
        for (number, seat) in self.seats.iter().enumerate().skip(1) {
            seat.set_state(if number >= prepared {
                CpuState::LeftOut(LeftOut::NoMemory)
            } else if silent == Some(CpuIndex(number)) {
                CpuState::LeftOut(LeftOut::Silent)
            } else {
                // It waits for the kernel where it begins.
                match engine::start(number) {
                    Ok(()) => CpuState::Online,
                    Err(_) => CpuState::LeftOut(LeftOut::NoMemory),
                }
            });
        }
        if let Some(boot) = self.seats.first() {
            boot.set_state(CpuState::Online);
        }
    }

    pub(super) fn seats(&self) -> impl Iterator<Item = Cpu> {
        (0..).zip(&self.seats).map(|(id, seat)| {
            let number = CpuIndex(id as usize);
            Cpu { number, id, state: if id == 0 { CpuState::Online } else { seat.state() } }
        })
    }

    /// Serves an interrupt of the calling CPU, masked.
    pub(crate) fn interrupt(&self, interrupt: Interrupt, kernel: Option<&Kernel<Hosted>>) {
        let real = interrupt != Interrupt::Timer || self.has_alarm();
        if let Some(seat) = engine::cpu().filter(|_| real).and_then(|cpu| self.seats.get(cpu)) {
            seat.count(interrupt);
        }
        if interrupt == Interrupt::Timer {
            self.time_is_up(kernel);
        }
        let Some(kernel) = kernel else { return };
        match interrupt {
            Interrupt::Timer => {}
            Interrupt::Drain => kernel.drain_local(),
            Interrupt::Call => kernel.kicked(),
        }
        kernel.preempt();
    }

    /// Does what is due on the calling CPU, masked, and sets its timer for what comes next.
    fn time_is_up(&self, kernel: Option<&Kernel<Hosted>>) {
        let Some(timer) = self.any_timer() else { return };
        let due = timer.take_due();
        if let Some(kernel) = kernel {
            if due.tick {
                kernel.tick();
            }
            if due.event {
                kernel.timer();
            }
        }
        timer.set();
    }

    pub(super) fn count_fault(&self) {
        self.page_faults.fetch_add(1, Relaxed);
    }

    /// What the CPUs that `who` picks took, by source. The page faults are the first one's.
    pub(super) fn counts(&self, who: impl Fn(usize) -> bool) -> impl Iterator<Item = InterruptCount> {
        let sum = |what| {
            let seats = self.seats.iter().enumerate().filter(|&(number, _)| who(number));
            seats.map(|(_, seat)| seat.counted(what)).sum::<u64>()
        };
        let faults = if who(0) { self.page_faults.load(Relaxed) } else { 0 };
        [
            InterruptCount { vector: 14, name: "page fault", count: faults },
            InterruptCount { vector: 32, name: TIMER, count: sum(Interrupt::Timer) },
            InterruptCount { vector: 33, name: "call", count: sum(Interrupt::Call) },
            InterruptCount { vector: 34, name: "drain", count: sum(Interrupt::Drain) },
        ]
        .into_iter()
    }

    pub(super) fn read_input(&self) -> Input {
        let _masked = engine::mask_signals();
        match &self.plan.console {
            Console::Memory(_) => Input::Closed,
            Console::Terminal(terminal) => terminal.read(),
        }
    }

    pub(super) fn write_log(&self, bytes: &[u8]) {
        let _masked = engine::mask_signals();
        match &self.plan.console {
            Console::Memory(log) => lock(log).extend(bytes),
            Console::Terminal(terminal) => terminal.write(bytes),
        }
    }

    /// What was written to a log in memory.
    pub(crate) fn log(&self) -> String {
        match &self.plan.console {
            Console::Memory(log) => String::from_utf8_lossy(&lock(log)).into_owned(),
            Console::Terminal(_) => String::new(),
        }
    }

    pub(super) fn write_record(&self, bytes: &[u8]) {
        let _masked = engine::mask_signals();
        lock(&self.records).extend(bytes);
    }

    pub(super) fn take_records(&self) -> Vec<u8> {
        core::mem::take(&mut *lock(&self.records))
    }
}

/// The bytes, whatever became of the thread that wrote them before.
fn lock<T>(bytes: &Mutex<T>) -> MutexGuard<'_, T> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
