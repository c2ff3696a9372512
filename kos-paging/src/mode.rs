//! Whether a CPU may use a table while it is edited: [`Exclusive`] or [`Live`], as types.
//!
//! Under [`Exclusive`] no CPU has the root: entries are read and written plainly. Under [`Live`] an MMU may set accessed
//! and dirty bits at any moment, so that an entry that is present is replaced by a read-modify-write, which loses none.
//! Entries that were parked and flushed are nobody's: both treat them plainly, so that only what is still in use pays.

use crate::entry::{Entries, RawEntry};
use crate::ports::PhysMapper;
#[cfg(target_has_atomic = "64")]
pub use live::Live;

/// How a table is edited: [`Exclusive`] or [`Live`].
pub trait Mode: sealed::Mode {}

impl Mode for Exclusive {}

/// No other CPU uses the table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exclusive(());

impl Exclusive {
    pub(crate) const NEW: Self = Self(());
}

impl sealed::Mode for Exclusive {
    const LIVE: bool = false;

    #[inline]
    #[expect(private_interfaces, reason = "called by this crate only")]
    fn replace<R: RawEntry, M: PhysMapper>(
        entries: Entries<'_, R, M>,
        index: usize,
        change: impl Fn(R) -> R,
    ) -> R {
        let old = entries.load(index);
        entries.store(index, change(old));
        old
    }

    fn take_installed(&mut self) -> (u64, u64) {
        (0, 0)
    }

    fn installed(&self) -> (u64, u64) {
        (0, 0)
    }
}

pub(crate) mod sealed {
    use crate::entry::{Entries, RawEntry};
    use crate::ports::PhysMapper;

    /// How present entries are replaced.
    pub trait Mode {
        /// A TLB may hold what the table says.
        const LIVE: bool;

        /// Replaces an entry by what `change` makes of it; the old one.
        #[expect(private_interfaces, reason = "called by this crate only")]
        fn replace<R: RawEntry, M: PhysMapper>(
            entries: Entries<'_, R, M>,
            index: usize,
            change: impl Fn(R) -> R,
        ) -> R;

        /// Tables and bytes that were installed without the table's counters; they count from now on as the table's.
        fn take_installed(&mut self) -> (u64, u64);

        /// The same, left where they are.
        fn installed(&self) -> (u64, u64);
    }
}

#[cfg(target_has_atomic = "64")]
mod live {
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::{Mode, sealed};
    use crate::entry::{Entries, RawEntry};
    use crate::ports::PhysMapper;

    /// CPUs may have the table loaded: those of a [`TlbContext`](crate::TlbContext), to which `C` is a pointer.
    #[derive(Debug)]
    pub struct Live<C> {
        pub(crate) context: C,
        tables: AtomicU64,
        bytes: AtomicU64,
    }

    impl<C> Live<C> {
        pub(crate) const fn new(context: C) -> Self {
            Self { context, tables: AtomicU64::new(0), bytes: AtomicU64::new(0) }
        }

        /// Counts what was installed.
        pub(crate) fn count(&self, tables: u64, bytes: u64) {
            self.tables.fetch_add(tables, Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    impl<C> Mode for Live<C> {}

    impl<C> sealed::Mode for Live<C> {
        const LIVE: bool = true;

        #[inline]
        #[expect(private_interfaces, reason = "called by this crate only")]
        fn replace<R: RawEntry, M: PhysMapper>(
            entries: Entries<'_, R, M>,
            index: usize,
            change: impl Fn(R) -> R,
        ) -> R {
            let mut old = entries.load(index);
            while let Err(now) = entries.exchange(index, old, change(old)) {
                old = now;
            }
            old
        }

        fn take_installed(&mut self) -> (u64, u64) {
            (core::mem::take(self.tables.get_mut()), core::mem::take(self.bytes.get_mut()))
        }

        fn installed(&self) -> (u64, u64) {
            (self.tables.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
        }
    }
}
