//! What timers must do, stepped beside both kinds: [`timer_wheel`].
//!
//! The model is a map from time to timer. After each step: what fired was due, each thing that had to fire did, and the
//! precise queue fired exactly what the map says, in its order.

use core::pin::Pin;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::{Bytes, HostPark};
use crate::time::Instant;
use crate::timer::{Cancel, Fired, PreciseQueue, PreciseSlot, Timer, TimerId, TimerWheel};

/// Timers of a model.
const TIMERS: usize = 24;
/// Steps after which all invariants are walked.
const CHECK_EVERY: usize = 4;

/// Any operations on some timers of both kinds, compared with the model after each.
///
/// # Panics
///
/// If a timer and the model differ.
pub fn timer_wheel(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let tick = u32::from(bytes.u8()) % 21;
    let start = decode_time(&mut bytes);
    let wheel = TimerWheel::new(HostPark::new(), tick);
    let mut slots = vec![PreciseSlot::EMPTY; TIMERS];
    let mut model = Model::new(&wheel, &mut slots, tick, start);
    let mut steps = 0;
    while !bytes.is_empty() {
        model.step(&mut bytes);
        steps += 1;
        if steps % CHECK_EVERY == 0 {
            model.check();
        }
    }
    model.check();
    drop(model);
    assert_eq!((wheel.check(), wheel.armed()), (Ok(()), 0), "timers outlive their owners");
}

/// One timer as the model has it.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    /// When the newest arming fires at the latest; nothing if it is not armed in the wheel.
    wheel: Option<(u64, u64)>,
    wheel_fired: bool,
    generation: u32,
    precise: Option<u64>,
    precise_fired: bool,
    id: Option<TimerId>,
}

struct Model<'w> {
    wheel: &'w TimerWheel<HostPark, usize>,
    nodes: Vec<Pin<Box<Timer<'w, HostPark, usize>>>>,
    precise: PreciseQueue<'w>,
    expected: Vec<Expected>,
    /// What the precise queue holds.
    order: BTreeMap<(u64, usize), ()>,
    tick: u64,
    now: u64,
}

impl<'w> Model<'w> {
    fn new(
        wheel: &'w TimerWheel<HostPark, usize>,
        slots: &'w mut [PreciseSlot],
        tick: u32,
        now: u64,
    ) -> Self {
        let nodes = (0..TIMERS).map(|number| Box::pin(Timer::new(wheel, number))).collect();
        let expected = vec![Expected::default(); TIMERS];
        let (precise, order) = (PreciseQueue::new(slots), BTreeMap::new());
        Self { wheel, nodes, precise, expected, order, tick: 1 << tick, now }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let (kind, number) = (bytes.u8() % 16, usize::from(bytes.u8()) % TIMERS);
        match kind {
            0..=7 => self.arm(number, decode_time(bytes)),
            8 | 9 => self.cancel(number),
            10..=13 => self.advance(decode_time(bytes), 1 + usize::from(bytes.u8())),
            14 => self.run_to_next_event(),
            _ => self.backwards(decode_time(bytes)),
        }
    }

    fn arm(&mut self, number: usize, delay: u64) {
        let Some((node, expected)) = self.nodes.get(number).zip(self.expected.get_mut(number)) else {
            return;
        };
        let at = self.now.saturating_add(delay);
        let latest = at.saturating_add(self.tick.max((at - self.now) / 8));
        let generation = node.as_ref().arm(Instant::from_ticks(self.now), Instant::from_ticks(at));
        assert_ne!(generation, expected.generation, "generations repeat");
        let id = self.precise.arm(u32::try_from(number).unwrap_or(0), Instant::from_ticks(at));
        assert!(id.is_ok() && id.ok() != expected.id);
        if let Some(old) = expected.precise.take() {
            self.order.remove(&(old, number));
        }
        self.order.insert((at, number), ());
        *expected = Expected {
            wheel: Some((at, latest)),
            generation,
            precise: Some(at),
            id: id.ok(),
            ..Expected::default()
        };
    }

    fn cancel(&mut self, number: usize) {
        let Some((node, expected)) = self.nodes.get(number).zip(self.expected.get_mut(number)) else {
            return;
        };
        let outcome = |armed: bool, fired: bool| match (armed, fired) {
            (true, _) => Cancel::Cancelled,
            (false, true) => Cancel::Fired,
            (false, false) => Cancel::Stale,
        };
        assert_eq!(node.as_ref().is_armed(), expected.wheel.is_some());
        assert_eq!(node.as_ref().cancel(), outcome(expected.wheel.take().is_some(), expected.wheel_fired));
        expected.wheel_fired = false;
        let Some(id) = expected.id else { return };
        let stale = TimerId { generation: id.generation.wrapping_sub(1), ..id };
        assert_eq!(self.precise.cancel(stale), Cancel::Stale);
        if let Some(at) = expected.precise {
            self.order.remove(&(at, number));
        }
        let found = outcome(expected.precise.take().is_some(), expected.precise_fired);
        assert_eq!(self.precise.cancel(id), found);
    }

    fn advance(&mut self, by: u64, limit: usize) {
        self.now = self.now.saturating_add(by);
        while self.expire(limit) {}
        for (number, expected) in self.expected.iter().enumerate() {
            if let Some((at, latest)) = expected.wheel {
                assert!(latest > self.now, "timer {number} for {at} did not fire at {}", self.now);
            }
        }
        assert!(self.order.keys().all(|&(at, _)| at > self.now), "the precise queue is late");
    }

    /// One call of each `expire`; whether one of them has more to do.
    fn expire(&mut self, limit: usize) -> bool {
        let mut fired = Vec::new();
        let wheel = self.wheel.expire(Instant::from_ticks(self.now), limit, |timer| fired.push(timer));
        assert!(wheel.fired == fired.len() && fired.len() <= limit && (!wheel.more || fired.len() == limit));
        fired.into_iter().for_each(|timer| self.wheel_fired(timer));
        let mut exact = Vec::new();
        let precise = self.precise.expire(Instant::from_ticks(self.now), limit, |id| exact.push(id));
        assert!(precise.fired == exact.len() && (!precise.more || exact.len() == limit));
        exact.into_iter().for_each(|id| self.precise_fired(id));
        wheel.more || precise.more
    }

    fn wheel_fired(&mut self, timer: Fired<usize>) {
        let Some(expected) = self.expected.get_mut(timer.payload) else { unreachable!("{timer:?}") };
        let armed = expected.wheel.take();
        assert_eq!(armed.map(|(at, _)| at), Some(timer.at.as_ticks()), "{timer:?} was not armed");
        assert!(timer.at.as_ticks() <= self.now, "{timer:?} is early at {}", self.now);
        assert_eq!(timer.generation, expected.generation);
        expected.wheel_fired = true;
    }

    fn precise_fired(&mut self, id: TimerId) {
        let first = self.order.pop_first().map(|(key, ())| key);
        let Some((at, number)) = first else { unreachable!("{id:?} was not armed") };
        assert!(at <= self.now && number == id.index as usize, "{id:?} in place of {number} at {at}");
        let Some(expected) = self.expected.get_mut(number) else { unreachable!("{id:?}") };
        assert_eq!((expected.precise.take(), expected.id), (Some(at), Some(id)));
        expected.precise_fired = true;
    }

    /// Nothing happens before the next event; at it, something does.
    fn run_to_next_event(&mut self) {
        let next = self.precise.next_event().map(|next| next.as_ticks());
        assert_eq!(next, self.order.keys().next().map(|&(at, _)| at));
        let Some(at) = self.wheel.next_event().map(|next| next.as_ticks()) else {
            return assert!(self.expected.iter().all(|expected| expected.wheel.is_none()));
        };
        let before = self.wheel.armed();
        if at > self.now {
            self.advance(at - self.now - 1, 1);
            assert_eq!(self.wheel.armed(), before, "a timer fired before the next event");
        }
        self.advance(at.saturating_sub(self.now), TIMERS);
        assert!(
            self.wheel.armed() < before || self.wheel.next_event().is_none_or(|next| next.as_ticks() > at)
        );
    }

    /// An interrupt on a CPU whose clock is behind: nothing fires, nothing breaks.
    fn backwards(&mut self, by: u64) {
        let back = self.now.saturating_sub(by);
        let early = self.expected.iter().any(|expected| expected.wheel.is_some_and(|(at, _)| at <= back));
        let result = self.wheel.expire(Instant::from_ticks(back), TIMERS, |_| ());
        assert!(early || result.fired == 0);
    }

    fn check(&self) {
        assert_eq!((self.wheel.check(), self.precise.check()), (Ok(()), Ok(())));
        let armed = self.expected.iter().filter(|expected| expected.wheel.is_some()).count();
        assert_eq!((self.wheel.armed(), self.precise.armed()), (armed, self.order.len()));
    }
}

/// A length of time of a random magnitude, up to all there is.
fn decode_time(bytes: &mut Bytes<'_>) -> u64 {
    let (magnitude, low) = (bytes.u8(), bytes.u32());
    let value = u64::from(low) << 32 | u64::from(low.rotate_left(13) ^ 0x9e37_79b9);
    let magnitude = if magnitude < 224 { magnitude % 44 } else { magnitude % 65 };
    value.checked_shr(64 - u32::from(magnitude)).unwrap_or(0)
}
