//! The line to the host: bytes come and go in order; of a device that lies nothing is taken, and it is reset.

use alloc::rc::Rc;

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use proptest::prelude::*;
use virtio_drivers::transport::DeviceStatus;

use crate::apic::HVC_VECTOR;
use crate::device::Device;
use crate::virtio::Wiring;
use crate::{CPU, bus, pci};
use driver::{BUFFER, VirtioLine};

#[path = "../../image/hvc/queue.rs"]
mod driver;

/// What the driver finds in its folder.
const fn fault(fault: DeviceFault) -> DeviceError {
    DeviceError { device: "virtio console", fault }
}

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

fn start(device: &Rc<Device>) -> Result<VirtioLine, DeviceError> {
    let wiring = Wiring { device: "virtio console", vector: HVC_VECTOR, apic_id: CPU };
    VirtioLine::start(&pci::VirtioFunction(device.clone()), wiring)
}

fn started() -> (Rc<Device>, VirtioLine) {
    let device = Rc::new(Device::new([0; 8]));
    let driver = start(&device).expect("an honest device");
    (device, driver)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a length")
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(64)
    })]

    /// Whatever the pieces in which bytes are sent and taken.
    #[test]
    fn bytes_come_in_their_order(
        pieces in prop::collection::vec(0..=BUFFER, 1..40),
        rooms in prop::collection::vec(1..2 * BUFFER, 1..10),
    ) {
        let (device, driver) = started();
        let (mut heads, mut rooms) = (device.available(RECEIVE), rooms.into_iter().cycle());
        let (mut next, mut sent, mut came) = (0_u8, Vec::new(), Vec::new());
        for piece in pieces {
            if heads.is_empty() {
                while came.len() < sent.len() {
                    let mut out = vec![0; rooms.next().expect("for ever")];
                    let count = driver.read(&mut out).expect("an honest device");
                    prop_assert!(count > 0, "bytes stay away");
                    came.extend_from_slice(&out[..count]);
                }
                prop_assert_eq!(driver.read(&mut [0; 8]), Ok(0));
                heads = device.available(RECEIVE);
            }
            let head = heads.remove(0);
            let bytes: Vec<u8> = (0..piece).map(|_| { next = next.wrapping_add(1); next }).collect();
            device.fill(RECEIVE, head, &bytes);
            device.give_back(RECEIVE, head.into(), length(piece));
            sent.extend(bytes);
        }
        while let Ok(count @ 1..) = { let mut out = [0; 100]; driver.read(&mut out).inspect(|&count| came.extend_from_slice(&out[..count])) } {
            prop_assert!(count <= 100);
        }
        prop_assert_eq!(came, sent);
        drop(driver);
        prop_assert_eq!(bus::PAGES.get(), 0);
    }
}

#[test]
fn one_piece_goes_at_a_time() {
    let (device, driver) = started();
    for round in 0..300_usize {
        let bytes = vec![0xab; round * 7 % 1500 + 1];
        let count = driver.write(&bytes).expect("an honest device");
        assert_eq!(count, bytes.len().min(BUFFER));
        assert_eq!(driver.write(b"more"), Ok(0), "there is no room yet");
        let [head] = device.available(TRANSMIT)[..] else { panic!("one piece") };
        assert_eq!(device.content(TRANSMIT, head), bytes[..count]);
        device.give_back(TRANSMIT, head.into(), 0);
    }
    assert_eq!(driver.write(b""), Ok(0));
}

#[test]
fn what_cannot_be_ends_its_use() {
    for (queue, id, bytes) in [
        (RECEIVE, 0, length(BUFFER) + 1),
        (RECEIVE, 0, u32::MAX),
        (RECEIVE, 4, 1),
        (RECEIVE, u32::MAX, 1),
        (TRANSMIT, 1, 0),
    ] {
        let (device, driver) = started();
        assert_eq!(device.available(RECEIVE).len(), 4);
        assert_eq!(driver.write(b"a word"), Ok(6));
        device.give_back(queue, id, bytes);
        let mut out = [0xee; 8];
        let result = if queue == RECEIVE { driver.read(&mut out) } else { driver.write(b"another") };
        assert!(
            matches!(result, Err(DeviceError { fault: DeviceFault::Implausible { .. }, .. })),
            "{result:?}"
        );
        assert_eq!((out, device.status.get()), ([0xee; 8], DeviceStatus::empty()));
        let silent = Err(fault(DeviceFault::Silent));
        assert_eq!([driver.read(&mut out), driver.write(b"a word")], [silent, silent]);
    }
    // One id twice.
    let (device, driver) = started();
    let head = device.available(RECEIVE)[0];
    device.give_back(RECEIVE, head.into(), 3);
    device.give_back(RECEIVE, head.into(), 3);
    assert!(driver.read(&mut [0; 64]).is_err());
}

#[test]
fn who_does_not_let_go_keeps_the_memory() {
    let (device, driver) = started();
    device.resets.set(false);
    let pieces: Vec<_> =
        device.available(RECEIVE).into_iter().flat_map(|head| device.pieces(RECEIVE, head)).collect();
    device.give_back(RECEIVE, 77, 1);
    assert!(driver.read(&mut [0; 8]).is_err());
    drop(driver);
    // It may write when there is no driver any more. The rings went with the driver.
    pieces.into_iter().for_each(|piece| Device::write_at(piece, 7));
}

#[test]
fn a_device_that_cannot_be_is_named() {
    let device = Rc::new(Device::new([0; 8]));
    device.features.set(0);
    assert_eq!(start(&device).err(), Some(fault(DeviceFault::Implausible { value: 0 })));
    let device = Rc::new(Device::new([0; 8]));
    device.has_vector.set(false);
    assert_eq!(start(&device).err(), Some(fault(DeviceFault::NoInterrupt)));
}
