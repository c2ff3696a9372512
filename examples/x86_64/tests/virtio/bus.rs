//! What the driver finds around it in the kernel image, in this process: memory for devices, and the transport to a [`Device`].

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::rc::Rc;
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::apic::{DICE_VECTOR, DISK_VECTOR, HVC_VECTOR, NET_VECTOR};
use crate::device::{Device, Rings};
use crate::pci::VirtioFunction;

std::thread_local! {
    /// Pages that devices have.
    pub(crate) static PAGES: Cell<usize> = const { Cell::new(0) };
}

/// Memory of this process.
#[derive(Debug)]
pub(crate) struct MetalHal;

fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).expect("pages")
}

// SAFETY: what `dma_alloc` gives are zeroed pages that nobody else has.
unsafe impl Hal for MetalHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: pages are not of size 0.
        let start = unsafe { alloc_zeroed(layout(pages)) };
        PAGES.set(PAGES.get() + pages);
        (start.expose_provenance() as u64, NonNull::new(start).expect("memory"))
    }

    unsafe fn dma_dealloc(_: PhysAddr, start: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller gives back what `dma_alloc` gave.
        unsafe { dealloc(start.as_ptr(), layout(pages)) };
        PAGES.set(PAGES.get() - pages);
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("the device has no registers in memory")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr().expose_provenance() as u64
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// Where the interrupts of a device go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring {
    pub(crate) device: &'static str,
    pub(crate) vector: u8,
    pub(crate) apic_id: u8,
}

/// The transport to the device.
#[derive(Debug)]
pub(crate) struct Interrupting {
    device: Rc<Device>,
    pub(crate) has_vector: bool,
}

impl Interrupting {
    pub(crate) fn new(found: &VirtioFunction, wiring: Wiring) -> Result<Self, DeviceError> {
        let fault = DeviceError { device: wiring.device, fault: DeviceFault::NoInterrupt };
        let vectors = [DISK_VECTOR, NET_VECTOR, DICE_VECTOR, HVC_VECTOR];
        let wired = vectors.contains(&wiring.vector) && wiring.apic_id == crate::CPU;
        if wired { Ok(Self { device: found.0.clone(), has_vector: true }) } else { Err(fault) }
    }
}

impl Transport for Interrupting {
    fn queue_set(&mut self, queue: u16, size: u32, descriptors: u64, available: u64, used: u64) {
        self.has_vector &= self.device.has_vector.get();
        let size = u16::try_from(size).expect("a queue of this device");
        let rings = Rings { descriptors, available, used, size, seen: 0, written: 0 };
        self.device.rings.borrow_mut()[usize::from(queue)] = Some(rings);
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Network
    }

    fn read_device_features(&mut self) -> u64 {
        self.device.features.get()
    }

    fn write_driver_features(&mut self, _: u64) {}

    fn max_queue_size(&mut self, _: u16) -> u32 {
        self.device.largest_queue.get()
    }

    fn notify(&mut self, _: u16) {}

    fn get_status(&self) -> DeviceStatus {
        self.device.status.get()
    }

    fn set_status(&mut self, status: DeviceStatus) {
        if !status.is_empty() || self.device.resets.get() {
            self.device.status.set(status);
        }
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.device.rings.borrow()[usize::from(queue)].is_some()
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> virtio_drivers::Result<T> {
        let space = self.device.config.get();
        let found = space.get(offset..).and_then(|rest| T::read_from_prefix(rest).ok());
        found.map(|(value, _)| value).ok_or(virtio_drivers::Error::ConfigSpaceTooSmall)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> virtio_drivers::Result<()> {
        Err(virtio_drivers::Error::Unsupported)
    }
}
