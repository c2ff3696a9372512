//! Locks that sleep, over the threads of this kernel: each ends as it says, in time, in order.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use kos_sched::core::TaskState;
use kos_sched::sync::{Condvar, Mutex, Semaphore, WaitQueue};
use kos_sched::{LockError, Park as _, WaitError};

use super::patience::{PATIENCE, SHORT, soon};
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::threads::{How, Member, Waits};
use crate::time::Duration;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "sync::who_has_a_mutex_does_not_wait_for_himself", run: deadlock },
        Test { name: "sync::a_wait_for_a_mutex_ends_in_time", run: lock_timeout },
        Test { name: "sync::a_mutex_goes_to_who_came_first", run: order },
        Test { name: "sync::a_condition_is_waited_for_without_the_lock", run: condition },
        Test { name: "sync::a_wait_for_a_condition_ends_in_time", run: condition_timeout },
        Test { name: "sync::all_who_wait_for_a_condition_go_on", run: all_go_on },
        Test { name: "sync::permits_are_taken_several_at_once", run: several },
        Test { name: "sync::who_waits_for_a_closed_semaphore_is_told", run: closed },
        Test { name: "sync::a_wake_up_before_the_wait_is_seen", run: early },
        Test { name: "sync::a_queue_that_is_closed_holds_nobody", run: closed_queue },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// Sleeps until something holds; whether it did in time.
fn becomes<P: Platform>(kernel: &Kernel<P>, mut holds: impl FnMut() -> bool) -> bool {
    let until = soon(kernel, PATIENCE);
    while !holds() {
        if Some(kernel.platform().now()) > until {
            return false;
        }
        let _ = kernel.threads.sleep(Duration::from_micros(200));
    }
    true
}

fn deadlock<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mutex = Mutex::new(Waits::new(&kernel.threads), 1);
    let held = mutex.lock()?;
    let again = mutex.lock().map(drop);
    ensure!(again == Err(LockError::Deadlock) && mutex.try_lock().is_none(), "{again:?}");
    ensure!(mutex.owner() == Some(kernel.threads.runtime().current()));
    drop(held);
    ensure!(mutex.owner().is_none() && mutex.try_lock().is_some());
    Ok(mutex.check()?)
}

fn lock_timeout<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mutex = Mutex::new(Waits::new(&kernel.threads), 0);
    let ended = [const { AtomicBool::new(false) }; 2];
    let [timed_out, done] = &ended;
    let work = || {
        let until = soon(kernel, SHORT);
        let refused = mutex.lock_until(until).map(drop) == Err(LockError::TimedOut);
        timed_out.store(refused && Some(kernel.platform().now()) >= until, SeqCst);
        done.store(true, SeqCst);
    };
    let held = mutex.lock()?;
    let in_time = kernel.with_team(&[Member::new(How::new("late"), &work)], |_| {
        let in_time = becomes(kernel, || done.load(SeqCst));
        drop(held);
        in_time
    })?;
    ensure!(in_time && timed_out.load(SeqCst), "a lock that was held was waited for too long, or not");
    Ok(mutex.check()?)
}

/// Three threads line up one after the other, and get it in that order.
fn order<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let turns = Mutex::new(Waits::new(&kernel.threads), heapless::Vec::<u32, 4>::new());
    let (next, come) = (AtomicU32::new(0), AtomicU32::new(0));
    let work = [1, 2, 3].map(|own| {
        let (turns, next, come) = (&turns, &next, &come);
        move || {
            if !becomes(kernel, || next.load(SeqCst) == own) {
                return;
            }
            come.store(own, SeqCst);
            if let Ok(mut turns) = turns.lock() {
                // There is room for all.
                let _ = turns.push(own);
            }
        }
    });
    let members = work.each_ref().map(|work| Member::new(How::new("in line"), work));
    let held = turns.lock()?;
    let scheduler = kernel.threads.runtime().scheduler();
    let all = kernel.with_team(&members, |tasks| {
        let lined_up = (1..).zip(tasks).all(|(own, &task)| {
            next.store(own, SeqCst);
            // Who has come and sleeps, sleeps for the lock.
            becomes(kernel, || come.load(SeqCst) == own && scheduler.state(task) == Some(TaskState::Blocked))
        });
        drop(held);
        lined_up && becomes(kernel, || turns.lock().is_ok_and(|turns| turns.len() == 3))
    })?;
    let turns = turns.into_inner();
    ensure!(all && turns == [1, 2, 3], "{turns:?}");
    Ok(())
}

fn condition<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ITEMS: u32 = 40;
    let waits = || Waits::new(&kernel.threads);
    let (box_of_one, changed) = (Mutex::new(waits(), None), Condvar::new(waits()));
    let give = || {
        for item in 0..ITEMS {
            let Ok(mut guard) = box_of_one.lock() else { return };
            while guard.is_some() {
                let Ok(again) = changed.wait(guard) else { return };
                guard = again;
            }
            *guard = Some(item);
            drop(guard);
            changed.notify_all();
        }
    };
    kernel.with_team(&[Member::new(How::new("giver"), &give)], |_| {
        (0..ITEMS).try_for_each(|item| {
            let mut guard = box_of_one.lock()?;
            while guard.is_none() {
                let (again, in_time) = changed.wait_until(guard, soon(kernel, PATIENCE))?;
                guard = again;
                ensure!(in_time, "item {item} did not come");
            }
            let came = guard.take();
            drop(guard);
            changed.notify_all();
            ensure!(came == Some(item), "{came:?} came, not {item}");
            Ok(())
        })
    })?
}

fn condition_timeout<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let waits = || Waits::new(&kernel.threads);
    let (mutex, never) = (Mutex::new(waits(), ()), Condvar::new(waits()));
    let until = soon(kernel, SHORT);
    let (guard, woken) = never.wait_until(mutex.lock()?, until)?;
    ensure!(!woken && Some(kernel.platform().now()) >= until, "nobody woke it, but it went on");
    ensure!(mutex.owner() == Some(kernel.threads.runtime().current()), "it went on without the lock");
    drop(guard);
    Ok(())
}

fn all_go_on<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let waits = || Waits::new(&kernel.threads);
    let (open, changed) = (Mutex::new(waits(), false), Condvar::new(waits()));
    let (come, gone) = (AtomicU32::new(0), AtomicU32::new(0));
    let work = || {
        let Ok(mut guard) = open.lock() else { return };
        come.fetch_add(1, SeqCst);
        while !*guard {
            let Ok(again) = changed.wait(guard) else { return };
            guard = again;
        }
        gone.fetch_add(1, SeqCst);
    };
    let members = [Member::new(How::new("at the gate"), &work); 4];
    let all = kernel.with_team(&members, |_| {
        let came = becomes(kernel, || come.load(SeqCst) == 4);
        let none = gone.load(SeqCst) == 0;
        let opened = open.lock().map(|mut open| {
            *open = true;
            // Who has said that he comes waits already: he had the lock.
            changed.requeue_all(&open)
        });
        came && none && opened.is_ok() && becomes(kernel, || gone.load(SeqCst) == 4)
    })?;
    ensure!(all, "{} of 4 came, {} went on", come.load(SeqCst), gone.load(SeqCst));
    Ok(())
}

fn several<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let permits = Semaphore::new(Waits::new(&kernel.threads), 3);
    let two = permits.acquire(2, None)?;
    ensure!(permits.try_acquire(2).is_none() && permits.available() == 1);
    let late = permits.acquire(2, soon(kernel, SHORT)).map(drop);
    ensure!(late == Err(WaitError::TimedOut), "{late:?}");
    ensure!(permits.available() == 1, "who gave up kept a permit");
    drop(two);
    permits.acquire(3, None)?.keep();
    ensure!(permits.available() == 0);
    permits.release(3);
    Ok(permits.check()?)
}

fn closed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let permits = Semaphore::new(Waits::new(&kernel.threads), 0);
    let (waits, told) = (AtomicBool::new(false), AtomicBool::new(false));
    let work = || {
        waits.store(true, SeqCst);
        told.store(permits.acquire(1, None).map(drop) == Err(WaitError::Closed), SeqCst);
    };
    let all = kernel.with_team(&[Member::new(How::new("waiter"), &work)], |_| {
        let came = becomes(kernel, || waits.load(SeqCst));
        let _ = kernel.threads.sleep(SHORT);
        permits.close();
        came && becomes(kernel, || told.load(SeqCst))
    })?;
    ensure!(all, "who waited was not told");
    let late = permits.acquire(1, None).map(drop);
    ensure!(late == Err(WaitError::Closed), "{late:?}");
    Ok(())
}

fn early<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (queue, ready) = (WaitQueue::new(Waits::new(&kernel.threads)), AtomicBool::new(true));
    let woken = queue.wake_all();
    ensure!(woken == 0, "{woken} were woken of nobody");
    queue.wait_for(None, || ready.load(SeqCst).then_some(()))?;
    ready.store(false, SeqCst);
    let late = queue.wait_for(soon(kernel, SHORT), || ready.load(SeqCst).then_some(()));
    ensure!(late == Err(WaitError::TimedOut), "{late:?}");
    Ok(queue.check()?)
}

fn closed_queue<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let queue = WaitQueue::new(Waits::new(&kernel.threads));
    queue.close();
    let waited = queue.wait(None);
    ensure!(waited == Err(WaitError::Closed), "{waited:?}");
    Ok(())
}
