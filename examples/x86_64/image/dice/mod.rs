//! Random numbers: a virtio entropy device on PCI, which fills one buffer at a time and interrupts when it has.
//!
//! | module | idea |
//! |---|---|
//! | [`queue`] | the buffer on its way: [`VirtioDice`] |

mod queue;

use kos_demo_kernel::glue::completion::InterruptWait;
use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_vfs::block::Completion as _;

use crate::apic::DICE_VECTOR;
use crate::metal::Metal;
use crate::pci::VirtioFunction;
use crate::virtio::Wiring;
use queue::VirtioDice;

const NAME: &str = "virtio rng";

const fn fault(fault: DeviceFault) -> DeviceError {
    DeviceError { device: NAME, fault }
}

/// The device, and those who wait for it.
#[derive(Debug)]
pub(crate) struct Dice {
    device: VirtioDice,
    news: InterruptWait<&'static Metal>,
}

impl Dice {
    /// Starts the device; its interrupts go to the CPU with this APIC id.
    pub(crate) fn start(found: &VirtioFunction, apic_id: u8) -> Result<Self, DeviceError> {
        let wiring = Wiring { device: NAME, vector: DICE_VECTOR, apic_id };
        Ok(Self { device: VirtioDice::start(found, wiring)?, news: InterruptWait::dispensable() })
    }

    /// Bytes that nobody else gets: how many, at least one if there is room. The calling thread sleeps until they come.
    pub(crate) fn fill(&self, out: &mut [u8]) -> Result<usize, DeviceError> {
        if out.is_empty() {
            return Ok(0);
        }
        let mut taken = Ok(0);
        let came = self.news.wait_until(&mut || {
            let _masked = self.news.mask();
            self.device.take(out).map(|result| taken = result).is_some()
        });
        if !came {
            self.device.give_up();
            taken = Err(fault(DeviceFault::Silent));
        }
        // Whoever waits beside has to ask for more.
        self.news.wake();
        taken
    }

    /// The device interrupts.
    pub(crate) fn complete(&self) {
        self.news.wake();
    }
}
