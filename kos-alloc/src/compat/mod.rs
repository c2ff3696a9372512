//! The names of other allocators, so that a Cargo rename puts this crate in their place. The features decide; the crate's
//! root re-exports the names of each.
//!
//! | feature | stands for | module |
//! |---|---|---|
//! | `compat-linked-list` | linked_list_allocator 0.10 | `linked_list` |
//! | `compat-buddy-system` | buddy_system_allocator 0.6 to 0.13 | `buddy_system` |
//!
//! Types, functions, results and counters are the peer's; below them is TLSF instead of a list that is searched, so every
//! operation takes constant time, and a free of what is no live block does nothing (but in memory that a heap was extended
//! by, where it is as undefined as there). The lock is a spin lock that leaves
//! the interrupt mask alone, like the peer's: a kernel whose interrupt handlers allocate takes
//! [`SimpleHeap`](crate::SimpleHeap) or [`KernelHeap`](crate::KernelHeap) instead.
//!
//! With both features on, `Heap` and `LockedHeap` of the root are ambiguous; the modules are not.

#[cfg(feature = "compat-buddy-system")]
#[expect(unsafe_code, reason = "the peer's interface takes addresses, and promises")]
pub mod buddy_system;
#[expect(unsafe_code, reason = "hands live blocks alone to rlsf, and writes its books into added memory")]
mod engine;
#[cfg(feature = "compat-linked-list")]
#[expect(unsafe_code, reason = "the peer's interface takes pointers, and promises")]
pub mod linked_list;
