//! Signals as far as a program can do without them: what it wants done is kept, masks are kept, and it may end itself by one.
//!
//! No handler is called: a fault ends the program, and so does a signal from outside. A signal that a program sends to itself does
//! what is its default, unless it is to be ignored; one with a handler is refused (ENOSYS), as nothing would come of it.
//!
//! Source: Linux, rt_sigaction(2), rt_sigprocmask(2), sigaltstack(2), tgkill(2).

use kos_ipc::posix::signal::{DefaultAction, Signal};
use kos_vfs::Errno;

use super::numbers::int;
use super::{Answer, Over, Running};
use crate::platform::Platform;
use crate::process::End;

/// Signals have numbers from 1 on.
const SIGNALS: usize = 64;
/// Bytes of a set of them.
const SET: u64 = 8;
const KILL: usize = 9;
const STOP: usize = 19;

/// What a program wants done: handler, flags, where the handler returns to, what is masked meanwhile.
type Action = [u64; 4];

/// The actions of a program, by signal.
pub(super) struct Actions([Action; SIGNALS]);

impl Actions {
    /// The default for all.
    pub(super) const fn new() -> Self {
        Self([[0; 4]; SIGNALS])
    }
}

pub(super) fn action<P: Platform>(
    running: &mut Running<P>,
    [number, new, old, size, ..]: [u64; 6],
) -> Answer {
    let number = usize::try_from(int(number)).ok().filter(|number| (1..=SIGNALS).contains(number));
    let number = number.ok_or(Errno::EINVAL)?;
    if size != SET || new != 0 && matches!(number, KILL | STOP) {
        return Err(Errno::EINVAL);
    }
    let wanted = if new == 0 { None } else { Some(running.words(new)?) };
    let mut before = [0; 4];
    if let Some(action) = running.program.actions.lock().0.get_mut(number - 1) {
        before = *action;
        *action = wanted.unwrap_or(before);
    }
    if old != 0 {
        running.put(old, before)?;
    }
    Ok(0)
}

pub(super) fn mask<P: Platform>(running: &mut Running<P>, [how, new, old, size, ..]: [u64; 6]) -> Answer {
    const UNMASKABLE: u64 = 1 << (KILL - 1) | 1 << (STOP - 1);
    if size != SET {
        return Err(Errno::EINVAL);
    }
    let before = running.masked;
    if new != 0 {
        let [set] = running.words(new)?;
        let after = match int(how) {
            0 => before | set,
            1 => before & !set,
            2 => set,
            _ => return Err(Errno::EINVAL),
        };
        running.masked = after & !UNMASKABLE;
    }
    if old != 0 {
        running.put(old, [before])?;
    }
    Ok(0)
}

/// A stack for handlers: taken note of.
pub(super) fn stack<P: Platform>(running: &mut Running<P>, [new, old, ..]: [u64; 6]) -> Answer {
    const DISABLED: u64 = 2;
    const LEAST: u64 = 2048;
    let before = running.alternative;
    if new != 0 {
        let [at, flags, bytes] = running.words(new)?;
        if flags & 0xffff_ffff & !DISABLED != 0 {
            return Err(Errno::EINVAL);
        }
        let disabled = flags & DISABLED != 0;
        if !disabled && bytes < LEAST {
            return Err(Errno::ENOMEM);
        }
        running.alternative = if disabled { [0, DISABLED, 0] } else { [at, 0, bytes] };
    }
    if old != 0 {
        running.put(old, before)?;
    }
    Ok(0)
}

/// The stack for handlers of a thread that has none.
pub(super) const NO_STACK: [u64; 3] = [0, 2, 0];

pub(super) fn tgkill<P: Platform>(running: &mut Running<P>, [group, thread, number, ..]: [u64; 6]) -> Answer {
    if int(group) <= 0 || int(thread) <= 0 {
        return Err(Errno::EINVAL);
    }
    if int(group).unsigned_abs() != running.thread.process.id {
        return Err(Errno::ESRCH);
    }
    tkill(running, [thread, number, 0, 0, 0, 0])
}

pub(super) fn tkill<P: Platform>(running: &mut Running<P>, [thread, number, ..]: [u64; 6]) -> Answer {
    let (thread, number) = (int(thread).unsigned_abs(), int(number));
    let is_ours =
        thread == running.id || thread == running.thread.process.id || running.program.team.has(thread);
    if !is_ours {
        return Err(Errno::ESRCH);
    }
    if number == 0 {
        return Ok(0);
    }
    let signal = u8::try_from(number).ok().and_then(Signal::new).ok_or(Errno::EINVAL)?;
    let place = usize::from(signal.number()).saturating_sub(1);
    let handler = running.program.actions.lock().0.get(place).map_or(0, |action| action[0]);
    match (handler, signal.default_action()) {
        (1, _) | (0, DefaultAction::Ignore) => Ok(0),
        (0, DefaultAction::Terminate | DefaultAction::Core) => {
            running.over = Some(Over::Program(End::Signaled(signal)));
            Ok(0)
        }
        _ => Err(Errno::ENOSYS),
    }
}
