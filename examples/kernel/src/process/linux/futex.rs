//! Waiting at words: `futex`, over kos-ipc's table.
//!
//! All waits are within one program: a word is named by its address, said to be private or not. The page of a word is pinned while
//! somebody compares it, so that it can be read under the lock of a queue. Waiting and waking are here, not moving (`FUTEX_REQUEUE`),
//! changing (`FUTEX_WAKE_OP`) or lending priority.
//!
//! Source: Linux, futex(2).

use kos_ipc::posix::futex::{ANY, FutexError};
use kos_ipc::{Fault, FutexSpace, WaitError, WordFault};
use kos_paging::VirtAddr;
use kos_paging::space::Pinned;
use kos_vfs::Errno;

use super::numbers::{low, nanoseconds};
use super::{Answer, Running, time};
use crate::ipc;
use crate::platform::Platform;
use crate::process::elf::PAGE;
use crate::process::ports::Ports;
use crate::time::Instant;

/// A word of a program: its page stays where it is as long as this lives.
pub(super) struct Word<P: Platform>(Option<Pinned<Ports<P>>>);

impl<P: Platform> FutexSpace for Word<P> {
    type Key = usize;

    fn key(&self, address: usize, _: bool) -> Result<usize, Fault> {
        Ok(address)
    }

    fn load(&self, address: usize) -> Result<u32, WordFault> {
        let word = self.0.as_ref().and_then(|page| page.load_u32(address as u64 % PAGE));
        word.ok_or(WordFault::Fault(Fault { at: address }))
    }

    /// Nobody asks: nothing is changed here.
    fn compare_exchange(&self, address: usize, _: u32, _: u32) -> Result<u32, WordFault> {
        Err(WordFault::Fault(Fault { at: address }))
    }

    fn fault_in(&self, address: usize, _: bool) -> Result<(), Fault> {
        Err(Fault { at: address })
    }
}

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const WAIT_BITS: u32 = 9;
const WAKE_BITS: u32 = 10;
const PRIVATE: u32 = 128;
const REAL_TIME: u32 = 256;

pub(super) fn futex<P: Platform>(
    running: &mut Running<P>,
    [at, op, value, until, _, bits]: [u64; 6],
) -> Answer {
    let op = low(op);
    let real = op & REAL_TIME != 0;
    match op & !(PRIVATE | REAL_TIME) {
        WAIT if !real => {
            let until = limit(running, until, |running, nanos| Ok(time::after(running.thread.kernel, nanos)));
            wait(running, at, low(value), ANY, until?)
        }
        WAIT_BITS => {
            let clock = if real { time::REAL } else { time::MONOTONIC };
            let until = limit(running, until, |running, nanos| time::at(running.thread.kernel, clock, nanos));
            wait(running, at, low(value), low(bits), until?)
        }
        WAKE if !real => wake(running, at, value, ANY),
        WAKE_BITS if !real => wake(running, at, value, low(bits)),
        _ => Err(Errno::ENOSYS),
    }
}

/// Until when somebody waits; for ever, if no time is given.
fn limit<P: Platform>(
    running: &Running<P>,
    place: u64,
    at: impl FnOnce(&Running<P>, u64) -> Result<Option<Instant>, Errno>,
) -> Result<Option<Instant>, Errno> {
    if place == 0 {
        return Ok(None);
    }
    at(running, nanoseconds(running.words(place)?)?)
}

fn wait<P: Platform>(
    running: &Running<P>,
    at: u64,
    expected: u32,
    bits: u32,
    until: Option<Instant>,
) -> Answer {
    let address = usize::try_from(at).map_err(|_| Errno::EFAULT)?;
    if bits == 0 || !at.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let page = running.thread.space.pin(VirtAddr::new(at), false).map_err(|_| Errno::EFAULT)?;
    let (ipc, task) = (running.thread.kernel.ipc()?, ipc::task::<P>());
    let (client, word) = (ipc.client(&task, ipc::KERNEL), Word(Some(page)));
    let waited = running.program.futexes.wait(&client, &word, (address, false), expected, bits, until);
    waited.map(|()| 0).map_err(errno)
}

/// Wakes up to `count` who wait at a word.
pub(super) fn wake<P: Platform>(running: &Running<P>, at: u64, count: u64, bits: u32) -> Answer {
    let address = usize::try_from(at).map_err(|_| Errno::EFAULT)?;
    // An `int`, and at least one: so Linux counts.
    let count = super::numbers::int(count).max(1).unsigned_abs() as usize;
    let woken = running.program.futexes.wake(&Word(None), (address, false), count, bits);
    woken.map(|woken| woken as u64).map_err(errno)
}

const fn errno(error: FutexError) -> Errno {
    match error {
        FutexError::Misaligned(_) | FutexError::NoBits => Errno::EINVAL,
        FutexError::Fault(_) => Errno::EFAULT,
        FutexError::Wait(WaitError::TimedOut) => Errno::ETIMEDOUT,
        FutexError::Wait(_) => Errno::EINTR,
        _ => Errno::EAGAIN,
    }
}
