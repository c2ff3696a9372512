//! Where the crates meet: one file a port, each a few lines. A longer one means that a crate is wrong.

pub mod address;
pub mod completion;
pub(crate) mod entropy;
pub(crate) mod faults;
pub mod files;
pub mod inject;
pub mod ipc;
pub mod rights;
pub(crate) mod shared;
pub mod sleep_lock;
pub mod table_frames;
