//! Ways to see tables: memory at an offset, one page for all, and a root that is its own table.
//!
//! [`OffsetMap`] is a [`PhysMapper`](crate::PhysMapper) for a kernel with a direct map, or an identity map (offset 0);
//! [`Window`] one for a kernel without room for that. A [`RecursiveSlot`] makes tables visible through themselves where
//! there is neither: an entry of the root leads to the root. It gives the addresses; reading there is the caller's matter.

mod offset;
mod recursive;
mod window;

pub use offset::OffsetMap;
pub use recursive::{Recursive, RecursiveSlot, SlotError};
pub use window::{ShowFrame, Window};
