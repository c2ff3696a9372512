//! From words to what a command gets: variables replaced, quotes gone.
//!
//! A variable is one word or a part of one: blanks in it split nothing. A word of which nothing is left is dropped unless a
//! part of it was quoted.

use core::error::Error;
use core::fmt;

use super::{MAX_WORDS, Piece, Word};

/// Most bytes of the words of a command, expanded.
pub const MAX_EXPANDED: usize = 4096;

/// Where expanded words are put together.
pub type Scratch = heapless::String<MAX_EXPANDED>;

/// The words of a command.
pub type Words<'s> = heapless::Vec<&'s str, MAX_WORDS>;

/// What variables hold.
pub trait Variables {
    /// Gives what `$name` is to `take`; nothing if it is not set.
    fn get(&self, name: &str, take: &mut dyn FnMut(&str));
}

/// The words of a command hold more than [`MAX_EXPANDED`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its words have more than {MAX_EXPANDED} bytes")
    }
}

impl Error for TooLong {}

/// Puts one word behind what is in `scratch`; whether it is there at all.
///
/// # Errors
/// [`TooLong`]: a part may have been put there.
pub fn word(word: &Word<'_>, variables: &dyn Variables, scratch: &mut Scratch) -> Result<bool, TooLong> {
    let (before, mut quotes) = (scratch.len(), false);
    for piece in &word.pieces {
        let mut added = Ok(());
        match piece {
            Piece::Bare(text) => added = scratch.push_str(text),
            Piece::Quoted(text) => {
                quotes = true;
                added = scratch.push_str(text);
            }
            Piece::Variable { name, quoted } => {
                quotes |= quoted;
                variables.get(name, &mut |value| added = scratch.push_str(value));
            }
        }
        added.map_err(|_| TooLong)?;
    }
    Ok(quotes || scratch.len() > before)
}

/// The words of a command, in `scratch`.
///
/// # Errors
/// [`TooLong`]
pub fn words<'s>(
    all: &[Word<'_>],
    variables: &dyn Variables,
    scratch: &'s mut Scratch,
) -> Result<Words<'s>, TooLong> {
    let mut ends = heapless::Vec::<(usize, usize), MAX_WORDS>::new();
    for one in all {
        let from = scratch.len();
        if word(one, variables, scratch)? {
            ends.push((from, scratch.len())).map_err(|_| TooLong)?;
        }
    }
    Ok(ends.iter().filter_map(|&(from, to)| scratch.get(from..to)).collect())
}
