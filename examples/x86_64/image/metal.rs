//! The machine: everything that changes in it, and what it gives to the kernel.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kos_demo_kernel::Platform;
use kos_demo_kernel::platform::{
    Access, DeviceError, DeviceFault, FirmwareRegion, Input, InterruptCount, Mapping, Refused, Reserved,
    Rights, TimerReport, TrapReport,
};
use kos_demo_kernel::selftest::Test;
use kos_demo_kernel::time::Instant;
use kos_paging::X86Long;
use kos_x86_64::layout::{DEVICES, DIRECT_MAP, PAGE};
use kos_x86_64::pvh::StartInfoError;
use kos_x86_64::symbols::Symbols;
use kos_x86_64::trap;
use spin::Once;
use x86_64::PhysAddr;
use x86_64::instructions::interrupts;
use x86_64::instructions::random::RdRand;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::PhysFrame;

use crate::apic::LocalApic;
use crate::boot_info::BootInfo;
use crate::env::MetalEnv;
use crate::mmu::{LocalTlb, PhysicalMap};
use crate::serial::{COM1, COM2};
use crate::tables::{Tables, VECTORS};
use crate::timer::{self, Clock, Rates, TICK_HZ};
use crate::trap::Counts;
use crate::{cpu, exit, image, pic, probe, tests};

/// The machine. `start` fills it in, before anything else.
#[derive(Debug)]
pub(crate) struct Metal {
    boot: Once<BootInfo>,
    tables: Tables,
    apic: Once<LocalApic>,
    rates: Once<Result<Rates, DeviceError>>,
    clock: Clock,
    secret: AtomicU64,
    ticking: AtomicBool,
    /// What the traps have counted.
    pub(crate) counts: Counts,
    /// A fatal report is being made.
    pub(crate) dying: AtomicBool,
}

impl Metal {
    /// A machine that was not started.
    pub(crate) const fn new() -> Self {
        Self {
            boot: Once::new(),
            tables: Tables::new(),
            apic: Once::new(),
            rates: Once::new(),
            clock: Clock::new(),
            secret: AtomicU64::new(0),
            ticking: AtomicBool::new(false),
            counts: Counts::new(),
            dying: AtomicBool::new(false),
        }
    }

    /// Brings up what the kernel relies on from its first line: serial ports, trap handlers, the boot loader's information
    /// at physical address `start_info`, silent interrupt controllers, a calibrated clock.
    pub(crate) fn start(&'static self, start_info: u64) -> Result<(), StartInfoError> {
        self.clock.start();
        COM1.start();
        COM2.start();
        self.tables.load();
        let info = BootInfo::read(start_info)?;
        self.boot.call_once(|| info);
        pic::mask();
        if let Some(apic) = LocalApic::start() {
            self.apic.call_once(|| apic);
        }
        let rates = self.rates.call_once(|| timer::calibrate(self.apic.get().copied()));
        self.clock.calibrate(rates.map_or(timer::ASSUMED_HZ, |rates| rates.tsc));
        self.secret.store(secret(), Relaxed);
        Ok(())
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

/// A number that is hard to guess: from the CPU's random generator, else from its cycle counter.
fn secret() -> u64 {
    let random = RdRand::new().and_then(RdRand::get_u64);
    random.unwrap_or_else(|| timer::cycles().wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Platform for &'static Metal {
    type Env = MetalEnv;
    type Phys = PhysicalMap;
    type Tlb = LocalTlb;
    type Format = X86Long<4>;

    fn name(&self) -> &str {
        "x86_64 PVH"
    }

    fn env(&self) -> MetalEnv {
        MetalEnv::new(self.memory_end(), self.secret.load(Relaxed))
    }

    fn phys(&self) -> PhysicalMap {
        PhysicalMap(self.boot.get())
    }

    fn tlb(&self) -> LocalTlb {
        LocalTlb
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
        let modules = self.boot.get().into_iter().flat_map(BootInfo::module_ranges);
        fixed.into_iter().chain(modules.map(|module| Reserved {
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
        image::mappings().chain(apic)
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
        let count = |vector| self.counts.of(vector);
        let before = (count(trap::BREAKPOINT), count(trap::PAGE_FAULT));
        interrupts::int3();
        let hole = image::ist_stack(image::IstStack::Interrupt).guard().start;
        let refused = probe::access(hole, Access::Read).is_err();
        let breakpoints = count(trap::BREAKPOINT) - before.0;
        let page_faults = count(trap::PAGE_FAULT) - before.1;
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

    fn interrupts(&self) -> impl Iterator<Item = InterruptCount> {
        self.counts.taken()
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
        if self.ticking.load(Relaxed) && !COM1.has_input() {
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
