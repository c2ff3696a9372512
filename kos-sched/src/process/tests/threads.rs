//! Processes whose threads are threads of the host.

use std::thread;

use super::with_table;
use crate::ports::Park;
use crate::process::{
    Event, ExecError, ExitStatus, Fate, Pid, ProcessTable, Signal, SignalTarget, SpawnArgs, ThreadId,
    WaitError, WaitFor, WaitOptions,
};
use crate::testing::HostPark;
use crate::time::Instant;

type Table<'s> = ProcessTable<'s, (), HostPark>;

/// A process, or a thread of one, that is the calling thread.
fn here(table: &Table<'_>, parent: Option<Pid>) -> (Pid, ThreadId) {
    let mut thread = None;
    let pid = table.spawn(SpawnArgs::new(parent, ()), |_, id| {
        thread = Some(id);
        Ok::<_, ()>(table.host().current())
    });
    (pid.unwrap(), thread.unwrap())
}

fn also(table: &Table<'_>, pid: Pid) -> ThreadId {
    table.add_thread(pid, |_| Ok::<_, ()>(table.host().current())).unwrap()
}

fn with(story: impl FnOnce(&Table<'_>, &HostPark)) {
    let host = HostPark::new();
    with_table(host.clone(), [8, 8, 8], |table| {
        story(table, &host);
        assert_eq!(table.check(), Ok(()));
    });
}

#[test]
fn a_parent_sleeps_until_its_child_exits() {
    with(|table, host| {
        let (init, parent) = here(table, None);
        for code in 0..200 {
            thread::scope(|scope| {
                let (child, id) = here(table, Some(init));
                scope.spawn(move || {
                    table.exit(id, code).unwrap();
                    drop(table.leave(id));
                });
                let waited = table
                    .wait(parent, WaitFor::Process(child), WaitOptions::default(), None)
                    .unwrap()
                    .unwrap();
                assert_eq!(waited.event, Event::Exited(ExitStatus::Exited(code)));
            });
        }
        let (_child, _) = here(table, Some(init));
        host.set_now(Instant::from_ticks(5));
        let until = Some(Instant::from_ticks(5));
        let late = table.wait(parent, WaitFor::Any, WaitOptions::default(), until);
        assert_eq!(late, Err(WaitError::TimedOut));
    });
}

#[test]
fn a_killed_parent_leaves_its_wait() {
    with(|table, host| {
        let (init, _) = here(table, None);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let (parent, thread) = here(table, Some(init));
                here(table, Some(parent));
                let interrupted = table.wait(thread, WaitFor::Any, WaitOptions::default(), None);
                assert_eq!(table.checkpoint(thread), Ok(Fate::Leave));
                drop(table.leave(thread));
                interrupted
            });
            host.until_parked(1);
            let parent = table.find(2).unwrap();
            table.signal(None, SignalTarget::Process(parent), Signal::KILL).unwrap();
            assert_eq!(sleeper.join().unwrap(), Err(WaitError::Interrupted));
        });
    });
}

#[test]
fn a_stopped_thread_sleeps_until_it_is_continued() {
    with(|table, host| {
        let (init, parent) = here(table, None);
        thread::scope(|scope| {
            let (child, id) = here(table, Some(init));
            table.signal(None, SignalTarget::Process(child), Signal::STOP).unwrap();
            let runner = scope.spawn(move || table.checkpoint(id));
            host.until_parked(1);
            let options = WaitOptions { stopped: true, continued: true, no_hang: false };
            let event = || table.wait(parent, WaitFor::Any, options, None).unwrap().unwrap().event;
            assert_eq!(event(), Event::Stopped(Signal::STOP));
            table.signal(None, SignalTarget::Process(child), Signal::CONT).unwrap();
            assert_eq!((event(), runner.join().unwrap()), (Event::Continued, Ok(Fate::Continue)));
        });
    });
}

#[test]
fn who_executes_is_alone() {
    with(|table, host| {
        let (init, main) = here(table, None);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let other = also(table, init);
                here(table, Some(init));
                let ended = table.wait(other, WaitFor::Any, WaitOptions::default(), None);
                assert_eq!((ended, table.checkpoint(other)), (Err(WaitError::Interrupted), Ok(Fate::Leave)));
                assert!(table.leave(other).is_none());
            });
            host.until_parked(1);
            assert_eq!(table.execute(main, |()| Err(3)), Err(ExecError::Prepare(3)));
            assert_eq!(table.info(init).unwrap().threads, 2, "nothing has happened");
            assert_eq!(table.execute(main, |()| Ok::<_, ()>(())), Ok(()));
            assert_eq!(table.info(init).unwrap().threads, 1);
            other.join().unwrap();
        });
    });
}
