//! Three generations of processes: each parent waits for one of its children and leaves the other to the first process, which
//! waits until there is nobody left.

use alloc::boxed::Box;
use alloc::vec::Vec;

use shuttle::thread;

use super::tasks::{Tasks, enter};
use super::{explore, must_find};
use crate::process::{
    Account, Event, ExitStatus, Process, ProcessStorage, ProcessTable, Record, SpawnArgs, Thread, ThreadId,
    WaitError, WaitFor, WaitOptions,
};
use crate::seeded::Bug;

/// The first process, its children and theirs: one task each, of the same number.
const PEOPLE: usize = 7;
const CHILDREN: [usize; 2] = [1, 2];
const GRANDCHILDREN: [[usize; 2]; 3] = [[0, 0], [3, 4], [5, 6]];

type Table = ProcessTable<'static, (), Tasks>;

fn leak<T, const N: usize>(slots: [T; N]) -> &'static mut [T] {
    Box::leak(Box::new(slots))
}

fn table() -> &'static Table {
    let storage = ProcessStorage {
        records: leak([const { Record::EMPTY }; PEOPLE]),
        processes: leak([const { Process::EMPTY }; PEOPLE]),
        threads: leak([const { Thread::EMPTY }; PEOPLE]),
        accounts: leak([const { Account::new() }; PEOPLE]),
        domains: &mut [],
    };
    // Not freed: a schedule that fails is taken down without its checker.
    Box::leak(Box::new(ProcessTable::new(Tasks::new(), storage)))
}

/// Makes a child of `parent` that does `work` as task `number` and exits with it.
fn child(
    table: &'static Table,
    parent: ThreadId,
    number: usize,
    work: impl FnOnce(ThreadId) + Send + 'static,
) -> thread::JoinHandle<()> {
    let mut own = None;
    table
        .fork(parent, |_, id| {
            own = Some(id);
            Ok::<_, ()>(number)
        })
        .unwrap();
    thread::spawn(move || {
        enter(number);
        work(own.unwrap());
        table.exit(own.unwrap(), i32::try_from(number).unwrap()).unwrap();
        drop(table.leave(own.unwrap()));
    })
}

/// Waits for any child; the number it exited with.
fn wait(table: &Table, parent: ThreadId) -> Result<i32, WaitError> {
    let waited = table.wait(parent, WaitFor::Any, WaitOptions::default(), None)?.unwrap();
    let Event::Exited(ExitStatus::Exited(code)) = waited.event else { panic!("{waited:?}") };
    Ok(code)
}

fn raise(table: &'static Table, parent: ThreadId, number: usize) {
    let threads = GRANDCHILDREN[number].map(|number| child(table, parent, number, |_| ()));
    let first = wait(table, parent).unwrap();
    assert!(GRANDCHILDREN[number].map(|number| i32::try_from(number).unwrap()).contains(&first));
    // They are joined by nobody: shuttle waits for all.
    drop(threads);
}

fn generations() {
    let table = table();
    enter(0);
    let mut own = None;
    table
        .spawn(SpawnArgs::new(None, ()), |_, id| {
            own = Some(id);
            Ok::<_, ()>(0)
        })
        .unwrap();
    let own = own.unwrap();
    let threads = CHILDREN.map(|number| child(table, own, number, move |id| raise(table, id, number)));
    let mut waited: Vec<_> = core::iter::from_fn(|| wait(table, own).ok()).collect();
    assert_eq!(wait(table, own), Err(WaitError::NoChild));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    waited.sort_unstable();
    assert_eq!(waited.len(), 4, "two children and two orphans: {waited:?}");
    let stats = table.stats();
    assert_eq!((stats.live, stats.zombies, stats.reaped), (1, 0, 6));
    assert_eq!(table.check(), Ok(()));
}

#[test]
fn nobody_is_left_of_three_generations() {
    explore(generations);
}

#[test]
fn a_waiter_that_comes_late_is_found_in_a_family() {
    must_find(Bug::WaiterLate, generations);
}
