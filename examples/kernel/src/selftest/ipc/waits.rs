//! Bits, permits, events, queues: who waits is woken, told, or timed out.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use kos_ipc::notify::{
    AcquireError, CounterError, CounterMode, EventCounter, Notification, NotifyError, Semaphore,
};
use kos_ipc::policy::NoPolicy;
use kos_ipc::wait::WaitQueue;
use kos_ipc::{Caller, WaitError};

use super::{PATIENCE, SHORT, TestEnv, beside, me, soon};
use crate::Kernel;
use crate::ensure;
use crate::glue::ipc::Sleeper;
use crate::platform::Platform;
use crate::selftest::Failure;
use crate::threads::{How, Member};
use crate::time::{Duration, after};

pub(super) fn notification<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (me, news) = (me(kernel), Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let caller = Caller::new(&me, (), &NoPolicy);
    news.post(&caller, 0b0001)?;
    news.post(&caller, 0b0111)?;
    ensure!(news.try_take(&caller, 0b0011)? == 0b0011 && news.pending() == 0b0100);
    let none = news.try_take(&caller, 0b0011);
    ensure!(none == Err(NotifyError::WouldBlock), "{none:?}");
    news.check().map_err(|what| Failure::new(format_args!("{}", what.what)))
}

pub(super) fn bits_wake<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ROUNDS: u64 = 50;
    let (there, back) = (
        Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1),
        Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 2),
    );
    let answer = || {
        let me = me(kernel);
        let caller = Caller::new(&me, (), &NoPolicy);
        while let Ok(bits) = there.take(&caller, u64::MAX, soon(kernel, PATIENCE)) {
            if back.post(&caller, bits << 1).is_err() {
                return;
            }
        }
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let good = beside(kernel, &answer, || {
        let good = (0..ROUNDS).all(|round| {
            let bit = 1 << (round % 60);
            there.post(&caller, bit).is_ok()
                && back.take(&caller, u64::MAX, soon(kernel, PATIENCE)) == Ok(bit << 1)
        });
        there.close();
        good
    })?;
    ensure!(good, "a bit did not come back");
    Ok(())
}

pub(super) fn semaphore<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (me, permits) = (me(kernel), Semaphore::<TestEnv<P>>::new(Sleeper::new(), 3, 0, 1));
    let caller = Caller::new(&me, (), &NoPolicy);
    permits.try_acquire(&caller, 2)?;
    let more = permits.try_acquire(&caller, 2);
    ensure!(more == Err(AcquireError::WouldBlock) && permits.available() == 1, "{more:?}");
    permits.release(&caller, 2)?;
    permits.try_acquire(&caller, 3)?;
    ensure!(permits.available() == 0);
    permits.release(&caller, Semaphore::<TestEnv<P>>::MAX)?;
    ensure!(permits.release(&caller, 1).is_err(), "more permits than there can be");
    Ok(())
}

/// Two permits among four threads: never more than two have one, and all get theirs.
pub(super) fn permits<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ROUNDS: u64 = 20;
    let permits = Semaphore::<TestEnv<P>>::new(Sleeper::new(), 2, 0, 1);
    let (inside, most, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let me = me(kernel);
        let caller = Caller::new(&me, (), &NoPolicy);
        for _ in 0..ROUNDS {
            if permits.acquire(&caller, 1, soon(kernel, PATIENCE)).is_err() {
                return;
            }
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            kernel.threads.runtime().yield_now();
            inside.fetch_sub(1, SeqCst);
            if permits.release(&caller, 1).is_err() {
                return;
            }
        }
        done.fetch_add(1, SeqCst);
    };
    let members = ["one", "two", "three", "four"].map(|name| Member::new(How::new(name), &work));
    let until = after(kernel.platform().now(), PATIENCE);
    kernel.with_team(&members, |_| {
        while done.load(SeqCst) < 4 && kernel.platform().now() < until {
            let _ = kernel.threads.sleep(Duration::from_micros(200));
        }
    })?;
    let (most, done) = (most.load(SeqCst), done.load(SeqCst));
    ensure!(done == 4 && most <= 2, "{done} are done, {most} had a permit at once");
    Ok(())
}

pub(super) fn counter<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let whole = EventCounter::<TestEnv<P>>::new(Sleeper::new(), 0, CounterMode::Whole, 0, 1);
    whole.try_write(&caller, 2)?;
    whole.try_write(&caller, 3)?;
    ensure!(whole.try_read(&caller)? == 5);
    let empty = whole.try_read(&caller);
    ensure!(empty == Err(CounterError::WouldBlock), "{empty:?}");
    let one = EventCounter::<TestEnv<P>>::new(Sleeper::new(), 2, CounterMode::One, 0, 2);
    ensure!(one.try_read(&caller)? == 1 && one.try_read(&caller)? == 1 && one.try_read(&caller).is_err());
    one.try_write(&caller, u64::MAX - 1)?;
    let full = one.try_write(&caller, 1);
    ensure!(full == Err(CounterError::WouldBlock), "{full:?}");
    Ok(())
}

pub(super) fn timeout<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (me, news) = (me(kernel), Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let caller = Caller::new(&me, (), &NoPolicy);
    let until = soon(kernel, SHORT);
    let waited = news.take(&caller, 1, until);
    ensure!(waited == Err(NotifyError::Wait(WaitError::TimedOut)), "{waited:?}");
    ensure!(Some(kernel.platform().now()) >= until, "a wait ended before its time");
    news.post(&caller, 1)?;
    // What is there is given whatever the time.
    ensure!(news.take(&caller, 1, until)? == 1);
    Ok(())
}

pub(super) fn closed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let news = Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1);
    let (waits, told) = (AtomicBool::new(false), AtomicBool::new(false));
    let wait = || {
        let me = me(kernel);
        waits.store(true, SeqCst);
        let waited = news.take(&Caller::new(&me, (), &NoPolicy), 1, soon(kernel, PATIENCE));
        told.store(waited == Err(NotifyError::Wait(WaitError::PeerClosed)), SeqCst);
    };
    let until = after(kernel.platform().now(), PATIENCE);
    beside(kernel, &wait, || {
        while !waits.load(SeqCst) && kernel.platform().now() < until {
            kernel.threads.runtime().yield_now();
        }
        let _ = kernel.threads.sleep(SHORT);
        news.close();
        while !told.load(SeqCst) && kernel.platform().now() < until {
            let _ = kernel.threads.sleep(Duration::from_micros(200));
        }
    })?;
    ensure!(told.load(SeqCst), "who waited was not told");
    Ok(())
}

pub(super) fn queue<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (queue, gifts, taken) =
        (WaitQueue::<TestEnv<P>>::new(Sleeper::new()), AtomicU64::new(0), AtomicU64::new(0));
    let take = || gifts.fetch_update(SeqCst, SeqCst, |gifts| gifts.checked_sub(1)).ok();
    let wait = || {
        if queue.wait_for(&me(kernel), 0, soon(kernel, PATIENCE), take).is_ok() {
            taken.fetch_add(1, SeqCst);
        }
    };
    let members = ["one", "two", "three"].map(|name| Member::new(How::new(name), &wait));
    let until = after(kernel.platform().now(), PATIENCE);
    let counted = kernel.with_team(&members, |_| {
        (1..=3).all(|count| {
            gifts.fetch_add(1, SeqCst);
            queue.wake(1);
            while taken.load(SeqCst) < count && kernel.platform().now() < until {
                let _ = kernel.threads.sleep(Duration::from_micros(200));
            }
            taken.load(SeqCst) == count
        })
    })?;
    ensure!(counted, "{} of three took what was given", taken.load(SeqCst));
    Ok(())
}
