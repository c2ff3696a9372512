//! Objects of one type that stay constructed while they are free: [`ObjectCache`].
//!
//! | item | what it is |
//! |---|---|
//! | [`ObjectCache`] | slabs of constructed objects, for all CPUs |
//! | [`ObjBox`] | an object in use; it goes back to its cache on drop |
//! | [`Construct`](crate::Construct) | the port that makes objects, and readies them for the next user |
//! | [`ObjectStats`] | slabs and objects |
//!
//! A slab is made whole: frames, an object in each place, then it enters the lists. An object lives until its slab goes;
//! in between it changes hands any number of times, so what costs in its making (locks, lists, buffers of its own) is paid
//! once. The objects of each slab begin some cache lines later than those of the slab before, as far as there is room, so
//! that equal fields of many objects do not all fall into the same lines.
//!
//! Invariants: a free object is constructed and belongs to its slab alone; an object in use belongs to its [`ObjBox`]. The
//! frame source, constructors and destructors are called without the lock.
//!
//! Source: J. Bonwick, The Slab Allocator: An Object-Caching Kernel Memory Allocator (USENIX 1994), with the free set in a
//! bitmap instead of in the objects.

#[expect(unsafe_code, reason = "hands objects out and takes them back")]
mod cache;
mod check;
#[expect(unsafe_code, reason = "owns the object that its pointer names")]
mod handle;
#[expect(unsafe_code, reason = "the only code that computes where objects lie")]
mod place;
#[expect(unsafe_code, reason = "makes and drops the objects of a slab, and gives its frames back")]
mod slabs;
mod stats;
#[cfg(test)]
mod tests;

pub use self::cache::ObjectCache;
pub use self::handle::ObjBox;
pub use self::stats::ObjectStats;
