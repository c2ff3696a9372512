use core::slice::from_ref;

use super::{Ack, LossTimeout, Recovery};
use crate::tcp::congestion::NewReno;
use crate::tcp::loss::{LossConfig, Sent};
use crate::time::Instant;

const MSS: u16 = 1000;

fn ms(count: u64) -> Instant {
    Instant::from_ticks(count * 1_000_000)
}

/// A connection after its handshake, which took 100 ms, with ten segments on the way.
fn ten_sent(sack: bool) -> (Recovery<NewReno>, [Sent; 16]) {
    let (mut recovery, mut sent) = (Recovery::new(&LossConfig::default()), [Sent::EMPTY; 16]);
    recovery.on_sent(ms(0), &mut sent, 0..1);
    recovery.on_ack(ms(100), &mut sent, &Ack { una: 1, ..Ack::default() });
    recovery.start(MSS, sack);
    for segment in 0..10 {
        assert!(recovery.allowance() >= 1000);
        recovery.on_sent(ms(100), &mut sent, segment * 1000 + 1..segment * 1000 + 1001);
    }
    assert_eq!(recovery.allowance(), 0);
    (recovery, sent)
}

#[test]
fn third_duplicate_resends_one_segment() {
    let (mut recovery, mut sent) = ten_sent(false);
    let duplicate = Ack { una: 1, ..Ack::default() };
    for _ in 0..2 {
        recovery.on_ack(ms(200), &mut sent, &duplicate);
        assert_eq!(recovery.next_resend(&sent), None);
    }
    recovery.on_ack(ms(200), &mut sent, &duplicate);
    assert_eq!(recovery.next_resend(&sent), Some(1..1001));
    recovery.on_sent(ms(200), &mut sent, 1..1001);
    assert_eq!(recovery.next_resend(&sent), None);
}

#[test]
fn sacked_segments_are_not_sent_again_until_the_timeout() {
    let (mut recovery, mut sent) = ten_sent(true);
    recovery.on_ack(ms(200), &mut sent, &Ack { una: 1, sacked: from_ref(&(2001..6001)), ..Ack::default() });
    assert_eq!(recovery.next_resend(&sent), Some(1..2001));
    recovery.on_sent(ms(200), &mut sent, 1..1001);
    recovery.on_sent(ms(200), &mut sent, 1001..2001);
    assert_eq!(recovery.on_timer(ms(299), &mut sent), LossTimeout::Nothing);
    assert_eq!(recovery.on_timer(recovery.deadline().unwrap(), &mut sent), LossTimeout::Rto { retries: 1 });
    assert_eq!((recovery.next_resend(&sent), recovery.allowance()), (Some(1..2001), 1000));
    recovery.on_sent(ms(500), &mut sent, 1..2001);
    assert_eq!(recovery.next_resend(&sent), Some(6001..10001));
}
