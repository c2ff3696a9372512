//! Who holds what: capabilities in spaces.
//!
//! | item | what it is |
//! |---|---|
//! | [`CapSpace`] | the capabilities of one process, over lent slots |
//! | [`CapId`] | names one of them, as user space sees it: a number that nobody else can use |
//! | [`Rights`] | what its holder may do; they only shrink |
//! | [`CapGuard`] | the object behind one, which stays while the guard lives |
//!
//! A slot is one word that says of which generation it is, whether it is alive, and how many lookups hold it; a lookup is one
//! read-modify-write on it, takes no lock, and touches no line that another space uses (`slot`). Whoever closes last frees: the
//! closer, or the guard that was out. A slot whose generations are used up retires, so that no number ever comes back.
//!
//! Sources: Shapiro, Smith and Farber, "EROS: a fast capability system" (1999), for rights that only shrink; handles with a
//! generation as in Hubris and Zircon, here of 32 bits.

mod error;
mod id;
mod rights;
#[expect(unsafe_code, reason = "hands out what a pinned slot holds")]
mod slot;
mod space;
#[cfg(test)]
mod tests;

pub use error::{CapError, InsertError};
pub use id::CapId;
pub use rights::Rights;
pub use slot::CapSlot;
pub use space::{CapGuard, CapInfo, CapSpace, Object, SpaceStats};
