//! The bodies of the fuzz targets: bytes in, a panic if a model is not met.

#[cfg(feature = "rpc")]
use super::rpc_model;
#[cfg(feature = "shm")]
use super::shm_model;
use super::{Choices, cap_model, channel_model, set_model};
#[cfg(feature = "posix")]
use super::{futex_model, signal_model};

/// Any operations on capabilities of three spaces, compared with the list of who made what of what.
///
/// # Panics
/// If they differ.
pub fn cap_ops(data: &[u8]) {
    cap_model::run(&mut Choices::bytes(data));
}

/// Any signals to a process of three threads, which block, handle, take and stop, compared with lists that are searched.
///
/// # Panics
/// If they differ.
#[cfg(feature = "posix")]
pub fn signal_ops(data: &[u8]) {
    signal_model::run(&mut Choices::bytes(data));
}

/// Any messages, calls, permits and ends of a channel, compared with two queues.
///
/// # Panics
/// If they differ.
pub fn channel_frames(data: &[u8]) {
    channel_model::run(&mut Choices::bytes(data));
}

/// Any requests beside a protocol, compared with what that says.
///
/// # Panics
/// If one passes that should not, or the evidence against it is not true.
#[cfg(feature = "rpc")]
pub fn rpc_decode(data: &[u8]) {
    rpc_model::run(&mut Choices::bytes(data));
}

/// Any operations on wait sets that watch counters and each other, compared with lists of who watches what.
///
/// # Panics
/// If they differ.
pub fn waitset_ops(data: &[u8]) {
    set_model::run(&mut Choices::bytes(data));
}

/// Any waits, wake-ups and moves at four words in two queues, compared with lists of who waits where.
///
/// # Panics
/// If they differ.
#[cfg(feature = "posix")]
pub fn futex_ops(data: &[u8]) {
    futex_model::run(&mut Choices::bytes(data));
}

/// Any segments that are made, named, opened, mapped, sealed, resized and revoked, and any refusals of the kernel's memory, compared
/// with a list of who refers to what.
///
/// # Panics
/// If they differ.
#[cfg(feature = "shm")]
pub fn shm_ops(data: &[u8]) {
    shm_model::run(&mut Choices::bytes(data));
}
