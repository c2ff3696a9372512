//! Operations done with a table and with the model, and compared: [`process_ops`].

use alloc::vec::Vec;

use super::kernel::{FakeExt, FakeKernel, Refused};
use super::model::{Model, Proc};
use crate::process::{
    Account, AdmitError, Domain, Ending, Event, ExecError, ExitStatus, Limit, Limits, Mode, Pid, Process,
    ProcessError, ProcessStorage, ProcessTable, Record, Resource, Signal, SignalError, SignalTarget,
    SpawnArgs, SpawnReason, Status, Thread, ThreadId, WaitFor, WaitOptions,
};
use crate::testing::Bytes;
use crate::time::Duration;

type Table<'s> = ProcessTable<'s, FakeExt, FakeKernel>;

const RECORDS: u32 = 10;
const PROCESSES: usize = 7;
const THREADS: usize = 9;
/// Threads of a process, and bytes of memory, at most.
const MOST: u64 = 4;

/// Decodes `data` into operations on processes, does them with a small table and with the model, and compares everything
/// that can be seen after each.
///
/// # Panics
/// If they differ, or the table is corrupt.
pub fn process_ops(data: &[u8]) {
    let kernel = FakeKernel::new();
    let mut records: Vec<_> = (0..RECORDS).map(|_| Record::EMPTY).collect();
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| Process::EMPTY).collect();
    let mut threads: Vec<_> = (0..THREADS).map(|_| Thread::EMPTY).collect();
    let accounts: Vec<_> = (0..THREADS).map(|_| Account::new()).collect();
    let mut domains = [Domain::EMPTY; 1];
    let storage = ProcessStorage {
        records: &mut records,
        processes: &mut processes,
        threads: &mut threads,
        accounts: &accounts,
        domains: &mut domains,
    };
    let table = Table::new(kernel.clone(), storage);
    let mut run =
        Run { table: &table, kernel, model: Model::new(RECORDS), seen: Vec::new(), threads: Vec::new() };
    let mut bytes = Bytes::new(data);
    while !bytes.is_empty() {
        run.step(&mut bytes);
        run.compare();
    }
    run.leave_all();
}

struct Run<'t, 's> {
    table: &'t Table<'s>,
    kernel: FakeKernel,
    model: Model,
    /// Every process there ever was, latest last.
    seen: Vec<Pid>,
    threads: Vec<ThreadId>,
}

impl Run<'_, '_> {
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.u8() % 20 {
            0 => self.spawn(None, bytes.u8()),
            1 | 2 => {
                let parent = self.pid(bytes);
                self.spawn(Some(parent), bytes.u8());
            }
            3 | 4 => {
                let thread = self.thread(bytes);
                self.fork(thread, bytes.u8());
            }
            5 => {
                let pid = self.pid(bytes);
                self.add_thread(pid, bytes.u8());
            }
            6 | 7 => {
                let thread = self.thread(bytes);
                self.leave(thread);
            }
            8 => self.exit(bytes),
            9 | 10 => self.signal(bytes),
            11..=13 => self.wait(bytes),
            14 => {
                let (caller, pid, group) = (self.pid(bytes), self.pid(bytes), self.pid(bytes));
                assert_eq!(
                    self.table.set_group(caller, pid, group),
                    self.model.set_group(caller, pid, group)
                );
            }
            15 => {
                let caller = self.pid(bytes);
                assert_eq!(self.table.new_session(caller), self.model.new_session(caller));
            }
            16 => self.charge(bytes),
            17 => self.execute(bytes),
            18 => self.burn(bytes),
            _ => self.small(bytes),
        }
    }

    /// Some process, nearly always a late one.
    fn pid(&self, bytes: &mut Bytes<'_>) -> Pid {
        let back = usize::from(bytes.u8()).checked_rem(self.seen.len().min(12)).unwrap_or(0);
        self.seen.iter().rev().nth(back).copied().unwrap_or(Pid::new(3, 3))
    }

    fn thread(&self, bytes: &mut Bytes<'_>) -> ThreadId {
        let back = usize::from(bytes.u8()).checked_rem(self.threads.len().min(12)).unwrap_or(0);
        self.threads.iter().rev().nth(back).copied().unwrap_or(ThreadId::new(3, 3))
    }

    fn thread_count(&self) -> usize {
        self.model.procs.iter().map(|process| process.threads.len()).sum()
    }

    /// What stands against a new process, in the order in which it is looked at. `true` beside it: a number was taken.
    fn must_refuse(&mut self, parent: Option<Pid>) -> Option<(SpawnReason<Refused, Refused>, bool)> {
        if let Some(parent) = parent {
            match self.model.live(parent) {
                Err(error) => return Some((SpawnReason::Process(error), false)),
                Ok(parent) if parent.dying.is_some() => return Some((SpawnReason::Dying, false)),
                Ok(_) => {}
            }
        }
        if self.model.next_pid().is_none() {
            return Some((SpawnReason::NoRecord, false));
        }
        if self.model.procs.iter().filter(|process| !process.zombie).count() == PROCESSES {
            return Some((SpawnReason::NoProcess, true));
        }
        (self.thread_count() == THREADS).then_some((SpawnReason::NoThread, true))
    }

    fn spawn(&mut self, parent: Option<Pid>, fails: u8) {
        let limit = Limits::UNLIMITED.with(Resource::Tasks, Limit::at_most(MOST));
        let limits = Some(limit.with(Resource::Memory, Limit::at_most(MOST)));
        let args = SpawnArgs { limits, ..SpawnArgs::new(parent, self.kernel.ext()) };
        let must = self.must_refuse(parent);
        self.kernel.fail_in(u32::from(fails.is_multiple_of(8)));
        let mut thread = None;
        let result = self.table.spawn(args, |_, id| {
            thread = Some(id);
            self.kernel.attempt().map(|()| id.number())
        });
        self.born(parent, false, must, result.map_err(|error| error.reason), thread);
    }

    fn fork(&mut self, caller: ThreadId, fails: u8) {
        let parent = self.model.of_thread(caller).map(|process| process.pid);
        let must = match parent {
            Err(error) => Some((SpawnReason::Process(error), false)),
            Ok(_) if fails % 8 == 1 => Some((SpawnReason::Fork(Refused), false)),
            Ok(parent) => self.must_refuse(Some(parent)),
        };
        self.kernel.fail_in(if fails.is_multiple_of(8) { 2 } else { u32::from(fails % 8 == 1) });
        let mut thread = None;
        let result = self.table.fork(caller, |_, id| {
            thread = Some(id);
            self.kernel.attempt().map(|()| id.number())
        });
        self.born(parent.ok(), true, must, result, thread);
    }

    fn born(
        &mut self,
        parent: Option<Pid>,
        forked: bool,
        must: Option<(SpawnReason<Refused, Refused>, bool)>,
        result: Result<Pid, SpawnReason<Refused, Refused>>,
        thread: Option<ThreadId>,
    ) {
        let next = self.model.next_pid();
        self.kernel.fail_in(0);
        if let Some((reason, number_taken)) = must {
            assert_eq!((result, thread), (Err(reason), None));
            if number_taken {
                self.model.skip_number();
            }
            return;
        }
        assert!(thread.is_some(), "nothing was started: {result:?}");
        let (Some(next), Some(thread)) = (next, thread) else { return };
        self.model.born(parent, forked, thread);
        self.threads.push(thread);
        match result {
            Ok(pid) => {
                assert_eq!(pid, next, "numbers are used again as late as can be");
                self.seen.push(pid);
            }
            Err(reason) => {
                assert_eq!(reason, SpawnReason::Start(Refused));
                self.model.unborn(next);
            }
        }
    }

    fn add_thread(&mut self, pid: Pid, fails: u8) {
        let full = self.thread_count() == THREADS;
        let must = match self.model.live(pid) {
            Err(error) => Some(SpawnReason::Process(error)),
            Ok(process) if process.dying.is_some() => Some(SpawnReason::Dying),
            Ok(process) if process.threads.len() as u64 == MOST => {
                let (resource, limit) = (Resource::Tasks, MOST);
                Some(SpawnReason::Limit(crate::process::LimitExceeded { resource, used: MOST + 1, limit }))
            }
            Ok(_) if full => Some(SpawnReason::NoThread),
            Ok(_) => (fails.is_multiple_of(8)).then_some(SpawnReason::Start(Refused)),
        };
        self.kernel.fail_in(u32::from(fails.is_multiple_of(8)));
        let result = self.table.add_thread(pid, |id| self.kernel.attempt().map(|()| id.number()));
        self.kernel.fail_in(0);
        assert_eq!(result.err(), must);
        if let (Ok(thread), Ok(process)) = (result, self.model.live(pid)) {
            process.threads.push(thread);
            self.threads.push(thread);
        }
    }

    fn leave(&mut self, thread: ThreadId) {
        let left = self.model.of_thread(thread).map(|process| {
            process.threads.retain(|&other| other != thread);
            (process.pid, process.threads.is_empty())
        });
        let ending = self.table.leave(thread);
        assert_eq!(ending.is_some(), matches!(left, Ok((_, true))));
        drop(ending.map(|mut ending| Ending::ext(&mut ending)));
        if let Ok((pid, true)) = left {
            self.model.end(pid);
        }
    }

    fn leave_all(&mut self) {
        while let Some(&thread) = self.model.procs.iter().find_map(|process| process.threads.first()) {
            self.leave(thread);
            self.compare();
        }
        let stats = self.table.stats();
        assert_eq!((stats.live, stats.zombies, stats.held, stats.threads), (0, 0, 0, 0), "something is left");
        assert_eq!((stats.spawned, self.kernel.exts()), (stats.reaped, 0), "something is lost");
    }

    fn exit(&mut self, bytes: &mut Bytes<'_>) {
        let (thread, code) = (self.thread(bytes), i32::from(bytes.u8()));
        let must = self.model.of_thread(thread).map(|process| process.pid);
        assert_eq!(self.table.exit(thread, code), must.map(|_| ()));
        if let Ok(pid) = must {
            self.model.doom(pid, ExitStatus::Exited(code));
        }
    }

    fn signal(&mut self, bytes: &mut Bytes<'_>) {
        const SIGNALS: [u8; 8] = [9, 19, 18, 19, 18, 1, 40, 63];
        let (sender, pid, kind) = (self.pid(bytes), self.pid(bytes), bytes.u8());
        let sender = Some(sender).filter(|_| kind & 1 != 0);
        let Some(signal) = SIGNALS.get(usize::from(kind >> 1) % 8).and_then(|&number| Signal::new(number))
        else {
            return;
        };
        let (target, met) = match kind >> 5 {
            0..=3 => (SignalTarget::Process(pid), self.model.get(pid).into_iter().map(|it| it.pid).collect()),
            4 | 5 => (SignalTarget::Group(pid), self.model.bearers(pid, false)),
            _ => (SignalTarget::Session(pid), self.model.bearers(pid, true)),
        };
        let result = self.table.signal(sender, target, signal);
        if let Some(Err(error)) = sender.map(|sender| self.model.live(sender).cloned()) {
            return assert_eq!(result, Err(SignalError::Sender(error)));
        }
        let permitted: Vec<_> = met.iter().copied().filter(|&to| self.permits(sender, to, signal)).collect();
        let must = match (met.len(), permitted.len()) {
            (0, _) => Err(SignalError::NoTarget(pid)),
            (_, 0) => Err(SignalError::Denied(pid)),
            (_, reached) => Ok(reached),
        };
        assert_eq!(result, must, "{signal:?} from {sender:?} to {target:?}: {met:?}");
        permitted.into_iter().for_each(|to| self.model.deliver(to, signal));
    }

    fn permits(&mut self, sender: Option<Pid>, to: Pid, signal: Signal) -> bool {
        let (Some(sender), Ok(target)) = (sender, self.model.live(to).cloned()) else { return true };
        let shielded = self.model.reaper == Some(to) && [Signal::KILL, Signal::STOP].contains(&signal);
        let same = self.model.get(sender).is_ok_and(|sender| sender.session == target.session);
        !shielded && (signal == Signal::CONT && same || signal.number() != 63)
    }

    fn wait(&mut self, bytes: &mut Bytes<'_>) {
        let (thread, pid, kind) = (self.thread(bytes), self.pid(bytes), bytes.u8());
        let who = match kind & 3 {
            0 | 1 => WaitFor::Any,
            2 => WaitFor::Process(pid),
            _ => WaitFor::Group(pid),
        };
        let options = WaitOptions { stopped: kind & 4 != 0, continued: kind & 8 != 0, no_hang: true };
        let before = self.model.procs.clone();
        let result = self.table.wait(thread, who, options, None);
        let used = result.ok().flatten().map_or(0, |waited| waited.usage.total_ns());
        let result = result.map(|waited| waited.map(|waited| (waited.pid, waited.event)));
        assert_eq!(result, self.model.wait(thread, who, options));
        if let Ok(Some((pid, Event::Exited(_)))) = result {
            let gone = before.into_iter().find(|process| process.pid == pid);
            assert_eq!(gone.map(|process| process.used), Some(used));
        }
    }

    fn charge(&mut self, bytes: &mut Bytes<'_>) {
        let (pid, amount) = (self.pid(bytes), u64::from(bytes.u8() % 6));
        let gives = bytes.u8().is_multiple_of(2);
        let resource = Resource::Memory;
        let result = match gives {
            true => self.table.uncharge(pid, resource, amount),
            false => self.table.charge(pid, resource, amount),
        };
        let limits = self.table.limits(pid);
        let must = self.model.live(pid).map_err(AdmitError::Process).and_then(|process| {
            let limit = limits.map_or(0, |limits| limits.get(resource).soft);
            let used = if gives { process.memory.checked_sub(amount) } else { Some(process.memory + amount) };
            let used = used.ok_or(AdmitError::NotCharged(resource))?;
            if !gives && used > limit {
                return Err(AdmitError::Limit(crate::process::LimitExceeded { resource, used, limit }));
            }
            process.memory = used;
            Ok(())
        });
        assert_eq!(result, must);
    }

    fn execute(&mut self, bytes: &mut Bytes<'_>) {
        let (thread, image) = (self.thread(bytes), u32::from(bytes.u8()));
        let must = match self.model.of_thread(thread) {
            Err(error) => Err(ExecError::Process(error)),
            Ok(_) if image.is_multiple_of(4) => Err(ExecError::Prepare(Refused)),
            Ok(process) if process.dying.is_some() => Err(ExecError::Dying(image)),
            // With others it would sleep until they have left.
            Ok(process) if process.threads.len() > 1 => return,
            Ok(process) => {
                process.executed = true;
                Ok(())
            }
        };
        let result =
            self.table.execute(thread, |_| if image.is_multiple_of(4) { Err(Refused) } else { Ok(image) });
        assert_eq!(result.map(|_| ()), must);
    }

    fn burn(&mut self, bytes: &mut Bytes<'_>) {
        let (thread, ran) = (self.thread(bytes), u64::from(bytes.u8()));
        let mode = if ran.is_multiple_of(2) { Mode::User } else { Mode::System };
        let charged = self.table.charge_cpu(thread, mode, Duration::from_ticks(ran));
        let process = self.model.of_thread(thread);
        assert_eq!(charged, process.is_ok());
        if let Ok(process) = process {
            process.used += ran;
        }
    }

    fn small(&mut self, bytes: &mut Bytes<'_>) {
        let (pid, kind) = (self.pid(bytes), bytes.u8());
        let dying = self.model.live(pid).map(|process| process.dying.is_some());
        match kind % 3 {
            0 => {
                let result = self.table.set_auto_reap(pid, kind & 4 != 0);
                assert_eq!(result, dying.map(|_| ()));
                if let Ok(process) = self.model.live(pid) {
                    process.auto_reap = kind & 4 != 0;
                }
            }
            1 => {
                let group = self.model.get(pid).map(|process| process.group);
                let orphaned = group.is_ok_and(|group| self.model.is_orphaned(group, None));
                let stops = dying.map(|dying| !dying && !orphaned);
                assert_eq!(self.table.stop(pid, Signal::TSTP), stops);
                if stops == Ok(true) {
                    self.model.stop(pid, Signal::TSTP);
                }
            }
            _ => {
                assert_eq!(self.table.terminate(pid, Signal::TERM), dying.map(|_| ()));
                self.model.doom(pid, ExitStatus::Signaled(Signal::TERM));
            }
        }
    }

    /// Everything that can be seen, and every invariant.
    fn compare(&mut self) {
        assert_eq!(self.table.check(), Ok(()));
        assert_eq!(self.table.reaper(), self.model.reaper);
        let procs = self.model.procs.clone();
        assert_eq!(self.kernel.exts(), procs.iter().filter(|process| !process.zombie).count());
        for process in &procs {
            self.compare_one(process);
        }
        for &pid in
            self.seen.iter().rev().take(12).filter(|&&pid| procs.iter().all(|process| process.pid != pid))
        {
            assert_eq!(self.table.info(pid).err(), Some(ProcessError::NoSuchProcess(pid)));
        }
        drop(self.kernel.take_wakes());
    }

    fn compare_one(&self, process: &Proc) {
        let info = self.table.info(process.pid);
        assert!(info.is_ok(), "{process:?}");
        let Ok(info) = info else { return };
        let status = match (process.zombie, process.dying, process.stopped) {
            (true, Some(status), _) => Status::Zombie(status),
            (_, Some(status), _) => Status::Dying(status),
            (_, None, Some(signal)) => Status::Stopped(signal),
            _ => Status::Running,
        };
        assert_eq!((info.status, info.threads as usize), (status, process.threads.len()), "{process:?}");
        assert_eq!((info.group, info.session), (process.group, process.session), "{process:?}");
        assert_eq!(info.parent, self.model.parent_of(process), "{process:?}");
        assert_eq!(self.table.find(process.pid.number()), Some(process.pid));
        let usage = self.table.usage(process.pid).unwrap_or_default();
        let children = if process.zombie { 0 } else { process.children_used };
        assert_eq!(
            (usage.own.total_ns(), usage.children.total_ns()),
            (process.used, children),
            "{process:?}"
        );
        if !process.zombie {
            assert_eq!(self.table.with(process.pid, |ext| ext.posted), Ok(process.posted), "{process:?}");
            assert_eq!(self.table.used(process.pid, Resource::Memory), Ok(process.memory));
        }
    }
}
