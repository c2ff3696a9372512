//! A line to the host: a virtio console on PCI, of which the first port is used, both ways by interrupt.
//!
//! | module | idea |
//! |---|---|
//! | [`queue`] | buffers on their way: [`VirtioLine`] |

mod queue;

use kos_demo_kernel::platform::{DeviceError, DeviceFault};

use crate::apic::HVC_VECTOR;
use crate::pci::VirtioFunction;
use crate::virtio::Wiring;
pub(crate) use queue::VirtioLine;

const NAME: &str = "virtio console";

const fn fault(fault: DeviceFault) -> DeviceError {
    DeviceError { device: NAME, fault }
}

/// Starts the line; its interrupts go to the CPU with this APIC id.
pub(crate) fn start(found: &VirtioFunction, apic_id: u8) -> Result<VirtioLine, DeviceError> {
    VirtioLine::start(found, Wiring { device: NAME, vector: HVC_VECTOR, apic_id })
}
