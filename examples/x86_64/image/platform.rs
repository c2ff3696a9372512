//! What the machine gives to the kernel: [`Platform`] on [`Metal`].

use core::fmt;
use core::sync::atomic::Ordering::Relaxed;

use kos_alloc::CpuIndex;
use kos_demo_kernel::platform::{
    Access, AddressSpace, Cpu, CpuMemory, CpuState, DeviceError, DeviceFault, FirmwareRegion, Framebuffer,
    Input, InterruptCount, LeftOut, Listening, Mapping, NodeMemory, ProgramLayout, Refused, Reserved, Rights,
    TimerReport, TrapReport, UserExit, UserStart,
};
use kos_demo_kernel::selftest::Test;
use kos_demo_kernel::text::Text;
use kos_demo_kernel::time::{Duration, Instant};
use kos_demo_kernel::{Kernel, Platform};
use kos_paging::{FlushSet, X86Long};
use kos_sched::CpuMask;
use kos_vfs::block::QueueStats;
use kos_x86_64::cpu_set::MAX_CPUS;
use kos_x86_64::layout::{DEVICES, DIRECT_MAP, PAGE, STACKS};
use kos_x86_64::nodes::Piece;
use kos_x86_64::pci::{self, Function};
use kos_x86_64::roster::State;
use kos_x86_64::symbols;
use kos_x86_64::trap::{BREAKPOINT, PAGE_FAULT};
use kos_x86_64::user::USER_END;
use x86_64::PhysAddr;
use x86_64::instructions::interrupts;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::PhysFrame;

use crate::boot_info::BootInfo;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::env::{IrqGuard, MetalEnv};
use crate::hvc::{self, VirtioLine};
use crate::io_apic::IoApics;
use crate::metal::{Hardware, Metal};
use crate::mmu::{PhysicalMap, Tlbs};
use crate::net::{self, VirtioNet};
use crate::pci::Buses;
use crate::registers::Registers;
use crate::serial::COM2;
use crate::smp::{self, Start};
use crate::stacks::{self, IstStack};
use crate::tables::VECTORS;
use crate::user::{self, User};
use crate::wide::{self, WideSwitch};
use crate::{cmos, cpu, disk, exit, image, percpu, probe, space, tests, timer, trap, user_tests};

/// This machine, in the header of a program's file.
const X86_64: u16 = 62;

impl Platform for &'static Metal {
    type Env = MetalEnv;
    type Phys = PhysicalMap;
    type Tlb = Tlbs;
    type Format = X86Long<4>;
    type Scheduler = &'static Metal;
    type Cpus = CpuMask<{ MAX_CPUS.div_ceil(64) }>;
    type Disk = &'static Disk;
    type Net = VirtioNet;
    type User = User;
    type Switch = WideSwitch;

    const STACKS: Option<u64> = Some(STACKS);
    const PROGRAMS: Option<ProgramLayout> =
        Some(ProgramLayout { end: USER_END, kernel: DIRECT_MAP, machine: X86_64 });

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

    fn scheduler(&self) -> &'static Metal {
        self
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
        let modules = self.boot.get().into_iter().flat_map(BootInfo::modules);
        modules.flat_map(|module| [module].into_iter().chain(symbols::behind(module)))
    }

    fn mappings(&self) -> impl Iterator<Item = Mapping> {
        let apic = self.apic.get().and_then(|apic| apic.page()).map(|page| Mapping {
            name: "local apic",
            virt: DEVICES + page,
            phys: page,
            length: PAGE,
            rights: Rights::Device,
        });
        let io_apics = self.io_apics.get().into_iter().flat_map(IoApics::mappings);
        let buses = self.buses.get().into_iter().flat_map(Buses::mappings);
        image::mappings().chain(apic).chain(io_apics).chain(buses).chain(self.console.mappings())
    }

    fn direct_map_base(&self) -> u64 {
        DIRECT_MAP
    }

    fn features(&self) -> impl Iterator<Item = (&'static str, bool)> {
        cpu::features()
    }

    unsafe fn activate(&self, root: u64) {
        self.root.store(root, Relaxed);
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
        let told_by = self.rates()?.told_by;
        Ok(TimerReport { device: apic.name(), counter_hz, told_by: Some(told_by), ticks_per_second: 0 })
    }

    fn set_tick_rate(&self, ticks_per_second: u32) -> Result<(), DeviceError> {
        let counter = self.tick_source()?;
        let nanoseconds = 1_000_000_000_u64.checked_div(ticks_per_second.into()).unwrap_or(0);
        let _masked = IrqGuard::new();
        percpu::this().timers.set_tick(nanoseconds, counter, self.nanoseconds());
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::from_ticks(self.nanoseconds())
    }

    fn time_of_day(&self) -> Option<Duration> {
        cmos::time_of_day()
    }

    fn with_kernel<R>(work: impl FnOnce(&Kernel<Self>) -> R) -> Option<R> {
        crate::kernel().map(work)
    }

    fn cycles(&self) -> u64 {
        timer::cycles()
    }

    fn hold_registers(&self, seed: u64) -> Option<bool> {
        // Long enough for a 10 kHz timer to come in between, however this machine is emulated.
        const SPINS: u64 = 50_000;
        let avx = cpu::has_avx();
        let registers = Registers::of(seed, avx);
        // SAFETY: AVX is enabled where the CPU has it.
        let after = wide::keep(|| unsafe { registers.hold(SPINS, avx) });
        Some(after == registers)
    }

    fn build(&self) -> &str {
        env!("KOS_BUILD")
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

    fn firmware(&self) -> Text {
        self.hardware.get().map_or(Text::default(), Hardware::summary)
    }

    fn cpu_list_fault(&self) -> Option<Text> {
        let fault = self.hardware.get()?.fault?;
        Some(Text::new(format_args!("{fault}")))
    }

    fn node_memory(&self) -> impl Iterator<Item = NodeMemory> {
        let pieces = self.hardware.get().into_iter().flat_map(|hardware| hardware.nodes.memory());
        pieces.map(|&Piece { node, start, length }| NodeMemory { node, start, length })
    }

    fn node_of(&self, cpu: CpuIndex) -> Option<u32> {
        let hardware = self.hardware.get()?;
        hardware.nodes.of_apic(hardware.roster.id(u32::try_from(cpu.0).ok()?)?)
    }

    fn nodes_fault(&self) -> Option<Text> {
        self.hardware.get()?.nodes_fault.clone()
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
        self.console.read().map_or(Input::Empty, Input::Byte)
    }

    fn listen(&self) -> Listening {
        self.console.listen()
    }

    fn console(&self) -> Text {
        self.console.report()
    }

    fn write_log(&self, bytes: &[u8]) {
        self.console.write(bytes);
    }

    fn framebuffer(&self) -> Option<&dyn Framebuffer> {
        self.console.framebuffer()
    }

    fn write_record(&self, bytes: &[u8]) {
        COM2.write(bytes);
    }

    fn start_disk(&self) -> Result<&'static Disk, DeviceError> {
        let absent = DeviceError { device: "virtio disk", fault: DeviceFault::Absent };
        let found = self.buses.get().and_then(|buses| buses.disk.as_ref()).ok_or(absent)?;
        self.disk.try_call_once(|| disk::start(found, self.first_id()))
    }

    fn start_net(&self) -> Result<VirtioNet, DeviceError> {
        let absent = DeviceError { device: "network card", fault: DeviceFault::Absent };
        let found = self.buses.get().and_then(|buses| buses.net.as_ref()).ok_or(absent)?;
        net::start(found, self.first_id())
    }

    fn random(&self, out: &mut [u8]) -> Result<usize, DeviceError> {
        let absent = DeviceError { device: "virtio rng", fault: DeviceFault::Absent };
        let found = self.buses.get().and_then(|buses| buses.dice.as_ref()).ok_or(absent)?;
        self.dice.try_call_once(|| Dice::start(found, self.first_id()))?.fill(out)
    }

    fn hvc_read(&self, out: &mut [u8]) -> Result<usize, DeviceError> {
        self.line()?.read(out)
    }

    fn hvc_write(&self, bytes: &[u8]) -> Result<usize, DeviceError> {
        self.line()?.write(bytes)
    }

    fn device_frames(&self) -> usize {
        crate::virtio::frames()
    }

    fn new_user(&self, start: UserStart) -> Result<User, DeviceError> {
        Ok(User::new(start))
    }

    fn enter_user(&self, user: &mut User, space: Option<&AddressSpace>) -> UserExit {
        user::enter(user, space)
    }

    fn flush_space(&self, space: &AddressSpace, set: &FlushSet) {
        space::flush(self, space, set);
    }

    fn leave_space(&self, space: &AddressSpace) {
        space::leave(self, space);
    }

    fn programs(&self) -> &'static [u8] {
        image::PROGRAMS
    }

    fn linux_programs(&self) -> &'static [(&'static str, &'static [u8])] {
        image::linux_programs()
    }

    fn disk_queue(&self) -> Option<QueueStats> {
        self.disk.get().map(Disk::stats)
    }

    fn list_devices(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for found in self.buses.get().into_iter().flat_map(|buses| &buses.found) {
            let Function { bus, device, function } = found.function;
            let name = pci::class_name(found.class);
            writeln!(
                out,
                "{bus:02x}:{device:02x}.{function} {:04x}:{:04x} {name}",
                found.vendor, found.device
            )?;
        }
        Ok(())
    }

    fn tests(&self) -> impl Iterator<Item = &'static Test<Self>> {
        tests::TESTS.iter().chain(user_tests::TESTS)
    }

    fn triple_fault(&self) {
        exit::triple_fault();
    }
}

impl Metal {
    /// The line to the host, which starts when it is used first.
    fn line(&self) -> Result<&VirtioLine, DeviceError> {
        let absent = DeviceError { device: "virtio console", fault: DeviceFault::Absent };
        let found = self.buses.get().and_then(|buses| buses.line.as_ref()).ok_or(absent)?;
        self.line.try_call_once(|| hvc::start(found, self.first_id()))
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
