//! Fakes for each port, fault injection, models, contract checks and fuzz bodies, for the tests of this crate and of
//! its users. Uses `std`.
//!
//! | item | what it is |
//! |---|---|
//! | [`HostEnv`] | an [`Env`](crate::Env) on the host that panics where a kernel would deadlock |
//! | [`FailAt`] | a [`FrameAlloc`](crate::FrameAlloc) whose k-th allocation fails |
//! | [`cases`] | how many sequences a property test runs |
//! | [`Bytes`] | decodes fuzz input into operations |

mod bytes;
mod cases;
#[expect(unsafe_code, reason = "implements the unsafe ports over host memory")]
mod env;
#[expect(unsafe_code, reason = "implements an unsafe port by passing it on")]
mod fail;

pub use bytes::Bytes;
pub use cases::cases;
pub use env::{HostEnv, HostIrq, HostLock};
pub use fail::FailAt;
