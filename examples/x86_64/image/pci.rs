//! PCI on this machine: the registers, through ports 0xcf8 and 0xcfc, and what is found at the start.
//!
//! Both boards have the ports. They are used by one CPU at a time: while the machine starts, and by the main thread.

use core::ops::Range;

use heapless::Vec;
use kos_demo_kernel::platform::{Mapping, Rights};
use kos_x86_64::layout::{DEVICES, KERNEL_BASE, PAGE};
use kos_x86_64::pci::{self, ConfigSpace, Found, Function};
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use x86_64::instructions::port::Port;

use crate::env::IrqGuard;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;

/// Functions that are remembered.
const FUNCTIONS: usize = 32;

const VIRTIO: u16 = 0x1af4;
/// virtio block devices: one that knows the old interface too, and one that does not.
const BLOCK: [u16; 2] = [0x1001, 0x1042];
/// virtio network cards, likewise.
const NET: [u16; 2] = [0x1000, 0x1041];
/// virtio consoles, likewise.
const LINE: [u16; 2] = [0x1003, 0x1043];
/// virtio entropy devices, likewise.
const DICE: [u16; 2] = [0x1005, 0x1044];
/// The emulated VGA with the registers of Bochs: maker and number, and that it is a VGA.
const DISPLAY: (u16, u16, [u8; 3]) = (0x1234, 0x1111, [3, 0, 0]);

/// The registers of all functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports;

impl ConfigSpace for Ports {
    fn read(&self, function: Function, register: u8) -> u32 {
        let _masked = select(function, register);
        // SAFETY: reading a configuration register touches no memory.
        unsafe { Port::new(DATA).read() }
    }

    fn write(&self, function: Function, register: u8, value: u32) {
        let _masked = select(function, register);
        // SAFETY: what is written are base addresses, as they were after being sized, and the command and MSI-X registers of a
        // function whose driver this kernel is.
        unsafe { Port::new(DATA).write(value) }
    }
}

/// What follows at the data port is this register, as long as the guard lives.
fn select(function: Function, register: u8) -> IrqGuard {
    let Function { bus, device, function } = function;
    let place = u32::from(bus) << 16 | u32::from(device & 31) << 11 | u32::from(function & 7) << 8;
    let masked = IrqGuard::new();
    // SAFETY: selecting changes nothing else.
    unsafe { Port::new(ADDRESS).write(1 << 31 | place | u32::from(register & !3)) };
    masked
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        self.read(own(function), register)
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        self.write(own(function), register, data);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        *self
    }
}

const fn own(function: DeviceFunction) -> Function {
    Function { bus: function.bus, device: function.device, function: function.function }
}

/// What is on the buses.
#[derive(Debug)]
pub(crate) struct Buses {
    pub(crate) found: Vec<Found, FUNCTIONS>,
    pub(crate) disk: Option<VirtioFunction>,
    pub(crate) net: Option<VirtioFunction>,
    pub(crate) dice: Option<VirtioFunction>,
    pub(crate) line: Option<VirtioFunction>,
    pub(crate) display: Option<Function>,
}

/// A virtio device that can be driven.
#[derive(Clone, Debug)]
pub(crate) struct VirtioFunction {
    pub(crate) function: Function,
    /// Its memory, by base address.
    bars: [Option<Range<u64>>; 6],
}

impl Buses {
    /// Looks at every function.
    pub(crate) fn scan() -> Self {
        // What does not fit is not used.
        let found: Vec<_, FUNCTIONS> = pci::functions(&Ports).take(FUNCTIONS).collect();
        let first = |kinds: [u16; 2]| {
            let found = found.iter().find(|found| found.vendor == VIRTIO && kinds.contains(&found.device));
            found.map(|found| VirtioFunction::new(found.function))
        };
        let [disk, net, dice, line] = [BLOCK, NET, DICE, LINE].map(first);
        let display = found.iter().find(|found| (found.vendor, found.device, found.class) == DISPLAY);
        let display = display.map(|found| found.function);
        Self { found, disk, net, dice, line, display }
    }

    /// Where the registers of devices must be mapped.
    pub(crate) fn mappings(&self) -> impl Iterator<Item = Mapping> {
        let devices = [&self.disk, &self.net, &self.dice, &self.line].into_iter().flatten();
        devices.flat_map(|device| device.bars.iter().flatten()).map(|bar| Mapping {
            name: "pci device",
            virt: DEVICES + bar.start,
            phys: bar.start,
            length: bar.end - bar.start,
            rights: Rights::Device,
        })
    }
}

impl VirtioFunction {
    fn new(function: Function) -> Self {
        let (mut bars, mut index) = ([const { None }; 6], 0);
        while index < 6 {
            let memory = pci::memory(&Ports, function, index);
            if let Some(slot) = bars.get_mut(usize::from(index)) {
                *slot = memory.filter(mappable);
            }
            // The upper half of a wide address is no address.
            let wide = ConfigSpace::read(&Ports, function, 0x10 + 4 * index) & 7 == 4;
            index += if wide { 2 } else { 1 };
        }
        Self { function, bars }
    }

    /// The memory behind a base address.
    pub(crate) fn bar(&self, index: u8) -> Option<&Range<u64>> {
        self.bars.get(usize::from(index))?.as_ref()
    }
}

/// Whether memory of a device has a place in the window of devices: whole pages, none of them the kernel's.
pub(crate) fn mappable(memory: &Range<u64>) -> bool {
    const WINDOW: u64 = KERNEL_BASE - DEVICES;
    memory.start.is_multiple_of(PAGE) && memory.end.is_multiple_of(PAGE) && memory.end <= WINDOW
}
