//! What mappings show: memory that several spaces share, files whose pages are in frames (feature `vma`).
//!
//! [`MemoryObject`] keeps the pages of one object in frames and fills them from a [`Store`]: from a file, or from
//! nothing ([`Zeros`]): shared memory. It is a [`Pager`](crate::space::Pager), and knows which spaces map it, so that
//! [`truncate`](MemoryObject::truncate) reaches them all. Names, owners and rights to attach are the integrator's:
//! a right that was not granted is kept out by [`MapRequest::limited_to`](crate::space::MapRequest::limited_to).

mod mappers;
mod memory_object;
mod store;

pub use memory_object::MemoryObject;
pub use store::{ObjectError, ObjectPorts, Store, Zeros};
