//! What depends on the instruction set: stack switch and FPU state. A machine that is not here brings its own
//! [`ContextSwitch`](crate::ContextSwitch); nothing else in this crate needs one.

#[cfg(target_arch = "x86_64")]
pub mod x86_64;
