//! What single processes go through.

use alloc::vec::Vec;

use super::{started, with_table};
use crate::process::{
    AdmitError, DomainError, Event, ExitStatus, Fate, Limit, LimitError, LimitExceeded, Limits, Mode, Pid,
    ProcessError, ProcessTable, Resource, Signal, SignalError, SignalTarget, SpawnArgs, SpawnReason, Status,
    ThreadId, WaitError, WaitFor, WaitOptions,
};
use crate::testing::{FakeExt, FakeKernel};
use crate::time::Duration;

type Table<'s> = ProcessTable<'s, FakeExt, FakeKernel>;

const NO_HANG: WaitOptions = WaitOptions { stopped: true, continued: true, no_hang: true };

fn with(story: impl FnOnce(&Table<'_>, &FakeKernel)) {
    let kernel = FakeKernel::new();
    with_table(kernel.clone(), [8, 8, 40], |table| {
        story(table, &kernel);
        assert_eq!(table.check(), Ok(()));
    });
}

fn spawn(table: &Table<'_>, parent: Option<Pid>) -> (Pid, ThreadId) {
    let mut thread = None;
    let pid = table.spawn(SpawnArgs::new(parent, table.host().ext()), started(&mut thread)).unwrap();
    (pid, thread.unwrap())
}

fn wait(table: &Table<'_>, thread: ThreadId) -> Result<Option<(Pid, Event)>, WaitError> {
    let waited = table.wait(thread, WaitFor::Any, NO_HANG, None);
    waited.map(|waited| waited.map(|waited| (waited.pid, waited.event)))
}

#[test]
fn regress_tgoskits_500_a_reaped_pid_stays_reaped() {
    with(|table, _| {
        let (init, parent) = spawn(table, None);
        let (child, thread) = spawn(table, Some(init));
        table.exit(thread, 7).unwrap();
        drop(table.leave(thread));
        assert_eq!(table.info(child).unwrap().status, Status::Zombie(ExitStatus::Exited(7)));
        assert_eq!(wait(table, parent), Ok(Some((child, Event::Exited(ExitStatus::Exited(7))))));
        // Whatever comes late for the number finds nobody.
        assert!(table.leave(thread).is_none());
        assert_eq!(table.exit(thread, 8), Err(ProcessError::NoSuchThread(thread)));
        let killed = table.signal(None, SignalTarget::Process(child), Signal::KILL);
        assert_eq!(killed, Err(SignalError::NoTarget(child)));
        assert_eq!(wait(table, parent), Err(WaitError::NoChild));
        assert_eq!(table.info(child), Err(ProcessError::NoSuchProcess(child)));
        assert_eq!((table.find(child.number()), table.stats().zombies), (None, 0));
        assert_eq!(table.check(), Ok(()));
        let (next, _) = spawn(table, Some(init));
        assert_ne!(next.number(), child.number(), "a number is used again as late as can be");
    });
}

#[test]
fn a_killed_process_leaves_itself() {
    with(|table, kernel| {
        let (init, parent) = spawn(table, None);
        let (child, thread) = spawn(table, Some(init));
        let mut threads: Vec<_> =
            (0..36).map(|_| table.add_thread(child, |id| Ok::<_, ()>(id.number())).unwrap()).collect();
        threads.push(thread);
        assert_eq!(table.signal(Some(init), SignalTarget::Process(child), Signal::KILL), Ok(1));
        let mut woken = kernel.take_wakes();
        woken.sort_unstable();
        let mut all: Vec<_> = threads.iter().map(|thread| (thread.number(), true)).collect();
        all.sort_unstable();
        assert_eq!(woken, all, "more than one batch of wake-ups");
        assert_eq!(table.info(child).unwrap().status, Status::Dying(ExitStatus::Signaled(Signal::KILL)));
        assert_eq!(table.fork(thread, |_, _| Ok::<_, ()>(0)), Err(SpawnReason::Dying));
        for thread in threads {
            assert_eq!(table.checkpoint(thread), Ok(Fate::Leave));
            assert_eq!(wait(table, parent), Ok(None), "it has threads");
            drop(table.leave(thread));
        }
        assert_eq!(wait(table, parent), Ok(Some((child, Event::Exited(ExitStatus::Signaled(Signal::KILL))))));
    });
}

#[test]
fn who_waits_finds_everything_given_back() {
    with(|table, kernel| {
        let (init, parent) = spawn(table, None);
        let (_, thread) = spawn(table, Some(init));
        let ending = table.leave(thread).unwrap();
        assert_eq!((kernel.exts(), wait(table, parent)), (2, Ok(None)), "not a zombie yet");
        drop(ending);
        assert_eq!(kernel.exts(), 1);
        assert!(wait(table, parent).unwrap().is_some());
    });
}

#[test]
fn a_group_that_loses_its_shell_is_hung_up_and_continued() {
    with(|table, _| {
        let (init, init_thread) = spawn(table, None);
        let (shell, shell_thread) = spawn(table, Some(init));
        table.new_session(shell).unwrap();
        let (job, _) = spawn(table, Some(shell));
        table.set_group(shell, job, job).unwrap();
        assert!(!table.is_orphaned(job));
        assert_eq!(table.stop(job, Signal::TSTP), Ok(true));
        assert_eq!(wait(table, shell_thread), Ok(Some((job, Event::Stopped(Signal::TSTP)))));
        drop(table.leave(shell_thread));
        let posted = table.with(job, |ext| ext.posted).unwrap();
        assert_eq!(posted, 1 << (Signal::HUP.number() - 1) | 1 << (Signal::CONT.number() - 1));
        assert_eq!(table.info(job).unwrap().status, Status::Running);
        assert_eq!(table.stop(job, Signal::TSTP), Ok(false), "nobody could continue it");
        assert_eq!(wait(table, init_thread).unwrap().unwrap().0, shell);
        assert_eq!(wait(table, init_thread), Ok(Some((job, Event::Continued))));
        assert_eq!(table.stats().held, 1, "the number of the shell is that of the session");
    });
}

#[test]
fn cpu_time_is_exact_and_limited() {
    with(|table, _| {
        let (init, init_thread) = spawn(table, None);
        let (child, first) = spawn(table, Some(init));
        let second = table.add_thread(child, |id| Ok::<_, ()>(id.number())).unwrap();
        table.set_limit(child, Resource::CpuTime, Limit { soft: 100, hard: 200 }, false).unwrap();
        let raise = table.set_limit(child, Resource::CpuTime, Limit::at_most(300), false);
        assert_eq!(raise, Err(LimitError::RaisesHard { asked: 300, hard: 200 }));
        let burn = |thread, mode, ran| assert!(table.charge_cpu(thread, mode, Duration::from_ticks(ran)));
        (0..7).for_each(|_| burn(first, Mode::User, 11));
        burn(second, Mode::System, 23);
        assert_eq!(table.enforce_cpu_time(child), Ok(()));
        drop(table.leave(second));
        assert!(!table.charge_cpu(second, Mode::User, Duration::from_ticks(1)), "it has left");
        burn(first, Mode::User, 1);
        let over =
            |used, limit| Err(AdmitError::Limit(LimitExceeded { resource: Resource::CpuTime, used, limit }));
        assert_eq!(table.enforce_cpu_time(child), over(101, 100));
        assert_eq!(table.with(child, |ext| ext.posted), Ok(1 << (Signal::XCPU.number() - 1)));
        burn(first, Mode::System, 100);
        assert_eq!(table.enforce_cpu_time(child), over(201, 200));
        assert_eq!(table.checkpoint(first), Ok(Fate::Leave));
        drop(table.leave(first));
        assert!(wait(table, init_thread).unwrap().is_some());
        let usage = table.usage(init).unwrap().children;
        assert_eq!((usage.user_ns, usage.system_ns), (78, 123));
    });
}

#[test]
fn a_charge_goes_up_or_is_rolled_back() {
    with(|table, _| {
        let most = |limit| Limits::UNLIMITED.with(Resource::Memory, Limit::at_most(limit));
        let root = table.create_domain(None, most(100)).unwrap();
        let inner = table.create_domain(Some(root), most(80)).unwrap();
        let mut threads = [None; 2];
        let [one, two] = threads.each_mut().map(|thread| {
            let args = SpawnArgs { domain: Some(inner), ..SpawnArgs::new(None, table.host().ext()) };
            table.spawn(args, started(thread)).unwrap()
        });
        table.set_limit(one, Resource::Memory, Limit::at_most(70), false).unwrap();
        let over =
            |used, limit| Err(AdmitError::Limit(LimitExceeded { resource: Resource::Memory, used, limit }));
        assert_eq!(table.charge(one, Resource::Memory, 71), over(71, 70));
        table.charge(one, Resource::Memory, 60).unwrap();
        assert_eq!(table.charge(two, Resource::Memory, 30), over(90, 80));
        table.set_domain_limits(inner, most(1000)).unwrap();
        assert_eq!(table.charge(two, Resource::Memory, 50), over(110, 100));
        assert_eq!(
            (table.used(two, Resource::Memory), table.domain_used(inner, Resource::Memory)),
            (Ok(0), Ok(60))
        );
        assert_eq!(table.domain_used(root, Resource::Memory), Ok(60), "rolled back");
        assert_eq!(table.check(), Ok(()));
        assert_eq!(table.uncharge(one, Resource::Memory, 61), Err(AdmitError::NotCharged(Resource::Memory)));
        assert_eq!(table.charge(one, Resource::Tasks, 1), Err(AdmitError::NotCharged(Resource::Tasks)));
        assert_eq!(table.remove_domain(inner), Err(DomainError::InUse(inner)));
        threads.into_iter().flatten().for_each(|thread| drop(table.leave(thread)));
        assert_eq!(table.domain_used(root, Resource::Memory), Ok(0), "what was not given back is");
        assert_eq!(table.domain_used(root, Resource::Tasks), Ok(0));
        table.remove_domain(inner).unwrap();
        table.remove_domain(root).unwrap();
        let deep = (0..3).try_fold(None, |parent, _| table.create_domain(parent, most(1)).map(Some)).unwrap();
        assert_eq!(table.create_domain(deep, most(1)), Err(DomainError::Full));
    });
}

#[test]
fn the_reaper_cannot_be_killed_from_within() {
    with(|table, _| {
        let (init, thread) = spawn(table, None);
        let (child, _) = spawn(table, Some(init));
        let kill = |sender| table.signal(sender, SignalTarget::Process(init), Signal::KILL);
        assert_eq!(kill(Some(child)), Err(SignalError::Denied(init)));
        assert_eq!(table.checkpoint(thread), Ok(Fate::Continue));
        assert_eq!(kill(None), Ok(1));
        drop(table.leave(thread));
        assert_eq!((table.reaper(), table.info(child).unwrap().parent), (None, None));
        assert_eq!(table.stats().zombies, 0, "nobody waits for it");
    });
}
