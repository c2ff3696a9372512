//! [`Readahead`]: how much more than asked is read.
//!
//! Each open file has one. Who misses where the last window ended reads on and gets a window twice as large, up to a limit; who
//! misses elsewhere gets what he asked for.

/// What one open file reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readahead {
    /// The page behind the last window. 0 at first: who starts at the beginning is taken to go on.
    next: u64,
    window: u32,
}

/// Pages of the first window.
const START: u32 = 4;

impl Readahead {
    /// Pages to read where page `first` is missing and `asked` pages from it on are wanted; at most `most`.
    pub(super) fn window(&mut self, first: u64, asked: u32, most: u32) -> u32 {
        self.window = if first == self.next { (self.window * 2).max(START) } else { 0 };
        self.window = self.window.max(asked).min(most);
        self.window
    }

    /// So far it was read.
    pub(super) const fn ends(&mut self, next: u64) {
        self.next = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double_for_who_reads_on() {
        let mut ahead = Readahead::default();
        let mut next = 0;
        for window in [4, 8, 16, 32, 32] {
            assert_eq!(ahead.window(next, 1, 32), window);
            next += u64::from(window);
            ahead.ends(next);
        }
        assert_eq!((ahead.window(7, 1, 32), ahead.window(900, 3, 32)), (1, 3));
        assert_eq!(ahead.window(900, 50, 32), 32);
    }
}
