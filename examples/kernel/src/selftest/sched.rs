//! The scheduler on this machine: threads are preempted, get what is due to them, move, sleep, leave, and leave nothing.

use alloc::string::String;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};

use kos_sched::core::{TaskError, TaskState};
use kos_sched::sync::{Mutex, Semaphore};
use kos_sched::{BlockReason, CpuId, CpuSet, DlParams, Nice, Park, Policy, Resume, RtPriority, TaskId};

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::shell::Status;
use crate::text::Text;
use crate::threads::{How, Member, Role, ThreadError, Waits};
use crate::time::Duration;

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "sched::a_thread_that_computes_is_preempted", run: preemption },
        Test { name: "sched::shares_follow_weights", run: shares },
        Test { name: "sched::an_urgent_thread_does_not_wait_for_others", run: urgency },
        Test { name: "sched::a_deadline_thread_gets_its_budget_and_no_more", run: budget },
        Test { name: "sched::a_thread_that_runs_goes_where_it_is_told", run: affinity },
        Test { name: "sched::threads_of_all_cpus_wake_each_other", run: ping_pong },
        Test { name: "sched::one_thread_at_a_time_has_the_mutex", run: mutual_exclusion },
        Test { name: "sched::a_thread_that_is_killed_leaves", run: kill },
        Test { name: "sched::threads_come_and_go", run: churn },
        Test { name: "sched::lack_of_memory_refuses_a_thread", run: no_memory },
        Test { name: "sched::time_of_threads_and_idle_adds_up", run: accounts },
        Test { name: "sched::commands_show_and_change_threads", run: commands },
    ]
}

/// Longest that anything here may take; an emulated machine on a busy host is slow.
const LIMIT: Duration = Duration::from_secs(20);

/// The last CPU: the first has the main thread.
fn last<P: Platform>(kernel: &Kernel<P>) -> CpuId {
    kernel.threads.runtime().scheduler().online_cpus().iter().last().unwrap_or_default()
}

fn compute<P: Platform>(kernel: &Kernel<P>) {
    while !kernel.is_told_to_end() {
        kernel.threads.breathe();
    }
}

/// Sleeps until something holds; whether it did in time.
fn becomes<P: Platform>(kernel: &Kernel<P>, mut holds: impl FnMut() -> bool) -> bool {
    let start = kernel.platform().now();
    while !holds() {
        if kernel.platform().now().checked_duration_since(start).is_none_or(|waited| waited > LIMIT) {
            return false;
        }
        let _ = kernel.threads.sleep(Duration::from_micros(200));
    }
    true
}

fn skip_without_interrupts<P: Platform>() -> Result<(), Failure> {
    if P::INTERRUPTS { Ok(()) } else { Err(Failure::skip(format_args!("nothing interrupts a thread"))) }
}

fn skip_unless_punctual<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let lack = || Failure::skip(format_args!("the host takes CPUs away"));
    if kernel.platform().is_punctual() { Ok(()) } else { Err(lack()) }
}

fn ran<P: Platform>(kernel: &Kernel<P>, task: TaskId) -> u64 {
    let runtime = kernel.threads.runtime();
    runtime.scheduler().usage(task, runtime.now()).map_or(0, |times| times.total().as_ticks())
}

/// CPU time that two threads of a team got meanwhile.
fn gains<P: Platform>(kernel: &Kernel<P>, tasks: &[TaskId], length: Duration) -> [u64; 2] {
    let [first, second] = tasks else { return [0; 2] };
    let both = || [*first, *second].map(|task| ran(kernel, task));
    let [a, b] = both();
    let _ = kernel.threads.sleep(length);
    let [c, d] = both();
    [c.saturating_sub(a), d.saturating_sub(b)]
}

/// Two threads on one CPU, neither of which ever gives it up: both go on.
fn preemption<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    skip_without_interrupts::<P>()?;
    let turns = [const { AtomicU64::new(0) }; 2];
    let work = turns.each_ref().map(|own| {
        move || {
            while !kernel.is_told_to_end() {
                own.fetch_add(1, SeqCst);
            }
        }
    });
    let members = work.each_ref().map(|work| Member::new(How::new("selfish").on(last(kernel)), work));
    let alternate = kernel.with_team(&members, |_| {
        (0..3).all(|_| {
            let before = turns.each_ref().map(|own| own.load(SeqCst));
            becomes(kernel, || turns.iter().zip(before).all(|(own, before)| own.load(SeqCst) > before))
        })
    })?;
    ensure!(alternate, "one of two threads never got the CPU");
    Ok(())
}

fn shares<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    skip_without_interrupts::<P>()?;
    skip_unless_punctual(kernel)?;
    let (work, slice) = (|| compute(kernel), Duration::from_millis(1));
    let how = |nice| {
        let policy = Policy::Fair { nice: Nice::new(nice)?, slice };
        Ok::<_, Failure>(How::new("fair").policy(policy).on(last(kernel)))
    };
    let members = [Member::new(how(0)?, &work), Member::new(how(5)?, &work)];
    // Each turn that an emulated timer ends late makes up for itself in time.
    let spans = [200, 200, 400, 800, 1600].map(Duration::from_millis);
    let mut total = [0_u64; 2];
    let right = kernel.with_team(&members, |tasks| {
        spans.into_iter().any(|span| {
            let gained = gains(kernel, tasks, span);
            total.iter_mut().zip(gained).for_each(|(sum, gained)| *sum += gained);
            let [heavy, light] = total;
            // 1024 : 335, that is 3.06.
            (270..345).contains(&heavy.saturating_mul(100).checked_div(light).unwrap_or(0))
        })
    })?;
    ensure!(right, "weights 1024:335 got {total:?} ns");
    Ok(())
}

/// A real-time thread that is woken runs although a fair one computes; the fair one goes on when it sleeps.
fn urgency<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    skip_without_interrupts::<P>()?;
    const WAKES: u32 = 20;
    let (asked, answered) = (AtomicU32::new(0), AtomicU32::new(0));
    let hog = || compute(kernel);
    let urgent = || {
        while kernel.threads.runtime().park(None, BlockReason::Wait) != Resume::Interrupted {
            answered.store(asked.load(SeqCst), SeqCst);
        }
    };
    let fifo = Policy::Fifo(RtPriority::new(50)?);
    let cpu = last(kernel);
    let members = [
        Member::new(How::new("hog").on(cpu), &hog),
        Member::new(How::new("urgent").policy(fifo).on(cpu), &urgent),
    ];
    let answers = kernel.with_team(&members, |tasks| {
        let [hog, urgent] = tasks else { return 0 };
        (1..=WAKES)
            .filter(|&number| {
                let before = ran(kernel, *hog);
                asked.store(number, SeqCst);
                kernel.threads.runtime().unpark(*urgent);
                becomes(kernel, || answered.load(SeqCst) == number)
                    && becomes(kernel, || ran(kernel, *hog) > before)
            })
            .count()
    })?;
    ensure!(answers == WAKES as usize, "{answers} answers to {WAKES} wakes");
    Ok(())
}

/// 2 ms of each 10 ms, although it wants all.
fn budget<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    skip_without_interrupts::<P>()?;
    skip_unless_punctual(kernel)?;
    let [runtime, period] = [2, 10].map(Duration::from_millis);
    let (work, cpu) = (|| compute(kernel), last(kernel));
    let policy = Policy::Deadline(DlParams::new(runtime, period, period)?);
    let members = [
        Member::new(How::new("deadline").policy(policy).on(cpu), &work),
        Member::new(How::new("hog").on(cpu), &work),
    ];
    let measure = || {
        let start = kernel.platform().now();
        let got = kernel.with_team(&members, |tasks| gains(kernel, tasks, Duration::from_millis(200)))?;
        let passed =
            kernel.platform().now().checked_duration_since(start).map_or(0, |passed| passed.as_ticks());
        Ok::<_, Failure>((got, passed))
    };
    // An emulated timer may end a turn late by more than a period; without a budget it would have all. Of an emulator that stands still
    // most of the time, as its host has no time for it, one looks again.
    let is_a_fifth = |&([served, _], passed): &([u64; 2], u64)| {
        (100..500).contains(&served.saturating_mul(1000).checked_div(passed).unwrap_or(0))
    };
    let (mut got, mut looks) = (measure()?, 1);
    while !is_a_fifth(&got) && looks < 3 {
        (got, looks) = (measure()?, looks + 1);
    }
    let ([served, hog], passed) = got;
    ensure!(is_a_fifth(&got), "{served} of {passed} ns is not a fifth, for the {looks}rd time");
    ensure!(hog > 0, "the fair thread starved");
    let whole = Policy::Deadline(DlParams::new(period, period, period)?);
    let refused = kernel.spawn(How::new("greedy").policy(whole).on(cpu), |_, _| (), 0);
    ensure!(matches!(refused, Err(ThreadError::Spawn(_))), "a whole CPU was promised: {refused:?}");
    Ok(())
}

fn affinity<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    skip_without_interrupts::<P>()?;
    let (sched, now) = (kernel.threads.runtime().scheduler(), || kernel.threads.runtime().now());
    let (work, cpus) = (|| compute(kernel), sched.online_cpus());
    let wrong = kernel.with_team(&[Member::new(How::new("wanderer"), &work)], |tasks| {
        let task = tasks.first().copied().unwrap_or(TaskId::NOBODY);
        cpus.iter().find(|&cpu| {
            let told = sched.set_affinity(task, &CpuSet::only(cpu), now());
            told.is_err()
                || !becomes(kernel, || sched.running_on(cpu) == Some(task) || runs_here(kernel, task))
        })
    })?;
    ensure!(wrong.is_none(), "it never came to cpu {wrong:?}");
    let nowhere = sched.set_affinity(kernel.threads.runtime().current(), &CpuSet::EMPTY, now());
    ensure!(nowhere.is_err(), "a thread that may run nowhere");
    Ok(())
}

/// Whether it waits for the CPU on which the main thread looks.
fn runs_here<P: Platform>(kernel: &Kernel<P>, task: TaskId) -> bool {
    kernel.threads.runtime().scheduler().cpu_of(task) == Some(kernel.threads.this_cpu())
}

/// A token goes round through threads of several CPUs, by wake-ups alone.
fn ping_pong<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const PLAYERS: usize = 8;
    /// Wakes in all.
    const WAKES: u32 = 400;
    let online = kernel.threads.runtime().scheduler().online_cpus();
    let tokens = [(); PLAYERS].map(|()| Semaphore::new(Waits::new(&kernel.threads), 0));
    let passed = AtomicU32::new(0);
    let (tokens, passed) = (&tokens, &passed);
    let players: [_; PLAYERS] = core::array::from_fn(|own| {
        move || {
            let (mine, next) = (tokens.get(own), tokens.get((own + 1) % PLAYERS));
            while let (Some(mine), Some(next)) = (mine, next)
                && let Ok(token) = mine.acquire(1, None)
            {
                token.keep();
                // After the last round it stays where it is.
                if passed.fetch_add(1, SeqCst) + 1 < WAKES {
                    next.release(1);
                }
            }
        }
    });
    let mut cpus = core::iter::repeat_with(|| online.iter()).flatten();
    let members = players
        .each_ref()
        .map(|player| Member::new(How::new("player").on(cpus.next().unwrap_or_default()), player));
    let all = kernel.with_team(&members, |_| {
        tokens.first().map(|first| first.release(1)).unwrap_or_default();
        becomes(kernel, || passed.load(SeqCst) >= WAKES)
    })?;
    ensure!(all, "the token was lost after {} of {WAKES} wakes", passed.load(SeqCst));
    Ok(())
}

fn mutual_exclusion<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const MOST: usize = 8;
    const ROUNDS: u64 = 200;
    let count = Mutex::new(Waits::new(&kernel.threads), 0_u64);
    let failed = AtomicBool::new(false);
    let finished = AtomicU32::new(0);
    let work = || {
        for _ in 0..ROUNDS {
            match count.lock() {
                Ok(mut count) => {
                    let before = *count;
                    // Whoever were here at the same time would be seen.
                    kernel.threads.breathe();
                    *count = before + 1;
                }
                Err(_) => failed.store(true, SeqCst),
            }
        }
        finished.fetch_add(1, SeqCst);
    };
    let members = [Member::new(How::new("counter"), &work); MOST];
    let all = kernel.with_team(&members, |_| becomes(kernel, || finished.load(SeqCst) >= 8))?;
    ensure!(all && !failed.load(SeqCst), "{} of {MOST} threads had their turns", finished.load(SeqCst));
    let total = count.into_inner();
    ensure!(total == ROUNDS * MOST as u64, "{total} turns were counted");
    Ok(())
}

/// One sleeps without end, one computes: both leave, and leave nothing.
fn kill<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let sleep = |kernel: &Kernel<P>, _: usize| {
        let _ = kernel.threads.sleep_until(None);
    };
    let how = How::new("victim").role(Role::Background);
    for main in [sleep, |kernel: &Kernel<P>, _: usize| compute(kernel)] {
        let task = kernel.spawn(how, main, 0)?;
        let _ = kernel.threads.sleep(Duration::from_micros(500));
        ensure!(kernel.threads.views().any(|view| view.task == task), "it left by itself");
        kernel.kill(task);
        let gone = becomes(kernel, || {
            kernel.tidy();
            !kernel.threads.views().any(|view| view.task == task)
        });
        ensure!(gone, "it was told to end, and has not");
        let again = kernel.join(task);
        ensure!(again == Err(ThreadError::Task(TaskError::Gone)), "a thread that is gone: {again:?}");
    }
    Ok(())
}

/// More threads than there can be at a time, one after the other.
fn churn<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for number in 0..50 {
        let task = kernel.spawn(How::new("brief"), |_, _| (), number)?;
        let used = kernel.join(task)?;
        ensure!((64..16 << 10).contains(&used), "{used} bytes of stack used");
        let state = kernel.threads.runtime().scheduler().state(task);
        ensure!(state.is_none_or(|state| state != TaskState::Zombie), "the id of a thread that is gone");
    }
    kernel.threads.runtime().scheduler().check()?;
    Ok(())
}

/// Each frame in turn is the one that is missing.
fn no_memory<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for passing in 0..16 {
        let before = kernel.in_use();
        kernel.injector().arm(passing);
        let spawned = kernel.spawn(How::new("poor"), |_, _| (), 0);
        kernel.injector().disarm();
        match spawned {
            Ok(task) => {
                let _used = kernel.join(task)?;
                ensure!(passing > 0, "a thread without a frame");
                return Ok(());
            }
            Err(ThreadError::Stack(_) | ThreadError::Map(_)) => {}
            Err(other) => return Err(Failure::new(format_args!("after {passing} frames: {other}"))),
        }
        let after = kernel.in_use();
        ensure!(after == before, "failure {passing} kept memory: before {before}, after {after}");
    }
    Err(Failure::new(format_args!("16 frames were not enough")))
}

/// Less than a thousandth may be missing: a CPU that is looked at may just be ahead of the one that looks.
fn accounts<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let start = kernel.threads.accounts();
    let work = || compute(kernel);
    let _ = kernel.with_team(&[Member::new(How::new("busy"), &work)], |_| {
        kernel.threads.sleep(Duration::from_millis(20))
    })?;
    let _ = kernel.threads.sleep(Duration::from_millis(5));
    let end = kernel.threads.accounts();
    for times in [start, end, end.since(start)] {
        ensure!(times.error() <= times.wall / 1000, "{times:?}: {} ns apart", times.error());
    }
    let passed = end.since(start);
    ensure!(passed.busy > 0, "nobody ran: {passed:?}");
    Ok(())
}

fn commands<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = |command: fmt::Arguments<'_>| -> Result<(Status, String), Failure> {
        let (line, mut said) = (Text::new(command), String::new());
        let (status, _) = kernel.execute(line.as_str(), &mut said);
        Ok((status, said))
    };
    let (status, said) = run(format_args!("spin 1 5"))?;
    ensure!(status == Status::SUCCESS, "spin: {}", said);
    let id = Text::new(format_args!("{}", said.trim()));
    let id = id.as_str();
    let (_, said) = run(format_args!("ps"))?;
    let main = said.lines().find(|line| line.contains(" main "));
    let main =
        Text::new(format_args!("{}", main.and_then(|line| line.split_whitespace().next()).unwrap_or("none")));
    let main = main.as_str();
    // A machine with as many CPUs as its sets can name has none that is not there.
    let beyond = kernel.platform().cpus().count();
    let (told, refused) = match beyond < P::Cpus::CAPACITY as usize {
        true => ("no ", Status::FAILED),
        false => ("is no list of CPUs", Status::USAGE),
    };
    let expected = [
        (format_args!("ps"), " spin ", Status::SUCCESS),
        (format_args!("ps"), " main ", Status::SUCCESS),
        (format_args!("ps"), " = threads ", Status::SUCCESS),
        (format_args!("nice {id} -5"), "fair 5 before, now fair -5, weight 3121", Status::SUCCESS),
        (format_args!("nice {id} 20"), "nice 20 is not in", Status::FAILED),
        (format_args!("taskset {id} 0"), "runs on: ", Status::SUCCESS),
        (format_args!("taskset {id} {beyond}"), told, refused),
        (format_args!("taskset {id} 2-1"), "is no list of CPUs", Status::USAGE),
        (format_args!("top 20"), " spin ", Status::SUCCESS),
        (format_args!("timers"), " armed; ", Status::SUCCESS),
        (format_args!("kill {main}"), "is the kernel's own", Status::FAILED),
        (format_args!("kill 9999"), "no thread '9999'", Status::FAILED),
        (format_args!("kill {id}"), "' left after ", Status::SUCCESS),
        (format_args!("kill {id}"), "no thread", Status::FAILED),
        (format_args!("sched-demo 10"), "every invariant of the scheduler holds", Status::SUCCESS),
    ];
    for (command, part, wanted) in expected {
        let (status, said) = run(command)?;
        ensure!(status == wanted, "'{command}' ends with {}: {}", status.0, said);
        ensure!(said.contains(part), "'{command}' does not say '{part}': {}", said);
    }
    Ok(())
}
