//! A kernel whose ports count their calls, and whose k-th answer is no: [`Doubts`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use crate::policy::{AuditEvent, AuditFull, Decision, ObjectMeta, Op};
use crate::ports::{
    Access, BlockReason, CallerMemory, Deadlock, Env, Fault, Park, Policy, Resume, SharedMemory,
};
use crate::testing::{HostLock, HostMask, NoMemory, PAGE};
use crate::time::Instant;

/// Which call to a port is refused, how many were, and of how many of these somebody was told.
#[derive(Clone, Debug)]
pub(super) struct Doubts(Arc<[AtomicUsize; 3]>);

impl Doubts {
    /// The k-th call from now on is refused, from 1.
    pub(super) fn at(k: usize) -> Self {
        Self(Arc::new([k, 0, 0].map(AtomicUsize::new)))
    }

    /// Whether it is this one.
    fn are_now(&self) -> bool {
        let now = self.0[0].fetch_sub(1, Ordering::Relaxed) == 1;
        self.0[1].fetch_add(usize::from(now), Ordering::Relaxed);
        now
    }

    /// Refusals so far.
    pub(super) fn refused(&self) -> usize {
        self.0[1].load(Ordering::Relaxed)
    }

    /// Those of which nobody was told.
    pub(super) fn unseen(&self) -> usize {
        self.refused() - self.0[2].load(Ordering::Relaxed)
    }

    /// Somebody was told of one.
    pub(super) fn see(&self) {
        self.0[2].fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) struct DoubtEnv;

impl Env for DoubtEnv {
    type Lock = HostLock;
    type Irq = HostMask;
    type Park = Doubtful;
    type Policy = Doubtful;
}

/// What a server does while its client sleeps.
pub(super) type Server = Box<dyn FnMut() + Send>;

/// Policy, scheduler, memory objects and callers' memory at once.
#[derive(Clone)]
pub(super) struct Doubtful {
    pub(super) doubts: Doubts,
    pub(super) server: Arc<Mutex<Option<Server>>>,
    /// Donations that last, bytes of objects, and mappings.
    pub(super) counts: Arc<[AtomicUsize; 3]>,
}

impl Doubtful {
    pub(super) fn new(doubts: Doubts) -> Self {
        let counts = Arc::new([(); 3].map(|()| AtomicUsize::new(0)));
        Self { doubts, server: Arc::default(), counts }
    }

    fn add(&self, at: usize, amount: usize) {
        self.counts[at].fetch_add(amount, Ordering::Relaxed);
    }

    fn sub(&self, at: usize, amount: usize) {
        let before = self.counts[at].fetch_sub(amount, Ordering::Relaxed);
        assert!(before >= amount, "given back twice");
    }

    /// The kernel unmaps.
    pub(super) fn unmap(&self) {
        self.sub(2, 1);
    }

    fn memory(&self) -> Result<(), NoMemory> {
        if self.doubts.are_now() { Err(NoMemory) } else { Ok(()) }
    }
}

impl Policy for Doubtful {
    type Subject = ();

    fn check(&self, (): (), _: Op, _: &ObjectMeta) -> Decision {
        if self.doubts.are_now() { Decision::Deny } else { Decision::Allow }
    }

    fn audit(&self, _: &AuditEvent<()>) -> Result<(), AuditFull> {
        if self.doubts.are_now() { Err(AuditFull) } else { Ok(()) }
    }
}

impl Park for Doubtful {
    type Token = usize;

    fn park(&self, _: &usize, until: Option<Instant>, _: BlockReason) -> Resume {
        assert!(!HostMask::is_masked(), "parked with interrupts masked");
        let server = self.server.lock().unwrap().take();
        let Some(mut server) = server else { return Resume::TimedOut };
        assert!(until.is_none());
        server();
        *self.server.lock().unwrap() = Some(server);
        Resume::Woken
    }

    fn unpark(&self, _: &usize) {}

    fn donate(&self, _: &usize, _: &usize) -> Result<(), Deadlock> {
        if self.doubts.are_now() {
            return Err(Deadlock);
        }
        self.add(0, 1);
        Ok(())
    }

    fn withdraw(&self, _: &usize, _: &usize) {
        self.sub(0, 1);
    }
}

impl CallerMemory for Doubtful {
    fn copy_in(&self, at: usize, _: &mut [u8]) -> Result<(), Fault> {
        self.memory().map_err(|_| Fault { at })
    }

    fn copy_out(&self, at: usize, _: &[u8]) -> Result<(), Fault> {
        self.memory().map_err(|_| Fault { at })
    }
}

impl SharedMemory for Doubtful {
    type Object = Arc<AtomicUsize>;
    type Place = u32;
    type Error = NoMemory;

    fn page_size(&self) -> usize {
        PAGE
    }

    fn create(&self, bytes: usize) -> Result<Arc<AtomicUsize>, NoMemory> {
        self.memory()?;
        self.add(1, bytes);
        Ok(Arc::new(AtomicUsize::new(bytes)))
    }

    fn resize(&self, object: &Arc<AtomicUsize>, from: usize, to: usize) -> Result<(), NoMemory> {
        self.memory()?;
        assert_eq!(object.swap(to, Ordering::Relaxed), from);
        self.add(1, to);
        self.sub(1, from);
        Ok(())
    }

    fn map(&self, _: &Arc<AtomicUsize>, _: &u32, _: Range<usize>, _: Access) -> Result<(), NoMemory> {
        self.memory()?;
        self.add(2, 1);
        Ok(())
    }

    fn free(&self, object: Arc<AtomicUsize>) {
        self.sub(1, object.load(Ordering::Relaxed));
    }
}
