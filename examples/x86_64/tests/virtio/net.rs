//! The network card: an honest one carries frames; one that lies is given up.

#[path = "../../image/net/mod.rs"]
mod driver;

use alloc::collections::VecDeque;
use alloc::rc::Rc;

use kos_demo_kernel::platform::{DeviceError, DeviceFault, NetCard as _};
use kos_net::dev::{BATCH, Batch, FrameChecksum, HeapFrame};
use kos_net::{Frame as _, LinkControl as _, NetDevice as _};
use proptest::prelude::*;
use virtio_drivers::transport::DeviceStatus;

use crate::device::{Device, SIZE};
use crate::{CPU, bus, pci};
use driver::VirtioNet;

/// The queue of what is received, and that of what is sent.
const IN: usize = 0;
const OUT: usize = 1;
/// What a card says of itself: its address, and that its link is up.
const HONEST: [u8; 8] = [2, 0, 0, 0, 0, 1, 1, 0];
/// Bytes before each frame, and of a buffer to receive into.
const HEAD: u32 = 12;
const BUFFER: u32 = 1536;

/// Buffers to receive into that the card has at once.
const DEPTH: usize = SIZE as usize / 2;

type Frames = Batch<HeapFrame, [Option<HeapFrame>; BATCH]>;

fn start(card: &Rc<Device>) -> Result<VirtioNet, DeviceError> {
    driver::start(&pci::VirtioFunction(card.clone()), CPU)
}

/// A card that told the truth so far, its driver, and the buffers that it has to receive into.
fn started() -> (Rc<Device>, VirtioNet, VecDeque<u16>) {
    let card = Rc::new(Device::new(HONEST));
    let driver = start(&card).expect("an honest card");
    let empty = VecDeque::from(card.available(IN));
    assert_eq!(empty.len(), DEPTH);
    (card, driver, empty)
}

fn receive(driver: &mut VirtioNet) -> Result<Vec<HeapFrame>, DeviceFault> {
    let mut batch = Frames::new();
    let done = driver.receive(&mut batch);
    let frames: Vec<HeapFrame> = core::iter::from_fn(|| batch.pop()).collect();
    done.map(|()| frames).map_err(|error| error.fault)
}

fn send(driver: &mut VirtioNet, bytes: &[u8]) -> Result<(), DeviceFault> {
    let mut batch = Frames::new();
    let mut frame = driver.lease(bytes.len()).expect("memory");
    frame.bytes_mut().copy_from_slice(bytes);
    assert!(batch.push(frame).is_ok());
    driver.transmit(&mut batch).map_err(|error| error.fault)
}

/// Nothing is heard of the card from here on.
fn is_over(card: &Device, driver: &mut VirtioNet) {
    assert_eq!(receive(driver).err(), Some(DeviceFault::Silent));
    assert_eq!(send(driver, b"more").err(), Some(DeviceFault::Silent));
    assert!(!driver.is_up() && !driver.is_starved());
    assert_eq!(card.status.get(), DeviceStatus::empty(), "it was reset");
}

#[test]
fn an_honest_card_carries_frames_both_ways() {
    let (card, mut driver, mut empty) = started();
    assert!(driver.is_up());
    for round in 0..1000_u16 {
        let sent = [&[7; 60], round.to_be_bytes().as_slice()].concat();
        let head = empty.pop_front().expect("a buffer");
        card.fill(IN, head, &[&[0; HEAD as usize], sent.as_slice()].concat());
        card.give_back(IN, head.into(), HEAD + 62);
        let frames = receive(&mut driver).unwrap();
        assert!(matches!(frames.as_slice(), [one] if one.bytes() == sent));
        assert_eq!(frames[0].meta().checksum, FrameChecksum::Whole);
        empty.extend(card.available(IN));
        assert_eq!(empty.len(), DEPTH, "a buffer for the one that was used");

        send(&mut driver, &sent).unwrap();
        let heads = card.available(OUT);
        assert_eq!(card.content(OUT, heads[0])[HEAD as usize..], sent);
        card.give_back(OUT, heads[0].into(), 0);
    }
    card.config.set([2, 0, 0, 0, 0, 1, 0, 0]);
    assert!(!driver.is_up());
    drop(driver);
    assert_eq!(bus::PAGES.get(), 0);
}

#[test]
fn an_id_that_is_not_on_its_way_ends_its_use() {
    for id in [1, 127, 128, 255, 0x7fff, 0x8000, 0xffff, 0x1_0001, 0x1_ffff, u32::MAX] {
        for queue in [IN, OUT] {
            let (card, mut driver, _) = started();
            card.give_back(queue, id, HEAD);
            let failed = if queue == IN { receive(&mut driver).err() } else { send(&mut driver, b"a").err() };
            assert_eq!(failed, Some(DeviceFault::Silent), "id {id:#x} in queue {queue}");
            is_over(&card, &mut driver);
        }
    }
}

#[test]
fn a_length_beyond_the_buffer_ends_its_use() {
    for (length, heard) in [(HEAD, Some(0)), (HEAD + 1, Some(1)), (HEAD + BUFFER, Some(BUFFER as usize))] {
        let (card, mut driver, empty) = started();
        card.give_back(IN, empty[0].into(), length);
        let frames = receive(&mut driver).unwrap();
        assert_eq!(frames.first().map(|frame| frame.bytes().len()), heard, "{length} bytes");
    }
    for length in [0, 1, HEAD - 1, HEAD + BUFFER + 1, 1 << 16, 1 << 31, u32::MAX] {
        let (card, mut driver, empty) = started();
        card.give_back(IN, empty[0].into(), length);
        assert_eq!(receive(&mut driver).err(), Some(DeviceFault::Silent), "{length} bytes");
        is_over(&card, &mut driver);
    }
}

#[test]
fn one_id_twice_ends_its_use() {
    for queue in [IN, OUT] {
        let (card, mut driver, empty) = started();
        send(&mut driver, b"a frame").unwrap();
        let head = if queue == IN { empty[0] } else { card.available(OUT)[0] };
        card.give_back(queue, head.into(), HEAD);
        card.give_back(queue, head.into(), HEAD);
        let failed = if queue == IN { receive(&mut driver).err() } else { send(&mut driver, b"b").err() };
        assert_eq!(failed, Some(DeviceFault::Silent), "queue {queue}");
        is_over(&card, &mut driver);
    }
}

#[test]
fn an_index_that_jumps_ends_its_use() {
    for by in [1, 2, 64, 128, 1000, 0x7fff, 0x8000, 0xffff] {
        for queue in [IN, OUT] {
            let (card, mut driver, _) = started();
            card.jump(queue, by);
            // The entries that it never wrote name the buffer of id 0, with no bytes.
            let failed = if queue == IN { receive(&mut driver).err() } else { send(&mut driver, b"a").err() };
            assert_eq!(failed, Some(DeviceFault::Silent), "by {by} in queue {queue}");
            is_over(&card, &mut driver);
        }
    }
}

/// What such a card still writes goes where nobody else is: its memory is never given to others.
#[test]
fn the_memory_of_a_card_that_does_not_let_go_stays_its_own() {
    let (card, mut driver, empty) = started();
    send(&mut driver, b"a frame").unwrap();
    card.resets.set(false);
    card.give_back(IN, 9999, HEAD);
    assert_eq!(receive(&mut driver).err(), Some(DeviceFault::Silent));
    for head in empty {
        card.fill(IN, head, &[0xff; (HEAD + BUFFER) as usize]);
    }
    assert_eq!(card.content(OUT, card.available(OUT)[0])[HEAD as usize..], *b"a frame");
    assert_eq!(receive(&mut driver).err(), Some(DeviceFault::Silent));
}

#[test]
fn what_it_says_of_itself_is_looked_at() {
    let refused = |lie: &dyn Fn(&Device)| {
        let card = Rc::new(Device::new(HONEST));
        lie(&card);
        start(&card).map(|_| ()).map_err(|error| error.fault)
    };
    assert_eq!(refused(&|_| ()), Ok(()));
    let bare = 1 << 32;
    assert_eq!(refused(&|card| card.features.set(bare)), Err(DeviceFault::Implausible { value: 0 }));
    assert_eq!(refused(&|card| card.features.set(bare | 1 << 5)), Ok(()));
    assert!(matches!(refused(&|card| card.features.set(0)), Err(DeviceFault::Implausible { .. })));
    assert!(matches!(refused(&|card| card.config.set([1; 8])), Err(DeviceFault::Implausible { .. })));
    assert!(matches!(
        refused(&|card| card.config.set([0, 0, 0, 0, 0, 0, 1, 0])),
        Err(DeviceFault::Implausible { .. })
    ));
    assert_eq!(refused(&|card| card.largest_queue.set(0)), Err(DeviceFault::Silent));
    assert_eq!(refused(&|card| card.has_vector.set(false)), Err(DeviceFault::NoInterrupt));
}

/// What the card does next.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Gives one of its buffers back, with a header and as many bytes.
    Deliver([u8; 12], u16),
    /// Takes what was sent.
    Take,
    Lie {
        queue: usize,
        id: u32,
        length: u32,
    },
    Jump {
        queue: usize,
        by: u16,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let queue = 0..2_usize;
    prop_oneof![
        8 => (any::<[u8; 12]>(), 0..=1536_u16).prop_map(|(head, length)| Act::Deliver(head, length)),
        8 => Just(Act::Take),
        1 => (queue.clone(), prop_oneof![0..130_u32, any::<u32>()], prop_oneof![0..2000_u32, any::<u32>()])
            .prop_map(|(queue, id, length)| Act::Lie { queue, id, length }),
        1 => (queue, any::<u16>()).prop_map(|(queue, by)| Act::Jump { queue, by }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_card_is_used_or_given_up(acts in proptest::collection::vec(act(), 1..60)) {
        let (card, mut driver, mut empty) = started();
        let mut over = false;
        for act in acts {
            match act {
                Act::Deliver(head, length) => if let Some(id) = empty.pop_front() {
                    card.fill(IN, id, &[head.as_slice(), &vec![0x5a; length.into()]].concat());
                    card.give_back(IN, id.into(), HEAD + u32::from(length));
                },
                Act::Take => for id in card.available(OUT) {
                    card.give_back(OUT, id.into(), 0);
                },
                Act::Lie { queue, id, length } => card.give_back(queue, id, length),
                Act::Jump { queue, by } => card.jump(queue, by),
            }
            for failed in [receive(&mut driver).err(), send(&mut driver, &[1; 60]).err()] {
                prop_assert!(!over || failed.is_some(), "it is used again");
                prop_assert!(failed.is_none_or(|fault| fault == DeviceFault::Silent));
                over |= failed.is_some();
            }
            if !over {
                empty.extend(card.available(IN));
            }
        }
    }
}
