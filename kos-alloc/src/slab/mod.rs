//! Slabs: naturally aligned runs of frames cut into blocks of one size.
//!
//! | item | what it is |
//! |---|---|
//! | [`Class`] | which block size serves a layout |
//! | [`Geometry`] | where the blocks lie in a slab |
//! | [`Shape`] | the part of it that every free needs |
//! | [`PerClass`] | one of something for each class |
//! | [`Slab`] | a slab's head: bitmap of free blocks, links, cookie |
//! | [`Bin`] | the slabs of one class |
//! | [`seal`] | the word by which a free block is known |
//!
//! After J. Bonwick, The Slab Allocator (1994), with the free set in a bitmap instead of in the free blocks. Who holds
//! the lock, and where frames come from and go to, is the heap's affair.

mod bin;
mod class;
#[expect(unsafe_code, reason = "the only code that touches the memory of a slab's head")]
mod header;
mod list;
#[expect(unsafe_code, reason = "indexes by class without a bounds check")]
mod per_class;
#[expect(unsafe_code, reason = "the only code that touches the first word of a block")]
pub(crate) mod seal;

pub(crate) use bin::Bin;
pub use class::CLASSES;
pub(crate) use class::{Class, Geometry, SLAB_LIMIT, Shape, bytes_needed, geometries};
pub(crate) use header::Slab;
pub(crate) use list::{Chain, List};
pub(crate) use per_class::PerClass;
