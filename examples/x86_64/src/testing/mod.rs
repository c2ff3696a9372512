//! For tests and fuzzing, with `std`: bytes as physical memory, naive readers of start information and MADT, fuzz entry
//! functions.

pub mod fuzz;
mod memory;
mod model;

pub use memory::Bytes;
#[cfg(test)]
pub(crate) use model::madt_entries;

/// Number of cases of a property test: the environment variable `KOS_PROPTEST_CASES`, else 256.
#[must_use]
pub fn cases() -> u32 {
    std::env::var("KOS_PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}
