//! Transactions: a heap that cannot be wrong, one that fails when it is told to, and the model.

#[expect(unsafe_code, reason = "implements an unsafe port over the host's heap")]
mod fake;
#[expect(unsafe_code, reason = "implements unsafe ports by passing them on")]
mod faulty;

pub use fake::FakeHeap;
pub use faulty::{FaultyHeap, Live};
