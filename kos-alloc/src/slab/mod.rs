//! Slabs: naturally aligned runs of frames cut into blocks of one size.
//!
//! | item | what it is |
//! |---|---|
//! | [`Class`] | which block size serves a layout |
//! | [`Geometry`] | where the blocks lie in a slab |
//! | [`Slab`] | a slab's head: bitmap of free blocks, links, cookie |
//! | [`Bin`] | the slabs of one class |
//!
//! After J. Bonwick, The Slab Allocator (1994), with the free set in a bitmap instead of in the free blocks. Who holds
//! the lock, and where frames come from and go to, is the heap's affair.

mod bin;
mod class;
#[expect(unsafe_code, reason = "the only code that touches the memory of a slab's head")]
mod header;

pub(crate) use bin::Bin;
pub use class::CLASSES;
pub(crate) use class::{Class, Geometry, SLAB_LIMIT, bytes_needed};
pub(crate) use header::Slab;
