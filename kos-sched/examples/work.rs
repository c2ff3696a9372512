//! Counts primes by named work on four workers: `cargo run --release -p kos-sched --example work [LIMIT]`.
//!
//! The workers are threads of the host; in a kernel they are tasks, and all the memory is static.
#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "prints what it counted")]

use core::error::Error;
use std::thread;

use kos_sched::runtime::work::{
    Item, Registration, WorkContext, WorkFlag, WorkOptions, WorkPool, WorkStorage, WorkerSlot,
};
use kos_sched::testing::HostPark;

const WORKERS: usize = 4;

fn count_primes(cx: &WorkContext<'_>, (): ()) -> (u64, [u64; WORKERS]) {
    let is_prime = |n: &u64| *n >= 2 && (2_u64..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    let mut by_worker = [0; WORKERS];
    by_worker[cx.worker()] = 1;
    (cx.range().filter(is_prime).count() as u64, by_worker)
}

fn main() -> Result<(), Box<dyn Error>> {
    let limit = std::env::args().nth(1).map_or(Ok(200_000), |limit| limit.parse())?;
    let mut registrations = [Registration::EMPTY];
    let mut items = [const { Item::EMPTY }; 4];
    let flags = [const { WorkFlag::new() }; 4];
    let mut workers = [const { WorkerSlot::EMPTY }; WORKERS];
    let storage = WorkStorage {
        registrations: &mut registrations,
        items: &mut items,
        flags: &flags,
        workers: &mut workers,
    };
    let pool = WorkPool::new(HostPark::new(), storage);
    let primes = pool.register(b"primes", &count_primes)?;
    let (count, pieces) = thread::scope(|scope| {
        for worker in 0..WORKERS {
            let pool = &pool;
            scope.spawn(move || pool.run(worker));
        }
        let fold = |(a, x): (u64, [u64; WORKERS]), (b, y): (u64, [u64; WORKERS])| {
            (a + b, core::array::from_fn(|worker| x[worker] + y[worker]))
        };
        let result = pool.execute_range(primes, (), 0..limit, 1000, fold, WorkOptions::default())?.wait(None);
        pool.close();
        result.map_err(Box::<dyn Error>::from)
    })?;
    println!("{count} primes below {limit}; pieces of 1000 by worker: {pieces:?}");
    Ok(())
}
