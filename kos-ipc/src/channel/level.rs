//! Which channels lie in which: [`Levels`], [`Level`].
//!
//! An end of a channel can be sent through another, and lies in that one's queue for a while. If channels come to lie in each other
//! in a circle, nobody is left who could take them out. So every channel has a height, and of two of which one lies in the other the
//! outer is higher. Before an end is sent, the outer channel is lifted, which is possible while it lies in none itself; or else
//! the inner is lowered, which is possible while none lies in it. Where neither is, and the heights are the wrong way round, the
//! end is refused.
//!
//! That takes constant time, however deep they lie. A circle is refused always: the channel that would close it lies in one and has
//! one in it, and its height is wrong. It also refuses what is no circle, but only where both channels are on their way
//! already: the outer lies in a third, and the inner has a fourth in it.

use core::fmt;
use core::ptr;

use super::error::SendReason;
use crate::cap::Cells;
use crate::ports::Env;
use crate::sync::Lock;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The order of all channels whose ends can be sent through each other. They share one, and the cells of the capabilities.
pub struct Levels<'c, E: Env> {
    cells: &'c Cells<'c, E>,
    lock: Lock<E, ()>,
}

/// Where a channel stands in that order. Whoever makes an [`Object`](crate::cap::Object) of an end shows it by
/// [`Object::level`](crate::cap::Object::level).
#[derive(Debug)]
pub struct Level {
    /// Written under the lock.
    height: AtomicU64,
    /// Ends that lie in its queues.
    inside: AtomicU32,
    /// Its ends that lie in queues.
    lying: AtomicU32,
    /// Which order it is in.
    order: usize,
}

fn get(count: &AtomicU32) -> u32 {
    count.load(Ordering::Relaxed)
}

fn add(count: &AtomicU32, change: i32) {
    count.store(get(count).saturating_add_signed(change), Ordering::Relaxed);
}

impl<'c, E: Env> Levels<'c, E> {
    /// For channels that send capabilities of `cells`.
    pub fn new(cells: &'c Cells<'c, E>) -> Self {
        Self { cells, lock: Lock::new(()) }
    }

    pub(super) const fn cells(&self) -> &'c Cells<'c, E> {
        self.cells
    }

    /// A channel that lies in none and has none in it.
    pub(super) fn level(&self) -> Level {
        Level {
            height: AtomicU64::new(1 << 63),
            inside: AtomicU32::new(0),
            lying: AtomicU32::new(0),
            order: ptr::from_ref(self).addr(),
        }
    }

    /// Lets an end of `inner` lie in `outer`.
    pub(super) fn put(&self, outer: &Level, inner: &Level) -> Result<(), SendReason> {
        if inner.order != outer.order {
            return Err(SendReason::Foreign);
        }
        self.lock.with(|()| {
            let heights = [outer, inner].map(|level| level.height.load(Ordering::Relaxed));
            if ptr::eq(outer, inner) || !order(outer, inner, heights) {
                return Err(SendReason::Cycle);
            }
            add(&outer.inside, 1);
            add(&inner.lying, 1);
            Ok(())
        })
    }

    /// An end of `inner` lies in `outer` no more.
    pub(super) fn take(&self, outer: &Level, inner: &Level) {
        self.lock.with(|()| {
            add(&outer.inside, -1);
            add(&inner.lying, -1);
        });
    }
}

/// Makes the outer the higher, if that is possible.
fn order(outer: &Level, inner: &Level, [above, below]: [u64; 2]) -> bool {
    if above > below {
        return true;
    }
    let (level, height) = match (get(&outer.lying), get(&inner.inside)) {
        (0, _) => (outer, below.checked_add(1)),
        (_, 0) => (inner, above.checked_sub(1)),
        _ => return false,
    };
    height.inspect(|&height| level.height.store(height, Ordering::Relaxed)).is_some()
}

impl<E: Env> fmt::Debug for Levels<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Levels").finish_non_exhaustive()
    }
}
