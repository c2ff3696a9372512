//! TLB invalidation as a type: what was unmapped can be had only after the flush.
//!
//! An unmapped entry is *parked*: absent for the MMU, its address kept in place. So any range can be unmapped without
//! memory for the record, accessed and dirty bits that an MMU sets until the flush are seen, and what is never flushed
//! stays where it is: quarantined, out of everybody's reach, until the range is unmapped again.
//!
//! ```text
//! table.unmap(range)  ->  Unmapped  --flush(&tlb)-->  Flushed  --release(|mapping| …)-->  frames, tables
//! ```
//!
//! Source: SDM vol. 3 "Invalidation of TLBs and Paging-Structure Caches".

mod set;
mod unmapped;

pub use set::{Addresses, FlushRange, FlushSet, Scope};
pub(crate) use unmapped::Changed;
pub use unmapped::{Flushed, Protected, Unmapped};
