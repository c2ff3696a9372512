//! The scoreboard against one byte at a time: [`run`], for property tests and the fuzz target.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::scoreboard::Scoreboard;
use super::sent::{Sent, State};
use crate::time::Instant;

/// Most bytes that are on their way, and of one step: few, so that steps meet, and each is looked at after each step.
const WINDOW: u64 = 128;
const STEP: u64 = 32;

/// The fate of each byte from `una` to `nxt`.
struct Naive {
    bytes: VecDeque<State>,
    una: u64,
    nxt: u64,
    /// Whether the board has a record for whatever happens. One that has not may know less, and never more.
    exact: bool,
}

impl Naive {
    fn index(&self, place: u64) -> usize {
        usize::try_from(place - self.una).unwrap_or(usize::MAX)
    }

    fn set(&mut self, range: Range<u64>, state: State, unless: Option<State>) {
        let (first, count) = (self.index(range.start), self.index(range.end) - self.index(range.start));
        for fate in self.bytes.iter_mut().skip(first).take(count) {
            if Some(*fate) != unless {
                *fate = state;
            }
        }
    }

    fn count(&self, state: State) -> u64 {
        self.bytes.iter().filter(|fate| **fate == state).count() as u64
    }

    fn acknowledge(&mut self, una: u64) {
        let una = una.min(self.nxt);
        self.bytes.drain(..self.index(una));
        self.una = una;
    }

    fn compare(&self, board: &Scoreboard, sent: &[Sent]) {
        assert!(board.check(sent), "{board:?}");
        assert_eq!((board.una(), board.nxt()), (self.una, self.nxt));
        for (range, noted) in board.records(sent) {
            let fates = self.bytes.range(self.index(range.start)..self.index(range.end));
            for (fate, place) in fates.zip(range) {
                if self.exact {
                    assert_eq!(noted, *fate, "byte {place}");
                } else if noted == State::Sacked {
                    assert_eq!(*fate, State::Sacked, "byte {place} is not held by the peer");
                }
            }
        }
        if self.exact {
            assert_eq!(u64::from(board.sacked()), self.count(State::Sacked));
            assert_eq!(u64::from(board.lost()), self.count(State::Lost));
            let first = (self.una..).zip(&self.bytes).find(|(_, fate)| **fate == State::Lost);
            let first = first.map(|(place, _)| place);
            assert_eq!(board.first_lost(sent).map(|lost| lost.start), first);
        }
    }
}

/// Does what `data` says, three bytes a step, on a board and on the bytes, and compares after each.
///
/// # Panics
/// If they differ.
pub(crate) fn run(data: &[u8]) {
    let [records, place, steps @ ..] = data else { return };
    // Few records, or more than there are steps can make of them.
    let count = if records & 1 == 0 { usize::from(records / 2 % 8) + 1 } else { 600 };
    let mut sent = vec![Sent::EMPTY; count];
    // Beside 0, or so that the places pass 2^32 on the way.
    let start = if place & 1 == 0 { 1 } else { (1 << 32) - u64::from(*place) };
    let mut board = Scoreboard::new();
    board.sent(&mut sent, Instant::from_ticks(0), 0..start);
    board.acknowledge(&mut sent, start, |_, _| {});
    let mut naive = Naive { bytes: VecDeque::new(), una: start, nxt: start, exact: count == 600 };
    for (now, &[what, at, length]) in (1..).zip(steps.as_chunks().0.iter().take(256)) {
        let at = naive.una + u64::from(at) % (WINDOW + 8);
        let range = at..at + u64::from(length) % STEP + 1;
        one(&mut board, &mut naive, &mut sent, Instant::from_ticks(now), what, range);
        naive.compare(&board, &sent);
    }
}

fn one(
    board: &mut Scoreboard,
    naive: &mut Naive,
    sent: &mut [Sent],
    now: Instant,
    what: u8,
    range: Range<u64>,
) {
    let inside = range.start < naive.nxt && range.end <= naive.nxt;
    match what % 8 {
        0 | 1 => {
            let length = (range.end - range.start).min(naive.una + WINDOW - naive.nxt);
            board.sent(sent, now, naive.nxt..naive.nxt + length);
            naive.bytes.extend((0..length).map(|_| State::Flying));
            naive.nxt += length;
        }
        2 if inside => {
            board.sent(sent, now, range.clone());
            naive.set(range, State::Flying, Some(State::Sacked));
        }
        3 => {
            // The peer may acknowledge what was never sent.
            board.acknowledge(sent, range.start, |_, end| assert!(end <= naive.nxt));
            naive.acknowledge(range.start);
        }
        4 | 5 => {
            let mut newly = Vec::new();
            board.sack(sent, &range, |record, end| newly.push((record, end)));
            assert!(newly.iter().all(|(record, end)| record.state != State::Sacked && *end <= range.end));
            if inside {
                naive.set(range, State::Sacked, None);
            } else {
                assert!(newly.is_empty(), "{range:?} is not outstanding");
            }
        }
        6 => {
            board.mark(sent, |record, lost| {
                assert_eq!(record.state, State::Flying);
                let take = lost.end <= range.end;
                if take {
                    naive.set(lost, State::Lost, Some(State::Sacked));
                }
                take.then_some(true)
            });
        }
        7 if what & 8 == 0 => {
            let reneged = board.fate(sent, naive.una) == State::Sacked;
            board.mark_all(sent);
            let kept = if reneged { None } else { Some(State::Sacked) };
            naive.set(naive.una..naive.nxt, State::Lost, kept);
        }
        7 => {
            board.unmark(sent);
            let lost = naive.bytes.iter_mut().filter(|fate| **fate == State::Lost);
            lost.for_each(|fate| *fate = State::Flying);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::testing::config;
    use proptest::collection::vec;
    use proptest::prelude::any;

    #[test]
    fn every_byte_has_the_fate_it_was_told() {
        proptest::proptest!(config(), |(data in vec(any::<u8>(), 0..700))| run(&data));
    }

    /// smoltcp 0.13.1, CVE-2019-11477: 32-bit edges on either side of the wrap.
    #[test]
    fn sack_edges_wrap_without_panic() {
        let step = |what: u8, at: u8, length: u8| [what, at, length];
        let steps = [
            step(0, 0, 31),
            step(0, 0, 31),
            step(0, 0, 31),
            step(4, 25, 17),
            step(4, 2, 20),
            step(6, 0, 30),
            step(3, 12, 0),
            step(2, 20, 20),
        ];
        // Of 96 bytes each is in turn the last before the wrap.
        for place in (1..=255).step_by(2) {
            for records in [1, 0, 2, 6] {
                run(&[&[records, place], steps.concat().as_slice(), &[6, 0, 31, 7, 0, 0]].concat());
            }
        }
    }
}
