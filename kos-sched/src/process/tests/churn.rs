//! Very many processes: `KOS_PROPTEST_CASES=10000 cargo test --release` makes a million of them.

use alloc::vec::Vec;
use std::collections::HashMap;

use super::{started, with_table};
use crate::process::{Event, ExitStatus, Pid, ProcessTable, SpawnArgs, ThreadId, WaitFor, WaitOptions};
use crate::testing::{FakeExt, FakeKernel, cases};

/// Steps of splitmix64.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from(mixed >> 33).unwrap()
}

/// Waits for every zombie of `thread`; each must have ended as `codes` says.
fn reap(table: &ProcessTable<'_, FakeExt, FakeKernel>, thread: ThreadId, codes: &mut HashMap<Pid, i32>) {
    let options = WaitOptions { no_hang: true, ..WaitOptions::default() };
    while let Ok(Some(waited)) = table.wait(thread, WaitFor::Any, options, None) {
        let code = codes.remove(&waited.pid).unwrap();
        assert_eq!(waited.event, Event::Exited(ExitStatus::Exited(code)));
    }
}

#[test]
fn a_million_processes_leave_nothing() {
    let kernel = FakeKernel::new();
    let count = u64::from(cases()) * 100;
    with_table(kernel.clone(), [96, 64, 64], |table| {
        let (mut seed, mut codes) = (20, HashMap::new());
        let mut first = None;
        let init = table.spawn(SpawnArgs::new(None, kernel.ext()), started(&mut first)).unwrap();
        let mut living = alloc::vec![(init, first.unwrap())];
        while table.stats().spawned < count {
            let (parent, thread) = living[random(&mut seed) % living.len()];
            match random(&mut seed) % 4 {
                0 | 1 => {
                    let mut child = None;
                    let spawned = match random(&mut seed) % 2 {
                        0 => table.fork(thread, started(&mut child)).ok(),
                        _ => {
                            table.spawn(SpawnArgs::new(Some(parent), kernel.ext()), started(&mut child)).ok()
                        }
                    };
                    living.extend(spawned.zip(child));
                }
                2 if parent != init => {
                    let code = i32::try_from(random(&mut seed) % 256).unwrap();
                    table.exit(thread, code).unwrap();
                    codes.insert(parent, code);
                    drop(table.leave(thread));
                    living.retain(|&(pid, _)| pid != parent);
                }
                _ => reap(table, thread, &mut codes),
            }
            reap(table, living[0].1, &mut codes);
        }
        assert_eq!(table.check(), Ok(()));
        let init_thread = living[0].1;
        for (pid, thread) in living.drain(1..).collect::<Vec<_>>() {
            codes.insert(pid, 0);
            drop(table.leave(thread));
            reap(table, init_thread, &mut codes);
        }
        reap(table, init_thread, &mut codes);
        assert!(codes.is_empty(), "somebody was never waited for");
        let stats = table.stats();
        assert_eq!((stats.live, stats.zombies, stats.held, stats.threads), (1, 0, 0, 1));
        assert_eq!((stats.spawned, stats.exited + 1, stats.reaped + 1), (count, count, count));
        assert_eq!((table.check(), kernel.exts()), (Ok(()), 1));
    });
}
