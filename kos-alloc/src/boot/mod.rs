//! Memory before there is an allocator: [`RegionSet`], [`BootAllocator`].
//!
//! The firmware's map becomes a [`RegionSet`] of usable frames; what is in use already (the kernel's image, modules) is
//! removed from it. A [`BootAllocator`] bumps through the set, first of all for the tables of the frame allocator, and
//! is then consumed by [`hand_over`](BootAllocator::hand_over), which leaves each frame with exactly one owner.
//!
//! ```
//! use core::alloc::Layout;
//! use kos_alloc::boot::{BootAllocator, RegionSet};
//! use kos_alloc::frame::{Buddy, Config};
//! use kos_alloc::FrameRange;
//!
//! let (mut free, mut used) = ([FrameRange::EMPTY; 16], [FrameRange::EMPTY; 16]);
//! let mut usable = RegionSet::new(&mut free);
//! usable.add(FrameRange::inside(0x10_0000, 63 << 20, 12)?)?; // what the firmware calls usable
//! usable.remove(FrameRange::covering(0x10_0000, 0x4_2345, 12)?)?; // the kernel's image
//!
//! let mut boot = BootAllocator::new(usable, &mut used, 12);
//! let words = Buddy::storage_words(Config::default(), boot.free(), &[])?;
//! let tables_at = boot.allocate(Layout::array::<u64>(words)?)?; // a physical address
//! let owners = boot.hand_over();
//! assert_eq!(owners.used[0].start().0, usize::try_from(tables_at >> 12)?);
//! let mut storage = vec![0; words]; // the tables, at their virtual address
//! let buddy = Buddy::new(&mut storage, Config::default(), &owners.free, &[])?;
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! Source: the roles are those of Linux's memblock (mm/memblock.c).

mod bump;
mod error;
mod regions;
#[cfg(test)]
mod tests;

pub use bump::{BootAllocator, HandOver};
pub use error::{BootError, RegionError};
pub use regions::RegionSet;
