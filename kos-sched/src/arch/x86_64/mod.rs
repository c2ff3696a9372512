//! x86_64: [`StackSwitch`] and the FPU, for kernels (also without SSE in the compiled code) and for hosted programs.

mod switch;
#[cfg(test)]
mod tests;

pub use switch::{SavedStack, StackSwitch};
