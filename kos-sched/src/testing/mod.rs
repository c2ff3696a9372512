//! Fakes for each port, models, the simulator, contract checks and fuzz bodies, for the tests of this crate and of its users.
//! Uses `std`.

mod bytes;
mod cases;
mod host_park;
#[expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "models and oracles: a wrong index or answer ends the test"
)]
pub mod policy;
pub mod sim;
mod stack;
mod timer;

pub use bytes::Bytes;
pub use cases::cases;
pub use host_park::{HostIrq, HostLock, HostPark, HostTask};
pub use stack::HeapStack;

/// The body of each fuzz target: decodes bytes into operations, compares model and subject after each.
pub mod fuzz {
    pub use super::policy::ops_fair;
    pub use super::timer::timer_wheel;
}
