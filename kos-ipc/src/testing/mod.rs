//! Threads of the host and a simulator behind the port [`Park`](crate::Park), for the tests of this crate and of its users. Uses
//! `std`.

pub(crate) mod cap_model;
mod cases;
pub(crate) mod channel_model;
mod choices;
#[cfg(feature = "posix")]
pub(crate) mod futex_model;
pub mod fuzz;
mod host_lock;
#[cfg(feature = "shm")]
mod host_pages;
mod rng;
#[cfg(feature = "rpc")]
pub(crate) mod rpc_model;
pub(crate) mod set_model;
#[cfg(feature = "shm")]
pub(crate) mod shm_model;
#[cfg(feature = "shm")]
pub(crate) mod shm_world;
#[cfg(feature = "posix")]
pub(crate) mod signal_model;
mod sim_park;
mod std_park;
#[cfg(feature = "posix")]
mod words;

pub use cases::cases;
pub use choices::Choices;
pub use host_lock::{HostLock, HostMask};
#[cfg(feature = "shm")]
pub use host_pages::{HostMemory, HostPages, NoMemory, PAGE};
pub use rng::Rng;
pub use sim_park::{SimBody, SimEnv, SimPark, SimToken, Stuck, simulate};
pub use std_park::{StdEnv, StdPark, StdToken};
#[cfg(feature = "posix")]
pub use words::Words;
