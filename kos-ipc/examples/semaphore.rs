//! A pool of three workers' permits between eight threads: `cargo run -p kos-ipc --example semaphore`.

use core::sync::atomic::{AtomicU32, Ordering};
use std::io::Write;
use std::{error, io, thread};

use kos_ipc::Caller;
use kos_ipc::notify::{AcquireError, Semaphore};
use kos_ipc::policy::NoPolicy;
use kos_ipc::testing::{StdEnv, StdPark};

fn main() -> Result<(), Box<dyn error::Error>> {
    let park = StdPark::new();
    let permits = Semaphore::<StdEnv>::new(park.clone(), 3, 0, 1);
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    let work = || -> Result<(), AcquireError> {
        let token = park.token();
        let caller = Caller::new(&token, (), &NoPolicy);
        for _ in 0..1000 {
            permits.acquire(&caller, 1, None)?;
            most.fetch_max(inside.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            thread::yield_now();
            inside.fetch_sub(1, Ordering::Relaxed);
            permits.release(&caller, 1).map_err(|_| AcquireError::TooMany)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads = [(); 8].map(|()| scope.spawn(work));
        threads.into_iter().try_for_each(|thread| thread.join().map_or(Ok(()), |result| result))
    })?;
    let (most, left) = (most.into_inner(), permits.available());
    writeln!(io::stdout(), "8 threads, 8000 turns, at most {most} inside; {left} permits left")?;
    Ok(())
}
