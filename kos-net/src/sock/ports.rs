//! Choosing a local port: [`choose`].
//!
//! Eight random tries, then a scan from a random port (RFC 6056, algorithm 1): what hash offsets leak is known (CVE-2022-1012).

use crate::ports::{Entropy, EntropyError};

/// Where ports for clients begin (RFC 6335, section 6).
const FIRST: u16 = 49_152;
const COUNT: u16 = u16::MAX - FIRST + 1;
const TRIES: usize = 8;

/// A port that `is_free`; `None` if there is none.
///
/// # Errors
/// There are no random bytes.
pub(crate) fn choose(
    entropy: &mut dyn Entropy,
    is_free: impl Fn(u16) -> bool,
) -> Result<Option<u16>, EntropyError> {
    let mut random = [[0; 2]; TRIES];
    entropy.fill(random.as_flattened_mut())?;
    let port = |number: u16| FIRST + number % COUNT;
    let [first, ..] = random.map(u16::from_ne_bytes);
    let tries = random.into_iter().map(u16::from_ne_bytes);
    let scan = (0..COUNT).map(|step| first.wrapping_add(step));
    Ok(tries.chain(scan).map(port).find(|&port| is_free(port)))
}

#[cfg(test)]
mod tests {
    use super::{COUNT, FIRST, choose};
    use crate::testing::fakes::SeededEntropy;

    #[test]
    fn the_last_free_port_is_found() {
        let mut entropy = SeededEntropy::new(1);
        for last in [FIRST, 60_000, u16::MAX] {
            assert_eq!(choose(&mut entropy, |port| port == last), Ok(Some(last)));
        }
        assert_eq!(choose(&mut entropy, |_| false), Ok(None));
        assert!(choose(&mut SeededEntropy::failing(), |_| true).is_err());
    }

    #[test]
    fn ports_spread_over_the_range() {
        let mut entropy = SeededEntropy::new(2);
        let mut quarters = [0; 4];
        for _ in 0..1000 {
            let port = choose(&mut entropy, |_| true).unwrap().unwrap();
            quarters[usize::from((port - FIRST) / (COUNT / 4))] += 1;
        }
        assert!(quarters.iter().all(|&count| (200..300).contains(&count)), "{quarters:?}");
    }
}
