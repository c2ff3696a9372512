//! The disk: an honest one keeps bytes; of one that lies a request fails, or it is given up, and each request comes back once.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;

use kos_demo_kernel::platform::{DeviceError as Trouble, DeviceFault};
use kos_vfs::DeviceError;
use kos_vfs::block::{Bio, BioKind, Done, QueuedDevice as _, Refusal, WriteMode};
use proptest::prelude::*;
use virtio_drivers::transport::DeviceStatus;

use crate::apic::DISK_VECTOR;
use crate::device::Device;
use crate::virtio::Wiring;
use crate::{CPU, bus, pci};
use driver::VirtioBlock;

#[path = "../../image/disk/queue.rs"]
mod driver;

/// What the driver finds in its folder.
const DEPTH: usize = 32;

const fn fault(fault: DeviceFault) -> Trouble {
    Trouble { device: "virtio disk", fault }
}

const QUEUE: usize = 0;
const SECTORS: usize = 64;
const SECTOR: usize = 512;
const READ_ONLY: u64 = 1 << 5;
const GOOD: u8 = 0;
const FAILED: u8 = 1;

fn start(device: &Rc<Device>) -> Result<VirtioBlock, Trouble> {
    let wiring = Wiring { device: "virtio disk", vector: DISK_VECTOR, apic_id: CPU };
    VirtioBlock::start(&pci::VirtioFunction(device.clone()), wiring)
}

/// A disk that can be written.
fn honest() -> Rc<Device> {
    let device = Rc::new(Device::new((SECTORS as u64).to_le_bytes()));
    device.features.set(!READ_ONLY);
    device
}

fn started() -> (Rc<Device>, VirtioBlock) {
    let device = honest();
    let driver = start(&device).expect("an honest disk");
    (device, driver)
}

fn bio(kind: BioKind, sector: u64, fill: u8, tag: usize) -> Bio<Vec<u8>> {
    let length = if kind == BioKind::Flush { 0 } else { SECTOR };
    Bio { kind, sector, buffer: vec![fill; SECTOR], length, tag }
}

const WRITE: BioKind = BioKind::Write(WriteMode::Cached);

fn reaped(driver: &VirtioBlock) -> Vec<Done<Vec<u8>>> {
    let mut all = Vec::new();
    driver.reap(&mut |done| all.push(done));
    all
}

/// Does what is asked under a head, as a disk of `bytes` does; returns how many bytes it wrote.
fn serve(device: &Device, head: u16, bytes: &mut [u8], status: u8) -> u32 {
    let pieces = device.pieces(QUEUE, head);
    let content = device.content(QUEUE, head);
    let kind = u32::from_le_bytes(content[..4].try_into().expect("4 bytes"));
    let sector = u64::from_le_bytes(content[8..16].try_into().expect("8 bytes"));
    let at = usize::try_from(sector).expect("a sector") * SECTOR;
    let written: u32 = pieces.iter().filter(|piece| piece.writable).map(|piece| piece.length).sum();
    match kind {
        0 => device.fill(QUEUE, head, &[&bytes[at..at + SECTOR], &[status]].concat()),
        1 => {
            bytes[at..at + SECTOR].copy_from_slice(&content[16..16 + SECTOR]);
            device.fill(QUEUE, head, &[status]);
        }
        _ => device.fill(QUEUE, head, &[status]),
    }
    written
}

/// Whatever is on its way came back as gone, and nothing is taken any more.
fn is_over(device: &Device, driver: &VirtioBlock, under_way: usize) {
    let gone = reaped(driver);
    assert_eq!(gone.len(), under_way);
    assert!(gone.iter().all(|done| done.result == Err(DeviceError::Gone)), "{gone:?}");
    let refused = driver.submit(bio(WRITE, 0, 1, 99)).expect_err("it is given up");
    assert_eq!((refused.why, refused.bio.tag), (Refusal::Device(DeviceError::Gone), 99));
    assert_eq!(device.status.get(), DeviceStatus::empty(), "it was reset");
}

#[test]
fn an_honest_disk_keeps_bytes() {
    let (device, driver) = started();
    let mut bytes = vec![0; SECTOR * SECTORS];
    let mut expected = BTreeMap::new();
    for round in 0..1000_u16 {
        let (sector, [fill, _]) = (u64::from(round) * 7 % SECTORS as u64, round.to_le_bytes());
        driver.submit(bio(WRITE, sector, fill, 0)).expect("room");
        driver.submit(bio(BioKind::Flush, 0, 0, 1)).expect("room");
        driver.submit(bio(BioKind::Read, sector, 0xee, 2)).expect("room");
        expected.insert(sector, fill);
        // The order of requests is the disk's; what came back does not depend on the order in which it is told.
        let mut heads: Vec<_> = device
            .available(QUEUE)
            .into_iter()
            .map(|head| (head, serve(&device, head, &mut bytes, GOOD)))
            .collect();
        if round % 2 == 1 {
            heads.reverse();
        }
        for (head, written) in heads {
            device.give_back(QUEUE, head.into(), written);
        }
        let done = reaped(&driver);
        assert!(done.len() == 3 && done.iter().all(|done| done.result == Ok(())), "{done:?}");
        let read = done.iter().find(|done| done.bio.tag == 2).expect("the read");
        assert_eq!(read.bio.buffer, vec![expected[&sector]; SECTOR]);
    }
    drop(driver);
    assert_eq!(bus::PAGES.get(), 0);
}

#[test]
fn a_status_or_a_length_that_cannot_be_fails_the_request_alone() {
    for (status, more) in [(FAILED, 0), (2, 0), (0xff, 0), (GOOD, 1), (GOOD, u32::MAX), (GOOD, 1 << 31)] {
        let (device, driver) = started();
        let mut bytes = vec![0; SECTOR * SECTORS];
        for (kind, tag) in [(BioKind::Read, 0), (WRITE, 1)] {
            driver.submit(bio(kind, 5, 1, tag)).expect("room");
            let head = device.available(QUEUE)[0];
            let written = serve(&device, head, &mut bytes, status);
            device.give_back(QUEUE, head.into(), written.wrapping_add(more));
            let done = reaped(&driver);
            assert!(matches!(done.as_slice(), [one] if one.result == Err(DeviceError::Failed { sector: 5 })));
            assert_eq!(done[0].bio.buffer.len(), SECTOR);
        }
        driver.submit(bio(WRITE, 1, 1, 2)).expect("it goes on");
    }
}

#[test]
fn a_disk_that_cannot_be_written_is_not_asked_to() {
    let device = honest();
    device.features.set(u64::MAX);
    let driver = start(&device).expect("an honest disk");
    let refused = driver.submit(bio(WRITE, 0, 1, 0)).expect_err("it is read-only");
    assert_eq!(refused.why, Refusal::Device(DeviceError::ReadOnly));
    assert!(device.available(QUEUE).is_empty());
}

#[test]
fn a_full_queue_refuses_and_gives_the_request_back() {
    let (device, driver) = started();
    for tag in 0..DEPTH {
        driver.submit(bio(BioKind::Read, 0, 0, tag)).expect("room");
    }
    let refused = driver.submit(bio(BioKind::Read, 0, 0, 77)).expect_err("full");
    assert_eq!((refused.why, refused.bio.tag), (Refusal::Full, 77));
    assert_eq!(device.available(QUEUE).len(), DEPTH);
    driver.give_up();
    is_over(&device, &driver, DEPTH);
}

#[test]
fn an_id_that_is_not_on_its_way_ends_its_use() {
    for id in [4, 127, 128, 255, 0x7fff, 0x8000, 0xffff, u32::MAX] {
        let (device, driver) = started();
        driver.submit(bio(BioKind::Read, 0, 0, 0)).expect("room");
        device.give_back(QUEUE, id, 513);
        is_over(&device, &driver, 1);
    }
}

#[test]
fn one_id_twice_ends_its_use() {
    let (device, driver) = started();
    let mut bytes = vec![0; SECTOR * SECTORS];
    for tag in 0..2 {
        driver.submit(bio(BioKind::Read, 0, 0, tag)).expect("room");
    }
    let head = device.available(QUEUE)[0];
    let written = serve(&device, head, &mut bytes, GOOD);
    device.give_back(QUEUE, head.into(), written);
    device.give_back(QUEUE, head.into(), written);
    let done = reaped(&driver);
    let results: Vec<_> = done.iter().map(|done| (done.bio.tag, done.result)).collect();
    assert_eq!(results, [(0, Ok(())), (1, Err(DeviceError::Gone))]);
    is_over(&device, &driver, 0);
}

#[test]
fn an_index_that_jumps_ends_its_use() {
    for by in [2, 64, 128, 1000, 0x7fff, 0x8000, 0xffff] {
        let (device, driver) = started();
        for tag in 0..3 {
            driver.submit(bio(WRITE, 0, 0, tag)).expect("room");
        }
        // The entries that it never wrote name the request of id 0, with no bytes written: that one fails, then it is given up.
        device.jump(QUEUE, by);
        let done = reaped(&driver);
        let failed = done.iter().filter(|done| done.result != Err(DeviceError::Gone)).count();
        assert_eq!((done.len(), failed), (3, 1), "by {by}: {done:?}");
        is_over(&device, &driver, 0);
    }
}

/// What such a disk still writes goes where nobody else is: its memory is never given to others.
#[test]
fn the_memory_of_a_disk_that_does_not_let_go_stays_its_own() {
    let (device, driver) = started();
    driver.submit(bio(BioKind::Read, 0, 7, 0)).expect("room");
    device.resets.set(false);
    driver.give_up();
    let done = reaped(&driver);
    assert!(matches!(done.as_slice(), [one] if one.bio.buffer.is_empty()), "{done:?}");
    let head = device.available(QUEUE)[0];
    device.fill(QUEUE, head, &[0xff; SECTOR + 1]);
    assert!(reaped(&driver).is_empty());
}

#[test]
fn what_it_says_of_itself_is_looked_at() {
    let refused = |lie: &dyn Fn(&Device)| {
        let device = honest();
        lie(&device);
        start(&device).map(|_| ()).map_err(|error| error.fault)
    };
    assert_eq!(refused(&|_| ()), Ok(()));
    assert_eq!(refused(&|disk| disk.features.set(0)), Err(DeviceFault::Implausible { value: 0 }));
    let endless = DeviceFault::Implausible { value: u64::MAX };
    assert_eq!(refused(&|disk| disk.config.set([0xff; 8])), Err(endless));
    assert_eq!(refused(&|disk| disk.largest_queue.set(0)), Err(DeviceFault::Silent));
    assert_eq!(refused(&|disk| disk.has_vector.set(false)), Err(DeviceFault::NoInterrupt));
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Ask {
        kind: u8,
        sector: u64,
    },
    /// The disk serves what it has, with this status.
    Serve(u8),
    Lie {
        id: u32,
        length: u32,
    },
    Jump(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..3_u8, 0..=SECTORS as u64).prop_map(|(kind, sector)| Act::Ask { kind, sector }),
        4 => prop_oneof![3 => Just(GOOD), 1 => any::<u8>()].prop_map(Act::Serve),
        1 => (prop_oneof![0..130_u32, any::<u32>()], prop_oneof![0..600_u32, any::<u32>()])
            .prop_map(|(id, length)| Act::Lie { id, length }),
        1 => any::<u16>().prop_map(Act::Jump),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_disk_is_used_or_given_up_and_each_request_comes_back_once(acts in proptest::collection::vec(act(), 1..80)) {
        let (device, driver) = started();
        let mut bytes = vec![0; SECTOR * SECTORS];
        let (mut away, mut over) = (Vec::new(), false);
        for (tag, act) in acts.into_iter().enumerate() {
            match act {
                Act::Ask { kind, sector } => {
                    let kind = [BioKind::Read, WRITE, BioKind::Flush][usize::from(kind)];
                    match driver.submit(bio(kind, sector, 3, tag)) {
                        Ok(()) => away.push(tag),
                        Err(refused) => prop_assert_eq!(refused.bio.buffer.len(), SECTOR),
                    }
                }
                Act::Serve(status) if !over => for head in device.available(QUEUE) {
                    let written = serve(&device, head, &mut bytes, status);
                    device.give_back(QUEUE, head.into(), written);
                },
                Act::Serve(_) => {}
                Act::Lie { id, length } => device.give_back(QUEUE, id, length),
                Act::Jump(by) => device.jump(QUEUE, by),
            }
            for done in reaped(&driver) {
                let at = away.iter().position(|&tag| tag == done.bio.tag);
                prop_assert!(at.is_some(), "{done:?} came back before it was asked for, or twice");
                away.swap_remove(at.expect("looked for"));
                prop_assert_eq!(done.bio.buffer.len(), SECTOR);
                over |= done.result == Err(DeviceError::Gone);
            }
            over |= device.status.get().is_empty();
            prop_assert!(!over || away.is_empty(), "a disk that was given up still has requests");
        }
    }
}
