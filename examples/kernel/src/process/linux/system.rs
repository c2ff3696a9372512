//! Who asks and where: numbers of process and user, CPUs, limits, random bytes, the name of the system. And what is not there.
//!
//! Source: Linux, getrandom(2), prlimit(2), sched_setaffinity(2), uname(2).

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_net::Entropy as _;
use kos_paging::VirtAddr;
use kos_vfs::Errno;

use super::files::FILES;
use super::numbers::int;
use super::{Answer, Running};
use crate::glue::entropy::KernelEntropy;
use crate::platform::Platform;
use crate::process::calls::pieces;
use crate::process::space::STACK_MOST;
use crate::text::Text;

/// Numbers of calls that are told apart in the log.
const NUMBERS: usize = 512;

/// The calls that the log has named as not there, a bit each; those above all share the last.
#[derive(Debug)]
pub(in super::super) struct Missed([AtomicU64; NUMBERS / 64]);

impl Missed {
    pub(in super::super) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; NUMBERS / 64])
    }

    /// Whether it is missed for the first time.
    fn is_first(&self, number: u64) -> bool {
        let number = usize::try_from(number).unwrap_or(NUMBERS).min(NUMBERS - 1);
        let (word, bit) = (number / 64, 1 << (number % 64));
        self.0.get(word).is_some_and(|word| word.fetch_or(bit, Relaxed) & bit == 0)
    }
}

/// A call that is not there: said once.
pub(super) fn unknown<P: Platform>(running: &Running<P>, number: u64) -> Errno {
    let (kernel, name) = (running.thread.kernel, running.thread.process.name());
    if kernel.processes.missed.is_first(number) {
        let line = Text::new(format_args!("linux: {name} makes system call {number}, which is not there\n"));
        kernel.log().write(line.as_str().as_bytes());
    }
    Errno::ENOSYS
}

/// Known, and not there: kernels without it answer so.
pub(super) fn refused<P: Platform>(_: &mut Running<P>, _: [u64; 6]) -> Answer {
    Err(Errno::ENOSYS)
}

pub(super) fn give_way<P: Platform>(running: &mut Running<P>, _: [u64; 6]) -> Answer {
    running.thread.kernel.threads.runtime().yield_now();
    Ok(0)
}

pub(super) fn process<P: Platform>(running: &mut Running<P>, _: [u64; 6]) -> Answer {
    Ok(running.thread.process.id.into())
}

pub(super) fn user<P: Platform>(running: &mut Running<P>, _: [u64; 6]) -> Answer {
    Ok(running.program.ctx.cred.uid.into())
}

pub(super) fn group<P: Platform>(running: &mut Running<P>, _: [u64; 6]) -> Answer {
    Ok(running.program.ctx.cred.gid.into())
}

/// The CPUs that are online: all may be used.
pub(super) fn affinity<P: Platform>(running: &mut Running<P>, [_, bytes, to, ..]: [u64; 6]) -> Answer {
    let mut mask = [0_u8; 32];
    let mut most = 0;
    for cpu in running.thread.kernel.online() {
        most = most.max(cpu.0);
        if let Some(byte) = mask.get_mut(cpu.0 / 8) {
            *byte |= 1 << (cpu.0 % 8);
        }
    }
    // Whole words, as many as hold the last.
    let length = (most / 64 + 1) * 8;
    if bytes % 8 != 0 || bytes < length as u64 {
        return Err(Errno::EINVAL);
    }
    let mask = mask.get(..length).unwrap_or_default();
    running.thread.space.copy_out(VirtAddr::new(to), mask).map_err(|_| Errno::EFAULT)?;
    Ok(length as u64)
}

/// Limits can be asked for, not changed: a program has a group's.
pub(super) fn limit<P: Platform>(running: &mut Running<P>, [id, what, new, old, ..]: [u64; 6]) -> Answer {
    const STACK: i32 = 3;
    const FILES_OPEN: i32 = 7;
    const KINDS: i32 = 16;
    let own = u64::from(running.thread.process.id);
    if id != 0 && id != own {
        return Err(Errno::ESRCH);
    }
    let limit = match int(what) {
        STACK => STACK_MOST,
        FILES_OPEN => FILES.into(),
        0..KINDS => u64::MAX,
        _ => return Err(Errno::EINVAL),
    };
    if new != 0 {
        return Err(Errno::EPERM);
    }
    if old != 0 {
        running.put(old, [limit, limit])?;
    }
    Ok(0)
}

pub(super) fn random<P: Platform>(running: &mut Running<P>, [to, bytes, flags, ..]: [u64; 6]) -> Answer {
    const KNOWN: u64 = 7;
    const MOST: u64 = 1 << 16;
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let mut entropy = KernelEntropy::new(running.thread.kernel);
    pieces(to, bytes.min(MOST), |at, bytes| {
        let mut piece = [0; 512];
        let piece = piece.get_mut(..bytes).unwrap_or_default();
        entropy.fill(piece).map_err(|_| Errno::EAGAIN)?;
        running.thread.space.copy_out(at, piece).map_err(|_| Errno::EFAULT)?;
        Ok(bytes)
    })
}

pub(super) fn uname<P: Platform>(running: &mut Running<P>, [to, ..]: [u64; 6]) -> Answer {
    const FIELD: usize = 65;
    // The version is the one whose calls these are.
    let fields = ["Linux", "kos", "6.1.0-kos", "kos", "x86_64", "(none)"];
    let mut bytes = [[0; FIELD]; 6];
    for (field, text) in bytes.iter_mut().zip(fields) {
        field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    }
    let copied = running.thread.space.copy_out(VirtAddr::new(to), bytes.as_flattened());
    copied.map(|()| 0).map_err(|_| Errno::EFAULT)
}

#[cfg(test)]
mod tests {
    use super::Missed;

    #[test]
    fn what_is_missed_is_said_once() {
        let missed = Missed::new();
        assert!(missed.is_first(3) && !missed.is_first(3) && missed.is_first(4));
        assert!(missed.is_first(67), "another word, the same bit");
        assert!(missed.is_first(u64::MAX) && !missed.is_first(1000), "those beyond share one");
    }
}
