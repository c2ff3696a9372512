//! Space that is promised to files whose bytes wait in the page cache: [`Promises`].
//!
//! Invariant: what is free beyond the changed nodes, which want a block each, is as much as is promised, but for what makes room
//! has taken since. Whoever is not promised anything leaves it alone.

use hashbrown::HashMap;

use super::super::store::IdHash;
use crate::error::FsError;

/// Blocks for a page: one for its bytes, the rest for the nodes that lead to it, if every page is written alone. What is too
/// much here makes a nearly full volume write through, nothing worse.
const BLOCKS_PER_PAGE: u64 = 5;

/// The pages promised to each file.
#[derive(Debug, Default)]
pub(super) struct Promises {
    files: HashMap<u64, u64, IdHash>,
    pages: u64,
}

impl Promises {
    /// Pages promised to all files.
    pub(super) const fn pages(&self) -> u64 {
        self.pages
    }

    /// Whether something is promised to a file.
    pub(super) fn has(&self, file: u64) -> bool {
        self.files.contains_key(&file)
    }

    /// Blocks that are not there for `file`.
    pub(super) fn beside(&self, file: u64) -> u64 {
        let own = self.files.get(&file).copied().unwrap_or(0);
        self.pages.saturating_sub(own).saturating_mul(BLOCKS_PER_PAGE)
    }

    /// Promises `pages` pages to a file instead of what it had, if `free` blocks are enough for all. Fewer always are.
    pub(super) fn set(&mut self, file: u64, pages: u64, free: u64) -> Result<(), FsError> {
        let own = self.files.get(&file).copied().unwrap_or(0);
        let total = (self.pages - own).saturating_add(pages);
        if pages > own && free < total.saturating_mul(BLOCKS_PER_PAGE) {
            return Err(FsError::NoSpace);
        }
        if pages == 0 {
            self.files.remove(&file);
        } else {
            if own == 0 {
                self.files.try_reserve(1).map_err(|_| FsError::NoMemory)?;
            }
            self.files.insert(file, pages);
        }
        self.pages = total;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_takes_the_place_of_the_last_one() {
        let mut promises = Promises::default();
        assert_eq!(promises.set(1, 4, 20), Ok(()));
        assert_eq!(
            (promises.set(2, 1, 24), promises.set(1, 5, 24)),
            (Err(FsError::NoSpace), Err(FsError::NoSpace))
        );
        assert_eq!((promises.set(2, 1, 25), promises.pages()), (Ok(()), 5));
        assert_eq!((promises.beside(1), promises.beside(2), promises.beside(3)), (5, 20, 25));
        assert_eq!((promises.set(1, 3, 0), promises.set(1, 0, 0), promises.has(1)), (Ok(()), Ok(()), false));
        assert_eq!(promises.pages(), 1);
    }
}
