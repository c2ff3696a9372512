//! An index of packages: a page of links to the files of one of them, of which one is chosen.
//!
//! The page is HTML as PEP 503 has it: each `<a href="FILE#sha256=…">` is a file. Chosen is the newest release for `py3-none-any`, or
//! the one version that is named: only then also one that comes before a release, or was withdrawn (PEP 592). A file without a
//! SHA-256 is not chosen in place of another: it is refused.
//!
//! | part | idea |
//! |---|---|
//! | `wanted` | what is asked for, and what `pip.conf` says |
//! | `html` | the links of a page |
//! | `link` | where they lead |
//! | `choose` | which of them it is |

mod choose;
mod error;
mod html;
mod link;
mod wanted;

pub(crate) use choose::choose;
pub(crate) use error::IndexError;
pub(crate) use wanted::{Wanted, index_of};

/// Most bytes of a page.
pub(crate) const PAGE: u64 = 256 << 10;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
