//! CPU time, exact: [`Usage`], and [`Account`], a thread's clock behind a lock of its own.
//!
//! A scheduler charges at every switch: it takes the lock of the thread's account and no other. The sums over a process are
//! made when somebody asks. Lock order: table, then account.

use core::fmt;

use lock_api::RawMutex;

use crate::time::Duration;

/// CPU time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Usage {
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
}

impl Usage {
    /// None.
    pub const ZERO: Self = Self { user_ns: 0, system_ns: 0 };

    /// Both together.
    #[must_use]
    pub const fn total_ns(self) -> u64 {
        self.user_ns.saturating_add(self.system_ns)
    }

    /// The sum. It would take 584 years of CPU time to saturate.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            user_ns: self.user_ns.saturating_add(other.user_ns),
            system_ns: self.system_ns.saturating_add(other.system_ns),
        }
    }

    const fn charged(self, mode: Mode, ran: Duration) -> Self {
        match mode {
            Mode::User => self.plus(Self { user_ns: ran.as_ticks(), system_ns: 0 }),
            Mode::System => self.plus(Self { user_ns: 0, system_ns: ran.as_ticks() }),
        }
    }
}

/// On whose behalf a CPU ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The program's.
    User,
    /// The kernel's, for the program.
    System,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    generation: u32,
    usage: Usage,
}

/// Storage for the CPU time of one thread, on a cache line of its own.
#[repr(align(64))]
pub struct Account<L>(lock_api::Mutex<L, Reading>);

impl<L: RawMutex> Account<L> {
    /// No time.
    #[must_use]
    pub const fn new() -> Self {
        Self(lock_api::Mutex::new(Reading { generation: 0, usage: Usage::ZERO }))
    }

    /// A new owner starts from zero. Interrupts are masked.
    pub(super) fn open(&self, generation: u32) {
        *self.0.lock() = Reading { generation, usage: Usage::ZERO };
    }

    /// Charges owner `generation`; false if that is not the owner. Interrupts are masked.
    pub(super) fn charge(&self, generation: u32, mode: Mode, ran: Duration) -> bool {
        let mut reading = self.0.lock();
        if reading.generation != generation {
            return false;
        }
        reading.usage = reading.usage.charged(mode, ran);
        true
    }

    /// What the owner used. Interrupts are masked.
    pub(super) fn usage(&self) -> Usage {
        self.0.lock().usage
    }

    /// What the owner used; nobody is charged from now on, until the next [`open`](Self::open). Interrupts are masked.
    pub(super) fn close(&self, next_generation: u32) -> Usage {
        core::mem::replace(&mut *self.0.lock(), Reading { generation: next_generation, usage: Usage::ZERO })
            .usage
    }
}

impl<L: RawMutex> Default for Account<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L> fmt::Debug for Account<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}
