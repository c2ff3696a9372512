//! The network of the kernel: one [`Stack`](kos_net::Stack) over this host itself and the card, and the thread that polls it.
//!
//! Whoever uses a socket does so under the lock of the `State`, calls the poller, and sleeps until there is news. The card's
//! interrupt calls the poller, too; it takes no lock.

pub mod firewall;
mod lease;
mod names;
mod own;
mod state;
pub(crate) mod stream;
#[cfg(feature = "testing")]
pub mod testing;
pub(crate) mod url;
pub(crate) mod web;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

use kos_net::LinkControl as _;
use kos_sched::sync::WaitQueue;
use kos_sched::{BlockReason, Park as _, Resume, TaskId};
use lock_api::Mutex;

use self::firewall::{Firewall, LoadError};
use crate::Kernel;
use crate::files::Files;
use crate::glue::sleep_lock::{Ambient, SleepLock};
use crate::platform::{Delayed, Platform};
use crate::threads::{How, Member};
use crate::time::Instant;
pub(crate) use names::NameError;
pub(crate) use state::{NetError, State};

type SleepMutex<P, T> = Mutex<SleepLock<P>, T>;

/// The network of a running kernel.
pub(crate) struct Net<P: Platform> {
    /// On the heap: a kernel is made on the small stack on which it boots.
    state: Mutex<SleepLock<P>, Box<[State<P>; 1]>>,
    /// How often there was news.
    turns: AtomicU64,
    news: WaitQueue<Ambient<P>>,
}

/// Bytes of the stack on which the network is made: its tables pass over it.
const LARGE_STACK: usize = 256 << 10;

impl<P: Platform> Net<P> {
    /// A stack over `card`, if there is one, behind the rules that the root has, or closed if those cannot be read; its address is leased.
    pub(crate) fn start(
        kernel: &Kernel<P>,
        card: Option<P::Net>,
        files: Option<&Files<P>>,
    ) -> Result<(Self, Result<(), LoadError>), NetError> {
        let (card, made) = (SleepMutex::<P, _>::new(card), SleepMutex::<P, _>::new(None));
        let work = || {
            let card = card.lock().take();
            *made.lock() = Some(Self::make(kernel, card, files));
        };
        let maker = Member::new(How::new("net-start").stack(LARGE_STACK), &work);
        kernel.with_team(&[maker], |_| ()).map_err(|_| NetError::NoMemory)?;
        made.into_inner().unwrap_or(Err(NetError::NoMemory))
    }

    fn make(
        kernel: &Kernel<P>,
        card: Option<P::Net>,
        files: Option<&Files<P>>,
    ) -> Result<(Self, Result<(), LoadError>), NetError> {
        let mac = card.as_ref().map(P::Net::mac);
        let mut state = boxed(State::new(kernel, card)?)?;
        let [one] = &mut *state;
        let rules = files.map_or(Ok(Firewall::new()), firewall::of_root);
        let read = rules.as_ref().map(drop).map_err(|error| *error);
        one.firewall.take(rules.unwrap_or_else(|_| Firewall::closed()));
        if let Some(mac) = mac {
            one.start_leasing(kernel.platform().now(), mac).map_err(NetError::Lease)?;
        }
        let (turns, news) = (AtomicU64::new(0), WaitQueue::new(Ambient::new()));
        Ok((Self { state: Mutex::new(state), turns, news }, read))
    }

    /// Works on stack and sockets, alone, and has what then is to be sent sent. Not in interrupt context.
    pub(crate) fn with<R>(&self, kernel: &Kernel<P>, work: impl FnOnce(&mut State<P>) -> R) -> R {
        let result = self.locked(work);
        kernel.call_poller();
        result
    }

    /// Lets go of memory that is kept for later only.
    pub(crate) fn trim(&self) {
        self.locked(State::trim);
    }

    /// There is news that the stack does not know of.
    fn tell(&self) {
        self.turns.fetch_add(1, Release);
        self.news.wake_all();
    }

    fn locked<R>(&self, work: impl FnOnce(&mut State<P>) -> R) -> R {
        let [state] = &mut **self.state.lock();
        work(state)
    }

    /// Repeats `work` with each news until it returns something; [`None`] at `until`, or if the calling thread is to end.
    pub(crate) fn wait<R>(
        &self,
        kernel: &Kernel<P>,
        until: Option<Instant>,
        mut work: impl FnMut(&mut State<P>) -> Option<R>,
    ) -> Option<R> {
        loop {
            let seen = self.turns.load(Acquire);
            if let Some(found) = self.with(kernel, &mut work) {
                return Some(found);
            }
            let came = || (self.turns.load(Acquire) != seen).then_some(());
            if self.news.wait_for(until, came).is_err() {
                return self.with(kernel, &mut work);
            }
        }
    }

    /// Polls until it is told to end. A service of the kernel.
    pub(crate) fn poll_on(kernel: &Kernel<P>, _: usize) {
        let Some(net) = kernel.net() else { return };
        let runtime = kernel.threads.runtime();
        let delay = || kernel.platform().delay(Delayed::Packets);
        kernel.poller.with(|poller| *poller = runtime.current());
        loop {
            let (next, news) = net.locked(|state| state.turn(runtime.now(), &kernel.faults.lost, &delay));
            if news {
                net.tell();
            }
            // What came before it parks is remembered: it does not sleep then.
            if runtime.park(next, BlockReason::Io) == Resume::Interrupted {
                break;
            }
        }
        kernel.poller.with(|poller| *poller = TaskId::NOBODY);
    }
}

/// A box, if there is memory for it.
fn boxed<T>(value: T) -> Result<Box<[T; 1]>, NetError> {
    let mut all = Vec::new();
    all.try_reserve_exact(1).map_err(|_| NetError::NoMemory)?;
    all.push(value);
    Box::try_from(all.into_boxed_slice()).map_err(|_| NetError::NoMemory)
}

impl<P: Platform> Kernel<P> {
    /// The network, if there is one.
    pub(crate) fn net(&self) -> Option<&Net<P>> {
        self.net.get().and_then(Option::as_ref)
    }

    /// Ends the sleep of the network's poller, or lets it look once more. In interrupt context, too.
    pub(crate) fn call_poller(&self) {
        let poller = self.poller.with(|poller| *poller);
        self.threads.runtime().unpark(poller);
    }
}
