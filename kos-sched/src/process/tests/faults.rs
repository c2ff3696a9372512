//! Each port call and each slot is missing once; nothing is left of what failed.

use super::{started, with_table};
use crate::process::{ExecError, ProcessTable, SpawnArgs, SpawnReason};
use crate::testing::{FakeExt, FakeKernel, Refused};

type Table<'s> = ProcessTable<'s, FakeExt, FakeKernel>;

/// A process that forks, gets a thread and executes; stops at the first failure. Returns whether there was none.
fn live(table: &Table<'_>, kernel: &FakeKernel) -> bool {
    let mut threads = alloc::vec::Vec::new();
    let done = (|| {
        let mut first = None;
        let spawned = table.spawn(SpawnArgs::new(None, kernel.ext()), |pid, id| {
            kernel.attempt()?;
            started(&mut first)(pid, id)
        });
        threads.extend(first);
        let parent = spawned.map_err(|error| error.reason)?;
        let mut second = None;
        let forked = table.fork(threads[0], |pid, id| {
            kernel.attempt()?;
            started(&mut second)(pid, id)
        });
        threads.extend(second);
        forked?;
        let third = table.add_thread(parent, |id| kernel.attempt().map(|()| id.number()))?;
        threads.push(third);
        let executed = table.execute(threads[1], |_| kernel.attempt().map(|()| 5));
        match executed {
            Err(ExecError::Prepare(Refused)) => {
                let image = table.process_of(threads[1]).and_then(|pid| table.with(pid, |ext| ext.space));
                assert_eq!(image, Ok(0), "the old image runs on");
                Err(SpawnReason::Start(Refused))
            }
            old => {
                assert_eq!(old.map_err(|_| ()), Ok(0));
                Ok(())
            }
        }
    })();
    assert_eq!(table.check(), Ok(()));
    assert_eq!(kernel.exts(), table.stats().live, "a part without a process");
    threads.into_iter().for_each(|thread| drop(table.leave(thread)));
    let stats = table.stats();
    assert_eq!((stats.live, stats.zombies, stats.held, stats.threads, kernel.exts()), (0, 0, 0, 0, 0));
    assert_eq!(stats.spawned, stats.reaped);
    assert_eq!(table.check(), Ok(()));
    let _: Result<(), SpawnReason<Refused, Refused>> = done;
    done.is_ok()
}

#[test]
fn the_kth_port_call_fails_for_every_k() {
    let kernel = FakeKernel::new();
    let mut failures = 0;
    for k in 1.. {
        let mut whole = false;
        with_table(kernel.clone(), [4, 4, 4], |table| {
            kernel.fail_in(k);
            whole = live(table, &kernel);
            assert_eq!(whole, !kernel.has_failed());
            kernel.fail_in(0);
            assert!(live(table, &kernel), "what failed left something");
        });
        if whole {
            break;
        }
        failures += 1;
    }
    assert_eq!(failures, 5, "spawn, fork twice, thread, execute");
}

#[test]
fn the_kth_slot_is_missing_for_every_k() {
    let kernel = FakeKernel::new();
    for records in 0..3 {
        for processes in 0..3 {
            for threads in 0..4 {
                with_table(kernel.clone(), [records, processes, threads], |table| {
                    let enough = records == 2 && processes == 2 && threads == 3;
                    assert_eq!(live(table, &kernel), enough, "{records} {processes} {threads}");
                });
            }
        }
    }
}
