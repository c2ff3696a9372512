//! Which bucket a timer goes to: arithmetic on times, without timers. [`Wheel`], [`Place`].

pub(super) const LEVELS: u32 = 8;
pub(super) const BUCKETS: usize = LEVELS as usize * 64;

/// Buckets from the clock's to the last that a level tells apart: see the module's text.
const REACH: u64 = 65;

/// All but the buckets.
pub(super) struct Wheel {
    /// Everything that fires up to here has fired.
    pub(super) clock: u64,
    /// Nothing fires before.
    pub(super) next: u64,
    pub(super) armed: usize,
    /// Nanoseconds of a tick, as a power of two.
    pub(super) tick: u32,
    /// A bit for each bucket that is not empty.
    pub(super) occupied: [u64; LEVELS as usize],
}

/// Where a timer waits.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) bucket: usize,
    pub(super) fires: u64,
}

impl Wheel {
    pub(super) const fn shift(&self, level: u32) -> u32 {
        self.tick + 3 * level
    }

    pub(super) const fn shift_of(&self, bucket: usize) -> u32 {
        self.shift(level_of_bucket(bucket))
    }

    /// The place for a timer at `at`, `delay` nanoseconds away.
    pub(super) fn place(&self, at: u64, delay: u64) -> Place {
        let mut level = level_of(delay >> self.tick);
        loop {
            let shift = self.shift(level);
            let first = (self.clock >> shift) + 1;
            let mut multiple = ((at >> shift) + u64::from(at & ((1 << shift) - 1) != 0)).max(first);
            if multiple - first >= REACH {
                if level + 1 < LEVELS {
                    level += 1;
                    continue;
                }
                multiple = first + (REACH - 2);
            }
            let fires = if multiple > u64::MAX >> shift { u64::MAX } else { multiple << shift };
            return Place { bucket: bucket_of(level, fires >> shift), fires };
        }
    }

    /// Nothing fires until `next`: lets the clock come near it, so that delays are told from now.
    pub(super) fn forward(&mut self, now: u64) {
        self.clock = self.clock.max(now.min(self.next - 1));
    }

    pub(super) fn mark(&mut self, bucket: usize, occupied: bool) {
        if let Some(bits) = self.occupied.get_mut(bucket / 64) {
            *bits = *bits & !(1 << (bucket % 64)) | u64::from(occupied) << (bucket % 64);
        }
    }

    /// The first two buckets of `level` that are not empty, from the clock on: one of them holds what fires first.
    pub(super) fn first_buckets(&self, level: u32) -> impl Iterator<Item = usize> + use<> {
        let first = (self.clock >> self.shift(level)) + 1;
        let bits = self.occupied.get(level as usize);
        let mut bits = bits.map_or(0, |bits| bits.rotate_right((first % 64) as u32));
        core::iter::from_fn(move || {
            let ahead = bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
            (ahead < 64).then(|| bucket_of(level, first + u64::from(ahead)))
        })
        .take(2)
    }
}

/// The bucket of what fires at a multiple of the level's unit.
const fn bucket_of(level: u32, multiple: u64) -> usize {
    level as usize * 64 + (multiple % 64) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "there are 512 buckets")]
pub(super) const fn level_of_bucket(bucket: usize) -> u32 {
    (bucket / 64) as u32
}

/// The lowest level for a delay of so many ticks.
const fn level_of(ticks: u64) -> u32 {
    if ticks < 64 {
        return 0;
    }
    let level = (ticks.ilog2() - 3) / 3;
    if level < LEVELS { level } else { LEVELS - 1 }
}
