#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

#[cfg(feature = "arch")]
pub mod arch;
mod atomic;
pub mod class;
pub mod core;
pub mod cpu;
pub mod ds;
mod error;
mod guarded;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
#[expect(unsafe_code, reason = "links nodes that their owners keep, under a lock")]
mod pinned;
mod ports;
#[cfg(feature = "process")]
pub mod process;
mod ring;
mod rq;
pub mod runtime;
mod seeded;
mod stats;
pub mod sync;
pub mod task;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
pub mod timer;
mod trace;

pub use self::core::{Scheduler, Setup, SpawnArgs, System, Urgency};
pub use class::{ClassSet, SchedClass};
pub use cpu::{CpuId, CpuMask, CpuSet};
pub use error::{AttrError, Corruption, IpiError, LockError, QueueCorruption, TimerError, WaitError};
pub use ports::{
    BlockReason, Clock, ContextSwitch, CpuTime, CriticalSection, Entry, KernelStack, Park, Platform,
    PriorityInheritance, Resume, SyncEnv,
};
#[cfg(feature = "process")]
pub use ports::{Interrupt, ProcessExt, SignalSink};
pub use rq::{AttachError, QueueError, QueueStats, RunQueue};
pub use stats::{Stats, Times};
pub use task::{DlParams, Nice, Policy, RtPriority, TaskId};
pub use time::{Duration, Instant};
pub use trace::{TraceEvent, TraceSink};
