//! Exit and wait: a parent that looks for a zombie, sleeps and is woken, beside a child that exits.

use alloc::boxed::Box;
use loom::thread;

use super::tasks::{Tasks, enter};
use super::{explore, must_find};
use crate::process::{
    Account, Event, ExitStatus, Process, ProcessStorage, ProcessTable, Record, SpawnArgs, Thread, WaitFor,
    WaitOptions,
};
use crate::seeded::Bug;

fn leak<T, const N: usize>(slots: [T; N]) -> &'static mut [T] {
    Box::leak(Box::new(slots))
}

fn exit_beside_wait() {
    let storage = ProcessStorage {
        records: leak([const { Record::EMPTY }; 2]),
        processes: leak([const { Process::EMPTY }; 2]),
        threads: leak([const { Thread::EMPTY }; 2]),
        accounts: leak([const { Account::new() }; 2]),
        domains: &mut [],
    };
    // Not dropped: a schedule that fails is taken down without loom.
    let table: &_ = Box::leak(Box::new(ProcessTable::new(Tasks::new(), storage)));
    enter(0);
    let (mut parent, mut child) = (None, None);
    let init = table.spawn(SpawnArgs::new(None, ()), |_, id| {
        parent = Some(id);
        Ok::<_, ()>(0)
    });
    let born = table.spawn(SpawnArgs::new(Some(init.unwrap()), ()), |_, id| {
        child = Some(id);
        Ok::<_, ()>(1)
    });
    let exiting = thread::spawn(move || {
        enter(1);
        table.exit(child.unwrap(), 7).unwrap();
        drop(table.leave(child.unwrap()));
    });
    let waited = table.wait(parent.unwrap(), WaitFor::Any, WaitOptions::default(), None).unwrap().unwrap();
    assert_eq!((waited.pid, waited.event), (born.unwrap(), Event::Exited(ExitStatus::Exited(7))));
    exiting.join().unwrap();
    let stats = table.stats();
    assert_eq!((stats.live, stats.zombies, stats.reaped), (1, 0, 1));
    assert_eq!(table.check(), Ok(()));
}

#[test]
fn who_waits_sees_the_exit() {
    explore(exit_beside_wait);
}

#[test]
fn a_waiter_that_comes_late_is_found() {
    must_find(Bug::WaiterLate, exit_beside_wait);
}
