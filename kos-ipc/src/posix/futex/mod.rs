//! Waiting at words of programs' memory: [`FutexTable`].
//!
//! A word has a key, the same for all who share it, and a keyed hash of that says in which queue of the table they wait: nobody
//! can have others wait behind him by the choice of addresses. The word is compared and the queue entered under one lock, with a
//! load that does not sleep; if the page is away, the lock is given up, the page brought in, and all of it done again, so often and
//! no more.
//!
//! Each queue has a count of those who wait there or are about to. Who waits counts himself, then compares; who wakes has changed
//! the word, then looks at the count: a `SeqCst` fence stands between on both sides. So a wake-up for nobody takes no lock.
//!
//! Who is moved to another word goes from queue to queue under both locks, taken in the order of their addresses, with his own time
//! limit, and leaves the queue where he is by then.
//!
//! Not here: priority inheritance, lists of robust futexes, waiting at several words.
//!
//! Sources: Linux, futex(2); Franke, Russell and Kirkwood, "Fuss, Futexes and Furwocks" (OLS 2002).

mod bucket;
mod error;
#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(loom)))]
#[expect(unsafe_code, reason = "system calls")]
mod linux;
mod op;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(loom)))]
mod tests_linux;
mod wait;
mod wake;

use core::array;
use core::fmt;
use core::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::error::Corruption;
use crate::ports::{Env, FutexSpace, WordFault};
use crate::sync::atomic::{AtomicU32, Ordering};
use bucket::Bucket;

pub use error::FutexError;
pub use op::{Change, Compare, WakeOp};
pub use wake::Requeued;

/// How often a page is brought in that goes away again, or a change tried that others foil.
const RETRIES: usize = 64;

/// All bits: what `FUTEX_WAIT` and `FUTEX_WAKE` mean.
pub const ANY: u32 = u32::MAX;

/// Who waits at words, in `N` queues, a power of two.
///
/// ```
/// use kos_ipc::Caller;
/// use kos_ipc::policy::NoPolicy;
/// use kos_ipc::posix::futex::{ANY, FutexError, FutexTable};
/// use kos_ipc::testing::{StdEnv, StdPark, Words};
///
/// let park = StdPark::new();
/// let memory = Words::new(16); // your kernel implements `FutexSpace` for an address space
/// let futexes = FutexTable::<StdEnv, Words, 64>::new(park.clone(), [1, 2]); // random words of yours
/// let word = (8, false); // an address, private to a process
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let token = park.token();
///         let waited = futexes.wait(&Caller::new(&token, (), &NoPolicy), &memory, word, 0, ANY, None);
///         assert!(matches!(waited, Ok(()) | Err(FutexError::Changed(1))));
///     });
///     memory.set(8, 1); // first the word,
///     futexes.wake(&memory, word, 1, ANY).unwrap(); // then the wake-up
/// });
/// ```
pub struct FutexTable<E: Env, S: FutexSpace, const N: usize> {
    buckets: [Bucket<E, S::Key>; N],
    secret: [u64; 2],
}

impl<E: Env, S: FutexSpace, const N: usize> FutexTable<E, S, N> {
    /// Nobody waits. `secret`: two random words, or programs can choose who shares a queue.
    #[must_use]
    pub fn new(park: E::Park, secret: [u64; 2]) -> Self
    where
        E::Park: Clone,
    {
        const { assert!(N.is_power_of_two(), "a table has a power of two of queues") };
        let buckets = array::from_fn(|_| Bucket::new(park.clone(), AtomicU32::new(0), 0));
        Self { buckets, secret }
    }

    /// How many wait, or are about to, as far as can be said while they come and go.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.word().load(Ordering::Relaxed) as usize).sum()
    }

    /// Walks every invariant, with the locks held in turn; nobody comes or goes meanwhile.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        for (number, bucket) in (0..).zip(&self.buckets) {
            let (mut last, mut count) = (None, 0);
            bucket.check(|next, waiter| {
                count += 1;
                let in_order = last < Some(waiter.turn) && waiter.turn < *next;
                last = Some(waiter.turn);
                match self.number(&waiter.key) == number {
                    false => Err("a waiter in the queue of another word"),
                    true if !in_order => Err("a waiter out of turn"),
                    true => Ok(()),
                }
            })?;
            if count > bucket.word().load(Ordering::Relaxed) {
                return Err(Corruption { what: "a waiter that is not counted" });
            }
        }
        Ok(())
    }

    /// Whether two words do not share a queue.
    #[cfg(all(test, any(loom, shuttle)))]
    pub(crate) fn are_apart(&self, one: &S::Key, other: &S::Key) -> bool {
        self.number(one) != self.number(other)
    }

    fn number(&self, key: &S::Key) -> u32 {
        let mut hasher = SipHasher13::new_with_keys(self.secret[0], self.secret[1]);
        key.hash(&mut hasher);
        let bits = hasher.finish().to_le_bytes();
        u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]) & u32::try_from(N - 1).unwrap_or(u32::MAX)
    }

    /// The queue of a word, and its number.
    fn bucket(&self, key: &S::Key) -> (u32, &Bucket<E, S::Key>) {
        let number = self.number(key);
        let found = self.buckets.get(number as usize).map(|bucket| (number, bucket));
        found.unwrap_or((0, &self.buckets[0]))
    }

    fn key(space: &S, address: usize, shared: bool) -> Result<S::Key, FutexError> {
        if !address.is_multiple_of(size_of::<u32>()) {
            return Err(FutexError::Misaligned(address));
        }
        space.key(address, shared).map_err(FutexError::Fault)
    }

    /// Brings in what a call did not find, without a lock.
    fn fault_in(space: &S, address: usize, fault: WordFault, write: bool) -> Result<(), FutexError> {
        match fault {
            WordFault::Fault(fault) => Err(FutexError::Fault(fault)),
            WordFault::NotResident => space.fault_in(address, write).map_err(FutexError::Fault),
        }
    }
}

impl<E: Env, S: FutexSpace, const N: usize> fmt::Debug for FutexTable<E, S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutexTable").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}
