//! The event counter beside Linux's eventfd: the same answers after each random step.

use std::env;
use std::os::fd::AsFd;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};

use super::{CounterError, CounterMode, EventCounter};
use crate::caller::Caller;
use crate::policy::NoPolicy;
use crate::testing::{Rng, StdEnv, StdPark};

/// What Linux calls our error.
fn errno(error: CounterError) -> Errno {
    match error {
        CounterError::TooMany => Errno::INVAL,
        CounterError::WouldBlock => Errno::AGAIN,
        other => panic!("{other}"),
    }
}

fn linux_read(file: impl AsFd) -> Result<u64, Errno> {
    let mut bytes = [0; 8];
    let count = read(file, &mut bytes)?;
    assert_eq!(count, 8);
    Ok(u64::from_ne_bytes(bytes))
}

fn linux_write(file: impl AsFd, events: u64) -> Result<(), Errno> {
    write(file, &events.to_ne_bytes()).map(|count| assert_eq!(count, 8))
}

/// Numbers near all the limits, and small ones.
fn events(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => rng.next() % 4,
        1 => u64::MAX - rng.next() % 4,
        2 => u64::MAX / 2 + rng.next() % 3,
        _ => rng.next(),
    }
}

/// 20,000 steps in each mode by default; `KOS_EVENTFD_STEPS` for more.
fn compare(mode: CounterMode, flags: EventfdFlags) {
    let steps: u64 = env::var("KOS_EVENTFD_STEPS").map_or(20_000, |steps| steps.parse().unwrap());
    let (park, mut rng) = (StdPark::new(), Rng::new(7));
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let ours = EventCounter::<StdEnv>::new(park, 5, mode, 0, 0);
    let theirs = eventfd(5, flags | EventfdFlags::NONBLOCK).unwrap();
    for step in 0..steps {
        if rng.below(2) == 0 {
            let events = events(&mut rng);
            let ours = ours.try_write(&caller, events).map_err(errno);
            assert_eq!(ours, linux_write(&theirs, events), "step {step}: write {events:#x}");
        } else {
            assert_eq!(ours.try_read(&caller).map_err(errno), linux_read(&theirs), "step {step}: read");
        }
        assert_eq!(ours.check(), Ok(()));
    }
}

#[test]
fn a_counter_answers_as_eventfd() {
    compare(CounterMode::Whole, EventfdFlags::empty());
}

#[test]
fn a_counter_that_gives_one_answers_as_eventfd() {
    compare(CounterMode::One, EventfdFlags::SEMAPHORE);
}
