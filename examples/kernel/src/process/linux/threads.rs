//! Threads: `clone`, `clone3`, `exit`, `exit_group`, `set_tid_address`, `gettid`, `arch_prctl`.
//!
//! What comes by `clone` is a thread of the same program, which shares all: memory, files, directory, actions. Whoever asks for less
//! is refused (ENOSYS): there are no processes made of processes here.
//!
//! Source: Linux, clone(2); `include/uapi/linux/sched.h`.

use alloc::sync::Arc;

use kos_paging::VirtAddr;
use kos_vfs::Errno;

use super::numbers::low;
use super::signals::NO_STACK;
use super::{Answer, Over, Running};
use crate::platform::{Platform, UserContext};
use crate::process::End;
use crate::process::thread::Thread;

/// `CLONE_VM`, `_FS`, `_FILES`, `_SIGHAND`, `_THREAD`: what threads share.
const SHARED: u64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000;
/// `CLONE_SYSVSEM`, and `CLONE_DETACHED`, which says nothing any more.
const HARMLESS: u64 = 0x4_0000 | 0x40_0000;
const SET_TLS: u64 = 0x8_0000;
const TELL_PARENT: u64 = 0x10_0000;
const CLEAR: u64 = 0x20_0000;
const TELL_CHILD: u64 = 0x100_0000;
/// Bytes of `struct clone_args` as it first was, and the most that is looked at.
const LEAST: u64 = 64;
const PAGE: u64 = 4096;

/// What a thread is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    flags: u64,
    stack: u64,
    tls: u64,
    parent: u64,
    child: u64,
}

impl Wanted {
    /// What is asked for, if it is a thread.
    ///
    /// # Errors
    /// EINVAL: flags that exclude each other; ENOSYS: something else than a thread.
    const fn checked(self) -> Result<Self, Errno> {
        const THREAD: u64 = 0x1_0000;
        const SIGHAND: u64 = 0x800;
        const VM: u64 = 0x100;
        let known = SHARED | HARMLESS | SET_TLS | TELL_PARENT | CLEAR | TELL_CHILD;
        if self.flags & THREAD != 0 && self.flags & SIGHAND == 0
            || self.flags & SIGHAND != 0 && self.flags & VM == 0
        {
            return Err(Errno::EINVAL);
        }
        if self.flags & SHARED != SHARED || self.flags & !known != 0 {
            return Err(Errno::ENOSYS);
        }
        if self.flags & SET_TLS != 0 && self.tls >= 1 << 47 {
            return Err(Errno::EPERM);
        }
        Ok(self)
    }
}

pub(super) fn clone<P: Platform>(
    running: &mut Running<P>,
    [flags, stack, parent, child, tls, _]: [u64; 6],
) -> Answer {
    // The lowest byte is the signal of its end: threads send none.
    start(running, Wanted { flags: flags & 0xffff_ff00, stack, tls, parent, child })
}

pub(super) fn clone3<P: Platform>(running: &mut Running<P>, [at, size, ..]: [u64; 6]) -> Answer {
    if size > PAGE {
        return Err(Errno::E2BIG);
    }
    if size < LEAST {
        return Err(Errno::EINVAL);
    }
    let [flags, _pidfd, child, parent, signal, stack, bytes, tls] = running.words(at)?;
    // What newer programs ask for beyond that must be nothing.
    for word in 8..size / 8 {
        let [more] = running.words(at.saturating_add(word * 8))?;
        if more != 0 {
            return Err(Errno::E2BIG);
        }
    }
    if signal != 0 || (stack == 0) != (bytes == 0) {
        return Err(Errno::EINVAL);
    }
    let stack = stack.checked_add(bytes).ok_or(Errno::EINVAL)?;
    start(running, Wanted { flags, stack, tls, parent, child })
}

fn start<P: Platform>(running: &mut Running<P>, wanted: Wanted) -> Answer {
    let Wanted { flags, stack, tls, parent, child } = wanted.checked()?;
    let Thread { kernel, process, space, user, .. } = &running.thread;
    let (kernel, id) = (*kernel, kernel.next_process());
    let mut user = user.clone();
    user.answer(0);
    if stack != 0 {
        user.set_stack(stack);
    }
    if flags & SET_TLS != 0 {
        user.set_thread_pointer(tls);
    }
    for (flag, at) in [(TELL_PARENT, parent), (TELL_CHILD, child)] {
        if flags & flag != 0 {
            let told = space.copy_out(VirtAddr::new(at), &id.to_le_bytes());
            told.map_err(|_| Errno::EFAULT)?;
        }
    }
    let thread = Thread::new(kernel, Arc::clone(process), Arc::clone(space), user);
    let clear = if flags & CLEAR != 0 { child } else { 0 };
    let (program, masked) = (Arc::clone(&running.program), running.masked);
    let thread_pointer = if flags & SET_TLS != 0 { tls } else { running.thread_pointer };
    let (alternative, status, over) = (NO_STACK, 0, None);
    let new = Running { thread, program, id, clear, masked, alternative, thread_pointer, status, over };
    running.program.team.start(new)?;
    Ok(id.into())
}

pub(super) fn exit<P: Platform>(running: &mut Running<P>, [status, ..]: [u64; 6]) -> Answer {
    running.over = Some(Over::Thread);
    // Of a program all of whose threads end so, it is the first's.
    running.status = low(status).to_le_bytes()[0];
    Ok(0)
}

pub(super) fn exit_group<P: Platform>(running: &mut Running<P>, [status, ..]: [u64; 6]) -> Answer {
    running.over = Some(Over::Program(End::Exited(status.to_le_bytes()[0])));
    Ok(0)
}

pub(super) fn set_clear<P: Platform>(running: &mut Running<P>, [at, ..]: [u64; 6]) -> Answer {
    running.clear = at;
    Ok(running.id.into())
}

pub(super) fn number<P: Platform>(running: &mut Running<P>, _: [u64; 6]) -> Answer {
    Ok(running.id.into())
}

/// The base of FS; GS, shadow stacks and the like are not there.
pub(super) fn arch_prctl<P: Platform>(running: &mut Running<P>, [what, value, ..]: [u64; 6]) -> Answer {
    const SET_FS: u64 = 0x1002;
    const GET_FS: u64 = 0x1003;
    match what {
        SET_FS if value >= 1 << 47 => Err(Errno::EPERM),
        SET_FS => {
            running.thread.user.set_thread_pointer(value);
            running.thread_pointer = value;
            Ok(0)
        }
        GET_FS => running.put(value, [running.thread_pointer]).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

/// A thread may be given a name; it is shown by that of its program.
pub(super) fn prctl<P: Platform>(running: &mut Running<P>, [what, at, ..]: [u64; 6]) -> Answer {
    const SET_NAME: u64 = 15;
    if what != SET_NAME {
        return Err(Errno::EINVAL);
    }
    let mut name = [0; 16];
    match running.thread.space.copy_string(VirtAddr::new(at), &mut name) {
        // What is longer is cut.
        Ok(_) => Ok(0),
        Err(error) if error.done == name.len() => Ok(0),
        Err(_) => Err(Errno::EFAULT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What glibc asks for.
    const PTHREAD: u64 = 0x3d_0f00;

    fn of(flags: u64) -> Result<Wanted, Errno> {
        Wanted { flags, ..Wanted::default() }.checked()
    }

    #[test]
    fn threads_share_all_or_are_none() {
        assert!(of(PTHREAD).is_ok());
        assert!(of(SHARED).is_ok());
        assert_eq!(of(0), Err(Errno::ENOSYS), "fork");
        assert_eq!(of(0x4100), Err(Errno::ENOSYS), "vfork");
        assert_eq!(of(SHARED & !0x400), Err(Errno::ENOSYS), "files of its own");
        assert_eq!(of(SHARED & !0x800), Err(Errno::EINVAL), "a thread with actions of its own");
        assert_eq!(of(0x800), Err(Errno::EINVAL), "actions without memory");
        assert_eq!(of(SHARED | 0x2000_0000), Err(Errno::ENOSYS), "a namespace");
    }

    #[test]
    fn a_thread_pointer_is_a_programs() {
        let tls = |tls| Wanted { flags: PTHREAD, tls, ..Wanted::default() }.checked();
        assert!(tls((1 << 47) - 1).is_ok());
        assert_eq!(tls(1 << 47), Err(Errno::EPERM));
        assert_eq!(tls(u64::MAX), Err(Errno::EPERM));
    }
}
