//! Transactions: a heap that cannot be wrong, one that fails when it is told to, and the model.

#[expect(unsafe_code, reason = "promises what transactions rely on")]
mod drive;
#[expect(unsafe_code, reason = "implements an unsafe port over the host's heap")]
mod fake;
#[expect(unsafe_code, reason = "implements unsafe ports by passing them on")]
mod faulty;
pub(super) mod fuzz;
#[expect(unsafe_code, reason = "owns what committed transactions left")]
mod model;
mod ops;
#[expect(unsafe_code, reason = "frees what it owns")]
mod thing;

pub use fake::FakeHeap;
pub use faulty::{FaultyFrames, FaultyHeap, Live};
#[cfg(test)]
pub(crate) use fuzz::run_transactions;
pub use model::TxnModel;
pub use ops::TxnOp;
