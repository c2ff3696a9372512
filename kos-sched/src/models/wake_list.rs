//! Two wakers push while the CPU takes.

use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use super::{SOME, explore_within, must_find};
use crate::core::wake_list::{WakeLink, WakeList};
use crate::seeded::Bug;
use crate::task::TaskIndex;

struct Machine {
    list: WakeList,
    links: [WakeLink; 3],
}

impl Machine {
    fn push(&self, task: u32) -> bool {
        self.list.push(TaskIndex::new(task), &self.links[task as usize])
    }

    fn take(&self, taken: &mut Vec<u32>) {
        self.list.take(|task| self.links.get(task.as_usize()), |task| taken.push(task.get()));
    }
}

fn two_push_one_takes() {
    let machine =
        Arc::new(Machine { list: WakeList::new(), links: core::array::from_fn(|_| WakeLink::new()) });
    let wakers = [0, 1].map(|task| {
        let machine = Arc::clone(&machine);
        thread::spawn(move || machine.push(task))
    });
    let mut taken = Vec::new();
    assert!(machine.push(2) || !machine.list.is_empty());
    machine.take(&mut taken);
    // Who is told pushes again what it took: no task is mistaken for the one that was there.
    if taken.contains(&2) {
        machine.push(2);
    }
    let told = wakers.map(|waker| waker.join().unwrap());
    let early = taken.len();
    machine.take(&mut taken);
    let mut all = taken.clone();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, [0, 1, 2], "each is taken");
    assert_eq!(taken.len(), 4, "each push is taken once");
    assert!(early > 1 || told.contains(&true) || taken[0] == 2);
}

#[test]
fn each_push_is_taken_once() {
    explore_within(SOME, two_push_one_takes);
}

#[test]
fn a_list_taken_in_two_steps_is_found() {
    must_find(Bug::TakenInTwoSteps, two_push_one_takes);
}
