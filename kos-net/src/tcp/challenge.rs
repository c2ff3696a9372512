//! How many challenges all connections together send: [`Challenges`].
//!
//! Source: RFC 5961 section 7. The limit of each second is random, since a fixed one is a counter that an attacker can read
//! (CVE-2016-5696).

use super::clock::after;
use crate::time::{Duration, Instant};

/// Challenges a second on average.
const MEAN: u32 = 1000;

/// The limit of all connections of a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Challenges {
    left: u32,
    renewed: Instant,
}

impl Challenges {
    pub(crate) const fn new() -> Self {
        Self { left: 0, renewed: Instant::from_ticks(0) }
    }

    /// Whether one more may go; `random` is asked once a second.
    pub(crate) fn permit(&mut self, now: Instant, random: impl FnOnce() -> u32) -> bool {
        if now >= self.renewed {
            self.left = MEAN / 2 + random() % MEAN;
            self.renewed = after(now, Duration::from_secs(1));
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenges, MEAN};
    use crate::time::Instant;

    #[test]
    fn the_limit_of_a_second_is_not_known_in_advance() {
        let mut challenges = Challenges::new();
        for (second, random) in [(0, 0), (1, 999), (2, 1234)] {
            let now = Instant::from_ticks(second * 1_000_000_000);
            let count = (0..10_000).filter(|_| challenges.permit(now, || random)).count();
            assert_eq!(u32::try_from(count), Ok(MEAN / 2 + random % MEAN));
        }
    }
}
