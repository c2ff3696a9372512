//! The invariants of the wheel, walked.

use super::levels::{BUCKETS, LEVELS, Wheel, level_of_bucket};
use super::{ASIDE, Entry, Status};
use crate::error::QueueCorruption;
use crate::pinned::Held;

pub(super) fn check<T>(held: &Held<'_, Wheel, Entry<T>>) -> Result<(), QueueCorruption> {
    let wheel = &*held.state;
    let (mut armed, mut last) = (0, (0, 0));
    held.check(|bucket, entry| {
        let here = (bucket, entry.fires);
        let in_order = last.0 != bucket || last <= here;
        (armed, last) = (armed + 1, here);
        let multiple = || entry.fires >> wheel.shift_of(bucket);
        match () {
            () if entry.status != Status::Armed => Err("a timer that is not armed"),
            () if entry.bucket != bucket => Err("a timer of another bucket"),
            () if bucket == ASIDE => Ok(()),
            () if multiple() % 64 != bucket as u64 % 64 => Err("a timer in a bucket of another time"),
            () if entry.fires <= wheel.clock || entry.fires < wheel.next => {
                Err("a timer that should have fired")
            }
            () if entry.fires < entry.at && level_of_bucket(bucket) + 1 < LEVELS => {
                Err("a timer that fires early")
            }
            () if !in_order => Err("a timer before one that fires earlier"),
            () => Ok(()),
        }
    })?;
    if armed != wheel.armed {
        return Err(QueueCorruption { what: "a count of other timers", index: armed });
    }
    let wrong = (0..BUCKETS).find(|&bucket| {
        let bit = wheel.occupied.get(bucket / 64).is_some_and(|bits| bits >> (bucket % 64) & 1 != 0);
        bit == held.is_empty(bucket)
    });
    wrong.map_or(Ok(()), |index| Err(QueueCorruption { what: "a bucket with a wrong bit", index }))
}
