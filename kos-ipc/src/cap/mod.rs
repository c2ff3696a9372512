//! Who holds what: capabilities in spaces.
//!
//! | item | what it is |
//! |---|---|
//! | [`CapSpace`] | the capabilities of one process, over lent slots |
//! | [`CapId`] | names one of them, as user space sees it: a number that nobody else can use |
//! | [`Rights`] | what its holder may do; they only shrink |
//! | [`CapGuard`] | the object behind one, which stays while the guard lives |
//! | [`Cells`], [`Revocation`] | what capabilities are revoked by, in all spaces; a revoke that is under way |
//! | [`Transfer`], [`Carried`] | capabilities about to leave a space; one in no space, as in a message |
//! | [`Directory`] | names for capabilities |
//!
//! A slot is one word that says of which generation it is, whether it is alive, and how many lookups hold it; a lookup is one
//! read-modify-write on it, takes no lock, and touches no line that another space writes (`slot`). Whoever closes last frees: the
//! closer, or the guard that was out. A slot whose generations are used up retires, so that no number ever comes back.
//!
//! What may revoke owns a cell, and what is made of it carries that cell's epoch: a revoke is one addition, however many copies
//! there are (`cell`).
//!
//! Locks are not nested: that of a space, that of the cells and that of a directory are taken one after the other.
//!
//! Sources: Shapiro, Smith and Farber, "EROS: a fast capability system" (1999), for rights that only shrink; Redell, "Naming and
//! protection in extendible operating systems" (1974), for revocation by indirection; handles with a generation as in Hubris and
//! Zircon, here of 32 bits.

#[cfg(feature = "shm")]
mod bond;
mod cell;
mod cells;
mod closing;
mod directory;
mod error;
mod id;
mod lineage;
mod list;
mod lookup;
mod reserve;
mod revoke;
mod rights;
#[expect(unsafe_code, reason = "hands out what a pinned slot holds")]
mod slot;
mod space;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_directory;
mod transfer;

#[cfg(feature = "shm")]
pub(crate) use bond::Bond;
pub use cell::{Cell, MAX_DEPTH};
pub use cells::Cells;
pub use closing::Closing;
pub use directory::{DirEntry, Directory, DirectoryError, MAX_NAME, PublishError};
pub use error::{CapError, InsertError};
pub use id::CapId;
pub use lookup::CapGuard;
pub use revoke::Revocation;
pub use rights::Rights;
pub use slot::CapSlot;
pub use space::{CapInfo, CapSpace, Object, SpaceStats};
pub use transfer::{Carried, Transfer};
