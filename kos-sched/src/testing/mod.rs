//! Fakes for each port, models, the simulator, contract checks and fuzz bodies, for the tests of this crate and of its users.
//! Uses `std`.

mod bytes;
mod cases;
mod core_ops;
mod fake_platform;
mod host_lock;
mod host_park;
mod machine;
#[expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "models and oracles: a wrong index or answer ends the test"
)]
pub mod policy;
#[cfg(feature = "process")]
mod process;
pub mod sim;
mod stack;
mod timer;

pub use bytes::Bytes;
pub use cases::cases;
pub use fake_platform::{FakeIrq, FakePlatform};
pub use host_lock::HostLock;
pub use host_park::{HostIrq, HostPark, HostTask, MaskedLock};
pub use machine::{FakeSystem, Machine, with_machine};
#[cfg(feature = "process")]
pub use process::{FakeExt, FakeKernel, Refused};
pub use stack::HeapStack;

/// The body of each fuzz target: decodes bytes into operations, compares model and subject after each.
pub mod fuzz {
    pub use super::core_ops::core_ops;
    pub use super::policy::{ops_deadline, ops_fair};
    #[cfg(feature = "process")]
    pub use super::process::{env_block, process_ops};
    pub use super::timer::timer_wheel;
}
