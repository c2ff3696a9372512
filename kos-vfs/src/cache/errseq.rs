//! [`ErrSeq`]: writes that were lost, told once to everybody who could have meant them.
//!
//! A file counts its lost writes; each open file remembers up to which one it was told. It is behind the lock of the table of
//! pages. A loss that nobody was told yet is told to the next who opens the file, too.
//!
//! Source: Linux `lib/errseq.c` for the idea.

use crate::error::FsError;

/// The losses of one file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ErrSeq {
    /// Wraps: who sleeps through 2^32 losses misses them.
    count: u32,
    last: Option<FsError>,
    told: bool,
}

impl ErrSeq {
    /// A write was lost.
    pub(super) const fn raise(&mut self, error: FsError) {
        self.count = self.count.wrapping_add(1);
        (self.last, self.told) = (Some(error), false);
    }

    /// What who opens the file now remembers.
    pub(super) const fn sample(&self) -> u32 {
        if self.last.is_some() && !self.told { self.count.wrapping_sub(1) } else { self.count }
    }

    /// The last loss, if it is behind `seen`, which moves on.
    pub(super) fn tell(&mut self, seen: &mut u32) -> Result<(), FsError> {
        if *seen == self.count {
            return Ok(());
        }
        (*seen, self.told) = (self.count, true);
        self.last.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_once_to_each() {
        let mut errors = ErrSeq::default();
        let (mut first, mut second) = (errors.sample(), errors.sample());
        assert_eq!(errors.tell(&mut first), Ok(()));
        errors.raise(FsError::NoSpace);
        errors.raise(FsError::ReadOnly);
        let mut late = errors.sample();
        for seen in [&mut first, &mut second, &mut late] {
            assert_eq!(errors.tell(seen), Err(FsError::ReadOnly));
            assert_eq!(errors.tell(seen), Ok(()));
        }
        let mut after = errors.sample();
        assert_eq!(errors.tell(&mut after), Ok(()), "it was told before this one was opened");
    }
}
