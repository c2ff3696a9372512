//! Models, contract check and operations for frame allocators.

#[expect(unsafe_code, reason = "calls the unsafe `free` of the port under test")]
mod contract;
mod intervals;
mod machine;
mod model;
mod ops;
mod regions;

pub use contract::check_frame_alloc;
pub use machine::{Machine, host_frames};
pub use model::{Fit, FrameModel};
pub use ops::{FrameOp, compare, frame_ops, step};
pub use regions::regions;
