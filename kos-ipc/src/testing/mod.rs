//! Threads of the host and a simulator behind the port [`Park`](crate::Park), for the tests of this crate and of its users. Uses
//! `std`.

mod cases;
mod host_lock;
mod rng;
mod sim_park;
mod std_park;

pub use cases::cases;
pub use host_lock::{HostLock, HostMask};
pub use rng::Rng;
pub use sim_park::{SimBody, SimEnv, SimPark, SimToken, Stuck, simulate};
pub use std_park::{StdEnv, StdPark, StdToken};
