//! A disk that fails: which request, how, and whether it ever works again, in the words of QEMU's driver `blkdebug`.
//!
//! QEMU counts requests by events of the node above the driver, a state each. Source: QEMU's documentation, `docs/devel/blkdebug.rst`.

use core::fmt;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A read.
    Read,
    /// A write.
    Write,
    /// A flush.
    Flush,
}

impl Request {
    /// What it is called, the event that it is counted by, and how many of these a boot that makes 40 files durable makes at least.
    const fn facts(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::Read => ("read", "read_aio", 10),
            Self::Write => ("write", "write_aio", 80),
            Self::Flush => ("flush", "flush_to_disk", 40),
        }
    }
}

/// What the host says of a failed request. The guest is told only that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// The disk fails.
    Io = 5,
    /// The file has no room on the host.
    NoSpace = 28,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of the request that fails.
    pub request: Request,
    /// Which one of its kind, from 1.
    pub number: u32,
    /// How.
    pub errno: Errno,
    /// Whether everything after it fails, too.
    pub for_good: bool,
}

impl Fault {
    /// The fault that a random number chooses.
    #[must_use]
    pub fn of(random: u64) -> Self {
        let [kind, errno, lasting, high, low, ..] = random.to_le_bytes();
        let request = match kind % 4 {
            0 => Request::Read,
            1 => Request::Flush,
            _ => Request::Write,
        };
        let (.., requests) = request.facts();
        Self {
            request,
            number: 1 + u32::from(u16::from_le_bytes([high, low])) % requests,
            errno: if errno.is_multiple_of(2) { Errno::Io } else { Errno::NoSpace },
            for_good: !lasting.is_multiple_of(2),
        }
    }

    /// The rules for QEMU.
    #[must_use]
    pub fn rules(&self) -> String {
        let Self { number, errno, .. } = *self;
        let (name, event, _) = self.request.facts();
        let count = |state| {
            format!("[set-state]\nevent = \"{event}\"\nstate = \"{state}\"\nnew_state = \"{}\"\n", state + 1)
        };
        let counted: String = (1..number).map(count).collect();
        let lasting = match self.for_good {
            true => "once = \"off\"\n".to_owned(),
            false => format!("once = \"on\"\niotype = \"{name}\"\n"),
        };
        format!(
            "{counted}[inject-error]\nevent = \"{event}\"\nstate = \"{number}\"\nerrno = \"{}\"\n{lasting}",
            errno as u8
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, ..) = self.request.facts();
        let errno = match self.errno {
            Errno::Io => "EIO",
            Errno::NoSpace => "ENOSPC",
        };
        let lasting = if self.for_good { ", as everything after it" } else { "" };
        write!(f, "{name} {} fails with {errno}{lasting}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_to_the_request() {
        let fault = Fault { request: Request::Flush, number: 2, errno: Errno::NoSpace, for_good: false };
        assert_eq!(
            fault.rules(),
            "[set-state]\nevent = \"flush_to_disk\"\nstate = \"1\"\nnew_state = \"2\"\n\
             [inject-error]\nevent = \"flush_to_disk\"\nstate = \"2\"\nerrno = \"28\"\nonce = \"on\"\niotype = \"flush\"\n"
        );
        assert_eq!(fault.to_string(), "flush 2 fails with ENOSPC");
        let dead = Fault { request: Request::Write, number: 1, errno: Errno::Io, for_good: true };
        assert!(dead.rules().starts_with("[inject-error]") && dead.rules().ends_with("once = \"off\"\n"));
        assert_eq!(dead.to_string(), "write 1 fails with EIO, as everything after it");
    }

    #[test]
    fn each_kind_of_fault_is_chosen() {
        let faults: Vec<_> =
            (0..4096_u64).map(|n| Fault::of(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        for request in [Request::Read, Request::Write, Request::Flush] {
            for (errno, for_good) in
                [(Errno::Io, false), (Errno::Io, true), (Errno::NoSpace, false), (Errno::NoSpace, true)]
            {
                let like = |fault: &&Fault| {
                    (fault.request, fault.errno, fault.for_good) == (request, errno, for_good)
                };
                assert!(faults.iter().filter(like).count() > 10, "{request:?} {errno:?} {for_good}");
            }
            let (.., most) = request.facts();
            let numbers = faults.iter().filter(|fault| fault.request == request).map(|fault| fault.number);
            assert_eq!((numbers.clone().min(), numbers.max()), (Some(1), Some(most)), "{request:?}");
        }
    }
}
