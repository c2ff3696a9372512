//! Operations on four address spaces beside deep copies, on one machine of each size: machines are never freed.
#![no_main]

use std::cell::RefCell;

use kos_paging::testing::fuzz;
use kos_paging::testing::space::{SimEnv, SimMachine};

/// More frames than any input asks for.
const SIZES: usize = 512;

// Without a destructor, so that what is in it counts as reachable until the process is gone.
thread_local!(static MACHINES: RefCell<[Option<SimEnv>; SIZES]> = const { RefCell::new([None; SIZES]) });

fn machine(frames: usize) -> SimEnv {
    MACHINES.with_borrow_mut(|all| *all[frames].get_or_insert_with(|| SimMachine::leaked(frames)))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::space_on(machine, data));
