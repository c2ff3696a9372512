//! A timer that is cancelled while it fires.

use core::pin::Pin;
use std::boxed::Box;

use loom::thread;

use super::tasks::Tasks;
use super::{explore, must_find};
use crate::seeded::Bug;
use crate::time::Instant;
use crate::timer::{Cancel, Timer, TimerWheel};

fn cancel_and_fire() {
    let wheel: &'static TimerWheel<Tasks, ()> = Box::leak(Box::new(TimerWheel::new(Tasks::new(), 0)));
    let timer = Pin::static_ref(Box::leak(Box::new(Timer::new(wheel, ()))));
    timer.arm(Instant::from_ticks(0), Instant::from_ticks(5));
    let interrupt = thread::spawn(move || wheel.expire(Instant::from_ticks(9), 4, |_| ()).fired);
    let cancelled = timer.cancel();
    let expected = if interrupt.join().unwrap() == 1 { Cancel::Fired } else { Cancel::Cancelled };
    assert_eq!(cancelled, expected);
    assert_eq!((wheel.armed(), wheel.check()), (0, Ok(())));
}

#[test]
fn a_timer_fires_or_is_cancelled() {
    explore(cancel_and_fire);
}

#[test]
fn a_cancel_in_two_steps_is_found() {
    must_find(Bug::CancelInTwoSteps, cancel_and_fire);
}
