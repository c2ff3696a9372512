//! Calls and their answers.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use kos_ipc::endpoint::{CallError, CallSlot, Endpoint, SendReason};
use kos_ipc::policy::NoPolicy;
use kos_ipc::wait::Progress;
use kos_ipc::{Caller, WaitError};

use super::{PATIENCE, SHORT, TestEnv, beside, me, soon};
use crate::Kernel;
use crate::ensure;
use crate::glue::ipc::Sleeper;
use crate::platform::Platform;
use crate::selftest::Failure;
use crate::threads::{How, Member};

pub(super) fn call<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const CALLS: u64 = 50;
    let mut slots = [const { CallSlot::new() }; 2];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let serve = || {
        let me = me(kernel);
        while let Ok(call) = endpoint.recv(&Caller::new(&me, (), &NoPolicy), soon(kernel, PATIENCE)) {
            // A caller who waits no more needs no answer.
            let _ = call.token.reply(call.message * 2 + call.badge);
        }
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let wrong = beside(kernel, &serve, || {
        let wrong = (0..CALLS)
            .filter(|&number| {
                endpoint.call(&caller, 7, number, None, soon(kernel, PATIENCE)) != Ok(number * 2 + 7)
            })
            .count();
        while endpoint.close().step(64, |_| true) == Progress::More {}
        wrong
    })?;
    ensure!(wrong == 0, "{wrong} of {CALLS} answers were others");
    Ok(())
}

pub(super) fn calls<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const CALLS: u64 = 20;
    let mut slots = [const { CallSlot::new() }; 4];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let (right, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let ask = || {
        let me = me(kernel);
        let caller = Caller::new(&me, (), &NoPolicy);
        let own = me.index().as_usize() as u64;
        for number in 0..CALLS {
            let answer = endpoint.call(&caller, own, number, None, soon(kernel, PATIENCE));
            right.fetch_add(u64::from(answer == Ok(number + own)), SeqCst);
        }
        done.fetch_add(1, SeqCst);
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let members = ["one", "two", "three"].map(|name| Member::new(How::new(name), &ask));
    kernel.with_team(&members, |_| {
        while done.load(SeqCst) < 3 {
            match endpoint.recv(&caller, soon(kernel, SHORT)) {
                Ok(call) => drop(call.token.reply(call.message + call.badge)),
                Err(_) => kernel.threads.runtime().yield_now(),
            }
        }
    })?;
    let right = right.load(SeqCst);
    ensure!(right == 3 * CALLS, "{right} of {} answers were right", 3 * CALLS);
    Ok(())
}

pub(super) fn dropped<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut slots = [const { CallSlot::new() }; 2];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let serve = || {
        let me = me(kernel);
        drop(endpoint.recv(&Caller::new(&me, (), &NoPolicy), soon(kernel, PATIENCE)));
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let answer = beside(kernel, &serve, || endpoint.call(&caller, 0, 1, None, soon(kernel, PATIENCE)))?;
    ensure!(answer == Err(CallError::ReplyDropped), "{answer:?}");
    Ok(())
}

pub(super) fn unserved<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut slots = [const { CallSlot::new() }; 1];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    for _ in 0..2 {
        let answer = endpoint.call(&caller, 0, 1, None, soon(kernel, SHORT));
        // Its place is free again for the next.
        let in_time = matches!(&answer, Err(CallError::Unsent(unsent)) if unsent.reason == SendReason::Wait(WaitError::TimedOut));
        ensure!(in_time, "{answer:?}");
    }
    while endpoint.close().step(64, |_| true) == Progress::More {}
    let answer = endpoint.call(&caller, 0, 1, None, None);
    ensure!(matches!(answer, Err(CallError::Unsent(_))), "{answer:?}");
    Ok(())
}
