//! The drivers of the kernel image for virtio devices, in this process, beside devices that lie: an id that is not on its way, a
//! length that cannot be, an index that jumps. Nothing panics, and what comes back is no longer than its memory.
#![expect(unsafe_code, reason = "a device reads and writes what a driver lends it")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panic")]

extern crate alloc;

mod bus;
mod device;
mod dice;
mod disk;
mod hvc;
mod net;

/// What the drivers find in the image.
mod virtio {
    pub(crate) use crate::bus::{Interrupting, MetalHal, Wiring};
}

mod apic {
    pub(crate) const DISK_VECTOR: u8 = 0x41;
    pub(crate) const NET_VECTOR: u8 = 0x42;
    pub(crate) const DICE_VECTOR: u8 = 0x43;
    pub(crate) const HVC_VECTOR: u8 = 0x44;
}

mod pci {
    #[derive(Debug)]
    pub(crate) struct VirtioFunction(pub(crate) alloc::rc::Rc<crate::device::Device>);
}

mod env {
    /// This process has no interrupts.
    pub(crate) struct IrqGuard;

    impl IrqGuard {
        pub(crate) const fn new() -> Self {
            Self
        }
    }
}

mod lock {
    pub(crate) type KernelLock = spin::Mutex<()>;
}

/// The CPU that takes the interrupts.
const CPU: u8 = 3;
