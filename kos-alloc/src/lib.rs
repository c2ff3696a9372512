#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    all(feature = "compat-linked-list", feature = "compat-buddy-system"),
    expect(ambiguous_glob_reexports, reason = "a kernel takes the place of one peer alone")
)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod boot;
#[cfg(any(feature = "compat-linked-list", feature = "compat-buddy-system"))]
pub mod compat;
mod error;
#[cfg(any(feature = "allocator-api2-02", feature = "allocator-api2-04"))]
#[expect(unsafe_code, reason = "implements unsafe traits by passing them on")]
mod faces;
pub mod frame;
pub mod growth;
pub mod health;
mod heap;
#[cfg(all(test, loom))]
#[expect(unsafe_code, reason = "implements the ports over host memory, and frees blocks")]
mod models;
mod object;
#[expect(unsafe_code, reason = "makes shared words of a lent slice")]
mod percpu;
pub mod pool;
#[expect(unsafe_code, reason = "the ports carry the promises on which memory safety rests")]
mod ports;
#[expect(unsafe_code, reason = "implements the port that promises unique frames, by passing it on")]
mod reclaim;
mod slab;
mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tiny;
pub mod txn;
mod types;

#[cfg(feature = "compat-buddy-system")]
pub use compat::buddy_system::*;
#[cfg(feature = "compat-linked-list")]
pub use compat::linked_list::*;
pub use error::{AllocError, Corruption, FrameError, FreeError, InitError, ReallocError, Violation};
pub use frame::{Bitmap, Buddy, Frames, zone::Zones};
pub use growth::Growing;
pub use heap::{
    ClassStats, FailedStats, HeapConfig, HeapStats, KernelHeap, LargeStats, Mode, RefusedStats, SimpleStats,
};
pub use object::{ObjBox, ObjectCache, ObjectStats};
pub use pool::{Pool, PoolEmpty, PoolStats, SharedPool};
pub use ports::{BlockAlloc, Construct, Env, FrameAlloc, Inventory, Reclaim};
pub use reclaim::{ReclaimStats, Reclaiming};
pub use slab::CLASSES;
pub use sync::Locked;
pub use tiny::SimpleHeap;
pub use txn::{Reservation, Transaction};
pub use types::{CpuIndex, DirectMap, FrameFlags, FrameRange, FrameRequest, Pfn, ZoneSet};
