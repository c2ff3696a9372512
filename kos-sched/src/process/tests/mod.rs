//! Processes: random operations beside the model, stories, faults, a million of them, and Linux.

mod churn;
mod faults;
#[cfg(target_os = "linux")]
mod linux;
mod properties;
mod stories;
mod threads;

use alloc::vec::Vec;

use super::{
    Account, Domain, Pid, Process, ProcessHost, ProcessStorage, ProcessTable, Record, Thread, ThreadId,
};
use crate::ports::ProcessExt;
use crate::testing::Refused;

/// Runs `story` with a table of so many records, processes and threads, and three limit domains.
fn with_table<X: ProcessExt, K: ProcessHost<X>>(
    host: K,
    [records, processes, threads]: [usize; 3],
    story: impl FnOnce(&ProcessTable<'_, X, K>),
) {
    let mut records: Vec<_> = (0..records).map(|_| Record::EMPTY).collect();
    let mut processes: Vec<_> = (0..processes).map(|_| Process::EMPTY).collect();
    let accounts: Vec<_> = (0..threads).map(|_| Account::new()).collect();
    let mut threads: Vec<_> = (0..threads).map(|_| Thread::EMPTY).collect();
    let mut domains = [Domain::EMPTY; 3];
    let storage = ProcessStorage {
        records: &mut records,
        processes: &mut processes,
        threads: &mut threads,
        accounts: &accounts,
        domains: &mut domains,
    };
    story(&ProcessTable::new(host, storage));
}

/// A start that notes which thread it was for.
fn started(thread: &mut Option<ThreadId>) -> impl FnOnce(Pid, ThreadId) -> Result<u32, Refused> {
    |_, id| {
        *thread = Some(id);
        Ok(id.number())
    }
}
