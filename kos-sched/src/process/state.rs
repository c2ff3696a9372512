//! What is behind the lock of a table: [`State`], its slots and how ids find them.

use super::domain::Domains;
use super::error::ProcessError;
use super::id::{Pid, ThreadId};
use super::record::{Phase, Record};
use super::slots::{Process, Thread};
use super::stats::ProcessStats;
use crate::ring::{NONE, Ring};

/// Three kinds of slots, their free rings, and who is to be woken.
#[derive(Debug)]
pub(super) struct State<'s, X, T> {
    pub(super) records: &'s mut [Record],
    pub(super) processes: &'s mut [Process<X>],
    pub(super) threads: &'s mut [Thread<T>],
    pub(super) domains: Domains<'s>,
    /// First in, first out: a number is used again as late as can be.
    pub(super) free_records: u32,
    pub(super) free_processes: u32,
    pub(super) free_threads: u32,
    /// The record of the first process, to whom orphans go; [`NONE`] before it and after it.
    pub(super) reaper: u32,
    /// Threads to wake when the lock is dropped.
    pub(super) wakes: u32,
    pub(super) stats: ProcessStats,
}

fn slots(length: usize) -> core::ops::Range<u32> {
    0..u32::try_from(length).unwrap_or(NONE)
}

impl<'s, X, T> State<'s, X, T> {
    /// Takes the storage as it is, cleaned.
    pub(super) fn new(
        records: &'s mut [Record],
        processes: &'s mut [Process<X>],
        threads: &'s mut [Thread<T>],
        domains: Domains<'s>,
    ) -> Self {
        records.iter_mut().for_each(|slot| *slot = Record::EMPTY);
        processes.iter_mut().for_each(|slot| *slot = Process::EMPTY);
        threads.iter_mut().for_each(|slot| *slot = Thread::EMPTY);
        domains.0.iter_mut().for_each(|slot| *slot = super::domain::Domain::EMPTY);
        Self {
            free_records: fill(Record::SIBLINGS, records),
            free_processes: fill(Process::FREE, processes),
            free_threads: fill(Thread::PEERS, threads),
            records,
            processes,
            threads,
            domains,
            reaper: NONE,
            wakes: NONE,
            stats: ProcessStats::default(),
        }
    }
}

/// Puts all slots in a ring.
fn fill<S>(ring: Ring<S>, all: &mut [S]) -> u32 {
    slots(all.len()).fold(NONE, |head, index| ring.push_back(all, head, index))
}

#[expect(clippy::indexing_slicing, reason = "indices come from rings and links, whose slots exist")]
impl<X, T> State<'_, X, T> {
    pub(super) const fn record(&self, index: u32) -> &Record {
        &self.records[index as usize]
    }

    pub(super) const fn record_mut(&mut self, index: u32) -> &mut Record {
        &mut self.records[index as usize]
    }

    pub(super) const fn process(&self, index: u32) -> &Process<X> {
        &self.processes[index as usize]
    }

    pub(super) const fn process_mut(&mut self, index: u32) -> &mut Process<X> {
        &mut self.processes[index as usize]
    }

    pub(super) const fn thread(&self, index: u32) -> &Thread<T> {
        &self.threads[index as usize]
    }

    pub(super) const fn thread_mut(&mut self, index: u32) -> &mut Thread<T> {
        &mut self.threads[index as usize]
    }
}

impl<X, T> State<'_, X, T> {
    pub(super) fn record_count(&self) -> u32 {
        slots(self.records.len()).end
    }

    /// Whether the number of `pid` is still its own: as a process, or as the name of a group or session.
    pub(super) fn holds(&self, pid: Pid) -> bool {
        let record = self.records.get(pid.index as usize);
        record.is_some_and(|record| record.generation == pid.generation && record.phase != Phase::Free)
    }

    /// The live process of a record.
    pub(super) fn process_of(&self, record: u32) -> Option<u32> {
        match self.records.get(record as usize)?.phase {
            Phase::Live { process } => Some(process),
            _ => None,
        }
    }

    pub(super) fn pid(&self, record: u32) -> Pid {
        Pid::new(record, self.record(record).generation)
    }

    /// The live process `pid`.
    pub(super) fn live(&self, pid: Pid) -> Result<u32, ProcessError> {
        if !self.holds(pid) {
            return Err(ProcessError::NoSuchProcess(pid));
        }
        match self.record(pid.index).phase {
            Phase::Live { process } => Ok(process),
            Phase::Zombie { .. } => Err(ProcessError::Exited(pid)),
            Phase::Free | Phase::Held => Err(ProcessError::NoSuchProcess(pid)),
        }
    }

    /// The process `pid`, alive or waited for.
    pub(super) fn present(&self, pid: Pid) -> Result<u32, ProcessError> {
        match self.live(pid) {
            Ok(_) | Err(ProcessError::Exited(_)) => Ok(pid.index),
            Err(error) => Err(error),
        }
    }

    /// The thread `id` and its process.
    pub(super) fn running(&self, id: ThreadId) -> Result<u32, ProcessError> {
        let thread = self.threads.get(id.index as usize);
        let thread = thread.filter(|thread| thread.generation == id.generation && thread.process != NONE);
        thread.map(|thread| thread.process).ok_or(ProcessError::NoSuchThread(id))
    }

    pub(super) fn take_record(&mut self) -> Option<u32> {
        let index = Some(self.free_records).filter(|&index| index != NONE)?;
        self.free_records = Record::SIBLINGS.remove(self.records, index, index);
        Some(index)
    }

    pub(super) fn give_record(&mut self, index: u32) {
        let generation = self.record(index).generation.wrapping_add(1);
        *self.record_mut(index) = Record { generation, ..Record::EMPTY };
        self.free_records = Record::SIBLINGS.push_back(self.records, self.free_records, index);
    }

    pub(super) fn take_process(&mut self) -> Option<u32> {
        let index = Some(self.free_processes).filter(|&index| index != NONE)?;
        self.free_processes = Process::FREE.remove(self.processes, index, index);
        Some(index)
    }

    /// Makes the slot free; its `ext` was taken out.
    pub(super) fn give_process(&mut self, index: u32) {
        *self.process_mut(index) = Process::EMPTY;
        self.free_processes = Process::FREE.push_back(self.processes, self.free_processes, index);
    }

    pub(super) fn take_thread(&mut self) -> Option<u32> {
        let index = Some(self.free_threads).filter(|&index| index != NONE)?;
        self.free_threads = Thread::PEERS.remove(self.threads, index, index);
        Some(index)
    }

    /// Makes the slot free; returns the generation of its next owner.
    pub(super) fn give_thread(&mut self, index: u32) -> u32 {
        let generation = self.thread(index).generation.wrapping_add(1);
        *self.thread_mut(index) = Thread { generation, ..Thread::EMPTY };
        self.free_threads = Thread::PEERS.push_back(self.threads, self.free_threads, index);
        generation
    }
}
