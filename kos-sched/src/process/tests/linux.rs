//! Linux as the oracle: the same script with real processes and with a table, and every answer compared.
//!
//! The processes are made in a process of their own (this test program once more), whose children obey commands that come
//! through pipes. After each command both sides must agree on the state of every process. Nothing is timed: where Linux
//! takes a while, `/proc` is read until it has.

use core::ffi::c_int;
use std::fs;
use std::process::Command;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{started, with_table};
use crate::process::{
    Event, ExitStatus, GroupError, Pid, ProcessTable, Signal, SignalTarget, SpawnArgs, Status, ThreadId,
    WaitError, WaitFor, WaitOptions,
};
use crate::testing::{FakeExt, FakeKernel, cases};

const SLOTS: usize = 9;
const SCRIPT: &str = "KOS_LINUX_SCRIPT";

#[derive(Clone, Copy, Debug)]
#[repr(i32)]
enum Op {
    Fork,
    Exit,
    Wait,
    SetGroup,
    SetSession,
    Parent,
    Group,
    Session,
    IgnoreChildren,
}

/// Calls of the C library that keep no pointer and touch no memory of ours but what they are lent.
#[expect(unsafe_code, reason = "makes and commands real processes")]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "each is one system call and its errno")]
mod sys {
    use core::ffi::c_int;

    /// The result, or minus the error.
    fn answer(result: c_int) -> c_int {
        if result >= 0 {
            return result;
        }
        // SAFETY: reads this thread's errno.
        -unsafe { *libc::__errno_location() }
    }

    pub(super) fn pipe() -> [c_int; 2] {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        ends
    }

    pub(super) fn send(end: c_int, words: [c_int; 4]) {
        // SAFETY: lends 16 bytes; a write of so few to a pipe is whole.
        assert_eq!(unsafe { libc::write(end, words.as_ptr().cast(), 16) }, 16);
    }

    /// [`None`] if all who could send are gone.
    pub(super) fn receive(end: c_int) -> Option<[c_int; 4]> {
        let mut words = [0; 4];
        loop {
            // SAFETY: lends 16 bytes.
            match unsafe { libc::read(end, words.as_mut_ptr().cast(), 16) } {
                16 => return Some(words),
                0 => return None,
                _ => {}
            }
        }
    }

    pub(super) fn close(end: c_int) {
        // SAFETY: nobody uses the descriptor any more.
        unsafe { libc::close(end) };
    }

    /// In the child, which must call nothing but this module.
    pub(super) fn fork() -> c_int {
        // SAFETY: the child calls system calls only.
        answer(unsafe { libc::fork() })
    }

    pub(super) fn exit(code: c_int) -> ! {
        // SAFETY: runs nothing of this process.
        unsafe { libc::_exit(code) }
    }

    pub(super) fn wait(pid: c_int, options: c_int) -> (c_int, c_int) {
        let mut status = 0;
        // SAFETY: lends one word.
        let result = unsafe { libc::waitpid(pid, &raw mut status, options | libc::WNOHANG) };
        (answer(result), status)
    }

    pub(super) fn set_group(pid: c_int, group: c_int) -> c_int {
        // SAFETY: takes numbers only.
        answer(unsafe { libc::setpgid(pid, group) })
    }

    pub(super) fn set_session() -> c_int {
        // SAFETY: takes nothing.
        answer(unsafe { libc::setsid() }).min(0)
    }

    pub(super) fn parent() -> c_int {
        // SAFETY: takes nothing.
        unsafe { libc::getppid() }
    }

    pub(super) fn group() -> c_int {
        // SAFETY: takes nothing.
        unsafe { libc::getpgrp() }
    }

    pub(super) fn session() -> c_int {
        // SAFETY: takes numbers only.
        unsafe { libc::getsid(0) }
    }

    pub(super) fn kill(pid: c_int, signal: c_int) -> c_int {
        // SAFETY: takes numbers only; the caller made the process.
        answer(unsafe { libc::kill(pid, signal) })
    }

    pub(super) fn ignore(signal: c_int) {
        // SAFETY: installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }

    /// Orphans come to us.
    pub(super) fn be_reaper() {
        // SAFETY: takes numbers only.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
    }
}

/// Obeys as the process of `slot`, and never returns; ends when the one who commands is gone, however he went.
fn obey(pipes: &[[[c_int; 2]; 2]; SLOTS], mut slot: usize) -> ! {
    pipes.iter().for_each(|[[_, commands], _]| sys::close(*commands));
    loop {
        let Some([op, a, b, _]) = sys::receive(pipes[slot][0][0]) else { sys::exit(0) };
        let (result, status) = match op {
            op if op == Op::Fork as c_int => match sys::fork() {
                0 => {
                    slot = usize::try_from(a).unwrap_or(0);
                    continue;
                }
                pid => (pid, 0),
            },
            op if op == Op::Exit as c_int => sys::exit(a),
            op if op == Op::Wait as c_int => sys::wait(a, b),
            op if op == Op::SetGroup as c_int => (sys::set_group(a, b), 0),
            op if op == Op::SetSession as c_int => (sys::set_session(), 0),
            op if op == Op::Parent as c_int => (sys::parent(), 0),
            op if op == Op::Group as c_int => (sys::group(), 0),
            op if op == Op::Session as c_int => (sys::session(), 0),
            _ => {
                sys::ignore(libc::SIGCHLD);
                (0, 0)
            }
        };
        sys::send(pipes[slot][1][1], [result, status, 0, 0]);
    }
}

/// A process on both sides.
#[derive(Clone, Copy, Debug)]
struct Twin {
    real: c_int,
    pid: Pid,
    thread: ThreadId,
}

struct Script<'t, 's> {
    table: &'t ProcessTable<'s, FakeExt, FakeKernel>,
    pipes: [[[c_int; 2]; 2]; SLOTS],
    /// Slot 0 is the reaper, this process.
    twins: [Option<Twin>; SLOTS],
    seed: u64,
}

impl Script<'_, '_> {
    fn random(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.seed >> 33).unwrap() % bound
    }

    fn ask(&self, slot: usize, op: Op, a: c_int, b: c_int) -> (c_int, c_int) {
        if slot == 0 {
            return sys::wait(a, b);
        }
        sys::send(self.pipes[slot][0][1], [op as c_int, a, b, 0]);
        let [result, status, ..] = sys::receive(self.pipes[slot][1][0]).unwrap();
        (result, status)
    }

    fn number(&self, pid: Pid) -> c_int {
        self.twins.iter().flatten().find(|twin| twin.pid == pid).map_or(-1, |twin| twin.real)
    }

    /// A slot whose process runs; never the reaper.
    fn runner(&mut self) -> Option<usize> {
        let running =
            |twin: &Twin| self.table.info(twin.pid).is_ok_and(|info| info.status == Status::Running);
        let runners: Vec<_> =
            (1..SLOTS).filter(|&slot| self.twins[slot].as_ref().is_some_and(running)).collect();
        (!runners.is_empty()).then(|| runners[self.random(runners.len())])
    }

    fn any_twin(&mut self) -> Option<Twin> {
        let slot = 1 + self.random(SLOTS - 1);
        self.twins[slot]
    }

    fn fork(&mut self, slot: usize) {
        let Some(free) = (1..SLOTS).find(|&slot| self.twins[slot].is_none()) else { return };
        let from = self.twins[slot].unwrap();
        let (real, _) = match slot {
            0 => match sys::fork() {
                0 => obey(&self.pipes, free),
                pid => (pid, 0),
            },
            _ => self.ask(slot, Op::Fork, c_int::try_from(free).unwrap(), 0),
        };
        assert!(real > 0, "fork: {real}");
        let mut thread = None;
        let pid = self.table.fork(from.thread, started(&mut thread)).unwrap();
        self.twins[free] = Some(Twin { real, pid, thread: thread.unwrap() });
        if slot == 0 {
            // A session of its own: the reaper is nobody's shell, and here Linux does not know that it is the reaper.
            assert_eq!(self.ask(free, Op::SetSession, 0, 0).0, 0);
            self.table.new_session(pid).unwrap();
        }
    }

    fn step(&mut self) {
        let Some(slot) = self.runner() else { return self.fork(0) };
        let twin = self.twins[slot].unwrap();
        match self.random(13) {
            0..=2 => self.fork(slot),
            3 => {
                let code = c_int::try_from(self.random(256)).unwrap();
                sys::send(self.pipes[slot][0][1], [Op::Exit as c_int, code, 0, 0]);
                self.table.exit(twin.thread, code).unwrap();
                drop(self.table.leave(twin.thread));
            }
            4 | 5 => self.wait(slot),
            6 => self.wait(0),
            7 | 8 => self.set_group(slot),
            9 => {
                let must = if self.table.new_session(twin.pid).is_ok() { 0 } else { -libc::EPERM };
                assert_eq!(self.ask(slot, Op::SetSession, 0, 0).0, must, "setsid");
            }
            10 if self.random(4) == 0 => {
                self.ask(slot, Op::IgnoreChildren, 0, 0);
                self.table.set_auto_reap(twin.pid, true).unwrap();
            }
            _ => self.signal(),
        }
    }

    fn set_group(&mut self, slot: usize) {
        let (caller, Some(moved)) = (self.twins[slot].unwrap(), self.any_twin()) else { return };
        let group = if self.random(2) == 0 { moved } else { self.any_twin().unwrap_or(moved) };
        let must = match self.table.set_group(caller.pid, moved.pid, group.pid) {
            Ok(()) => 0,
            Err(GroupError::Process(_) | GroupError::NotChild(_)) => -libc::ESRCH,
            Err(GroupError::Executed(_)) => -libc::EACCES,
            Err(_) => -libc::EPERM,
        };
        assert_eq!(self.ask(slot, Op::SetGroup, moved.real, group.real).0, must, "setpgid");
    }

    fn signal(&mut self) {
        const SIGNALS: [Signal; 5] = [Signal::STOP, Signal::CONT, Signal::STOP, Signal::CONT, Signal::KILL];
        let Some(target) = self.any_twin() else { return };
        let signal = SIGNALS[self.random(5)];
        // A killed group dies in an order that is Linux's affair.
        let group = signal != Signal::KILL && self.random(3) == 0;
        let to = if group { SignalTarget::Group(target.pid) } else { SignalTarget::Process(target.pid) };
        let reached = self.table.signal(None, to, signal).is_ok();
        let real = if group { -target.real } else { target.real };
        assert_eq!(sys::kill(real, c_int::from(signal.number())) == 0, reached, "kill {to:?} {signal:?}");
        if matches!(self.table.info(target.pid).map(|info| info.status), Ok(Status::Dying(_))) {
            drop(self.table.leave(target.thread));
        }
    }

    /// Linux chooses among several children; the table must say the same of the one that it chose.
    fn wait(&mut self, slot: usize) {
        let caller = self.twins[slot].unwrap();
        let kind = self.random(4);
        let (who, real) = match (kind, self.any_twin()) {
            (0, Some(twin)) => (WaitFor::Process(twin.pid), twin.real),
            (1, Some(twin)) => (WaitFor::Group(twin.pid), -twin.real),
            _ => (WaitFor::Any, -1),
        };
        let options =
            WaitOptions { stopped: self.random(2) == 0, continued: self.random(2) == 0, no_hang: true };
        let flags = [(options.stopped, libc::WUNTRACED), (options.continued, libc::WCONTINUED)];
        let flags = flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).sum();
        let (result, status) = self.ask(slot, Op::Wait, real, flags);
        let found =
            self.twins.iter().position(|twin| twin.is_some_and(|twin| result > 0 && twin.real == result));
        let who = found.map_or(who, |found| WaitFor::Process(self.twins[found].unwrap().pid));
        let answer = self.table.wait(caller.thread, who, options, None);
        match answer {
            Err(error) => assert_eq!((error, result), (WaitError::NoChild, -libc::ECHILD)),
            Ok(None) => assert_eq!(result, 0, "Linux found something"),
            Ok(Some(waited)) => {
                assert_eq!((result > 0, waited.event), (true, event(status)), "{waited:?}");
                if let (Event::Exited(_), Some(found)) = (waited.event, found) {
                    self.twins[found] = None;
                }
            }
        }
    }

    /// Both sides agree on the state of every process, and on the place of those that can be asked.
    fn compare(&mut self) {
        (1..SLOTS).for_each(|slot| self.settle(slot));
        (1..SLOTS).for_each(|slot| self.compare_place(slot));
    }

    fn settle(&mut self, slot: usize) {
        let Some(twin) = self.twins[slot] else { return };
        let state = match self.table.info(twin.pid).map(|info| info.status) {
            Err(_) => None,
            Ok(Status::Zombie(_)) => Some('Z'),
            Ok(Status::Stopped(_)) => Some('T'),
            Ok(_) => Some('S'),
        };
        let settled = (0..100_000).any(|_| {
            std::thread::yield_now();
            real_state(twin.real) == state
        });
        assert!(settled, "process {twin:?} is {:?}, must be {state:?}", real_state(twin.real));
        if state.is_none() {
            self.twins[slot] = None;
        }
    }

    fn compare_place(&self, slot: usize) {
        let Some((twin, info)) =
            self.twins[slot].and_then(|twin| Some((twin, self.table.info(twin.pid).ok()?)))
        else {
            return;
        };
        if info.status != Status::Running {
            return;
        }
        let [parent, group, session] =
            [Op::Parent, Op::Group, Op::Session].map(|op| self.ask(slot, op, 0, 0).0);
        assert_eq!(parent, info.parent.map_or(-1, |parent| self.number(parent)), "parent of {twin:?}");
        // The founder of a group or session may be gone.
        for (theirs, ours) in [(group, info.group), (session, info.session)] {
            assert!([-1, theirs].contains(&self.number(ours)), "group or session of {twin:?}");
        }
    }
}

/// Whatever happens, no process is left: they hold the output open.
impl Drop for Script<'_, '_> {
    fn drop(&mut self) {
        for twin in self.twins.iter().skip(1).flatten() {
            sys::kill(twin.real, libc::SIGKILL);
        }
    }
}

fn event(status: c_int) -> Event {
    match status {
        status if libc::WIFEXITED(status) => Event::Exited(ExitStatus::Exited(libc::WEXITSTATUS(status))),
        status if libc::WIFSIGNALED(status) => Event::Exited(ExitStatus::Signaled(
            Signal::new(libc::WTERMSIG(status).try_into().unwrap()).unwrap(),
        )),
        status if libc::WIFSTOPPED(status) => {
            Event::Stopped(Signal::new(libc::WSTOPSIG(status).try_into().unwrap()).unwrap())
        }
        _ => Event::Continued,
    }
}

/// The letter of `/proc`: sleeping and running are one, gone is `None`.
fn real_state(pid: c_int) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    match stat.rsplit_once(") ")?.1.chars().next()? {
        'R' | 'D' => Some('S'),
        'X' => None,
        state => Some(state),
    }
}

#[test]
#[ignore = "the half of the test below that has a process of its own"]
fn script() {
    let Some(seed) = std::env::var(SCRIPT).ok().and_then(|seed| seed.parse().ok()) else { return };
    sys::be_reaper();
    assert_eq!(sys::set_session(), 0, "as the first process of a table has");
    sys::ignore(libc::SIGHUP); // what is hung up is to be seen alive
    let kernel = FakeKernel::new();
    with_table(kernel.clone(), [64, SLOTS, SLOTS], |table| {
        let mut thread = None;
        let pid = table.spawn(SpawnArgs::new(None, kernel.ext()), started(&mut thread)).unwrap();
        let real = std::process::id().try_into().unwrap();
        let pipes = [(); SLOTS].map(|()| [sys::pipe(), sys::pipe()]);
        let mut script = Script { table, pipes, twins: [None; SLOTS], seed };
        script.twins[0] = Some(Twin { real, pid, thread: thread.unwrap() });
        for _ in 0..150 {
            script.step();
            script.compare();
            assert_eq!(table.check(), Ok(()));
        }
    });
}

#[test]
fn linux_gives_the_same_answers() {
    for seed in 1..=(cases() / 8).clamp(1, 400) {
        let program = std::env::current_exe().unwrap();
        let test = concat!(module_path!(), "::script").split_once("::").unwrap().1;
        let output = Command::new(program)
            .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
            .env(SCRIPT, seed.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && text.contains("1 passed"), "script {seed}:\n{text}\n{errors}");
    }
}
