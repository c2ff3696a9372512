//! Whom to end when memory is out: a pure function of what spaces use.

/// A space that might be ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The integrator's number; of equals the lowest is chosen.
    pub id: u64,
    /// Frames that ending it would free, at most: resident pages and tables.
    pub frames: u64,
    /// From -1000, hardly ever, to 1000, first: thousandths of all memory that are added.
    pub adjustment: i16,
    /// Never: the first program, a driver.
    pub exempt: bool,
}

/// The space whose end frees most, by adjusted size; `None` if all are exempt or use nothing.
///
/// `total` is the frames of the machine. Ends nobody: that is the caller's. The score is Linux's `oom_badness`.
#[must_use]
pub fn victim(candidates: impl IntoIterator<Item = Candidate>, total: u64) -> Option<u64> {
    let score = |candidate: &Candidate| {
        let adjustment = i128::from(candidate.adjustment.clamp(-1000, 1000)) * i128::from(total) / 1000;
        i128::from(candidate.frames) + adjustment
    };
    candidates
        .into_iter()
        .filter(|candidate| !candidate.exempt && candidate.adjustment > -1000 && candidate.frames > 0)
        .max_by(|one, other| score(one).cmp(&score(other)).then(other.id.cmp(&one.id)))
        .map(|candidate| candidate.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(id: u64, frames: u64, adjustment: i16, exempt: bool) -> Candidate {
        Candidate { id, frames, adjustment, exempt }
    }

    #[test]
    fn the_largest_goes_unless_it_may_not() {
        assert_eq!(victim([space(1, 10, 0, false), space(2, 20, 0, false)], 100), Some(2));
        assert_eq!(victim([space(1, 10, 0, false), space(2, 20, 0, true)], 100), Some(1));
        assert_eq!(victim([space(1, 10, 500, false), space(2, 20, 0, false)], 100), Some(1));
        assert_eq!(victim([space(2, 20, 0, false), space(1, 20, 0, false)], 100), Some(1));
        assert_eq!(victim([space(1, 20, -1000, false), space(2, 0, 0, false)], 100), None);
        assert_eq!(victim([], 100), None);
    }
}
