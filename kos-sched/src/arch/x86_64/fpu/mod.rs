//! FPU state: x87, SSE, AVX and what comes after, of tasks that use it, whoever of them runs.
//!
//! [`FpuLayout`] asks the CPU how large the state is and which instructions save it; an [`FpuArea`] is the state of one task,
//! in lent memory; an [`FpuUnit`] belongs to a CPU and moves areas in and out. Always eager: a trap on first use (lazy)
//! leaks registers by speculation (CVE-2018-3665) and keeps owners that may be gone.
//!
//! Source: Intel SDM volume 1, chapter 13.

mod area;
mod instructions;
mod layout;
#[cfg(test)]
mod tests;
mod unit;

pub use area::{FpuArea, FpuAreaError};
pub use layout::{FpuLayout, FpuMethod};
pub use unit::{FpuUnit, SaveAt};
