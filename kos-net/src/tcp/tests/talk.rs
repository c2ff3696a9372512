//! Two connections connect, talk and close.

use alloc::vec::Vec;

use super::pair::Pair;
use super::side::{Flying, Side};
use crate::tcp::TcpConfig;
use crate::tcp::fsm::State;
use crate::tcp::tcb::End;
use crate::time::{Duration, Instant};

pub(super) const START: Instant = Instant::from_ticks(1_000_000_000);
pub(super) const DELAY: Duration = Duration::from_millis(10);

pub(super) fn pair(capacity: usize) -> Pair {
    let config = TcpConfig::default();
    let now = START;
    let initials = [u32::MAX - 20_000, 7];
    Pair::new(initials.map(|initial| Side::connect(now, &config, initial, capacity)))
}

fn text(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 31 + at / 251 + seed) % 256).unwrap()).collect()
}

/// Sends `lengths` bytes each way, and closes; whether all came as they were written.
pub(super) fn try_talk(
    pair: &mut Pair,
    lengths: [usize; 2],
    fate: &mut dyn FnMut(usize, &Flying) -> Option<Duration>,
) -> bool {
    let texts = [text(lengths[0], 1), text(lengths[1], 2)];
    let (mut written, mut read) = ([0; 2], [Vec::new(), Vec::new()]);
    for _ in 0..1_000_000 {
        for side in 0..2 {
            let now = pair.now;
            written[side] += pair.sides[side].write(&texts[side][written[side]..]);
            read[side].extend(pair.sides[side].read(now));
            let tcb = &mut pair.sides[side].tcb;
            if written[side] == lengths[side] {
                tcb.shutdown_write(now);
            }
        }
        if !pair.step(fate) {
            break;
        }
    }
    for side in 0..2 {
        assert!(texts[1 - side].starts_with(&read[side]), "bytes that were never written, or mixed up");
    }
    (0..2).all(|side| read[side].len() == lengths[1 - side])
}

/// The same, and all must come.
pub(super) fn talk(pair: &mut Pair, length: usize, fate: &mut dyn FnMut(usize, &Flying) -> Option<Duration>) {
    assert!(try_talk(pair, [length; 2], fate), "not all came");
    for side in &pair.sides {
        let end = side.tcb.end();
        assert!(matches!(end, Some(End::Closed | End::TimeWait)), "{end:?}");
    }
}

#[test]
fn two_open_at_once_talk_and_close() {
    let mut pair = pair(4096);
    talk(&mut pair, 100_000, &mut |_, _| Some(DELAY));
    assert!(pair.now < Instant::from_ticks(6_000_000_000), "{}", pair.now);
}

/// All is written, and the end said, before the peer has answered: both SYN are under way, or lost.
#[test]
fn what_is_written_before_the_handshake_comes_and_then_the_end() {
    for lost in 0..6 {
        let mut pair = pair(4096);
        talk(&mut pair, 1000, &mut |count, _| (count != lost).then_some(DELAY));
    }
}

/// Nobody has the connection any more: what was written goes nevertheless; with nothing to say, nothing goes.
#[test]
fn a_connection_that_is_closed_before_it_stands_says_what_was_written() {
    for (said, heard) in [(&b"last words"[..], &b"last words"[..]), (b"", b"")] {
        let mut pair = pair(4096);
        let now = pair.now;
        assert_eq!(pair.sides[0].write(said), said.len());
        pair.sides[0].tcb.close(now);
        assert_eq!(pair.sides[0].tcb.state() == State::Closed, said.is_empty());
        let mut read = Vec::new();
        while pair.step(&mut |_, _| Some(DELAY))
            && pair.now < START.checked_add_duration(Duration::from_secs(5)).unwrap()
        {
            let now = pair.now;
            read.extend(pair.sides[1].read(now));
        }
        assert_eq!(read, heard);
    }
}

#[test]
fn every_fifth_segment_lost_is_sent_again() {
    let mut pair = pair(8192);
    talk(&mut pair, 50_000, &mut |count, _| (count % 5 != 3).then_some(DELAY));
}

#[test]
fn segments_that_pass_each_other_are_put_in_order() {
    let mut pair = pair(20_000);
    let mut seed = 1_u64;
    talk(&mut pair, 100_000, &mut |_, _| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some(Duration::from_millis(1 + (seed >> 60)))
    });
}

#[test]
fn closing_at_once_passes_through_closing() {
    let mut pair = pair(4096);
    let fate: &mut dyn FnMut(usize, &Flying) -> Option<Duration> = &mut |_, _| Some(DELAY);
    while pair.sides.iter().any(|side| side.tcb.state() != State::Established) {
        assert!(pair.step(fate));
    }
    let now = pair.now;
    pair.sides.iter_mut().for_each(|side| side.tcb.close(now));
    assert!(pair.sides.iter().all(|side| side.tcb.state() == State::FinWait1));
    pair.speak(fate);
    let at = pair.next().unwrap();
    pair.advance(at);
    assert!(pair.sides.iter().all(|side| side.tcb.state() == State::Closing));
    while pair.step(fate) {}
    assert!(pair.sides.iter().all(|side| side.tcb.end() == Some(End::TimeWait)));
}
