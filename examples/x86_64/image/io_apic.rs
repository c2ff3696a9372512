//! IO-APICs: which interrupt line of a device becomes which vector on which CPU.
//!
//! Lines are global numbers; the 16 of the ISA bus are wired to the lines of their own numbers, high and edge, unless the firmware
//! says otherwise. Every line is masked until it is routed. Source: Intel 82093AA data sheet.

use heapless::Vec;
use kos_demo_kernel::platform::{DeviceError, DeviceFault, Mapping, Rights};
use kos_x86_64::acpi::{IoApicEntry, Override};
use kos_x86_64::layout::{DEVICES, PAGE};

use crate::acpi::{IO_APICS, Wiring};
use crate::address::pointer;
use crate::env::IrqGuard;

/// Where the number of a register is written, and its value read or written.
const SELECT: u64 = 0;
const WINDOW: u64 = 0x10;

const VERSION: u32 = 1;
const FIRST_LINE: u32 = 0x10;

const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

/// All of them.
#[derive(Debug)]
pub(crate) struct IoApics(Vec<IoApic, IO_APICS>);

/// One of them.
#[derive(Clone, Copy, Debug)]
struct IoApic {
    physical: u64,
    first_line: u32,
    lines: u32,
}

impl IoApics {
    /// Masks every line. Left out are those for which `usable` refuses the page of registers, and any second one on a page.
    pub(crate) fn start(wiring: &Wiring, usable: impl Fn(u64) -> bool) -> Self {
        let mut all = Self(Vec::new());
        for entry in &wiring.io_apics {
            let page = u64::from(entry.address) & !(PAGE - 1);
            if usable(page) && all.0.iter().all(|known| known.page() != page) {
                // There is room for as many as the list holds.
                let _ = all.0.push(IoApic::start(entry));
            }
        }
        all
    }

    /// Lets the line of the ISA bus with this number raise `vector` on the CPU with this APIC id.
    pub(crate) fn route(&self, wiring: &Wiring, irq: u8, vector: u8, apic_id: u8) -> Result<(), DeviceError> {
        let usual = Override { irq, line: u32::from(irq), active_low: false, level: false };
        let wire = wiring.overrides.iter().copied().find(|wire| wire.irq == irq).unwrap_or(usual);
        let io_apic = self.0.iter().find_map(|io_apic| Some((io_apic, io_apic.index(wire.line)?)));
        let (io_apic, index) =
            io_apic.ok_or(DeviceError { device: "IO-APIC", fault: DeviceFault::Absent })?;
        let [low, level] =
            [(wire.active_low, ACTIVE_LOW), (wire.level, LEVEL)].map(|(is, bit)| if is { bit } else { 0 });
        io_apic.write(FIRST_LINE + 2 * index + 1, u32::from(apic_id) << 24);
        io_apic.write(FIRST_LINE + 2 * index, u32::from(vector) | low | level);
        Ok(())
    }

    /// Where their registers must be mapped.
    pub(crate) fn mappings(&self) -> impl Iterator<Item = Mapping> {
        self.0.iter().map(|io_apic| Mapping {
            name: "io apic",
            virt: DEVICES + io_apic.page(),
            phys: io_apic.page(),
            length: PAGE,
            rights: Rights::Device,
        })
    }
}

impl IoApic {
    fn start(entry: &IoApicEntry) -> Self {
        let mut io_apic = Self { physical: u64::from(entry.address), first_line: entry.first_line, lines: 0 };
        io_apic.lines = (io_apic.read(VERSION) >> 16 & 0xff) + 1;
        (0..io_apic.lines).for_each(|index| io_apic.write(FIRST_LINE + 2 * index, MASKED));
        io_apic
    }

    fn page(&self) -> u64 {
        self.physical & !(PAGE - 1)
    }

    /// The place of a line here, if it is one of ours.
    fn index(&self, line: u32) -> Option<u32> {
        line.checked_sub(self.first_line).filter(|&index| index < self.lines)
    }

    fn read(&self, register: u32) -> u32 {
        let _masked = self.select(register);
        // SAFETY: the page of registers is mapped in the device window by the boot tables and by the final ones.
        unsafe { pointer::<u32>(DEVICES + self.physical + WINDOW).read_volatile() }
    }

    fn write(&self, register: u32, value: u32) {
        let _masked = self.select(register);
        // SAFETY: mapped as for `read`. The lines raise vectors that have handlers; nothing here touches memory.
        unsafe { pointer::<u32>(DEVICES + self.physical + WINDOW).write_volatile(value) }
    }

    /// What follows in the window is this register, as long as the guard lives.
    fn select(&self, register: u32) -> IrqGuard {
        let masked = IrqGuard::new();
        // SAFETY: mapped as for `read`; selecting changes nothing else. Only the first CPU comes here.
        unsafe { pointer::<u32>(DEVICES + self.physical + SELECT).write_volatile(register) };
        masked
    }
}
