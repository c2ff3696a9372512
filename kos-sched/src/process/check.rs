//! What must hold between two operations: [`check`].

use super::error::ProcessCorruption;
use super::limits::Used;
use super::record::{Phase, Record};
use super::slots::{Process, Queued, Thread};
use super::state::State;
use super::stats::ProcessStats;
use crate::ring::{NONE, Ring};

type Checked = Result<(), ProcessCorruption>;

const fn unless(holds: bool, what: &'static str, index: u32) -> Checked {
    if holds { Ok(()) } else { Err(ProcessCorruption { what, index: index as usize }) }
}

/// The length of a ring, which must be whole.
fn length<S>(ring: &Ring<S>, slots: &[S], head: u32, what: &'static str) -> Result<usize, ProcessCorruption> {
    ring.checked_len(slots, head).ok_or(ProcessCorruption { what, index: head as usize })
}

pub(super) fn check<X, T>(state: &State<'_, X, T>) -> Checked {
    check_free(state)?;
    for record in 0..state.record_count() {
        check_family(state, record)?;
        check_group(state, record)?;
    }
    let mut queued = length(&Thread::QUEUE, state.threads, state.wakes, "broken ring of wake-ups")?;
    for record in 0..state.record_count() {
        if let Some(process) = state.process_of(record) {
            queued += check_process(state, process, record)?;
        }
    }
    let in_queue = state.threads.iter().filter(|thread| thread.queued != Queued::No).count();
    unless(in_queue == queued, "queued threads and queues", 0)?;
    check_domains(state)
}

/// Each slot is free or somebody's.
fn check_free<X, T>(state: &State<'_, X, T>) -> Checked {
    let records =
        length(&Record::SIBLINGS, state.records, state.free_records, "broken ring of free records")?;
    let free = state.records.iter().filter(|record| record.phase == Phase::Free).count();
    unless(records == free, "free records outside their ring", state.free_records)?;
    let processes =
        length(&Process::FREE, state.processes, state.free_processes, "broken ring of free processes")?;
    let live = state.records.iter().filter(|record| matches!(record.phase, Phase::Live { .. })).count();
    unless(processes + live == state.processes.len(), "a process slot is lost", state.free_processes)?;
    let threads = length(&Thread::PEERS, state.threads, state.free_threads, "broken ring of free threads")?;
    let used = state.threads.iter().filter(|thread| thread.process != NONE).count();
    unless(threads + used == state.threads.len(), "a thread slot is lost", state.free_threads)
}

/// Children form a forest, and each is in the right ring of its parent.
fn check_family<X, T>(state: &State<'_, X, T>, record: u32) -> Checked {
    let &Record { phase, parent, .. } = state.record(record);
    if !matches!(phase, Phase::Live { .. } | Phase::Zombie { .. }) {
        return unless(parent == NONE, "a parent of nobody", record);
    }
    let ancestors = core::iter::successors(Some(record), |&at| {
        Some(state.record(at).parent).filter(|&parent| state.process_of(parent).is_some())
    });
    unless(
        ancestors.take(state.records.len() + 1).count() <= state.records.len(),
        "its own ancestor",
        record,
    )?;
    let Some(parent) = state.process_of(parent) else {
        let waits = matches!(phase, Phase::Zombie { .. });
        return unless(!waits && parent == NONE, "nobody waits for it", record);
    };
    let parent = state.process(parent);
    let ring = if state.record(record).is_zombie() { parent.zombies } else { parent.children };
    let found =
        Record::SIBLINGS.iter(state.records, ring).take(state.records.len()).any(|child| child == record);
    unless(found, "not among the children of its parent", record)
}

/// Groups and sessions name their members and no others.
fn check_group<X, T>(state: &State<'_, X, T>, record: u32) -> Checked {
    let &Record { phase, group, session, members, in_session, .. } = state.record(record);
    let alive = |other: &&Record| matches!(other.phase, Phase::Live { .. } | Phase::Zombie { .. });
    let in_group = state.records.iter().filter(alive).filter(|other| other.group == record).count();
    let count = length(&Record::PEERS, state.records, members, "broken ring of a group")?;
    unless(count == in_group, "members of a group", record)?;
    let sessions = state.records.iter().filter(alive).filter(|other| other.session == record).count();
    unless(sessions == in_session as usize, "members of a session", record)?;
    match phase {
        Phase::Free => unless(count == 0 && in_session == 0, "the number of a group is free", record),
        Phase::Held => unless(count != 0 || in_session != 0, "a number is held for nobody", record),
        Phase::Live { .. } | Phase::Zombie { .. } => {
            let first = state.records.get(group as usize).map(|group| group.members);
            let first = first.and_then(|first| state.records.get(first as usize));
            unless(first.is_some_and(|first| first.session == session), "a group in two sessions", record)
        }
    }
}

/// Returns how many of its threads wait for a child.
fn check_process<X, T>(
    state: &State<'_, X, T>,
    process: u32,
    record: u32,
) -> Result<usize, ProcessCorruption> {
    let slot = state.process(process);
    unless(slot.record == record, "a process of another number", record)?;
    let children = length(&Record::SIBLINGS, state.records, slot.children, "broken ring of children")?;
    let zombies = length(&Record::SIBLINGS, state.records, slot.zombies, "broken ring of zombies")?;
    let minded = state.records.iter().filter(|child| child.parent == record).count();
    unless(children + zombies == minded, "children of another", record)?;
    let threads = length(&Thread::PEERS, state.threads, slot.threads, "broken ring of threads")?;
    unless(threads == slot.thread_count as usize, "the count of threads", record)?;
    unless(slot.used.get(super::Resource::Tasks) == threads as u64, "threads charged for", record)?;
    let theirs = Thread::PEERS.iter(state.threads, slot.threads);
    unless(
        theirs.into_iter().all(|thread| state.thread(thread).process == process),
        "a thread of another",
        record,
    )?;
    length(&Thread::QUEUE, state.threads, slot.waiters, "broken ring of waiters")
}

/// Each domain's use is that of its processes and domains.
fn check_domains<X, T>(state: &State<'_, X, T>) -> Checked {
    for (index, _, members, used) in state.domains.live() {
        let processes = state.records.iter().filter_map(|record| match record.phase {
            Phase::Live { process } => Some(state.process(process)),
            _ => None,
        });
        let inside = processes.filter(|process| process.domain == index).map(|process| process.used);
        let below = state.domains.live().filter(|&(_, parent, ..)| parent == index).map(|(.., used)| used);
        let all = || inside.clone().chain(below.clone());
        unless(all().count() == members as usize, "members of a domain", index)?;
        for resource in Used::RESOURCES {
            let sum: u64 = all().map(|used| used.get(resource)).sum();
            unless(sum == used.get(resource), "what is used in a domain", index)?;
        }
    }
    Ok(())
}

impl<X, T> State<'_, X, T> {
    pub(super) fn counted(&self) -> ProcessStats {
        let count =
            |wanted: fn(&Phase) -> bool| self.records.iter().filter(|record| wanted(&record.phase)).count();
        ProcessStats {
            live: count(|phase| matches!(phase, Phase::Live { .. })),
            zombies: count(|phase| matches!(phase, Phase::Zombie { .. })),
            held: count(|phase| *phase == Phase::Held),
            threads: self.threads.iter().filter(|thread| thread.process != NONE).count(),
            ..self.stats
        }
    }
}
