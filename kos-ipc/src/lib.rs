#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

mod caller;
pub mod cap;
pub mod channel;
pub mod endpoint;
mod error;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
pub mod notify;
pub mod policy;
mod ports;
#[cfg(feature = "posix")]
pub mod posix;
pub mod quota;
pub mod ring;
#[cfg(feature = "rpc")]
pub mod rpc;
#[cfg(feature = "shm")]
pub mod shm;
mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod time;
pub mod wait;

pub use caller::{Caller, Subject, Token};
pub use error::{Corruption, WaitError};
pub use ports::{
    Access, BlockReason, CallerMemory, Deadlock, Env, Fault, FutexSpace, IrqGuard, Park, Policy, Resume,
    SharedMemory, WordFault,
};
pub use time::{Duration, Instant};
