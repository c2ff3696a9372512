//! The PCI transport of `virtio-drivers` with an interrupt: its queues raise one MSI-X vector.
//!
//! Source: virtio 1.2, 4.1.4.3 (common configuration), 4.1.5.1.2 (MSI-X vectors); Intel SDM volume 3, 11.11 (message format).

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_x86_64::layout::DEVICES;
use kos_x86_64::pci;
use virtio_drivers::PhysAddr;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::{DeviceFunction, PciRoot};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::hal::MetalHal;
use crate::address::pointer;
use crate::pci::{Ports, VirtioFunction};

/// Common registers, as offsets.
const QUEUE_SELECT: u64 = 0x16;
const QUEUE_VECTOR: u64 = 0x1a;
/// Bytes of those that are used.
const COMMON: u32 = 0x38;
/// What the vector reads as where the device has none.
const NO_VECTOR: u16 = 0xffff;

/// Where the interrupts of a device go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring {
    /// What the device is called when it has a fault.
    pub(crate) device: &'static str,
    /// A vector that has a handler.
    pub(crate) vector: u8,
    /// The CPU that takes it.
    pub(crate) apic_id: u8,
}

impl Wiring {
    const fn fault(&self, fault: DeviceFault) -> DeviceError {
        DeviceError { device: self.device, fault }
    }
}

/// The transport of one device.
#[derive(Debug)]
pub(crate) struct Interrupting {
    inner: PciTransport,
    /// Where the common registers are mapped.
    common: u64,
    /// Whether the device took the vector for every queue so far.
    pub(crate) has_vector: bool,
}

impl Interrupting {
    /// The device, with its interrupts on.
    pub(crate) fn new(found: &VirtioFunction, wiring: Wiring) -> Result<Self, DeviceError> {
        let fault = |fault| wiring.fault(fault);
        let (ports, function) = (Ports, found.function);
        let common = pci::virtio_piece(&ports, function, 1).filter(|piece| piece.length >= COMMON);
        // The crate takes the others of the same memory; each must be mapped.
        let placed = |kind| {
            pci::virtio_piece(&ports, function, kind).and_then(|piece| piece.within(found.bar(piece.bar)?))
        };
        let common = common.and_then(|_| placed(1)).ok_or(fault(DeviceFault::Implausible { value: 1 }))?;
        for kind in 2..=4 {
            placed(kind).ok_or(fault(DeviceFault::Implausible { value: kind.into() }))?;
        }
        let table = pci::msix(&ports, function);
        let table = table.and_then(|(at, piece)| Some((at, piece.within(found.bar(piece.bar)?)?)));
        let (capability, table) = table.ok_or(fault(DeviceFault::NoInterrupt))?;
        pci::enable(&ports, function);
        let message = [0xfee0_0000 | u32::from(wiring.apic_id) << 12, 0, u32::from(wiring.vector), 0];
        for (index, word) in (0..).zip(message) {
            // SAFETY: the table's first entry, in mapped memory of the device; it raises a vector that has a handler.
            unsafe { pointer::<u32>(DEVICES + table.start + 4 * index).write_volatile(word) };
        }
        pci::enable_msix(&ports, function, capability);
        let place =
            DeviceFunction { bus: function.bus, device: function.device, function: function.function };
        let inner = PciTransport::new::<MetalHal, _>(&mut PciRoot::new(ports), place);
        let inner = inner.map_err(|_| fault(DeviceFault::Implausible { value: 0 }))?;
        Ok(Self { inner, common: DEVICES + common.start, has_vector: true })
    }
}

impl Transport for Interrupting {
    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        // SAFETY: a common register, mapped; the queue that is worked on next.
        unsafe { pointer::<u16>(self.common + QUEUE_SELECT).write_volatile(queue) };
        // SAFETY: as above; entry 0 of the table.
        unsafe { pointer::<u16>(self.common + QUEUE_VECTOR).write_volatile(0) };
        // SAFETY: as above.
        let vector = unsafe { pointer::<u16>(self.common + QUEUE_VECTOR).read_volatile() };
        self.has_vector &= vector != NO_VECTOR;
        self.inner.queue_set(queue, size, descriptors, driver_area, device_area);
    }

    fn device_type(&self) -> DeviceType {
        self.inner.device_type()
    }

    fn read_device_features(&mut self) -> u64 {
        self.inner.read_device_features()
    }

    fn write_driver_features(&mut self, features: u64) {
        self.inner.write_driver_features(features);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.inner.max_queue_size(queue)
    }

    fn notify(&mut self, queue: u16) {
        self.inner.notify(queue);
    }

    fn get_status(&self) -> DeviceStatus {
        self.inner.get_status()
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.inner.set_status(status);
    }

    fn set_guest_page_size(&mut self, size: u32) {
        self.inner.set_guest_page_size(size);
    }

    fn requires_legacy_layout(&self) -> bool {
        self.inner.requires_legacy_layout()
    }

    fn queue_unset(&mut self, queue: u16) {
        self.inner.queue_unset(queue);
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.inner.queue_used(queue)
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        self.inner.ack_interrupt()
    }

    fn read_config_generation(&self) -> u32 {
        self.inner.read_config_generation()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> virtio_drivers::Result<T> {
        self.inner.read_config_space(offset)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> virtio_drivers::Result<()> {
        self.inner.write_config_space(offset, value)
    }
}
