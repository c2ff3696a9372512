//! Waiting at a word.

use core::future::poll_fn;
use core::pin::pin;

use super::bucket::{Counted, HeldBucket, Waiter};
use super::{FutexError, FutexTable, RETRIES};
use crate::caller::{Caller, Token};
use crate::error::WaitError;
use crate::ports::{BlockReason, Env, FutexSpace, WordFault};
use crate::sync::{Bug, seeded};
use crate::time::Instant;
use crate::wait::{Member, Wake};

type WaiterOf<S> = Waiter<<S as FutexSpace>::Key>;
type HeldAt<'a, E, S> = HeldBucket<'a, Token<E>, <S as FutexSpace>::Key>;

/// Why somebody did not come to wait.
enum Kept {
    Changed(u32),
    NotThere(WordFault),
}

impl<E: Env, S: FutexSpace, const N: usize> FutexTable<E, S, N> {
    /// Sleeps until somebody wakes who waits at `address`, if the word there is `expected`. Who wakes picks by `bits`: all of them
    /// for `FUTEX_WAIT`. Thread context only.
    ///
    /// # Errors
    /// [`FutexError`]: nobody's wake-up was used.
    pub fn wait(
        &self,
        caller: &Caller<'_, E>,
        space: &S,
        (address, shared): (usize, bool),
        expected: u32,
        bits: u32,
        until: Option<Instant>,
    ) -> Result<(), FutexError> {
        if bits == 0 {
            return Err(FutexError::NoBits);
        }
        let key = Self::key(space, address, shared)?;
        for _ in 0..RETRIES {
            match self.wait_once(caller, space, (address, key), expected, bits, until) {
                Ok(ended) => return ended.map_err(FutexError::Wait),
                Err(Kept::Changed(found)) => return Err(FutexError::Changed(found)),
                Err(Kept::NotThere(fault)) => Self::fault_in(space, address, fault, false)?,
            }
        }
        Err(FutexError::Busy(address))
    }

    /// As [`wait`](Self::wait), for a future. Dropped before it is ready, it leaves; a wake-up that it had not seen goes to the next
    /// at the same word.
    ///
    /// # Errors
    /// As there, but neither `TimedOut` nor `Interrupted`.
    pub async fn wait_async(
        &self,
        space: &S,
        (address, shared): (usize, bool),
        expected: u32,
        bits: u32,
    ) -> Result<(), FutexError> {
        if bits == 0 {
            return Err(FutexError::NoBits);
        }
        let key = Self::key(space, address, shared)?;
        for _ in 0..RETRIES {
            let (home, bucket) = self.bucket(&key);
            let waiter = Waiter { key, bits, turn: 0 };
            let mut member = pin!(Member::within(&self.buckets, bucket, home, waiter));
            let (mut kept, mut counted) = (None, Some(Counted::new(bucket.word())));
            let ended = poll_fn(|cx| {
                let poll =
                    member.as_mut().poll(cx, compare::<E, S>(None, space, address, expected, &mut kept));
                if let (Some(counted), None) = (counted.take(), &kept) {
                    counted.entered();
                }
                poll
            });
            let ended = ended.await;
            match kept {
                None => return ended.map_err(FutexError::Wait),
                Some(Kept::Changed(found)) => return Err(FutexError::Changed(found)),
                Some(Kept::NotThere(fault)) => Self::fault_in(space, address, fault, false)?,
            }
        }
        Err(FutexError::Busy(address))
    }

    fn wait_once(
        &self,
        caller: &Caller<'_, E>,
        space: &S,
        (address, key): (usize, S::Key),
        expected: u32,
        bits: u32,
        until: Option<Instant>,
    ) -> Result<Result<(), WaitError>, Kept> {
        let (home, bucket) = self.bucket(&key);
        let counted = Counted::new(bucket.word());
        let early = seeded(Bug::ComparedUnlocked).then(|| space.load(address));
        let (waiter, mut kept) = (Waiter { key, bits, turn: 0 }, None);
        let mut member = pin!(Member::within(&self.buckets, bucket, home, waiter));
        let compare = compare::<E, S>(early, space, address, expected, &mut kept);
        let entered = member.as_mut().enter(Wake::Thread(caller.token().clone()), compare);
        if let Some(kept) = kept {
            return Err(kept);
        }
        counted.entered();
        Ok(entered.and_then(|_| member.sleep(caller.token(), until, BlockReason::Futex)))
    }
}

/// What a waiter looks at under the lock: whether there is no need to wait. `early`: what it has seen before.
fn compare<'c, E: Env, S: FutexSpace>(
    early: Option<Result<u32, WordFault>>,
    space: &'c S,
    address: usize,
    expected: u32,
    kept: &'c mut Option<Kept>,
) -> impl FnOnce(&mut HeldAt<'_, E, S>, &mut WaiterOf<S>) -> bool + 'c {
    move |held, waiter| {
        *kept = match early.unwrap_or_else(|| space.load(address)) {
            Ok(found) if found == expected => None,
            Ok(found) => Some(Kept::Changed(found)),
            Err(fault) => Some(Kept::NotThere(fault)),
        };
        (waiter.turn, *held.state) = (*held.state, *held.state + 1);
        kept.is_some()
    }
}
