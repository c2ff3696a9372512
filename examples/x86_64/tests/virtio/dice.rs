//! Random numbers: each byte that came is given once; of a device that lies nothing is taken, and it is reset.

use alloc::rc::Rc;

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use virtio_drivers::transport::DeviceStatus;

use crate::apic::DICE_VECTOR;
use crate::device::Device;
use crate::virtio::Wiring;
use crate::{CPU, bus, pci};
use driver::{BUFFER, VirtioDice};

#[path = "../../image/dice/queue.rs"]
mod driver;

/// What the driver finds in its folder.
const fn fault(fault: DeviceFault) -> DeviceError {
    DeviceError { device: "virtio rng", fault }
}

const QUEUE: usize = 0;

fn start(device: &Rc<Device>) -> Result<VirtioDice, DeviceError> {
    let wiring = Wiring { device: "virtio rng", vector: DICE_VECTOR, apic_id: CPU };
    VirtioDice::start(&pci::VirtioFunction(device.clone()), wiring)
}

fn started() -> (Rc<Device>, VirtioDice) {
    let device = Rc::new(Device::new([0; 8]));
    let driver = start(&device).expect("an honest device");
    (device, driver)
}

/// Asks for bytes; the head of the buffer that the device has now.
fn asked(device: &Device, driver: &VirtioDice) -> u16 {
    assert_eq!(driver.take(&mut [0; 8]), None);
    let heads = device.available(QUEUE);
    assert!(heads.len() == 1 && driver.take(&mut [0; 8]).is_none() && device.available(QUEUE).is_empty());
    heads[0]
}

#[test]
fn each_byte_is_given_once() {
    let (device, driver) = started();
    for round in 1..=200_u8 {
        let head = asked(&device, &driver);
        let length = usize::from(round) % BUFFER + 1;
        assert_eq!(device.content(QUEUE, head), [0; BUFFER], "nothing of before is there");
        device.fill(QUEUE, head, &vec![round; length]);
        device.give_back(QUEUE, head.into(), u32::try_from(length).expect("a length"));
        let mut out = [0; 16];
        let count = length.min(16);
        assert_eq!(driver.take(&mut out), Some(Ok(count)));
        assert!(out[..count] == vec![round; count] && out[count..].iter().all(|byte| *byte == 0));
    }
    drop(driver);
    assert_eq!(bus::PAGES.get(), 0);
}

#[test]
fn what_cannot_be_ends_its_use() {
    let lies: [(u32, u32, u16); 8] = [
        (0, 0, 0),
        (0, 65, 0),
        (0, u32::MAX, 0),
        (0, 1 << 31, 0),
        (1, 8, 0),
        (2, 8, 0),
        (u32::MAX, 8, 0),
        (0x8000, 8, 7),
    ];
    for (id, length, jump) in lies {
        let (device, driver) = started();
        asked(&device, &driver);
        device.give_back(QUEUE, id, length);
        device.jump(QUEUE, jump);
        let mut out = [0xee; 8];
        let taken = driver.take(&mut out);
        assert!(
            matches!(taken, Some(Err(DeviceError { fault: DeviceFault::Implausible { .. }, .. }))),
            "{id}"
        );
        assert_eq!((out, device.status.get()), ([0xee; 8], DeviceStatus::empty()));
        assert_eq!(driver.take(&mut out), Some(Err(fault(DeviceFault::Silent))), "it is not asked again");
    }
}

#[test]
fn who_is_silent_is_given_up_and_keeps_the_memory_if_he_does_not_let_go() {
    for resets in [true, false] {
        let (device, driver) = started();
        device.resets.set(resets);
        let head = asked(&device, &driver);
        driver.give_up();
        driver.give_up();
        assert_eq!(driver.take(&mut [0; 8]), Some(Err(fault(DeviceFault::Silent))));
        if !resets {
            // The memory is its own for good: it may write when there is no driver any more. The rings went with the driver.
            let [piece] = device.pieces(QUEUE, head)[..] else { panic!("one buffer") };
            drop(driver);
            Device::write_at(piece, 7);
        }
    }
}

#[test]
fn a_device_that_cannot_be_is_named() {
    let device = Rc::new(Device::new([0; 8]));
    device.features.set(0);
    assert_eq!(start(&device).err(), Some(fault(DeviceFault::Implausible { value: 0 })));
    let device = Rc::new(Device::new([0; 8]));
    device.has_vector.set(false);
    assert_eq!(start(&device).err(), Some(fault(DeviceFault::NoInterrupt)));
    let device = Rc::new(Device::new([0; 8]));
    device.largest_queue.set(0);
    assert_eq!(start(&device).err(), Some(fault(DeviceFault::Silent)));
}
