//! Faults that are wanted: which of many events fail ([`Rule`]), and the devices that obey, [`Faulty`] disks and [`Lossy`] cards.

use alloc::sync::Arc;
use core::fmt;
use core::num::{NonZeroU32, NonZeroUsize};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use kos_net::NetDevice;
use kos_net::dev::{Batch, Capabilities};
use kos_vfs::DeviceError;
use kos_vfs::block::{BlockDevice, Geometry, WriteMode};

use crate::Kernel;
use crate::files::claims::Claim;
use crate::platform::{Delayed, Platform};
use crate::time::Duration;

/// Nothing fails.
const OFF: usize = usize::MAX;

/// Which events fail: none; all from one on; or each n-th. Those of everybody, or those of the threads of one process alone.
#[derive(Debug)]
pub struct Rule {
    /// Events that pass before the next that fails.
    passing: AtomicUsize,
    /// Each so-manieth fails; 0: all do.
    each: AtomicUsize,
    /// Whose events count; 0: everybody's.
    process: AtomicU32,
}

impl Rule {
    /// Nothing fails.
    pub const fn new() -> Self {
        Self { passing: AtomicUsize::new(OFF), each: AtomicUsize::new(0), process: AtomicU32::new(0) }
    }

    /// All fail once `passing` of them have passed.
    pub fn from(&self, passing: usize) {
        self.each.store(0, Relaxed);
        self.passing.store(passing, Relaxed);
    }

    /// Each `n`-th fails.
    pub fn each(&self, n: NonZeroUsize) {
        self.each.store(n.get(), Relaxed);
        self.passing.store(n.get() - 1, Relaxed);
    }

    /// Only what this process does counts, as long as anything is to fail.
    pub fn only(&self, process: NonZeroU32) {
        self.process.store(process.get(), Relaxed);
    }

    /// Nothing fails any more, of nobody.
    pub fn off(&self) {
        self.passing.store(OFF, Relaxed);
        self.process.store(0, Relaxed);
    }

    /// The one process of which something is to fail, if it is one.
    pub fn process(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.process.load(Relaxed))
    }

    /// Events that pass before the next that fails, if any is to.
    pub fn passing(&self) -> Option<usize> {
        Some(self.passing.load(Relaxed)).filter(|&passing| passing != OFF)
    }

    /// Whether those that fail come one by one.
    pub fn repeats(&self) -> bool {
        self.each.load(Relaxed) > 0
    }

    /// Counts an event of the process that `who` names, 0 for the kernel's own; whether it is to fail.
    pub fn strikes(&self, who: impl FnOnce() -> u32) -> bool {
        if self.passing().is_none() || self.process().is_some_and(|process| process.get() != who()) {
            return false;
        }
        let count = |passing: usize| match passing {
            OFF => None,
            0 => Some(self.each.load(Relaxed).saturating_sub(1)),
            more => Some(more - 1),
        };
        self.passing.fetch_update(Relaxed, Relaxed, count) == Ok(0)
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.passing(), self.each.load(Relaxed)) {
            (None, _) => return f.write_str("none"),
            (Some(passing), 0) => write!(f, "number {} from now, and all after it", passing + 1),
            (Some(passing), each) => write!(f, "one in {each}, the next after {passing}"),
        }?;
        self.process().map_or(Ok(()), |process| write!(f, ", of process {process}"))
    }
}

/// What is to go wrong with the devices of a machine.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Requests to disks that fail (EIO).
    pub(crate) failed: Rule,
    /// Writes to disks for which there is no room (ENOSPC).
    pub(crate) full: Rule,
    /// Packets that are lost on their way out.
    pub(crate) lost: Rule,
    /// Milliseconds by which each request to a disk is late, and of which process; 0: of everybody.
    pub(crate) late: AtomicU32,
    pub(crate) late_of: AtomicU32,
}

impl Faults {
    /// Nothing is to go wrong.
    pub(crate) const fn new() -> Self {
        let [failed, full, lost] = [const { Rule::new() }; 3];
        Self { failed, full, lost, late: AtomicU32::new(0), late_of: AtomicU32::new(0) }
    }

    /// Nothing is to go wrong any more.
    pub(crate) fn off(&self) {
        [&self.failed, &self.full, &self.lost].into_iter().for_each(Rule::off);
        [&self.late, &self.late_of].into_iter().for_each(|word| word.store(0, Relaxed));
    }

    /// By how much a request of a process is late.
    fn late(&self, process: u32) -> Duration {
        let counts = [0, process].contains(&self.late_of.load(Relaxed));
        let millis = if counts { self.late.load(Relaxed) } else { 0 };
        Duration::from_millis(millis.into())
    }
}

/// What a disk is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    Read,
    /// Or to forget.
    Write,
    Flush,
}

/// A disk that does what it is asked, unless [`Faults`] say otherwise.
#[derive(Debug)]
pub(crate) struct Faulty<P: Platform> {
    disk: P::Disk,
    /// Kept for as long as whoever asks has the disk.
    holder: Option<Arc<Claim>>,
}

impl<P: Platform> Clone for Faulty<P> {
    fn clone(&self) -> Self {
        Self { disk: self.disk.clone(), holder: self.holder.clone() }
    }
}

impl<P: Platform> Faulty<P> {
    /// The disk, for who holds sectors of it, or for who does not.
    pub(crate) const fn new(disk: P::Disk, holder: Option<Arc<Claim>>) -> Self {
        Self { disk, holder }
    }

    /// What becomes of a request before the disk hears of it.
    fn ask(&self, sector: u64, what: Request) -> Result<(), DeviceError> {
        P::with_kernel(|kernel: &Kernel<P>| {
            let faults = &kernel.faults;
            let process = kernel.threads.process();
            let late = faults.late(process);
            let late = late.checked_add(kernel.platform().delay(Delayed::Disk)).unwrap_or(late);
            if late > Duration::from_ticks(0) {
                // Sooner if the thread is to end.
                let _ = kernel.threads.sleep(late);
            }
            match () {
                () if faults.failed.strikes(|| process) => Err(match what {
                    Request::Flush => DeviceError::NotFlushed,
                    _ => DeviceError::Failed { sector },
                }),
                () if what == Request::Write && faults.full.strikes(|| process) => {
                    Err(DeviceError::NoSpace { sector })
                }
                () => Ok(()),
            }
        })
        .unwrap_or(Ok(()))
    }
}

impl<P: Platform> BlockDevice for Faulty<P> {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.ask(sector, Request::Read)?;
        self.disk.read(sector, out)
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.ask(sector, Request::Write)?;
        self.disk.write(sector, bytes, mode)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.ask(0, Request::Flush)?;
        self.disk.flush()
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.ask(sector, Request::Write)?;
        self.disk.discard(sector, count)
    }
}

/// A card on whose way out packets are lost by a rule.
pub(crate) struct Lossy<'a, D>(pub(crate) &'a mut D, pub(crate) &'a Rule);

impl<D: NetDevice> NetDevice for Lossy<'_, D> {
    type Frame = D::Frame;
    type Error = D::Error;

    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }

    fn receive(&mut self, into: &mut Batch<Self::Frame>) -> Result<(), Self::Error> {
        self.0.receive(into)
    }

    fn lease(&mut self, bytes: usize) -> Option<Self::Frame> {
        self.0.lease(bytes)
    }

    fn recycle(&mut self, frame: Self::Frame) {
        self.0.recycle(frame);
    }

    fn transmit(&mut self, from: &mut Batch<Self::Frame>) -> Result<(), Self::Error> {
        if self.1.passing().is_some() {
            self.lose(from);
        }
        self.0.transmit(from)
    }
}

impl<D: NetDevice> Lossy<'_, D> {
    /// Takes those out that are lost; the others keep their order.
    #[cold]
    fn lose(&mut self, from: &mut Batch<D::Frame>) {
        for _ in 0..from.len() {
            let Some(frame) = from.pop() else { return };
            if self.1.strikes(|| 0) {
                self.0.recycle(frame);
            } else if let Err(frame) = from.push(frame) {
                // There was room for it a moment ago.
                self.0.recycle(frame);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn struck(rule: &Rule, events: usize) -> Vec<usize> {
        (1..=events).filter(|_| rule.strikes(|| 7)).collect()
    }

    #[test]
    fn none_fail_or_all_from_one_on_or_each_nth() {
        let rule = Rule::new();
        assert_eq!((struck(&rule, 5), rule.to_string()), (Vec::new(), "none".into()));
        rule.from(3);
        assert_eq!(rule.to_string(), "number 4 from now, and all after it");
        assert_eq!(struck(&rule, 6), [4, 5, 6]);
        rule.each(NonZeroUsize::new(3).unwrap());
        assert_eq!(rule.to_string(), "one in 3, the next after 2");
        assert_eq!(struck(&rule, 7), [3, 6]);
        rule.each(NonZeroUsize::MIN);
        assert_eq!(struck(&rule, 2), [1, 2]);
        rule.off();
        assert_eq!((struck(&rule, 5), rule.passing()), (Vec::new(), None));
    }

    #[test]
    fn of_one_process_alone() {
        let rule = Rule::new();
        rule.from(1);
        rule.only(NonZeroU32::new(8).unwrap());
        assert_eq!(rule.to_string(), "number 2 from now, and all after it, of process 8");
        assert_eq!(struck(&rule, 5), []);
        assert_eq!([rule.strikes(|| 8), rule.strikes(|| 0), rule.strikes(|| 8)], [false, false, true]);
        rule.off();
        rule.from(0);
        assert_eq!((struck(&rule, 1), rule.process()), (Vec::from([1]), None));
    }
}
