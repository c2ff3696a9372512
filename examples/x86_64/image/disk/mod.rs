//! The disk: a virtio block device on PCI, with many requests in flight, which an interrupt finishes.
//!
//! | module | idea |
//! |---|---|
//! | [`queue`] | requests on their way: [`VirtioBlock`] |
//!
//! The block driver of `virtio-drivers` cannot flush while other requests are on their way; so its queue is used, and its
//! transport.

mod queue;

use alloc::vec::Vec;

use kos_demo_kernel::glue::completion::InterruptWait;
use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_vfs::block::QueuedBlock;

use crate::apic::DISK_VECTOR;
use crate::metal::Metal;
use crate::pci::VirtioFunction;
use crate::virtio::Wiring;
pub(crate) use queue::VirtioBlock;

/// Requests in flight, and buffers.
const DEPTH: usize = 32;
/// Bytes of a buffer: what one request moves at most.
const BUFFER: usize = 8 << 10;

/// The disk of this machine.
pub(crate) type Disk = QueuedBlock<VirtioBlock, InterruptWait<&'static Metal>>;

const NAME: &str = "virtio disk";

const fn fault(fault: DeviceFault) -> DeviceError {
    DeviceError { device: NAME, fault }
}

/// Starts the disk; its interrupts go to the CPU with this APIC id.
pub(crate) fn start(found: &VirtioFunction, apic_id: u8) -> Result<Disk, DeviceError> {
    let no_memory = fault(DeviceFault::NoMemory);
    let device = VirtioBlock::start(found, Wiring { device: NAME, vector: DISK_VECTOR, apic_id })?;
    let mut buffers = Vec::new();
    buffers.try_reserve_exact(DEPTH).map_err(|_| no_memory)?;
    for _ in 0..DEPTH {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(BUFFER).map_err(|_| no_memory)?;
        buffer.resize(BUFFER, 0);
        buffers.push(buffer);
    }
    QueuedBlock::new(device, InterruptWait::new(), buffers).map_err(|_| no_memory)
}
