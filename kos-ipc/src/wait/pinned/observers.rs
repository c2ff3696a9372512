//! Who is told when something may have become ready: [`Observers`].
//!
//! Locks: that of the observers of a source is held while a set that watches it is told ([`Hub::signal`]), because that keeps the
//! set where it is; a set that is itself watched tells on in the same way. So they nest from a source up to a set that nobody
//! watches, and sets watch each other in no circle ([`Nesting`](crate::wait::Nesting)). No lock is held while somebody is woken.

use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomPinned;
use core::pin::{Pin, pin};
use core::ptr::NonNull;

use super::hub::{Hub, Packet};
use super::list::{CURSOR, Link, List, Node, WAITING};
use crate::caller::Token;
use crate::ports::Env;
use crate::sync::atomic::{AtomicBool, Ordering, fence};
use crate::sync::{Bug, Lock, const_fn, seeded};
use crate::wait::{BATCH, Readiness, WakeBatch};

/// The wait sets that watch one source, if there are any.
///
/// Who changes the source writes first and then [tells](Self::signal); who begins to watch enters first and then looks at the
/// source: the rule of every wait of this crate. What is told is a hint, which the set follows by a look at
/// [`readiness`](crate::wait::Source::readiness).
pub(crate) struct Observers<E: Env> {
    /// Clear: nobody watches. Written under the lock, read without.
    any: AtomicBool,
    inner: Lock<E, Inner<E>>,
    _pinned: PhantomPinned,
}

struct Inner<E: Env> {
    list: Observing<E>,
    /// Tells them all; the code of wait sets is in a kernel only if somebody has begun to watch.
    tell: Option<Tell<E>>,
}

type Observing<E> = List<Infallible, Option<Target<E>>>;
/// A registration's place at its source.
pub(super) type AtSource<E> = Node<Infallible, Option<Target<E>>>;
/// Tells all observers what may be ready, and wakes by the port.
type Tell<E> = fn(&Observers<E>, &<E as Env>::Park, Readiness);

/// What a signal is for: a packet, and its set. Both are there for as long as the node that says so is in the list.
pub(super) struct Target<E: Env> {
    hub: NonNull<Hub<E>>,
    packet: Link<Infallible, Packet>,
}

impl<E: Env> Clone for Target<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Env> Copy for Target<E> {}

// SAFETY: another thread uses of the hub what is behind its locks (`Hub::signal`, `Hub::with`), and not its `Park`, which alone
// need not be `Sync`: packets, who is to be woken (`Park::Token` is `Send`), and targets.
unsafe impl<E: Env> Send for Target<E> {}

impl<E: Env> Target<E> {
    /// `hub` lasts for as long as the target is in a list.
    pub(super) const fn new(hub: Pin<&Hub<E>>, packet: Link<Infallible, Packet>) -> Self {
        Self { hub: NonNull::from_ref(hub.get_ref()), packet }
    }

    /// # Safety
    /// The node of this target is in a list whose lock is held, or nobody takes it out meanwhile.
    pub(super) unsafe fn hub<'a>(&self) -> &'a Hub<E> {
        // SAFETY: a set takes all its registrations out before it goes (`WatchSlot::attach`): the caller's promise.
        unsafe { self.hub.as_ref() }
    }
}

impl<E: Env> Observers<E> {
    const_fn! {
        /// Nobody watches.
        pub(crate) fn new() -> Self {
            let inner = Inner { list: List::EMPTY, tell: None };
            Self { any: AtomicBool::new(false), inner: Lock::new(inner), _pinned: PhantomPinned }
        }
    }

    /// Whether somebody may watch. The caller has written what changed, and a `SeqCst` fence stands behind that.
    #[inline]
    pub(crate) fn are_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Tells them that `what` may be ready now. Called after the change, without a lock held; any context. With nobody watching
    /// it is a fence and a load. Not copied to each caller: it is rarely the shortest path, and small machines count bytes.
    #[inline(never)]
    pub(crate) fn signal(&self, park: &E::Park, what: Readiness) {
        if !seeded(Bug::UnfencedEmptyTest) {
            fence(Ordering::SeqCst);
        }
        if self.are_any()
            && let Some(tell) = self.inner.with(|inner| inner.tell)
        {
            tell(self, park, what);
        }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Observing<E>) -> R) -> R {
        self.inner.with(|inner| {
            let result = work(&mut inner.list);
            self.any.store(!inner.list.is_empty(), Ordering::Relaxed);
            result
        })
    }

    /// Tells `target` from now on.
    ///
    /// # Safety
    /// `node` is pinned, in this list or none, and the caller's; it is [taken out](Self::leave) before it, the hub of `target`, the packet or
    /// the observers are gone or moved.
    pub(super) unsafe fn enter(&self, node: &AtSource<E>, target: Target<E>) {
        if node.state() == WAITING {
            return;
        }
        self.inner.with(|inner| inner.tell = Some(tell_all));
        self.with(|list| {
            // SAFETY: the caller's promise.
            let link = unsafe { Link::new(node) };
            list.with(link, |body| body.value = Some(target));
            // Who came last is told first, as in Linux.
            list.push_front(link, WAITING);
        });
        // As a waiter: entered, then looks.
        fence(Ordering::SeqCst);
    }

    /// Does not tell what `node` names any more, and says what that was.
    ///
    /// # Safety
    /// `node` entered here, or is in no list.
    pub(super) unsafe fn leave(&self, node: &AtSource<E>) -> Option<Target<E>> {
        self.with(|list| {
            if node.state() != WAITING {
                return None;
            }
            // SAFETY: it is in this list: the caller's promise.
            let link = unsafe { Link::new(node) };
            list.remove(link);
            list.with(link, |body| body.value.take())
        })
    }

    /// Runs `work` on the set that watches, if one does; the first, if several do. It stays until `work` returns.
    pub(crate) fn with_first<R>(
        &self,
        work: impl FnOnce(&Hub<E>, Link<Infallible, Packet>) -> R,
    ) -> Option<R> {
        self.with(|list| {
            let mut next = list.head();
            while let Some(link) = next {
                if let Some(target) = list.with(link, |body| body.value) {
                    // SAFETY: its node is in the list, whose lock is held.
                    return Some(work(unsafe { target.hub() }, target.packet));
                }
                next = list.next(link);
            }
            None
        })
    }
}

/// Tells everybody, and lets go of the lock after [`BATCH`] of them, or as many wake-ups.
fn tell_all<E: Env>(observers: &Observers<E>, park: &E::Park, what: Readiness) {
    let mark = pin!(Mark { observers, node: Node::new(None) });
    let mut batch = WakeBatch::new();
    loop {
        let over = mark.as_ref().pass(what, &mut batch);
        batch.deliver(park);
        if over {
            return;
        }
    }
}

/// The place of one walk over the observers, between two holds of the lock.
struct Mark<'o, E: Env> {
    observers: &'o Observers<E>,
    node: AtSource<E>,
}

impl<E: Env> Mark<'_, E> {
    /// Goes on under one hold of the lock. True at the end.
    fn pass(self: Pin<&Self>, what: Readiness, batch: &mut WakeBatch<Token<E>>) -> bool {
        let node = &self.get_ref().node;
        self.observers.with(|list| {
            // SAFETY: the mark is pinned, and leaves when it is dropped.
            let link = unsafe { Link::new(node) };
            if node.state() != CURSOR {
                list.push_front(link, CURSOR);
            }
            for _ in 0..BATCH {
                let Some(next) = list.next(link) else {
                    list.remove(link);
                    return true;
                };
                let target = list.with(next, |body| body.value);
                // SAFETY: its node is in the list, whose lock is held.
                let told =
                    target.is_none_or(|target| unsafe { target.hub() }.signal(target.packet, what, batch));
                if !told {
                    return false;
                }
                list.step_over(link, next);
            }
            false
        })
    }
}

impl<E: Env> Drop for Mark<'_, E> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        if self.node.state() == CURSOR {
            self.observers.with(|list| {
                // SAFETY: it is in this list, whose lock is held; so it was pinned.
                list.remove(unsafe { Link::new(&self.node) });
            });
        }
    }
}

impl<E: Env> fmt::Debug for Observers<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").field("any", &self.any).finish_non_exhaustive()
    }
}
