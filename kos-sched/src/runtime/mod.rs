//! Carries the decisions of the core out: a [`Runtime`] switches stacks, idles, and lets tasks sleep.
//!
//! | part | what it is |
//! |---|---|
//! | [`Runtime`] | a [`Scheduler`](crate::Scheduler) whose tasks have stacks: spawn, exit, join, park, preempt, idle |
//! | [`RuntimeSystem`] | what a kernel adds to its [`System`](crate::System) for that |
//! | [`Thread`] | what each task keeps: stack, registers, the kernel's own data |
//! | [`Executor`] | futures, polled by runner tasks |
//! | [`TaskStack`] | canary and high-water mark |

mod executor;
mod idle;
mod ports;
mod scheduler;
mod stack;
mod system;
mod thread;
pub mod work;

pub use executor::{Executor, ExecutorFull, FutureId, LentFuture, TooManyRunners};
pub use scheduler::{NoPreempt, Runtime, RuntimeError};
pub use stack::{StackOverflow, TaskStack};
pub use system::{IdleContext, RuntimeSystem};
pub use thread::{Main, Thread};
