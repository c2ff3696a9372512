use core::ops::Range;
use core::slice::from_ref;

use super::{Ack, LossTimeout, Phase, Recovery};
use crate::tcp::congestion::{Cubic, NewReno};
use crate::tcp::loss::{LossConfig, Sent};
use crate::time::{Duration, Instant};

const MSS: u16 = 1000;
/// No segment.
const NONE: Range<u64> = 0..0;

/// A sender of segments of 1000 bytes, whose places are told in segments from 1.
struct Sender {
    recovery: Recovery<NewReno>,
    sent: [Sent; 64],
}

fn ms(count: u64) -> Instant {
    Instant::from_ticks(count * 1_000_000)
}

fn bytes(segments: &Range<u64>) -> Range<u64> {
    segments.start * 1000 + 1..segments.end * 1000 + 1
}

impl Sender {
    /// After a handshake of 100 ms, with segments `0..10` sent at 100 ms.
    fn new(sack: bool) -> Self {
        let mut sender = Self { recovery: Recovery::new(&LossConfig::default()), sent: [Sent::EMPTY; 64] };
        sender.recovery.on_sent(ms(0), &mut sender.sent, 0..1);
        sender.recovery.on_ack(ms(100), &mut sender.sent, &Ack { una: 1, ..Ack::default() });
        sender.recovery.start(MSS, sack);
        for segment in 0..10 {
            assert!(sender.recovery.allowance() >= 1000);
            sender.send(100, segment..segment + 1);
        }
        assert_eq!(sender.recovery.allowance(), 0);
        sender
    }

    fn send(&mut self, now: u64, segments: Range<u64>) {
        for segment in segments {
            self.recovery.on_sent(ms(now), &mut self.sent, bytes(&(segment..segment + 1)));
        }
    }

    fn hear(&mut self, now: u64, ack: &Ack<'_>) -> bool {
        let outcome = self.recovery.on_ack(ms(now), &mut self.sent, ack);
        assert!(self.recovery.board.check(&self.sent), "{:?}", self.recovery);
        outcome.undone
    }

    /// The peer has all before segment `una`, and `held`.
    fn ack(&mut self, now: u64, una: u64, held: Range<u64>) -> bool {
        let (sacked, held) = (bytes(&held), !held.is_empty());
        let sacked = if held { from_ref(&sacked) } else { &[] };
        self.hear(now, &Ack { una: una * 1000 + 1, sacked, ..Ack::default() })
    }

    /// The same, and it had `twice` before.
    fn ack_twice(&mut self, now: u64, una: u64, twice: Range<u64>) -> bool {
        self.hear(now, &Ack { una: una * 1000 + 1, dsack: Some(bytes(&twice)), ..Ack::default() })
    }

    fn lost(&self) -> Option<Range<u64>> {
        self.recovery.next_resend(&self.sent).map(|lost| lost.start / 1000..lost.end / 1000)
    }

    fn wait(&mut self) -> (Instant, LossTimeout) {
        let at = self.recovery.deadline().unwrap();
        (at, self.recovery.on_timer(at, &mut self.sent))
    }
}

/// smoltcp#224: 255 duplicates overflowed a counter.
#[test]
fn dup_ack_counter_saturates() {
    let mut sender = Sender::new(false);
    for _ in 0..1000 {
        sender.ack(200, 0, NONE);
    }
    assert_eq!((sender.recovery.duplicates, sender.lost()), (u8::MAX, Some(0..1)));
}

/// smoltcp#1155: all that was outstanding went again.
#[test]
fn fast_retransmit_sends_one_segment() {
    let mut sender = Sender::new(false);
    for _ in 0..2 {
        sender.ack(200, 0, NONE);
        assert_eq!(sender.lost(), None);
    }
    // RFC 3042: two new segments for the two duplicates.
    assert_eq!(sender.recovery.allowance(), 2000);
    sender.ack(200, 0, NONE);
    assert_eq!(sender.lost(), Some(0..1));
    sender.send(200, 0..1);
    assert_eq!(sender.lost(), None);
    for _ in 0..6 {
        sender.ack(210, 0, NONE);
        assert_eq!(sender.lost(), None);
    }
    // RFC 6582 section 3.2: a partial acknowledgement names the next.
    sender.ack(300, 4, NONE);
    assert_eq!(sender.lost(), Some(4..5));
    sender.send(300, 4..5);
    sender.ack(400, 10, NONE);
    assert_eq!((sender.lost(), sender.recovery.phase), (None, Phase::Open));
}

/// smoltcp#1018, #1023; RFC 6298 sections 5.3, 5.5, 5.6.
#[test]
fn rto_restarts_on_new_ack_and_backs_off() {
    let mut sender = Sender::new(false);
    assert_eq!(sender.recovery.deadline(), Some(ms(400)));
    sender.ack(250, 2, NONE);
    let rto = sender.recovery.rto();
    assert_eq!(sender.recovery.deadline(), ms(250).checked_add_duration(rto));
    let mut last = ms(250);
    for retries in 1..=3 {
        let (at, what) = sender.wait();
        assert_eq!(
            (what, at.checked_duration_since(last)),
            (LossTimeout::Rto { retries }, Some(rto * (1 << (retries - 1))))
        );
        assert_eq!((sender.lost().map(|lost| lost.start), sender.recovery.allowance()), (Some(2), 1000));
        sender.recovery.on_sent(at, &mut sender.sent, bytes(&(2..3)));
        last = at;
    }
    sender.hear(9000, &Ack { una: 3001, ..Ack::default() });
    assert_eq!(sender.recovery.retries, 0);
    assert_eq!(sender.recovery.deadline(), ms(9000).checked_add_duration(sender.recovery.rto()));
    for _ in 0..40 {
        sender.wait();
    }
    assert_eq!(sender.recovery.rto(), Duration::from_secs(120));
}

/// gvisor#10312: the peer took its window back and dropped what was beyond. A probe of the tail tells what is missing.
#[test]
fn shrunk_peer_window_recovers_without_rto() {
    let mut sender = Sender::new(true);
    sender.hear(200, &Ack { una: 4001, window_changed: true, ..Ack::default() });
    // It opens again; what was dropped is still outstanding.
    sender.hear(250, &Ack { una: 4001, window_changed: true, ..Ack::default() });
    assert_eq!(sender.wait().1, LossTimeout::Probe);
    assert_eq!(sender.recovery.probe(&sender.sent), Some(bytes(&(9..10))));
    sender.send(450, 9..10);
    sender.ack(550, 4, 9..10);
    while sender.lost().is_none() {
        assert_eq!(sender.wait().1, LossTimeout::Resend);
    }
    assert_eq!(sender.lost(), Some(4..9));
    assert!(sender.recovery.allowance() >= 1000);
}

/// RFC 8985 section 6.2: three held segments leave no doubt; fewer wait a quarter of the round trip.
#[test]
fn what_was_sent_before_what_arrived_is_lost() {
    let mut sender = Sender::new(true);
    sender.ack(200, 0, 2..6);
    assert_eq!(sender.lost(), Some(0..2));

    let mut sender = Sender::new(true);
    sender.ack(200, 0, 1..2);
    assert_eq!((sender.lost(), sender.recovery.deadline()), (None, Some(ms(225))));
    assert_eq!(sender.recovery.on_timer(ms(224), &mut sender.sent), LossTimeout::Nothing);
    assert_eq!((sender.wait().1, sender.lost()), (LossTimeout::Resend, Some(0..1)));
    assert!(sender.recovery.allowance() >= 1000, "the first goes at once (RFC 9937)");
}

/// RFC 8985 section 6.2 step 5: what was sent again and lost again is found without a timeout.
#[test]
fn a_lost_retransmission_is_found_by_what_was_sent_later() {
    let mut sender = Sender::new(true);
    sender.ack(200, 0, 1..5);
    sender.send(200, 0..1);
    sender.send(210, 10..12);
    assert_eq!(sender.lost(), None);
    sender.ack(300, 0, 1..10);
    assert_eq!(sender.lost(), None);
    sender.ack(310, 0, 1..12);
    assert_eq!(sender.lost(), Some(0..1));
}

/// RFC 8985 section 6.2 step 4: a D-SACK widens the window by a quarter of the least round trip, once a round trip.
#[test]
fn needless_repairs_widen_the_wait() {
    let mut sender = Sender::new(true);
    sender.ack(200, 0, 1..5);
    sender.send(200, 0..1);
    sender.ack(290, 5, NONE);
    assert!(sender.ack_twice(300, 5, 0..1), "all of the repair was needless");
    assert_eq!(sender.recovery.phase, Phase::Open);
    assert_eq!(sender.recovery.congestion_window() / 1000, 10, "{:?}", sender.recovery);
    sender.ack(310, 5, 6..7);
    let wait = sender.recovery.deadline().unwrap().checked_duration_since(ms(310));
    assert!(wait > Some(Duration::from_millis(30)) || wait.is_none(), "{wait:?}");
}

/// RFC 8985 section 7.2: two round trips, and for a single segment the time a peer may keep its acknowledgement.
#[test]
fn a_probe_follows_two_silent_round_trips() {
    let mut sender = Sender::new(true);
    sender.send(100, 10..11);
    assert_eq!(sender.recovery.deadline(), Some(ms(302)), "two round trips of 100 ms, and 2 ms");
    sender.ack(200, 9, NONE);
    assert_eq!(sender.recovery.deadline(), Some(ms(402)));
    assert_eq!(sender.wait().1, LossTimeout::Probe);
    sender.send(402, 10..11);
    assert_eq!(
        sender.recovery.deadline(),
        ms(402).checked_add_duration(sender.recovery.rto()),
        "one a flight"
    );

    let mut single = Sender::new(true);
    single.ack(200, 9, NONE);
    let rto_at = ms(200).checked_add_duration(single.recovery.rto());
    assert_eq!(single.recovery.deadline(), rto_at, "2 x 100 + 200 ms, but not after the timeout");
}

/// RFC 8985 section 7.4.2: a probe that repaired a loss costs a reduction, one that was needless does not.
#[test]
fn a_probe_that_repairs_is_a_loss() {
    for needless in [false, true] {
        let mut sender = Sender::new(true);
        sender.wait();
        sender.send(300, 9..10);
        sender.ack(400, 10, NONE);
        sender.send(400, 10..20);
        if needless {
            sender.ack_twice(401, 10, 9..10);
        }
        let before = sender.recovery.congestion_window() / 1000;
        sender.ack(500, 12, NONE);
        let after = sender.recovery.congestion_window() / 1000;
        assert_eq!(after >= before, needless, "{before} {after}");
        assert_eq!(sender.recovery.probe_end, 0);
    }
}

/// RFC 5682 section 3.1: after a timeout an original still arrives: nothing was lost.
#[test]
fn a_timeout_without_loss_is_undone() {
    let mut sender = Sender::new(true);
    let before = sender.recovery.congestion_window();
    sender.wait(); // the probe, which the caller cannot send
    let (at, what) = sender.wait();
    assert_eq!((what, sender.lost()), (LossTimeout::Rto { retries: 1 }, Some(0..10)));
    let now = at.as_ticks() / 1_000_000;
    sender.send(now, 0..1);
    assert!(!sender.ack(now + 5, 1, NONE), "that may be the one sent again");
    assert!(sender.ack(now + 6, 3, NONE));
    assert_eq!((sender.lost(), sender.recovery.phase), (None, Phase::Open));
    assert!(sender.recovery.congestion_window() >= before);
}

/// RFC 3522: the echo is older than what was sent again.
#[test]
fn a_timestamp_tells_an_original_without_sack() {
    for (echo, undone) in [(450, true), (100, false)] {
        let mut sender = Sender::new(false);
        let (at, _) = sender.wait();
        let now = at.as_ticks() / 1_000_000;
        sender.send(now, 0..1);
        let rtt = Some(Duration::from_millis(echo));
        assert_eq!(sender.hear(now + 100, &Ack { una: 1001, rtt, ..Ack::default() }), undone);
    }
}

/// RFC 2018 section 8: what was held is only trusted as long as the first byte is not said to be held out of order.
#[test]
fn reneging_is_undone_at_the_timeout() {
    let mut sender = Sender::new(true);
    sender.ack(200, 0, 4..10);
    sender.send(200, 0..4);
    sender.ack(300, 4, NONE);
    assert_eq!(sender.lost(), None);
    assert_eq!(sender.recovery.board.sacked(), 6000, "it threw them away");
    let (_, what) = sender.wait();
    assert_eq!((what, sender.lost()), (LossTimeout::Rto { retries: 1 }, Some(4..10)));
}

#[test]
fn sacked_segments_are_not_sent_again_after_the_timeout() {
    let mut sender = Sender::new(true);
    sender.hear(200, &Ack { una: 1, sacked: from_ref(&(2001..6001)), ..Ack::default() });
    assert_eq!(sender.lost(), Some(0..2));
    sender.send(200, 0..2);
    let (_, what) = sender.wait();
    assert_eq!((what, sender.lost()), (LossTimeout::Rto { retries: 1 }, Some(0..2)));
    sender.send(500, 0..2);
    assert_eq!(sender.lost(), Some(6..10));
}

/// RFC 5681 section 4.1.
#[test]
fn after_idleness_the_window_is_the_first_one() {
    let mut sender = Sender::new(true);
    sender.ack(200, 10, NONE);
    assert_eq!((sender.recovery.congestion_window(), sender.recovery.deadline()), (20_000 - 8_000, None));
    sender.send(60_000, 10..11);
    assert_eq!(sender.recovery.congestion_window(), 10_000);
}

/// RFC 6928 section 2, RFC 6298 section 5.7.
#[test]
fn lost_syns_make_a_careful_start() {
    for (timeouts, window, rto) in [(0, 10, None), (1, 10, Some(3)), (2, 1, Some(3))] {
        let (mut recovery, mut sent) = (Recovery::<NewReno>::new(&LossConfig::default()), [Sent::EMPTY; 4]);
        recovery.on_sent(ms(0), &mut sent, 0..1);
        for retries in 1..=timeouts {
            let at = recovery.deadline().unwrap();
            assert_eq!(recovery.on_timer(at, &mut sent), LossTimeout::Rto { retries });
            recovery.on_sent(at, &mut sent, 0..1);
        }
        recovery.on_ack(ms(9000), &mut sent, &Ack { una: 1, ..Ack::default() });
        recovery.start(MSS, true);
        assert_eq!(recovery.allowance(), window * 1000, "{timeouts}");
        assert_eq!(recovery.smoothed_rtt().is_none().then(|| recovery.rto()), rto.map(Duration::from_secs));
    }
}

#[test]
fn a_connection_fits_its_memory() {
    assert!(size_of::<Recovery<Cubic>>() <= 312, "{}", size_of::<Recovery<Cubic>>());
}

/// RFC 1191 section 6.4: what the path did not take goes again at once, smaller, and costs no window.
#[test]
fn what_is_too_large_for_the_path_goes_again_at_once() {
    for sack in [false, true] {
        let mut sender = Sender::new(sack);
        let before = sender.recovery.congestion_window();
        sender.recovery.set_mss(500, &mut sender.sent);
        assert!(sender.recovery.board.check(&sender.sent));
        assert_eq!(sender.lost(), Some(0..10), "all of it");
        assert_eq!((sender.recovery.flight(), sender.recovery.congestion_window()), (0, before));
        sender.send(150, 0..10);
        sender.ack(250, 10, NONE);
        assert_eq!((sender.recovery.phase, sender.lost()), (Phase::Open, None));
        assert!(sender.recovery.congestion_window() >= before);
    }
}

/// What fits is not lost.
#[test]
fn a_path_that_takes_all_that_is_under_way_loses_nothing() {
    let mut sender = Sender::new(true);
    sender.recovery.set_mss(1000, &mut sender.sent);
    assert_eq!((sender.lost(), sender.recovery.phase), (None, Phase::Open));
}
