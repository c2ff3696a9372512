//! A pool for all CPUs: [`SharedPool`].

use core::fmt;
use core::ptr::NonNull;

use super::{InitError, Pool, PoolEmpty, PoolStats};
use crate::error::{Corruption, FreeError};
use crate::ports::Env;
use crate::sync::Locked;

/// A [`Pool`] behind the kernel's lock, taken with interrupts masked: every method may be called from every CPU and in
/// interrupt handlers, and holds the lock for constant time, but for [`check`](Self::check).
///
/// It can be a `static`: [`new`](Self::new) is `const`, and until [`init`](Self::init) it is an empty pool.
pub struct SharedPool<'m, E: Env> {
    pool: Locked<E, Option<Pool<'m>>>,
}

impl<'m, E: Env> SharedPool<'m, E> {
    /// Without a block yet.
    pub const fn new(env: E) -> Self {
        Self { pool: Locked::new(env, None) }
    }

    /// Hands out the blocks of `pool` from now on.
    ///
    /// # Errors
    ///
    /// [`InitError::AlreadyInitialised`] the second time; the pool that was there stays.
    pub fn init(&self, pool: Pool<'m>) -> Result<(), InitError> {
        self.pool.with(|slot| {
            if slot.is_some() {
                return Err(InitError::AlreadyInitialised);
            }
            *slot = Some(pool);
            Ok(())
        })
    }

    /// As [`Pool::allocate`].
    ///
    /// # Errors
    ///
    /// [`PoolEmpty`] if all blocks are handed out, with a capacity of 0 before initialisation.
    pub fn allocate(&self) -> Result<NonNull<u8>, PoolEmpty> {
        self.pool.with(|slot| slot.as_mut().ok_or(PoolEmpty { capacity: 0 })?.allocate())
    }

    /// As [`Pool::free`].
    ///
    /// # Errors
    ///
    /// Those of [`Pool::free`], and [`FreeError::NotReady`] before initialisation.
    ///
    /// # Safety
    ///
    /// Whoever was given the block does not use it any more.
    pub unsafe fn free(&self, block: NonNull<u8>) -> Result<(), FreeError<NonNull<u8>>> {
        self.pool.with(|slot| {
            let pool = slot.as_mut().ok_or(FreeError::NotReady(block))?;
            // SAFETY: the caller's promise is passed on.
            unsafe { pool.free(block) }
        })
    }

    /// The counters; zero before initialisation.
    pub fn stats(&self) -> PoolStats {
        self.pool.with(|slot| slot.as_ref().map_or(PoolStats::default(), Pool::stats))
    }

    /// As [`Pool::check`], with the lock held all the time.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        self.pool.with(|slot| slot.as_ref().map_or(Ok(()), Pool::check))
    }
}

impl<E: Env> fmt::Debug for SharedPool<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPool").finish_non_exhaustive()
    }
}
