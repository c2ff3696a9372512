//! Waiting for the first of several.

use core::pin::{Pin, pin};

use kos_ipc::Caller;
use kos_ipc::notify::{Notification, Semaphore};
use kos_ipc::policy::NoPolicy;
use kos_ipc::wait::{Event, Mode, Nesting, Readiness, Source, WaitSet, WatchSlot};

use super::{PATIENCE, SHORT, TestEnv, beside, me, soon};
use crate::Kernel;
use crate::ensure;
use crate::glue::ipc::Sleeper;
use crate::platform::Platform;
use crate::selftest::Failure;

/// Places of a set for what it watches.
type Slots<'s, 'o, P> = Pin<&'s mut [WatchSlot<TestEnv<P>, &'o dyn Source<TestEnv<P>>>]>;

pub(super) fn set<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let news = pin!(Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let permits = pin!(Semaphore::<TestEnv<P>>::new(Sleeper::new(), 0, 0, 2));
    let (news, permits) = (news.into_ref(), permits.into_ref());
    let nesting = Nesting::new();
    let slots: Slots<'_, '_, P> = pin!([const { WatchSlot::new() }; 2]);
    let set = pin!(WaitSet::new(Sleeper::new(), slots, None, &nesting, 0, 3));
    let (set, this) = (set.into_ref(), me(kernel));
    let caller = Caller::new(&this, (), &NoPolicy);
    set.watch(&caller, news, 10, Readiness::READABLE, Mode::Level)?;
    set.watch(&caller, permits, 20, Readiness::READABLE, Mode::Level)?;
    let mut events = [Event::NONE; 4];
    let none = set.wait(&caller, &mut events, soon(kernel, SHORT));
    ensure!(none.is_err(), "nothing happened, but {none:?}");
    let release = || {
        let me = me(kernel);
        let _ = kernel.threads.sleep(SHORT);
        // What fails is seen by who waits.
        let _ = permits.release(&Caller::new(&me, (), &NoPolicy), 1);
    };
    let seen = beside(kernel, &release, || set.wait(&caller, &mut events, soon(kernel, PATIENCE)))?;
    let key = events.first().map(|event| event.key);
    ensure!(seen == Ok(1) && key == Some(20), "{seen:?}, the first of {key:?}");
    Ok(())
}

pub(super) fn edge<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let news = pin!(Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let news = news.into_ref();
    let nesting = Nesting::new();
    let slots: Slots<'_, '_, P> = pin!([const { WatchSlot::new() }; 1]);
    let set = pin!(WaitSet::new(Sleeper::new(), slots, None, &nesting, 0, 3));
    let (set, me) = (set.into_ref(), me(kernel));
    let caller = Caller::new(&me, (), &NoPolicy);
    set.watch(&caller, news, 1, Readiness::READABLE, Mode::Edge)?;
    let mut events = [Event::NONE; 4];
    for round in 0..3 {
        news.post(&caller, 1 << round)?;
        let first = set.wait(&caller, &mut events, soon(kernel, PATIENCE));
        let second = set.wait(&caller, &mut events, soon(kernel, SHORT));
        ensure!(first == Ok(1) && second.is_err(), "round {round}: {first:?}, {second:?}");
    }
    Ok(())
}
