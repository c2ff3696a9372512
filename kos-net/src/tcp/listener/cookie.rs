//! Handshakes that are remembered by the peer: SYN cookies.
//!
//! Our initial sequence number is a keyed hash plus 5 bits of time, 3 bits of segment size and 24 bits of proof; the
//! acknowledgement brings it back. Scale and SACK are in the low bits of the clock that the peer echoes; a peer without a
//! clock gets neither. Source: RFC 4987 section 3.6; the idea is D. J. Bernstein's.

use core::net::SocketAddr;

use super::Place;
use super::record::SynRecord;
use crate::tcp::TcpConfig;
use crate::tcp::isn::{Purpose, Secret};
use crate::tcp::receiver::scale_for;
use crate::tcp::timestamps::clock;
use crate::time::Instant;
use crate::wire::{SeqNumber, TcpOptions, TcpSegment};

/// The segment sizes that a cookie can tell.
const SIZES: [u16; 8] = [536, 1024, 1220, 1360, 1440, 1452, 1460, 8960];
/// Nanoseconds of one step of a cookie's time.
const STEP: u64 = 64_000_000_000;
/// Bits of the clock that tell scale and SACK.
const TOLD: u32 = 0x1F;
/// The scale of a peer that has none.
const NO_SCALE: u32 = 15;
const PROOF: u32 = (1 << 24) - 1;

fn time(now: Instant) -> u64 {
    now.as_ticks() / STEP
}

/// The sum of what a cookie tells and its proof.
fn told(
    secret: &Secret,
    local: SocketAddr,
    remote: SocketAddr,
    peer: SeqNumber,
    time: u64,
    size: u32,
) -> u32 {
    let more = u64::from(peer.0) << 32 | (time & 0x0FFF_FFFF) << 4 | u64::from(size);
    let time = u32::try_from(time % 32).unwrap_or(0);
    time << 27 | size << 24 | (secret.hash(Purpose::Proof, local, remote, more) & PROOF)
}

fn base(secret: &Secret, local: SocketAddr, remote: SocketAddr, peer: SeqNumber) -> u32 {
    secret.hash(Purpose::Cookie, local, remote, peer.0.into())
}

/// Puts into `record`, which will not be kept, all that its peer must bring back.
pub(super) fn bake(now: Instant, secret: &Secret, record: &mut SynRecord) {
    let fits = |&size: &u16| size <= record.peer_mss;
    let size = u32::try_from(SIZES.iter().filter(|size| fits(size)).count().saturating_sub(1)).unwrap_or(0);
    let (local, remote, peer) = (record.local, record.remote, record.peer_initial);
    let told = told(secret, local, remote, peer, time(now), size);
    record.initial = SeqNumber(base(secret, local, remote, peer)).plus(told);
    if record.clock.is_none() {
        (record.scales, record.sack) = (None, false);
        return;
    }
    // The clock of this one segment is moved back by less than 64 ms, so that its low bits tell.
    let scale = record.scales.map_or(NO_SCALE, |(theirs, _)| theirs.into());
    let bits = scale << 1 | u32::from(record.sack);
    let true_clock = clock(now, record.clock_offset);
    let mut moved = true_clock & !TOLD | bits;
    if moved.wrapping_sub(true_clock).cast_signed() > 0 {
        moved = moved.wrapping_sub(TOLD + 1);
    }
    record.clock_offset = record.clock_offset.wrapping_add(moved.wrapping_sub(true_clock));
}

/// The record that `segment` brings back, if it is the last of a handshake that began here at most two steps ago.
pub(super) fn open(
    now: Instant,
    secret: &Secret,
    config: &TcpConfig,
    place: &Place,
    segment: &TcpSegment<'_>,
) -> Option<SynRecord> {
    let (local, remote) = (place.local, place.remote);
    let peer = segment.header.sequence().plus(u32::MAX);
    let initial = segment.header.acknowledgement().plus(u32::MAX);
    let found = initial.0.wrapping_sub(base(secret, local, remote, peer));
    let size = found >> 24 & 7;
    let now_time = time(now);
    let proven = [now_time, now_time.saturating_sub(1)]
        .into_iter()
        .any(|time| told(secret, local, remote, peer, time, size) == found);
    if !proven {
        return None;
    }
    let clock_offset = secret.clock_offset(local.ip(), remote.ip());
    let mut record = SynRecord::new(now, config, place, segment, initial, clock_offset);
    record.peer_initial = peer;
    record.peer_mss = usize::try_from(size).ok().and_then(|size| SIZES.get(size).copied())?;
    (record.scales, record.sack) = (None, false);
    let echo = TcpOptions::parse(segment.options).timestamps.filter(|_| config.timestamps)?.echo;
    let scale = echo >> 1 & 0xF;
    let theirs = u8::try_from(scale).ok().filter(|_| scale != NO_SCALE && config.window_scaling);
    record.scales = theirs.map(|theirs| (theirs, scale_for(place.capacity)));
    record.sack = echo & 1 != 0 && config.sack;
    // Its round trip was not seen.
    record.tries = 1;
    Some(record)
}
