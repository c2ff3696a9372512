//! The heap's model, its contract check, its fuzz bodies, and a plain frame source.

#[expect(unsafe_code, reason = "frees what must be refused")]
mod contract;
pub(super) mod fuzz;
#[expect(unsafe_code, reason = "does every operation of the heap, wrongly too")]
mod model;
#[expect(unsafe_code, reason = "writes and reads the blocks of the model")]
pub(super) mod pattern;
#[expect(unsafe_code, reason = "implements an unsafe port over a vector of flags")]
mod plain;

pub use contract::check_heap;
pub use model::{BadFree, HeapModel, HeapOp};
pub use plain::PlainFrames;
