//! Faults that others had, as tests.

use alloc::vec;
use alloc::vec::Vec;

use super::pair::Pair;
use super::side::{Flying, Side};
use super::talk::{DELAY, START, pair, talk, try_talk};
use crate::tcp::TcpConfig;
use crate::tcp::fsm::State;
use crate::tcp::input::Change;
use crate::tcp::output::Outgoing;
use crate::tcp::tcb::{Opening, Tcb};
use crate::time::{Duration, Instant};
use crate::wire::SeqNumber;

/// Two that have connected.
fn connected(capacity: usize) -> Pair {
    let mut pair = pair(capacity);
    while pair.sides.iter().any(|side| side.tcb.state() != State::Established) {
        assert!(pair.step(&mut |_, _| Some(DELAY)));
    }
    pair
}

#[test]
fn dup_ack_counter_saturates() {
    let mut pair = connected(8192);
    let [sender, receiver] = &mut pair.sides;
    sender.write(&[1; 8000]);
    let sent: Vec<Flying> = core::iter::from_fn(|| sender.transmit(pair.now)).collect();
    assert!(sent.len() > 4);
    // The first is lost; the last comes a thousand times.
    receiver.take(pair.now, &sent[1]);
    let answer = receiver.transmit(pair.now).unwrap();
    let mut again = 0;
    for _ in 0..1000 {
        let plain = Outgoing { options: Default::default(), ..answer.outgoing.clone() };
        sender.take(pair.now, &Flying::new(plain, Vec::new()));
        again += core::iter::from_fn(|| sender.transmit(pair.now)).count();
    }
    assert!(again <= 2, "{again} segments for duplicates");
}

/// Two with segments of 64 KiB, and rings of so many bytes.
fn with_large_segments(capacities: [usize; 2]) -> Pair {
    let config = TcpConfig::default();
    let mut pair = pair(0);
    for ((at, side), capacity) in pair.sides.iter_mut().enumerate().zip(capacities) {
        let initial = SeqNumber(u32::try_from(at).unwrap());
        let opening = Opening { initial, clock_offset: 0, mss: 65_495, capacity };
        side.tcb = Tcb::connect(START, &config, &opening);
        (side.send, side.receive) = (vec![0; capacity], vec![0; capacity]);
    }
    pair
}

#[test]
fn delayed_ack_at_64k_mtu_does_not_stall() {
    const RECORD: usize = 101_000;
    let quick = &mut |_, _: &Flying| Some(Duration::from_micros(10));
    let mut pair = with_large_segments([65_536; 2]);
    assert!(try_talk(&mut pair, [3_000_000, 0], quick));
    let time = pair.now.checked_duration_since(START).unwrap();
    assert!(time < Duration::from_millis(40 * 4), "{time}: it waits for delayed acknowledgements");

    // Records in two pieces, each less than a segment, of which the second waits for the acknowledgement of the first (Nagle), and a
    // reader who waits for both, so that no window opens. Of the first record he reads some early: then the window is whole.
    let (mut pair, mut written, mut got) = (with_large_segments([120_000; 2]), 0, 0);
    while got < 3_000_000 {
        let [sender, receiver] = &mut pair.sides;
        let whole = written % RECORD == 0;
        if !whole || got == written {
            written += sender.write(&[1; RECORD][..if whole { 61_000 } else { RECORD - 61_000 }]);
        }
        if got == 0 && receiver.tcb.readable() >= 61_000 {
            got += receiver.tcb.receive(pair.now, &mut receiver.receive, |_| (20_000, 20_000));
        }
        if got + receiver.tcb.readable() >= (got + 1).next_multiple_of(RECORD) {
            got += receiver.read(pair.now).len();
        }
        assert!(pair.step(quick), "{got} bytes came");
    }
    let time = pair.now.checked_duration_since(START).unwrap();
    assert!(time < Duration::from_millis(40 * 4), "{time}: it waits for delayed acknowledgements");
}

#[test]
fn writer_wakes_when_send_space_returns() {
    let mut pair = connected(4096);
    assert_eq!(pair.sides[0].write(&[1; 5000]), 4096);
    assert_eq!(pair.sides[0].tcb.writable(4096), 0);
    pair.inputs.clear();
    while pair.sides[0].tcb.writable(4096) == 0 {
        assert!(pair.step(&mut |_, _| Some(DELAY)));
    }
    let woken = pair.inputs.iter().any(|(side, input)| *side == 0 && input.change.contains(Change::WRITABLE));
    assert!(woken, "there is room, and nobody was told");
}

#[test]
fn microsecond_rtt_flow_never_hangs() {
    for micros in [0, 1, 7] {
        let mut pair = pair(16_384);
        talk(&mut pair, 300_000, &mut |count, _| (count % 50 != 49).then_some(Duration::from_micros(micros)));
        let time = pair.now.checked_duration_since(START).unwrap();
        assert!(time < Duration::from_secs(60), "{micros} us: {time}");
    }
}

/// How many ms `length` bytes take through rings of `capacity` bytes, with a round trip of 20 ms and a segment in 100 lost; over
/// eight patterns of loss.
fn time_of(capacity: usize, length: usize) -> u64 {
    let time = |phase: usize| {
        let mut pair = pair(capacity);
        talk(&mut pair, length, &mut |count, _| ((count + phase) % 100 != 57).then_some(DELAY));
        pair.now.checked_duration_since(START).unwrap().as_millis()
    };
    (0..8).map(|phase| time(phase * 12)).sum()
}

#[test]
fn goodput_is_monotone_in_buffer() {
    let times: Vec<u64> =
        [4096, 8192, 16_384, 32_768].into_iter().map(|capacity| time_of(capacity, 400_000)).collect();
    for pair in times.windows(2) {
        assert!(pair[1] <= pair[0] * 105 / 100, "{times:?}");
    }
}

#[test]
fn an_acknowledgement_goes_after_40_ms_at_a_silent_start() {
    let mut pair = connected(65_536);
    let [sender, receiver] = &mut pair.sides;
    for round in 0..40 {
        sender.write(&[1; 100]);
        let segment = sender.transmit(pair.now).unwrap();
        receiver.take(pair.now, &segment);
        let delay = receiver.tcb.deadline().unwrap().checked_duration_since(pair.now).unwrap();
        assert!(delay <= Duration::from_millis(40), "round {round}: {delay}");
        pair.now = Instant::from_ticks(pair.now.as_ticks() + delay.as_ticks());
        let answer = receiver.transmit(pair.now).unwrap();
        sender.take(pair.now, &answer);
        receiver.read(pair.now);
    }
}

#[test]
fn a_connection_is_small() {
    use crate::tcp::congestion::NewReno;
    let size = size_of::<Tcb<NewReno>>();
    assert!(size <= 512, "{size} bytes");
    let _: fn(Instant, &TcpConfig, u32, usize) -> Side = Side::connect;
}
