//! Fakes for each port, fault injection, models, contract checks and fuzz bodies, for the tests of this crate and of
//! its users. Uses `std`.
//!
//! | item | what it is |
//! |---|---|
//! | [`HostEnv`] | an [`Env`](crate::Env) on the host that panics where a kernel would deadlock |
//! | [`FailAt`] | a [`FrameAlloc`](crate::FrameAlloc) whose k-th allocation fails |
//! | [`PlainFrames`] | the simplest [`FrameAlloc`](crate::FrameAlloc), a vector of flags |
//! | [`Machine`], [`host_frames`] | memory maps, and a frame allocator over the memory of a [`HostEnv`] |
//! | [`FrameModel`], [`FrameOp`], [`step`], [`compare`] | what a frame allocator must do, stepped beside it |
//! | [`check_frame_alloc`] | the contract of a frame allocator |
//! | [`HeapModel`] | what a heap must do, stepped beside it |
//! | [`check_heap`] | the contract of a heap over your own ports |
//! | [`FakeHeap`] | a [`BlockAlloc`](crate::BlockAlloc) over the host's own heap that knows each of its blocks |
//! | [`FaultyHeap`] | a [`BlockAlloc`](crate::BlockAlloc) whose k-th allocation fails, blocks and frames counted together |
//! | [`TxnModel`] | what transactions and reservations must do, stepped beside them |
//! | [`fuzz`] | the bodies of the fuzz targets |
//! | [`cases()`] | how many sequences a property test runs |
//! | [`Bytes`] | decodes fuzz input into operations |

mod bytes;
mod cases;
#[expect(unsafe_code, reason = "implements the unsafe ports over host memory")]
mod env;
#[expect(unsafe_code, reason = "implements an unsafe port by passing it on")]
mod fail;
mod frame;
mod heap;
#[expect(unsafe_code, reason = "lends memory, and frees blocks, rightly and wrongly")]
mod tiny;
mod txn;

pub use bytes::Bytes;
pub use cases::cases;
pub use env::{HostEnv, HostIrq, HostLock};
pub use fail::FailAt;
pub use frame::{Fit, FrameModel, FrameOp, Machine, check_frame_alloc, compare, host_frames, step};
pub use heap::{BadFree, HeapModel, HeapOp, PlainFrames, check_heap};
#[cfg(test)]
pub(crate) use txn::run_transactions;
pub use txn::{FakeHeap, FaultyFrames, FaultyHeap, Live, TxnModel, TxnOp};

/// The body of each fuzz target: decodes bytes into operations, compares model and subject after each.
pub mod fuzz {
    pub use super::frame::{frame_ops, regions};
    pub use super::heap::fuzz::{bad_free, heap_ops, mode_ops};
    pub use super::tiny::tiny_ops;
    pub use super::txn::fuzz::txn_ops;
}
