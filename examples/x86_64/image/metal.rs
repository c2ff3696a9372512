//! The machine: everything that changes in it, and what it gives to the kernel.

use core::ptr;
use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_demo_kernel::text::{Counted, Text};
use kos_x86_64::acpi::{AcpiError, Hpet};
use kos_x86_64::cpu_set::{CpuSet, MAX_CPUS};
use kos_x86_64::layout::{BOOT_MAPPED, DEVICES, DIRECT_MAP, PAGE};
use kos_x86_64::nodes::Nodes;
use kos_x86_64::pvh::StartInfoError;
use kos_x86_64::roster::Roster;
use kos_x86_64::symbols::Symbols;
use lock_api::{Mutex, RawMutex};
use spin::Once;
use x86_64::instructions::interrupts;
use x86_64::instructions::random::RdRand;

use crate::acpi::{self, Wiring};
use crate::apic::{Ipi, LocalApic, RESCHEDULE_VECTOR, STOP_VECTOR};
use crate::boot_info::BootInfo;
use crate::console::Console;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::hvc::VirtioLine;
use crate::io_apic::IoApics;
use crate::lock::KernelLock;
use crate::pci::Buses;
use crate::percpu::{self, Local};
use crate::serial::{COM1, COM2};
use crate::space::{NUMBERS, Numbers};
use crate::tables::Gates;
use crate::timer::{self, Clock, Counter, Rates};
use crate::{cpu, mmu, pic};

/// The machine. `start` fills it in, before anything else.
#[derive(Debug)]
pub(crate) struct Metal {
    pub(crate) boot: Once<BootInfo>,
    /// The gates of all CPUs.
    pub(crate) gates: Gates,
    pub(crate) first: Local,
    /// The others by number, from 1.
    others: [AtomicPtr<Local>; MAX_CPUS - 1],
    pub(crate) hardware: Once<Hardware>,
    pub(crate) io_apics: Once<IoApics>,
    /// Log and shell.
    pub(crate) console: Console,
    pub(crate) buses: Once<Buses>,
    /// Once the main thread has started it.
    pub(crate) disk: Once<Disk>,
    pub(crate) dice: Once<Dice>,
    pub(crate) line: Once<VirtioLine>,
    online: CpuSet,
    pub(crate) apic: Once<LocalApic>,
    rates: Once<Result<Rates, DeviceError>>,
    clock: Clock,
    pub(crate) secret: AtomicU64,
    /// Numbers of programs' spaces in the TLBs, where CPUs have them.
    pub(crate) numbers: Mutex<KernelLock, Numbers>,
    /// The number of the CPU that makes a fatal report, plus one; 0 while none does.
    dying: AtomicU32,
    /// The root of the kernel's own tables, once they stand.
    pub(crate) root: AtomicU64,
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
pub(crate) struct Hardware {
    pub(crate) roster: Roster,
    wiring: Wiring,
    pub(crate) fault: Option<AcpiError>,
    /// What is near what; nothing where all is equally near.
    pub(crate) nodes: Nodes,
    pub(crate) nodes_fault: Option<Text>,
    /// A second timer of known rate, if there is one.
    pub(crate) hpet: Result<Option<Hpet>, AcpiError>,
}

impl Hardware {
    /// In a line.
    pub(crate) fn summary(&self) -> Text {
        let Wiring { io_apics, overrides } = &self.wiring;
        let cpus = Counted(self.roster.count() + self.roster.surplus(), "CPU");
        let io_apics = Counted(io_apics.len(), "IO-APIC");
        let lines = Counted(overrides.len(), "line");
        let nodes = match self.nodes.count() {
            0 => Text::default(),
            nodes => Text::new(format_args!(", {}", Counted(nodes, "node"))),
        };
        let hpet = match &self.hpet {
            Ok(Some(_)) => Text::new(format_args!("HPET")),
            Ok(None) => Text::new(format_args!("no HPET")),
            Err(fault) => Text::new(format_args!("{fault}")),
        };
        Text::new(format_args!("ACPI: {cpus}, {io_apics}, {lines} rewired{nodes}, {hpet}"))
    }
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
            console: Console::new(),
            buses: Once::new(),
            disk: Once::new(),
            dice: Once::new(),
            line: Once::new(),
            online: CpuSet::new(),
            apic: Once::new(),
            rates: Once::new(),
            clock: Clock::new(),
            secret: AtomicU64::new(0),
            numbers: Mutex::const_new(KernelLock::INIT, NUMBERS),
            dying: AtomicU32::new(0),
            root: AtomicU64::new(0),
        }
    }

    /// Brings up what the kernel relies on from its first line: serial ports, trap handlers, the boot loader's information
    /// at physical address `start_info`, silent interrupt controllers, a calibrated clock.
    pub(crate) fn start(&'static self, start_info: u64) -> Result<(), StartInfoError> {
        self.first.load();
        cpu::enable_avx();
        self.online.insert(0);
        self.clock.start();
        COM1.start();
        COM2.start();
        let info = BootInfo::read(start_info)?;
        let (roster, wiring, listed) = acpi::read(info.rsdp);
        let (nodes, nodes_fault) = acpi::nodes(info.rsdp);
        let hpet = acpi::hpet(info.rsdp);
        self.hardware.call_once(|| Hardware {
            roster,
            wiring,
            fault: listed.err(),
            nodes,
            nodes_fault,
            hpet,
        });
        let boot = self.boot.call_once(|| info);
        pic::mask();
        let buses = self.buses.call_once(Buses::scan);
        self.console.start_screen(buses.display, |range| boot.has_memory_in(range));
        if let Some(apic) = LocalApic::start() {
            self.apic.call_once(|| apic);
            self.start_lines(apic);
        }
        let rates = self.rates.call_once(|| timer::calibrate(self.apic.get().copied(), self.hpet()));
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
    pub(crate) fn locals(&self) -> impl Iterator<Item = &Local> + Clone {
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
        // Whoever is refused must never have been in the set: somebody could wait for his acknowledgement.
        if !self.hardware.get().is_some_and(|hardware| hardware.roster.answer(number)) {
            return false;
        }
        self.online.insert(number);
        // What this CPU read of the tables before it could be reached is forgotten. So far it used its own memory and the
        // image, which stay mapped.
        mmu::forget_everything();
        true
    }

    /// The CPUs that run.
    pub(crate) fn online(&self) -> &CpuSet {
        &self.online
    }

    /// The APIC id of the CPU that takes the interrupts of devices.
    pub(crate) fn first_id(&self) -> u8 {
        self.hardware.get().and_then(|hardware| hardware.roster.id(0)).unwrap_or(0)
    }

    /// Sends an interrupt to `cpu`, if it runs; whether it does.
    pub(crate) fn send(&self, cpu: u32, vector: u8) -> bool {
        let id = self.hardware.get().and_then(|hardware| hardware.roster.id(cpu));
        let (Some(id), Some(apic), true) = (id, self.apic.get(), self.online.contains(cpu)) else {
            return false;
        };
        apic.send(id, Ipi::Vector(vector));
        true
    }

    /// The calling CPU sleeps until an interrupt arrives, unless `ready`, which is called with interrupts masked, says that there
    /// is something to do. Interrupts are on when it returns.
    pub(crate) fn sleep_unless(&self, ready: impl Fn() -> bool) {
        // With interrupts off nothing can come between the question and the halt; `sti; hlt` takes what comes after it.
        interrupts::disable();
        if ready() {
            interrupts::enable();
        } else {
            interrupts::enable_and_hlt();
        }
    }

    /// Ends the sleep of all other CPUs.
    pub(crate) fn wake_others(&self) {
        let own = percpu::number();
        for cpu in self.online.iter().filter(|&cpu| cpu != own) {
            self.send(cpu, RESCHEDULE_VECTOR);
        }
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
        for cpu in self.online.iter().filter(|&cpu| cpu != own) {
            self.send(cpu, STOP_VECTOR);
        }
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

    /// Masks all interrupt lines and lets those of the console reach this CPU.
    fn start_lines(&self, apic: LocalApic) {
        let (Some(hardware), Some(boot)) = (self.hardware.get(), self.boot.get()) else { return };
        let usable = |page| Some(page) != apic.page() && !boot.is_memory(page);
        let io_apics = self.io_apics.call_once(|| IoApics::start(&hardware.wiring, usable));
        let own = self.first_id();
        self.console.start_input(|line, vector| io_apics.route(&hardware.wiring, line, vector, own));
    }

    /// Physical address of the HPET's registers, where there is one on a page that is seen and is no memory.
    fn hpet(&self) -> Option<u64> {
        let (boot, hardware) = (self.boot.get()?, self.hardware.get()?);
        let address = hardware.hpet.ok().flatten()?.address;
        (address < BOOT_MAPPED && !boot.is_memory(address & !(PAGE - 1))).then_some(address)
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

    /// The timer of each CPU, if it can be used.
    pub(crate) fn counter(&self) -> Option<Counter> {
        self.tick_source().ok()
    }

    /// The timer that interrupts, and the rate in Hz of its counter.
    pub(crate) fn tick_source(&self) -> Result<Counter, DeviceError> {
        let apic = self.apic.get().ok_or(DeviceError { device: "local APIC", fault: DeviceFault::Absent })?;
        Ok((*apic, self.rates()?.apic()?))
    }

    /// What was measured.
    pub(crate) fn rates(&self) -> Result<Rates, DeviceError> {
        self.rates.get().copied().unwrap_or(Err(timer::NOT_CALIBRATED))
    }

    /// The end of the direct map, a physical address.
    pub(crate) fn memory_end(&self) -> u64 {
        self.boot.get().map_or(0, |boot| boot.memory_end(DEVICES - DIRECT_MAP))
    }
}

/// A number that is hard to guess: from the CPU's random generator, else from its cycle counter.
fn secret() -> u64 {
    let random = RdRand::new().and_then(RdRand::get_u64);
    random.unwrap_or_else(|| timer::cycles().wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
