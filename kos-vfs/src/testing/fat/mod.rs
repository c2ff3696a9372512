//! The FAT driver beside a model, and over damaged volumes.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "test helpers: what is wrong shall fail loudly"
)]

pub(crate) mod damage;
mod model;

pub use damage::mount_fat;
pub use model::{FatModel, FatOp, Names};

/// The lock of a volume in tests.
pub type TestLock = spin::mutex::SpinMutex<()>;
