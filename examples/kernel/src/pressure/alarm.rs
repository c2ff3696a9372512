//! [`Alarm`]: tells once that a share is above its limit, and once that it is well below it again.
//!
//! What lies between half the limit and the limit changes nothing, so a share that stays around the limit is told once.

/// The share that is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    limit_ppm: u32,
    raised: bool,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It reached the limit.
    Raised,
    /// It fell below half of it.
    Over,
}

impl Alarm {
    /// Tells from `limit_ppm` on.
    #[must_use]
    pub const fn new(limit_ppm: u32) -> Self {
        Self { limit_ppm, raised: false }
    }

    /// The limit in parts per million.
    #[must_use]
    pub const fn limit_ppm(&self) -> u32 {
        self.limit_ppm
    }

    /// The share is `ppm` now: what is to be told of it.
    pub const fn look(&mut self, ppm: u32) -> Option<Change> {
        if !self.raised && ppm >= self.limit_ppm {
            self.raised = true;
            return Some(Change::Raised);
        }
        if self.raised && ppm < self.limit_ppm / 2 {
            self.raised = false;
            return Some(Change::Over);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_around_the_limit_is_told_once() {
        let mut alarm = Alarm::new(800);
        let told = |alarm: &mut Alarm, shares: &[u32]| {
            shares.iter().filter_map(|&share| alarm.look(share)).collect::<alloc::vec::Vec<_>>()
        };
        assert_eq!(told(&mut alarm, &[0, 799]), []);
        assert_eq!(told(&mut alarm, &[800, 799, 801, 400, 900, 500, 800]), [Change::Raised]);
        assert_eq!(told(&mut alarm, &[399, 400, 390, 799]), [Change::Over]);
        assert_eq!(told(&mut alarm, &[1000]), [Change::Raised]);
    }
}
