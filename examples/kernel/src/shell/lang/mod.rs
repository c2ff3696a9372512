//! The language of the shell: text in, a [`Script`] out, or a [`ParseError`] with its place. No clock, no device, no kernel.
//!
//! ```text
//! script   = [list] { (";" | "&" | newline) [list] }      "&" lets the list before it run in the background
//! list     = pipeline { ("&&" | "||") pipeline }
//! pipeline = command { "|" command }
//! command  = { NAME=word } { word | ["2"] ("<" | ">" | ">>") word }
//! word     = { text | 'text' | "text and $NAME" | \c | $NAME | ${NAME} | $? | $1 }
//! ```
//!
//! Nothing nests, so nothing recurses: a line is read once, from left to right, in time and memory of its length. What other shells
//! nest (`(…)`, `$(…)`, backquotes) is refused by name, not taken for text. A `#` where a word could begin starts a comment; a `\` at
//! the end of a line joins it with the next, as a blank outside of quotes.
//!
//! A variable is one word, whatever is in it; outside of quotes an empty one is none ([`expand`]).
//!
//! Invariant: what [`parse`] accepts, printed, parses to the same.

mod ast;
mod error;
pub mod expand;
mod lexer;
mod list;
mod parser;
mod print;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use ast::{Assignment, Command, Join, List, Piece, Pipeline, Redirection, Script, Stream, Word};
pub use error::{Expected, ParseError, Place, Problem};
pub use parser::parse;

/// Most bytes of a script.
pub const MAX_BYTES: usize = 64 << 10;
/// Most words of one command, its name included.
pub const MAX_WORDS: usize = 32;
/// Most commands of a pipeline.
pub const MAX_STAGES: usize = 8;
/// Most redirections of one command, and most assignments.
pub const MAX_EACH: usize = 8;

/// Whether `name` can be a variable's: letters, digits and `_`, no digit first.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let inner = |character: char| character.is_ascii_alphanumeric() || character == '_';
    !name.is_empty() && name.chars().all(inner) && !name.starts_with(|first: char| first.is_ascii_digit())
}
