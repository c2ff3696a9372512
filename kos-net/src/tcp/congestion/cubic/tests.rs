use super::{Cubic, cube_root};
use crate::tcp::congestion::{AckSample, CongestionControl, LossEvent};
use crate::time::{Duration, Instant};

const MSS: u32 = 1460;

fn ms(count: u64) -> Instant {
    Instant::from_ticks(count * 1_000_000)
}

fn sample(now: u64, acked: u32, rtt: u64) -> AckSample {
    let rtt = Duration::from_millis(rtt);
    AckSample { now: ms(now), acked, una: 1, nxt: 2, rtt: Some(rtt), smoothed_rtt: rtt, limited: true }
}

fn loss(now: u64, flight: u32) -> LossEvent {
    LossEvent { now: ms(now), flight, again: false }
}

/// A window of `segments` that has just come down from a loss.
fn after_loss(segments: u32) -> Cubic {
    let mut cubic = Cubic::default();
    cubic.start(MSS, segments * MSS);
    cubic.on_loss(&loss(0, segments * MSS));
    cubic
}

/// RFC 9438 in floating point, a step each acknowledged segment.
struct Model {
    cwnd: f64,
    most: f64,
    before: f64,
    friendly: f64,
    epoch: f64,
}

impl Model {
    fn on_ack(&mut self, now: f64, rtt: f64) {
        let plateau = ((self.most - self.cwnd_at_epoch()) / 0.4).cbrt();
        let cubic = |time: f64| 0.4 * (time - plateau).powi(3) + self.most;
        let alpha = if self.friendly >= self.before { 1.0 } else { 3.0 * 0.3 / 1.7 };
        self.friendly += alpha / self.cwnd;
        let elapsed = now - self.epoch;
        if cubic(elapsed) < self.friendly {
            self.cwnd = self.cwnd.max(self.friendly);
        } else {
            let target = cubic(elapsed + rtt).clamp(self.cwnd, 1.5 * self.cwnd);
            self.cwnd += (target - self.cwnd) / self.cwnd;
        }
    }

    fn cwnd_at_epoch(&self) -> f64 {
        self.before * 0.7
    }
}

#[test]
fn window_follows_the_formula_in_floating_point() {
    for (segments, rtt) in [(10_u32, 20_u64), (30, 100), (100, 100), (1000, 50), (5000, 30), (40, 300)] {
        let mut cubic = after_loss(segments);
        let start = f64::from(segments);
        let mut model =
            Model { cwnd: 0.7 * start, most: start, before: start, friendly: 0.7 * start, epoch: 1.0 };
        for round in 0..(20_000 / rtt) {
            let now = 1000 + round * rtt;
            for _ in 0..cubic.cwnd() / MSS {
                cubic.on_ack(&sample(now, MSS, rtt));
                model.on_ack(now as f64 / 1e3, rtt as f64 / 1e3);
            }
            let window = f64::from(cubic.cwnd()) / f64::from(MSS);
            let off = (window - model.cwnd).abs();
            assert!(off <= 1.0 + model.cwnd / 50.0, "{segments} {rtt} ms {now}: {window} or {}", model.cwnd);
        }
    }
}

#[test]
fn a_loss_takes_three_tenths_and_fast_convergence_more() {
    let mut cubic = after_loss(100);
    assert_eq!((cubic.cwnd(), cubic.ssthresh(), cubic.now.most), (70 * MSS, 70 * MSS, 100 * MSS));
    cubic.on_loss(&loss(1, 70 * MSS));
    assert_eq!((cubic.cwnd(), cubic.now.most), (49 * MSS, 70 * MSS * 17 / 20));
}

#[test]
fn undo_brings_the_window_back() {
    let mut cubic = after_loss(100);
    cubic.on_undo();
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (100 * MSS, u32::MAX));
    cubic.on_rto(&loss(5, 100 * MSS));
    assert_eq!(cubic.cwnd(), MSS);
    cubic.on_undo();
    assert_eq!(cubic.cwnd(), 100 * MSS);
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    let mut cubic = after_loss(100);
    let mut fresh = Cubic::default();
    fresh.start(MSS, 10 * MSS);
    for round in 0..100 {
        cubic.on_ack(&AckSample { limited: false, ..sample(round * 100, MSS, 100) });
        fresh.on_ack(&AckSample { limited: false, ..sample(round * 100, MSS, 100) });
    }
    assert_eq!((cubic.cwnd(), fresh.cwnd()), (70 * MSS, 10 * MSS));
}

/// RFC 5681 section 4.1; the epoch does not run on meanwhile (RFC 9438 section 5.8).
#[test]
fn after_idleness_it_begins_as_at_first() {
    let mut cubic = after_loss(100);
    cubic.on_ack(&sample(1000, MSS, 100));
    cubic.on_idle(Duration::from_secs(60), 10 * MSS);
    assert_eq!((cubic.cwnd(), cubic.epoch), (10 * MSS, 61_000));
    assert!(cubic.ssthresh() >= 70 * MSS);
}

/// RFC 9406 section 4.2: eight samples that are 1/8 longer, then five rounds of a quarter of the growth.
#[test]
fn slow_start_ends_when_the_round_trip_grows() {
    let mut cubic = Cubic::default();
    cubic.start(MSS, 10 * MSS);
    let mut windows = alloc::vec::Vec::new();
    for round in 1..10_u64 {
        let rtt = if round < 3 { 80 } else { 95 };
        for _ in 0..10 {
            let ack = AckSample { una: round * 100, nxt: (round + 1) * 100, ..sample(round * 100, MSS, rtt) };
            cubic.on_ack(&ack);
        }
        windows.push(cubic.cwnd() / MSS);
    }
    assert_eq!(windows[..3], [20, 30, 37]);
    assert!(windows[3] - windows[2] <= 3 && cubic.ssthresh() < 60 * MSS, "{windows:?}");
}

#[test]
fn cube_roots_are_exact() {
    for root in [0_u64, 1, 2, 3, 999, 1000, 1_000_000, (1 << 21) - 1] {
        let cube = root * root * root;
        assert_eq!(u64::from(cube_root(cube)), root);
        assert_eq!(u64::from(cube_root(cube + 3 * root * root)), root);
        assert_eq!(u64::from(cube_root(cube.saturating_sub(1))), root.saturating_sub(1));
    }
}
