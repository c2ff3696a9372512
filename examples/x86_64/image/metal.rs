//! The machine: everything that changes in it, and what it gives to the kernel.

use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use kos_alloc::CpuIndex;
use kos_demo_kernel::Platform;
use kos_demo_kernel::platform::{
    Access, Cpu, CpuMemory, CpuState, DeviceError, DeviceFault, FirmwareRegion, Input, InterruptCount,
    LeftOut, Mapping, Refused, Reserved, Rights, TimerReport, TrapReport,
};
use kos_demo_kernel::selftest::Test;
use kos_demo_kernel::text::Text;
use kos_demo_kernel::time::Instant;
use kos_paging::X86Long;
use kos_x86_64::acpi::AcpiError;
use kos_x86_64::cpu_set::{CpuSet, MAX_CPUS};
use kos_x86_64::layout::{DEVICES, DIRECT_MAP, PAGE};
use kos_x86_64::pvh::StartInfoError;
use kos_x86_64::roster::{Roster, State};
use kos_x86_64::symbols::Symbols;
use kos_x86_64::trap::{BREAKPOINT, PAGE_FAULT};
use spin::Once;
use x86_64::PhysAddr;
use x86_64::instructions::random::RdRand;
use x86_64::instructions::{interrupts, tlb};
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::PhysFrame;

use crate::acpi::{self, Wiring};
use crate::apic::{FIRST_LINE_VECTOR, Ipi, LocalApic, RESCHEDULE_VECTOR, STOP_VECTOR};
use crate::boot_info::BootInfo;
use crate::env::MetalEnv;
use crate::io_apic::IoApics;
use crate::mmu::{PhysicalMap, Tlbs};
use crate::percpu::{self, Local};
use crate::serial::{COM1, COM2};
use crate::smp::{self, Start};
use crate::stacks::{self, IstStack};
use crate::tables::{Gates, VECTORS};
use crate::timer::{self, Clock, Rates, TICK_HZ};
use crate::trap;
use crate::{cpu, exit, image, pic, probe, tests};

/// The machine. `start` fills it in, before anything else.
#[derive(Debug)]
pub(crate) struct Metal {
    boot: Once<BootInfo>,
    /// The gates of all CPUs.
    pub(crate) gates: Gates,
    first: Local,
    /// The others by number, from 1.
    others: [AtomicPtr<Local>; MAX_CPUS - 1],
    hardware: Once<Hardware>,
    io_apics: Once<IoApics>,
    /// The log console interrupts when there is input.
    console_interrupts: AtomicBool,
    online: CpuSet,
    apic: Once<LocalApic>,
    rates: Once<Result<Rates, DeviceError>>,
    clock: Clock,
    secret: AtomicU64,
    ticking: AtomicBool,
    /// The number of the CPU that makes a fatal report, plus one; 0 while none does.
    dying: AtomicU32,
}

/// Looks at who still runs before a report is made regardless.
const STOP_LOOKS: u32 = 1_000_000;

/// Who makes a fatal report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// The caller, for the first time.
    Caller,
    /// The caller, who fails again while he reports.
    CallerAgain,
    /// Another CPU.
    Another,
}

/// What the firmware lists.
#[derive(Debug)]
struct Hardware {
    roster: Roster,
    wiring: Wiring,
    fault: Option<AcpiError>,
}

impl Metal {
    /// A machine that was not started.
    pub(crate) const fn new() -> Self {
        Self {
            boot: Once::new(),
            gates: Gates::new(),
            first: Local::new(0),
            others: [const { AtomicPtr::new(ptr::null_mut()) }; MAX_CPUS - 1],
            hardware: Once::new(),
            io_apics: Once::new(),
            console_interrupts: AtomicBool::new(false),
            online: CpuSet::new(),
            apic: Once::new(),
            rates: Once::new(),
            clock: Clock::new(),
            secret: AtomicU64::new(0),
            ticking: AtomicBool::new(false),
            dying: AtomicU32::new(0),
        }
    }

    /// Brings up what the kernel relies on from its first line: serial ports, trap handlers, the boot loader's information
    /// at physical address `start_info`, silent interrupt controllers, a calibrated clock.
    pub(crate) fn start(&'static self, start_info: u64) -> Result<(), StartInfoError> {
        self.first.load();
        self.online.insert(0);
        self.clock.start();
        COM1.start();
        COM2.start();
        let info = BootInfo::read(start_info)?;
        let (roster, wiring, listed) = acpi::read(info.rsdp);
        self.hardware.call_once(|| Hardware { roster, wiring, fault: listed.err() });
        self.boot.call_once(|| info);
        pic::mask();
        if let Some(apic) = LocalApic::start() {
            self.apic.call_once(|| apic);
            self.start_lines(apic);
        }
        let rates = self.rates.call_once(|| timer::calibrate(self.apic.get().copied()));
        self.clock.calibrate(rates.map_or(timer::ASSUMED_HZ, |rates| rates.tsc));
        self.secret.store(secret(), Relaxed);
        Ok(())
    }

    /// What CPU `number` has for itself, if it has memory.
    pub(crate) fn local(&self, number: u32) -> Option<&Local> {
        let Some(index) = number.checked_sub(1) else { return Some(&self.first) };
        let local = self.others.get(usize::try_from(index).ok()?)?.load(Acquire);
        // SAFETY: null or what `add_local` put there, which lives for ever.
        unsafe { local.as_ref() }
    }

    /// Every [`Local`], by number.
    fn locals(&self) -> impl Iterator<Item = &Local> + Clone {
        (0..).map_while(|number| self.local(number))
    }

    /// `local` is that of CPU `number`; it is initialised and lives for ever.
    pub(crate) fn add_local(&self, number: u32, local: *mut Local) {
        let slot = number.checked_sub(1).and_then(|index| self.others.get(usize::try_from(index).ok()?));
        if let Some(slot) = slot {
            slot.store(local, Release);
        }
    }

    /// The calling CPU, which has this number, works from now on; false if nobody waits for it any more.
    pub(crate) fn come_online(&self, number: u32) -> bool {
        let answered = self.hardware.get().is_some_and(|hardware| {
            // In the set first: whoever changes the tables from the answer on must reach this CPU.
            self.online.insert(number);
            hardware.roster.answer(number)
        });
        if !answered {
            self.online.remove(number);
        }
        // What this CPU read of the tables before it could be reached is forgotten.
        tlb::flush_all();
        answered
    }

    /// The CPUs that run.
    pub(crate) fn online(&self) -> &CpuSet {
        &self.online
    }

    /// Sends an interrupt to `cpu`, if it runs.
    pub(crate) fn send(&self, cpu: u32, vector: u8) {
        let id = self.hardware.get().and_then(|hardware| hardware.roster.id(cpu));
        if let (Some(id), Some(apic), true) = (id, self.apic.get(), self.online.contains(cpu)) {
            apic.send(id, Ipi::Vector(vector));
        }
    }

    /// Ends the sleep of all other CPUs.
    pub(crate) fn wake_others(&self) {
        let own = percpu::number();
        self.online.iter().filter(|&cpu| cpu != own).for_each(|cpu| self.send(cpu, RESCHEDULE_VECTOR));
    }

    /// The calling CPU has a fatal report to make.
    pub(crate) fn die(&self) -> Reporter {
        let own = percpu::number() + 1;
        match self.dying.compare_exchange(0, own, Relaxed, Relaxed) {
            Ok(_) => Reporter::Caller,
            Err(other) if other == own => Reporter::CallerAgain,
            Err(_) => Reporter::Another,
        }
    }

    /// Whether another CPU makes a fatal report.
    pub(crate) fn dying_elsewhere(&self) -> bool {
        let dying = self.dying.load(Relaxed);
        dying != 0 && dying != percpu::number() + 1
    }

    /// Stops all other CPUs; those that do not take the interrupt are not waited for.
    pub(crate) fn stop_others(&self) {
        let own = percpu::number();
        self.online.iter().filter(|&cpu| cpu != own).for_each(|cpu| self.send(cpu, STOP_VECTOR));
        for _ in 0..STOP_LOOKS {
            if self.online.len() <= 1 {
                return;
            }
            core::hint::spin_loop();
        }
    }

    /// Nanoseconds since entry.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.clock.nanoseconds()
    }

    /// Masks all interrupt lines and lets the log console's reach this CPU.
    fn start_lines(&self, apic: LocalApic) {
        let (Some(hardware), Some(boot)) = (self.hardware.get(), self.boot.get()) else { return };
        let usable = |page| page != apic.physical() && !boot.is_memory(page);
        let io_apics = self.io_apics.call_once(|| IoApics::start(&hardware.wiring, usable));
        let own = hardware.roster.id(0).unwrap_or(0);
        let routed = io_apics.route(&hardware.wiring, COM1.line(), FIRST_LINE_VECTOR + COM1.line(), own);
        self.console_interrupts.store(routed.is_ok(), Relaxed);
    }

    /// Names of addresses, if the boot loader brought them.
    pub(crate) fn symbols(&self) -> Option<Symbols<'_>> {
        self.boot.get()?.modules().find_map(Symbols::new)
    }

    /// Ends the interrupt that is being handled.
    pub(crate) fn end_of_interrupt(&self) {
        if let Some(apic) = self.apic.get() {
            apic.end_of_interrupt();
        }
    }

    /// The timer that interrupts, and the rate in Hz of its counter.
    fn tick_source(&self) -> Result<(LocalApic, u64), DeviceError> {
        let apic = self.apic.get().ok_or(DeviceError { device: "local APIC", fault: DeviceFault::Absent })?;
        let rates = self.rates.get().copied().unwrap_or(Err(timer::NOT_CALIBRATED))?;
        Ok((*apic, rates.apic()?))
    }

    /// The end of the direct map, a physical address.
    fn memory_end(&self) -> u64 {
        self.boot.get().map_or(0, |boot| boot.memory_end(DEVICES - DIRECT_MAP))
    }
}

/// How far a CPU came, in the kernel's words.
fn state(state: State) -> CpuState {
    match state {
        State::Online => CpuState::Online,
        State::Listed | State::Starting => CpuState::Waiting,
        State::Silent => CpuState::LeftOut(LeftOut::Silent),
        State::NoMemory => CpuState::LeftOut(LeftOut::NoMemory),
    }
}

/// A number that is hard to guess: from the CPU's random generator, else from its cycle counter.
fn secret() -> u64 {
    let random = RdRand::new().and_then(RdRand::get_u64);
    random.unwrap_or_else(|| timer::cycles().wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Platform for &'static Metal {
    type Env = MetalEnv;
    type Phys = PhysicalMap;
    type Tlb = Tlbs;
    type Format = X86Long<4>;

    fn name(&self) -> &str {
        "x86_64 PVH"
    }

    fn env(&self) -> MetalEnv {
        let cpus = self.hardware.get().map_or(1, |hardware| hardware.roster.count());
        MetalEnv::new(self.memory_end(), self.secret.load(Relaxed), cpus)
    }

    fn phys(&self) -> PhysicalMap {
        PhysicalMap(self.boot.get())
    }

    fn tlb(&self) -> Tlbs {
        Tlbs(self)
    }

    fn format(&self) -> X86Long<4> {
        cpu::format()
    }

    fn memory_map(&self) -> impl Iterator<Item = FirmwareRegion> {
        self.boot.get().into_iter().flat_map(|boot| boot.memory_map.iter().copied())
    }

    fn reserved(&self) -> impl Iterator<Item = Reserved> {
        let image = image::physical();
        let fixed = [
            Reserved { name: "image", start: image.start, length: image.end - image.start },
            Reserved { name: "page 0", start: 0, length: PAGE },
        ];
        let low = self.boot.get().and_then(|boot| boot.trampoline);
        let low = low.map(|start| Reserved { name: "trampoline", start, length: PAGE });
        let modules = self.boot.get().into_iter().flat_map(BootInfo::module_ranges);
        fixed.into_iter().chain(low).chain(modules.map(|module| Reserved {
            name: "module",
            start: module.start,
            length: module.end - module.start,
        }))
    }

    fn command_line(&self) -> &[u8] {
        self.boot.get().map_or(&[], |boot| &boot.command_line)
    }

    fn modules(&self) -> impl Iterator<Item = &[u8]> {
        self.boot.get().into_iter().flat_map(BootInfo::modules)
    }

    fn mappings(&self) -> impl Iterator<Item = Mapping> {
        let apic = self.apic.get().map(|apic| Mapping {
            name: "local apic",
            virt: DEVICES + apic.physical(),
            phys: apic.physical(),
            length: PAGE,
            rights: Rights::Device,
        });
        let io_apics = self.io_apics.get().into_iter().flat_map(IoApics::mappings);
        image::mappings().chain(apic).chain(io_apics)
    }

    fn direct_map_base(&self) -> u64 {
        DIRECT_MAP
    }

    fn features(&self) -> impl Iterator<Item = (&'static str, bool)> {
        cpu::features()
    }

    unsafe fn activate(&self, root: u64) {
        let root = PhysFrame::containing_address(PhysAddr::new_truncate(root));
        // SAFETY: the caller's promise.
        unsafe { Cr3::write(root, Cr3Flags::empty()) };
        cpu::protect();
    }

    fn start_traps(&self) -> Result<TrapReport, DeviceError> {
        let count = |vector| self.first.counts.of(vector);
        let before = (count(BREAKPOINT), count(PAGE_FAULT));
        interrupts::int3();
        let hole = stacks::ist_stack(0, IstStack::Interrupt).guard().start;
        let refused = probe::access(hole, Access::Read).is_err();
        let breakpoints = count(BREAKPOINT) - before.0;
        let page_faults = count(PAGE_FAULT) - before.1;
        match (breakpoints, page_faults) {
            (1, 1) if refused => Ok(TrapReport { vectors: VECTORS, breakpoints: 1, page_faults: 1 }),
            (1, _) => Err(DeviceError { device: "page fault", fault: DeviceFault::Silent }),
            _ => Err(DeviceError { device: "breakpoint", fault: DeviceFault::Silent }),
        }
    }

    fn start_timer(&self) -> Result<TimerReport, DeviceError> {
        interrupts::enable();
        let (apic, counter_hz) = self.tick_source()?;
        apic.tick_every(timer::period(counter_hz, TICK_HZ)?);
        self.ticking.store(true, Relaxed);
        Ok(TimerReport { device: "local APIC", counter_hz, ticks_per_second: TICK_HZ })
    }

    fn set_tick_rate(&self, ticks_per_second: u32) -> Result<(), DeviceError> {
        let (apic, counter_hz) = self.tick_source()?;
        apic.tick_every(timer::period(counter_hz, ticks_per_second)?);
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::from_ticks(self.clock.nanoseconds())
    }

    fn cpus(&self) -> impl Iterator<Item = Cpu> {
        let roster = self.hardware.get().map(|hardware| &hardware.roster);
        roster.into_iter().flat_map(|roster| {
            (0..).zip(roster.ids()).map(|(number, id)| Cpu {
                number: CpuIndex(number as usize),
                id: u32::from(id),
                state: roster.state(number).map_or(CpuState::Waiting, state),
            })
        })
    }

    fn cpus_beyond(&self) -> usize {
        self.hardware.get().map_or(0, |hardware| hardware.roster.surplus())
    }

    fn cpu_list_fault(&self) -> Option<Text> {
        let fault = self.hardware.get()?.fault?;
        Some(Text::new(format_args!("{fault}")))
    }

    fn cpu_memory(&self, cpu: CpuIndex) -> impl Iterator<Item = CpuMemory> {
        u32::try_from(cpu.0).into_iter().filter(|&cpu| cpu > 0).flat_map(stacks::memory)
    }

    unsafe fn start_cpus(&self, prepared: usize, silent: Option<CpuIndex>) -> Result<(), DeviceError> {
        let absent = |device| DeviceError { device, fault: DeviceFault::Absent };
        let roster = &self.hardware.get().ok_or(absent("list of CPUs"))?.roster;
        let prepared = u32::try_from(prepared).unwrap_or(0);
        for (number, _) in (0..).zip(roster.ids()).skip(prepared as usize) {
            roster.leave_out(number);
        }
        if prepared < 2 {
            return Ok(());
        }
        let page = self.boot.get().and_then(|boot| boot.trampoline);
        let start = Start {
            metal: self,
            roster,
            apic: *self.apic.get().ok_or(absent("local APIC"))?,
            page: page.ok_or(absent("memory below 1 MiB"))?,
            silent: silent.and_then(|cpu| u32::try_from(cpu.0).ok()),
        };
        // SAFETY: the caller mapped the areas, once; the page is usable and was reserved by name.
        unsafe { start.run(prepared) };
        Ok(())
    }

    fn cpu(&self) -> CpuIndex {
        smp::index()
    }

    fn wake(&self, cpu: CpuIndex) {
        if let Ok(cpu) = u32::try_from(cpu.0) {
            self.send(cpu, RESCHEDULE_VECTOR);
        }
    }

    fn idle(&self, ready: &dyn Fn() -> bool) {
        // With interrupts off nothing can come between the question and the halt; `sti; hlt` takes what comes after it.
        interrupts::disable();
        if ready() {
            interrupts::enable();
        } else {
            interrupts::enable_and_hlt();
        }
    }

    fn interrupts(&self) -> impl Iterator<Item = InterruptCount> {
        trap::sums(self.locals().map(|local| &local.counts))
    }

    fn interrupts_on(&self, cpu: CpuIndex) -> impl Iterator<Item = InterruptCount> {
        let local = u32::try_from(cpu.0).ok().and_then(|cpu| self.local(cpu));
        local.into_iter().flat_map(|local| local.counts.taken())
    }

    fn probe(&self, address: u64, access: Access) -> Result<(), Refused> {
        probe::access(address, access)
    }

    fn read_input(&self) -> Input {
        COM1.read().map_or(Input::Empty, Input::Byte)
    }

    fn wait_for_input(&self) {
        // With interrupts off nothing can come between the check and the halt; `sti; hlt` takes what comes after it.
        interrupts::disable();
        let wakes = self.ticking.load(Relaxed) || self.console_interrupts.load(Relaxed);
        if wakes && !COM1.has_input() {
            COM1.listen();
            interrupts::enable_and_hlt();
        } else {
            interrupts::enable();
            core::hint::spin_loop();
        }
    }

    fn write_log(&self, bytes: &[u8]) {
        COM1.write(bytes);
    }

    fn write_record(&self, bytes: &[u8]) {
        COM2.write(bytes);
    }

    fn tests(&self) -> &'static [Test<Self>] {
        tests::TESTS
    }

    fn triple_fault(&self) {
        exit::triple_fault();
    }
}
