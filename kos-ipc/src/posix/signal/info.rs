//! What comes with a signal: [`SignalInfo`], [`SignalCode`].

use super::number::Signal;

/// Why a signal was sent (`si_code`): 0 and below by a program, above by the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalCode(pub i32);

impl SignalCode {
    /// `kill`.
    pub const USER: Self = Self(0);
    /// The kernel.
    pub const KERNEL: Self = Self(0x80);
    /// `sigqueue`.
    pub const QUEUE: Self = Self(-1);
    /// `tgkill`.
    pub const THREAD: Self = Self(-6);
}

/// A signal, and what comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalInfo {
    /// Which.
    pub signal: Signal,
    /// Why.
    pub code: SignalCode,
    /// The process that sent it, 0 if that is not known.
    pub pid: u32,
    /// The user that sent it.
    pub uid: u32,
    /// A program's word, or the address of a fault.
    pub value: u64,
}

impl SignalInfo {
    /// Of `kill`: by process `pid` of user `uid`.
    #[must_use]
    pub const fn user(signal: Signal, pid: u32, uid: u32) -> Self {
        Self { signal, code: SignalCode::USER, pid, uid, value: 0 }
    }

    /// Of `sigqueue`: with a word.
    #[must_use]
    pub const fn queued(signal: Signal, pid: u32, uid: u32, value: u64) -> Self {
        Self { signal, code: SignalCode::QUEUE, pid, uid, value }
    }

    /// Of the kernel.
    #[must_use]
    pub const fn kernel(signal: Signal) -> Self {
        Self { signal, code: SignalCode::KERNEL, pid: 0, uid: 0, value: 0 }
    }

    /// Nobody knows who sent it: of a real-time signal of `kill` for which there was no record.
    pub(super) const fn unknown(signal: Signal) -> Self {
        Self::user(signal, 0, 0)
    }
}
