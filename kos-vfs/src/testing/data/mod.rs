//! Operations on the bytes of files through the public interface, beside plain bytes: [`DataModel`], [`DataOp`].
//!
//! One step function for the long runs and for the fuzz target [`ops_vs_model`].

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "test helpers: what is wrong shall fail loudly"
)]

mod bytes;
#[cfg(all(feature = "kosfs", feature = "fat"))]
mod fuzz;
mod model;
mod op;

#[cfg(all(feature = "kosfs", feature = "fat"))]
pub use fuzz::ops_vs_model;
pub use model::DataModel;
pub use op::DataOp;
