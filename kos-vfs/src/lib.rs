#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod attr;
pub mod block;
pub mod cred;
pub mod errno;
pub mod error;
pub mod fs;
pub mod name;
pub mod perm;
#[cfg(feature = "testing")]
pub mod testing;

pub use attr::{Attr, FileType, Ino, Mode, Timestamp};
pub use cred::{CapSet, Cred};
pub use errno::Errno;
pub use error::{DeviceError, FsError};
pub use name::{Name, NameError};
