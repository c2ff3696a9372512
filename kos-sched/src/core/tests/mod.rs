//! The core on simulated CPUs.

mod hand_off;
mod inherit;
mod life;
mod plug;
mod regress;
mod wide;

use crate::class::{Idle, Rt, Stop};
use crate::core::Config;
use crate::cpu::{CpuId, CpuMask, CpuSet};
use crate::task::{Policy, RtPriority};
use crate::testing::{Machine, with_machine};
use crate::time::{Duration, Instant};

type Classes = (Stop, (Rt, (Idle, ())));
type Mask = CpuMask<4>;

fn machine<R>(cpus: u32, work: impl FnOnce(&mut Machine<'_, Classes>) -> R) -> R {
    with_machine(cpus, 64, Config::default(), || (Stop::new(), (Rt::new(), (Idle::new(), ()))), work)
}

fn all() -> Mask {
    Mask::first_cpus(256)
}

fn only(cpu: u32) -> Mask {
    Mask::only(CpuId::new(cpu))
}

fn fifo(priority: u8) -> Policy {
    Policy::Fifo(RtPriority::new(priority).unwrap())
}

fn rr() -> Policy {
    Policy::RoundRobin(RtPriority::new(10).unwrap(), Duration::from_ticks(1_000_000))
}

fn at(ns: u64) -> Option<Instant> {
    Some(Instant::from_ticks(ns))
}
