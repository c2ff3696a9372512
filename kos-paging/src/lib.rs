#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(any(test, loom, feature = "testing"))]
extern crate std;

mod access;
mod addr;
mod asid;
mod attrs;
mod boot;
mod check;
mod cpus;
mod cursor;
mod entry;
mod error;
mod flush;
mod format;
#[cfg(target_has_atomic = "64")]
mod live;
mod mode;
#[cfg(all(test, loom))]
mod models;
#[cfg(feature = "vma")]
pub mod object;
mod policy;
mod ports;
mod reserve;
mod run;
mod share;
#[cfg(feature = "vma")]
pub mod space;
mod span;
mod stats;
#[cfg(target_has_atomic = "64")]
mod sync;
mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod walk;

pub use access::{OffsetMap, Recursive, RecursiveSlot, ShowFrame, SlotError, Window};
pub use addr::{PhysAddr, VirtAddr, VirtRange};
pub use asid::{AsidError, AsidSlot, Asids, Switch};
pub use attrs::{Attrs, Flags, MemorySlots, MemoryType};
pub use boot::BootTable;
pub use cpus::CpuSet;
#[cfg(target_has_atomic = "64")]
pub use cpus::{Answer, Shootdown, TlbContext, WalkGuard, WalkMark, Walkers};
pub use cursor::Cursor;
pub use entry::RawEntry;
pub use error::{
    AttrError, Corruption, CreateError, FlushError, MapError, PhysBitsError, ProtectError, RangeError,
    ShareError, SplitError, TranslateError, UnmapError, WalkError,
};
pub use flush::{Addresses, FlushRange, FlushSet, Flushed, Protected, Scope, Unmapped};
pub use format::{
    A64, A64Caps, Absent, Entry, Format, Level, Limit, LongCaps, MAX_LEVELS, PaeCaps, ReservedBits, Riscv,
    RiscvCaps, Transition, TwoLevelCaps, UseBits, VaRule, X86Long, X86Pae, X86TwoLevel,
};
#[cfg(target_has_atomic = "64")]
pub use live::Walker;
#[cfg(target_has_atomic = "64")]
pub use mode::Live;
pub use mode::{Exclusive, Mode};
pub use policy::{HugePolicy, SplitPolicy, WxPolicy};
pub use ports::{Frame, FrameRequest, FrameSource, OutOfFrames, PhysMapper, Stuck, TlbControl, TlbFlush};
pub use stats::Stats;
pub use table::Table;
pub use walk::{Mapping, Runs, Translation};
