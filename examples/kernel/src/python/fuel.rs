//! [`Tank`]: the fuel of a run, handed out in slices.
//!
//! Who is asked to end, by a `KeyboardInterrupt`, gets some more to do so, and no more than that.

use super::stop::Stop;

/// Fuel until somebody looks whether the run is to end.
const SLICE: u64 = 1 << 24;
/// Fuel for the way out of who is told to end.
const WAY_OUT: u64 = 1 << 28;
/// The part of its quota that a line gets for the way out when the quota is used up.
const PART: u64 = 10;

/// Why a run gets nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its quota is used up.
    Quota,
    /// So it was, and what it got for the way out, too.
    Late,
    /// It was told to end, and did not.
    Told,
}

/// The fuel of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tank {
    left: u64,
    quota: u64,
    ending: Ending,
}

impl Tank {
    pub(super) const fn new(quota: u64) -> Self {
        Self { left: quota, quota, ending: Ending::Quota }
    }

    /// Takes a slice, for who has `rest` left and needs `required`.
    ///
    /// # Errors
    /// There is not as much.
    pub(super) fn take(&mut self, rest: u64, required: u64) -> Result<u64, Stop> {
        let grant = SLICE.max(required.saturating_sub(rest)).min(self.left);
        if rest.saturating_add(grant) < required || grant == 0 {
            return Err(match self.ending {
                Ending::Told => Stop::Interrupted,
                Ending::Quota | Ending::Late => Stop::Fuel(self.quota),
            });
        }
        self.left -= grant;
        Ok(grant)
    }

    /// From now on there is only what the way out takes.
    pub(super) fn tell(&mut self) {
        self.left = self.left.min(WAY_OUT);
        self.ending = Ending::Told;
    }

    /// What is left is gone, and a tenth of the quota comes for the way out; false if it has come before.
    pub(super) fn be_late(&mut self) -> bool {
        let first = self.ending == Ending::Quota;
        if first {
            (self.left, self.ending) = (self.quota / PART, Ending::Late);
        }
        first
    }

    /// What was not taken.
    #[cfg(test)]
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// Whether the quota was used up.
    pub(super) const fn is_late(&self) -> bool {
        matches!(self.ending, Ending::Late)
    }
}

#[cfg(test)]
mod tests {
    use super::{SLICE, Stop, Tank, WAY_OUT};

    /// What a run that wants `each` at a time gets in all, and why not more.
    fn burnt(tank: &mut Tank, each: u64) -> (u64, Stop) {
        let (mut rest, mut burnt) = (0, 0);
        loop {
            if rest < each {
                match tank.take(rest, each) {
                    Ok(grant) => rest += grant,
                    Err(stop) => return (burnt, stop),
                }
            }
            (rest, burnt) = (rest - each, burnt + each);
        }
    }

    #[test]
    fn a_run_gets_its_quota_and_not_more() {
        for quota in [0, 1, 999, SLICE, SLICE + 1, 10 * SLICE - 7] {
            assert_eq!(burnt(&mut Tank::new(quota), 1), (quota, Stop::Fuel(quota)));
        }
        // Who takes much at once gets no part of it.
        let quota = 10 * SLICE;
        assert_eq!(burnt(&mut Tank::new(quota), 3 * SLICE), (9 * SLICE, Stop::Fuel(quota)));
        assert_eq!(burnt(&mut Tank::new(quota), u64::MAX).0, 0);
    }

    #[test]
    fn a_late_line_gets_a_tenth_more_once() {
        let mut tank = Tank::new(1000);
        assert_eq!(burnt(&mut tank, 10).0, 1000);
        assert!(!tank.is_late() && tank.be_late() && tank.is_late());
        assert_eq!(burnt(&mut tank, 10), (100, Stop::Fuel(1000)));
        assert!(!tank.be_late());
        assert_eq!(burnt(&mut tank, 1).0, 0);
    }

    #[test]
    fn who_is_told_to_end_gets_the_way_out_and_never_more_than_he_had() {
        let mut tank = Tank::new(u64::MAX);
        tank.tell();
        assert_eq!(burnt(&mut tank, SLICE), (WAY_OUT, Stop::Interrupted));
        let mut tank = Tank::new(7);
        tank.tell();
        assert_eq!(burnt(&mut tank, 1), (7, Stop::Interrupted));
        assert!(!tank.be_late());
    }
}
