//! x86_64: [`StackSwitch`], [`KernelSwitch`] and the FPU, for kernels (also without SSE in the compiled code) and for hosted programs.

pub mod fpu;
mod switch;
#[cfg(test)]
mod tests;

pub use switch::{KernelSwitch, SavedContext, StackSwitch};
