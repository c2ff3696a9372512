//! kos-ipc in this kernel: what all processes share, and what each has.
//!
//! | part | what it is |
//! |---|---|
//! | [`Ipc`] | rules, quotas, revocation cells and names, for as long as the machine; made when the first program runs |
//! | [`Handle`] | what capabilities are to |
//! | [`Caps`] | the capabilities of one process, and what goes when it ends |
//! | [`policy`] | what programs may do to each other's objects, whatever capabilities they have |
//! | [`port`], [`lent`] | endpoints and spaces behind counted pointers |
//! | [`segment`] | shared memory by name, and what a process has mapped of it |
//! | [`stream`], [`signals`] | pipes and signals with memory of their own |
//!
//! The ports of kos-ipc are in [`glue::ipc`](crate::glue::ipc).

pub(crate) mod caps;
mod lent;
pub(crate) mod policy;
pub(crate) mod port;
mod segment;
mod signals;
mod stream;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use kos_ipc::Caller;
use kos_ipc::cap::{Cell, Cells, DirEntry, Directory, Object};
use kos_ipc::notify::Notification;
use kos_ipc::policy::{AuditLog, Loss, NoRule, Rule, Scope, TypeTable};
use kos_ipc::quota::{Limits, Quota, QuotaNode, Quotas};
use kos_ipc::ring::MpmcSlot;
use kos_sched::{Park, TaskId};
use kos_vfs::Errno;
use lock_api::Mutex;

use crate::Kernel;
use crate::glue::ipc::{IpcEnv, Rules, Sleeper, Who};
use crate::glue::sleep_lock::{Ambient, SleepLock};
use crate::platform::Platform;
use crate::process::MOST;
use crate::time::{Duration, Instant};
pub(crate) use caps::Caps;
use policy::Plan;
pub(crate) use port::{Message, Pending, Port};
pub(crate) use segment::{Mappings, Shared};
pub(crate) use signals::Signals;
pub(crate) use stream::ByteStream;

/// Revocation cells of all processes together.
const CELLS: usize = 256;
/// Names of services.
const NAMES: usize = 32;
/// Records that wait to be read.
const RECORDS: usize = 128;

/// The kernel, to the rules.
pub(crate) const KERNEL: Who = Who { domain: 0, process: 0 };

/// Who acts.
pub(crate) type Client<'a, P> = Caller<'a, IpcEnv<P>>;

/// A notification.
pub(crate) struct Bits<P: Platform> {
    inner: Notification<IpcEnv<P>>,
    /// Tells it from others.
    pub(crate) id: u32,
}

impl<P: Platform> Bits<P> {
    /// No bit is set.
    pub(crate) const fn new(id: u32) -> Self {
        Self { inner: Notification::new(Sleeper::new(), policy::NOTIFICATION, id), id }
    }
}

impl<P: Platform> Deref for Bits<P> {
    type Target = Notification<IpcEnv<P>>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

type Names<P> = Directory<'static, 'static, IpcEnv<P>, Handle<P>>;

/// What a capability is to.
pub(crate) enum Handle<P: Platform> {
    /// Where a server is called.
    Port(Arc<Port<P>>),
    /// Bits that are posted and waited for.
    Bits(Arc<Bits<P>>),
    /// The directory of names.
    Names,
    /// Shared memory.
    Segment(Arc<Shared<P>>),
}

impl<P: Platform> Handle<P> {
    /// [`Object::kind`] of each.
    pub(crate) const PORT: u8 = 1;
    pub(crate) const BITS: u8 = 2;
    pub(crate) const NAMES: u8 = 3;
    pub(crate) const SEGMENT: u8 = 4;

    /// Tells it from others of its kind; 0 where there is one.
    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Port(port) => port.id,
            Self::Bits(bits) => bits.id,
            Self::Names => 0,
            Self::Segment(shared) => shared.id,
        }
    }

    /// For people.
    pub(crate) const fn kind_name(kind: u8) -> &'static str {
        match kind {
            Self::PORT => "endpoint",
            Self::BITS => "notification",
            Self::NAMES => "names",
            Self::SEGMENT => "segment",
            _ => "?",
        }
    }
}

impl<P: Platform> Clone for Handle<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Port(port) => Self::Port(Arc::clone(port)),
            Self::Bits(bits) => Self::Bits(Arc::clone(bits)),
            Self::Names => Self::Names,
            Self::Segment(shared) => Self::Segment(Arc::clone(shared)),
        }
    }
}

impl<P: Platform> Object for Handle<P> {
    fn kind(&self) -> u8 {
        match self {
            Self::Port(_) => Self::PORT,
            Self::Bits(_) => Self::BITS,
            Self::Names => Self::NAMES,
            Self::Segment(_) => Self::SEGMENT,
        }
    }
}

impl<P: Platform> fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::kind_name(self.kind()))
    }
}

/// What all processes share.
pub(crate) struct Ipc<P: Platform> {
    pub(crate) rules: Rules,
    /// What the rules say.
    plan: Mutex<SleepLock<P>, Plan>,
    pub(crate) names: Names<P>,
    pub(crate) cells: &'static Cells<'static, IpcEnv<P>>,
    pub(crate) segments: &'static segment::Table<P>,
    pub(crate) quota: Quota<'static, IpcEnv<P>>,
    next: AtomicU32,
}

/// Places for good: those of a machine live as long as that.
fn places<T>(count: usize, place: fn() -> T) -> Option<Vec<T>> {
    let mut places = Vec::new();
    places.try_reserve_exact(count).ok()?;
    places.resize_with(count, place);
    Some(places)
}

fn now<P: Platform>() -> Instant {
    P::with_kernel(|kernel| kernel.threads.runtime().now()).unwrap_or(Instant::from_ticks(0))
}

impl<P: Platform> Ipc<P> {
    fn new(kernel: &Kernel<P>) -> Option<Self> {
        let (nodes, cells) = (places(MOST + 2, QuotaNode::new)?, places(CELLS, Cell::new)?);
        let (entries, records) = (places(NAMES, DirEntry::new)?, places(RECORDS, MpmcSlot::new)?);
        let rules = places(usize::from(policy::DOMAINS_ALL * policy::TYPES), Rule::new)?;
        if !kernel.has_room_for::<(Quotas<'_, IpcEnv<P>>, Cells<'_, IpcEnv<P>>)>() {
            return None;
        }
        // What is leaked before something fails is lost: little, and once.
        let quotas: &'static _ = Box::leak(Box::new(Quotas::new(nodes.leak())));
        let cells: &'static _ = Box::leak(Box::new(Cells::new(cells.leak(), quotas)));
        let log = AuditLog::new(records.leak(), Loss::Counted, Scope::All, now::<P>).ok()?;
        if !kernel.has_room_for::<segment::Table<P>>() {
            return None;
        }
        let segments: &'static _ = Box::leak(Box::new(segment::table(cells)?));
        let (table, plan) = (TypeTable::new(rules.leak(), policy::TYPES, ()), Plan::new());
        plan.apply(&table).ok()?;
        Some(Self {
            rules: Rules { table, log, all: AtomicBool::new(false) },
            plan: Mutex::new(plan),
            names: Directory::new(Sleeper::new(), entries.leak(), policy::NAMES, 0),
            cells,
            segments,
            quota: quotas.root(Limits::UNLIMITED).ok()?,
            next: AtomicU32::new(1),
        })
    }

    /// The number of the next object.
    pub(crate) fn next_id(&self) -> u32 {
        self.next.fetch_add(1, Relaxed)
    }

    /// What the rules say.
    pub(crate) fn plan(&self) -> Plan {
        *self.plan.lock()
    }

    /// Has the rules say something else from now on.
    ///
    /// # Errors
    /// The table is too small for it.
    pub(crate) fn set_plan(&self, new: &Plan) -> Result<(), NoRule> {
        let mut plan = self.plan.lock();
        new.apply(&self.rules.table)?;
        *plan = *new;
        Ok(())
    }

    /// The running thread, which is `task`, as `who`.
    pub(crate) fn client<'a>(&'a self, task: &'a TaskId, who: Who) -> Client<'a, P> {
        Caller::new(task, who, &self.rules)
    }
}

/// As whom a process of this user acts.
pub(crate) const fn who(uid: u32, process: u32) -> Who {
    Who { domain: if uid == 0 { 1 } else { 2 }, process }
}

/// When a wait of so many nanoseconds ends; [`u64::MAX`]: never.
pub(crate) fn deadline<P: Platform>(kernel: &Kernel<P>, nanos: u64) -> Option<Instant> {
    if nanos == u64::MAX {
        return None;
    }
    let now = kernel.threads.runtime().now();
    Some(now.checked_add_duration(Duration::from_ticks(nanos)).unwrap_or(Instant::from_ticks(u64::MAX)))
}

/// The running thread.
pub(crate) fn task<P: Platform>() -> TaskId {
    Ambient::<P>::new().current()
}

impl<P: Platform> Kernel<P> {
    /// What all processes share.
    ///
    /// # Errors
    /// [`Errno::ENOMEM`]
    pub(crate) fn ipc(&self) -> Result<&Ipc<P>, Errno> {
        self.ipc.try_call_once(|| Ipc::new(self).ok_or(Errno::ENOMEM))
    }
}
