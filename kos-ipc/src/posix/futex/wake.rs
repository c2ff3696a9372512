//! Waking who waits at a word, and moving them to another.

use core::pin::pin;

use super::bucket::{Bucket, Counted, Picker, Waiter, is_waited};
use super::{FutexError, FutexTable, RETRIES, WakeOp};
use crate::ports::{Env, FutexSpace};
use crate::sync::atomic::Ordering;
use crate::sync::{Bug, seeded};
use crate::wait::{Cursor, Look};

/// How many were woken and moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requeued {
    /// Woken.
    pub woken: usize,
    /// Moved, to wait at the other word.
    pub moved: usize,
}

impl<E: Env, S: FutexSpace, const N: usize> FutexTable<E, S, N> {
    /// Wakes up to `count` of those who wait at the word with one of `bits`, the first who came first; all bits for `FUTEX_WAKE`.
    /// Returns how many. With nobody waiting it takes no lock; else one for 16 looks at a time, and who comes after the first is not
    /// looked at.
    ///
    /// # Errors
    /// [`FutexError::Misaligned`], [`FutexError::NoBits`], [`FutexError::Fault`], [`FutexError::Busy`]
    pub fn wake(
        &self,
        space: &S,
        (address, shared): (usize, bool),
        count: usize,
        bits: u32,
    ) -> Result<usize, FutexError> {
        if bits == 0 {
            return Err(FutexError::NoBits);
        }
        let key = Self::key(space, address, shared)?;
        Ok(self.wake_key(key, count, bits))
    }

    fn wake_key(&self, key: S::Key, count: usize, bits: u32) -> usize {
        let (_, bucket) = self.bucket(&key);
        if count == 0 || !is_waited(bucket) {
            return 0;
        }
        let mut picker = Picker::new(key, bits, count);
        let mut cursor = pin!(Cursor::new(bucket, Waiter { key, bits, turn: 0 }));
        cursor.as_mut().visit(
            None,
            || true,
            |next, waiter| Self::counted_out(bucket, picker.pick(*next, waiter, Look::End(Ok(())))),
        );
        count - picker.left
    }

    /// Wakes up to `wake` of those who wait at the first word and has up to `requeue` more wait at the second from now on, behind
    /// those who do, until their own time limits. `expected`: only if the first word has that value (`FUTEX_CMP_REQUEUE`).
    /// Thread context only.
    ///
    /// # Errors
    /// [`FutexError`], but neither `NoBits` nor `Wait`: nobody was woken or moved.
    pub fn requeue(
        &self,
        space: &S,
        (from, from_shared): (usize, bool),
        (to, to_shared): (usize, bool),
        wake: usize,
        requeue: usize,
        expected: Option<u32>,
    ) -> Result<Requeued, FutexError> {
        let (key, target) = (Self::key(space, from, from_shared)?, Self::key(space, to, to_shared)?);
        for _ in 0..RETRIES {
            let mut found = expected.map(Ok);
            let done = self.requeue_keys(key, target, wake, requeue, || {
                found = expected.map(|_| space.load(from));
                found.and_then(Result::ok) == expected
            });
            match found {
                Some(Err(fault)) => Self::fault_in(space, from, fault, false)?,
                Some(Ok(other)) if Some(other) != expected => return Err(FutexError::Changed(other)),
                _ => return Ok(done),
            }
        }
        Err(FutexError::Busy(from))
    }

    fn requeue_keys(
        &self,
        key: S::Key,
        target: S::Key,
        wake: usize,
        requeue: usize,
        admit: impl FnMut() -> bool,
    ) -> Requeued {
        let ((_, bucket), (home, other)) = (self.bucket(&key), self.bucket(&target));
        // Who wakes those at the second word must not find it deserted from the first move on.
        let _counted = (!seeded(Bug::MovedUncounted)).then(|| Counted::new(other.word()));
        let (mut first, mut more) = (Picker::new(key, u32::MAX, wake), Picker::new(key, u32::MAX, requeue));
        let mut cursor = pin!(Cursor::new(bucket, Waiter { key, bits: 0, turn: 0 }));
        cursor.as_mut().visit(Some((other, home)), admit, |next, waiter| {
            // The limit of both is that of the first look.
            if more.limit(*next) <= waiter.turn {
                return Look::Stop;
            }
            if first.left > 0 {
                return Self::counted_out(bucket, first.pick(*next, waiter, Look::End(Ok(()))));
            }
            // Who is to wait where he waits keeps his turn, as in Linux.
            let goes = if key == target { Look::Pass } else { Look::Move };
            let look = more.pick(*next, waiter, goes);
            if look == Look::Move {
                waiter.key = target;
                Self::count_move(bucket, other);
            }
            look
        });
        Requeued { woken: wake - first.left, moved: requeue - more.left }
    }

    /// Whose wait ends is not waited for any more.
    fn counted_out(bucket: &Bucket<E, S::Key>, look: Look) -> Look {
        if matches!(look, Look::End(_)) {
            bucket.word().fetch_sub(1, Ordering::Relaxed);
        }
        look
    }

    /// One less is to be woken here, one more there.
    fn count_move(from: &Bucket<E, S::Key>, to: &Bucket<E, S::Key>) {
        if !seeded(Bug::MovedUncounted) {
            to.word().fetch_add(1, Ordering::Relaxed);
            from.word().fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Changes the second word in one step, then wakes up to `wake` of those who wait at the first, and up to `wake_other` of those
    /// at the second if its old value was as `op` says. Returns how many in all. It is as if the program had changed the word and
    /// then woken twice, but that nobody sees the change before the second value is known.
    ///
    /// # Errors
    /// [`FutexError`], but neither `NoBits`, `Changed` nor `Wait`: nothing was changed, nobody woken.
    pub fn wake_op(
        &self,
        space: &S,
        (first, first_shared): (usize, bool),
        (second, second_shared): (usize, bool),
        wake: usize,
        wake_other: usize,
        op: WakeOp,
    ) -> Result<usize, FutexError> {
        let (key, other) = (Self::key(space, first, first_shared)?, Self::key(space, second, second_shared)?);
        let old = Self::change(space, second, op)?;
        let woken = self.wake_key(key, wake, u32::MAX);
        let more = if op.holds(old) { self.wake_key(other, wake_other, u32::MAX) } else { 0 };
        Ok(woken + more)
    }

    /// The old value of a word that was changed.
    fn change(space: &S, address: usize, op: WakeOp) -> Result<u32, FutexError> {
        for _ in 0..RETRIES {
            let attempt = space.load(address).and_then(|old| {
                let found = space.compare_exchange(address, old, op.apply(old))?;
                Ok((found == old).then_some(old))
            });
            match attempt {
                Ok(Some(old)) => return Ok(old),
                Ok(None) => {}
                Err(fault) => Self::fault_in(space, address, fault, true)?,
            }
        }
        Err(FutexError::Busy(address))
    }
}
