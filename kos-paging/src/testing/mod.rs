//! Everything that it takes to test page tables on any host: fakes for the ports, a software MMU, a model, checks.
//!
//! | what | for |
//! |---|---|
//! | [`Arena`] | fake physical memory: counts its frames, forgets what was freed |
//! | [`FailAt`] | fails the k-th allocation |
//! | [`FakeTlb`] | caches translations and finds stale ones |
//! | [`mmu`] | translates as the manuals say; shares no code with the formats |
//! | [`model`], [`machine`] | a naive model, and the step that drives table and model together |
//! | [`Rig`] | a format with its machine: new and old CPUs |
//! | [`broken`], [`mutant`] | formats with a wrong bit, which the model must catch |
//! | [`contract`] | checks that an integrator runs on his own ports |
//! | [`image`] | tables as a file, with questions and their answers |
//! | [`fuzz`] | bodies of the fuzz targets |
//!
//! Uses `std`.

mod arena;
pub mod broken;
pub mod contract;
mod fail_at;
pub mod fuzz;
pub mod image;
pub mod machine;
pub mod mmu;
pub mod model;
pub mod mutant;
mod op;
mod rig;
#[cfg(feature = "vma")]
pub mod space;
mod tlb;

pub use arena::{Arena, Image};
pub use fail_at::FailAt;
pub use rig::Rig;
pub use tlb::{FakeTlb, Stuck};

/// How many sequences a property test runs: `KOS_PROPTEST_CASES`, else `default`.
#[must_use]
pub fn cases(default: u32) -> u32 {
    std::env::var("KOS_PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

/// `count` bytes that look random and are the same for the same `seed` (splitmix64).
pub fn noise(seed: u64, count: usize) -> impl Iterator<Item = u8> {
    let words = (1..).map(move |step: u64| {
        let state = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ state >> 31
    });
    words.flat_map(u64::to_le_bytes).take(count)
}
