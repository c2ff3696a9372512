//! The k-th call to a port is refused, for every k: the operation that it befell has changed nothing, and has given back whatever it was
//! handed; done again, it succeeds; and in the end everything is given back.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::pin::Pin;
use core::sync::atomic::Ordering;

use super::ports::{DoubtEnv, Doubtful, Doubts};
use crate::caller::Caller;
use crate::cap::{CapId, CapSlot, CapSpace, Carried, Cell, Cells, DirEntry, Directory, Object, Rights};
use crate::channel::{Block, CallPlace, CapPlace, Channel, Config, Levels, Memory, Side, ToSpace};
use crate::endpoint::{self, CallError, CallSlot, Endpoint, Lease, Lent};
use crate::notify::{CounterMode, EventCounter, Notification, Semaphore};
use crate::ports::Access;
use crate::quota::{Limits, Quota, QuotaNode, Quotas, Resource};
use crate::shm::{
    Home, MappingSlot, Seals, Segment, SegmentCount, SegmentMemory, SegmentObject, SegmentSlot, Segments,
    UnmapStep,
};
use crate::testing::PAGE;
use crate::wait::{Event, Mode, Nesting, Progress, Readiness, Source, WaitSet, WatchSlot};

const PLAIN: u8 = 1;
const SHARED: u8 = 2;

#[derive(Clone, Debug)]
enum Thing {
    Plain(Arc<()>),
    Shared(Segment<'static, DoubtEnv, Doubtful>),
}

impl Object for Thing {
    fn kind(&self) -> u8 {
        match self {
            Self::Plain(handle) => PLAIN + u8::from(Arc::strong_count(handle) == 0),
            Self::Shared(_) => SHARED,
        }
    }
}

impl SegmentObject<'static, DoubtEnv, Doubtful> for Thing {
    fn segment(&self) -> Option<&Segment<'static, DoubtEnv, Doubtful>> {
        match self {
            Self::Plain(_) => None,
            Self::Shared(segment) => Some(segment),
        }
    }
}

type Space = CapSpace<'static, DoubtEnv, Thing>;
type Handle = &'static (dyn Source<DoubtEnv> + Send + Sync);
type Set = WaitSet<'static, DoubtEnv, Handle, Box<[WatchSlot<DoubtEnv, Handle>]>>;

/// One of each, leaked: they borrow each other.
struct World {
    kernel: Doubtful,
    handle: Arc<()>,
    quota: Quota<'static, DoubtEnv>,
    cells: &'static Cells<'static, DoubtEnv>,
    spaces: [&'static Space; 2],
    directory: Directory<'static, 'static, DoubtEnv, Thing>,
    channel: Channel<'static, 'static, DoubtEnv, Thing>,
    endpoint: Endpoint<'static, DoubtEnv, u64, Doubtful>,
    notification: Notification<DoubtEnv>,
    semaphore: Semaphore<DoubtEnv>,
    counter: EventCounter<DoubtEnv>,
    set: Pin<Box<Set>>,
    segments: Segments<'static, DoubtEnv, Doubtful>,
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

fn many<T>(count: usize, make: impl FnMut() -> T) -> &'static mut [T] {
    core::iter::repeat_with(make).take(count).collect::<Vec<_>>().leak()
}

fn world(doubts: Doubts) -> &'static World {
    let kernel = Doubtful::new(doubts);
    let quotas = leak(Quotas::new(many(1, QuotaNode::new)));
    let quota = quotas.root(Limits::all(1 << 20)).unwrap();
    let cells: &Cells<'_, _> = leak(Cells::new(many(4, Cell::new), quotas));
    let space = |salt| &*leak(Space::new(many(8, CapSlot::new), cells, quota.clone(), salt).unwrap());
    let memory = [(); 2].map(|()| Memory {
        blocks: many(4, Block::new),
        caps: many(2, CapPlace::new),
        calls: many(1, CallPlace::new),
    });
    let levels = leak(Levels::new(cells));
    let park = || kernel.clone();
    let slots: Vec<_> = (0..2).map(|_| WatchSlot::new()).collect();
    let slots = Box::into_pin(slots.into_boxed_slice());
    let set = WaitSet::new(park(), slots, Some(quota.clone()), leak(Nesting::new()), 0, 0);
    let lent = SegmentMemory {
        segments: many(2, SegmentSlot::new),
        counts: many(2, SegmentCount::new),
        mappings: many(2, MappingSlot::new),
    };
    leak(World {
        handle: Arc::new(()),
        spaces: [space(1), space(2)],
        directory: Directory::new(park(), many(2, DirEntry::new), 0, 0),
        channel: Channel::new(park(), memory, levels, quota.clone(), Config::of(4, 2), 0, 0).unwrap(),
        endpoint: Endpoint::new(park(), many(2, CallSlot::new), 0, 0),
        notification: Notification::new(park(), 0, 0),
        semaphore: Semaphore::new(park(), 0, 0, 0),
        counter: EventCounter::new(park(), 0, CounterMode::Whole, 0, 0),
        set: Box::pin(set),
        segments: Segments::new(park(), cells, lent),
        quota,
        cells,
        kernel,
    })
}

/// All that can be seen of a world.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    used: Vec<usize>,
    live: [usize; 2],
    cells: usize,
    handles: usize,
    names: usize,
    queued: u64,
    calls: Readiness,
    objects: (u64, u32, u64),
    kernel: [usize; 3],
}

const RESOURCES: [Resource; 5] =
    [Resource::Bytes, Resource::Slots, Resource::Cells, Resource::Registrations, Resource::Signals];

impl World {
    fn caller(&self) -> Caller<'_, DoubtEnv> {
        Caller::new(&0, (), &self.kernel)
    }

    fn picture(&self) -> Picture {
        let stats = self.channel.stats(Side::A);
        Picture {
            used: RESOURCES.iter().map(|&resource| self.quota.used(resource)).collect(),
            live: self.spaces.map(|space| space.stats().live),
            cells: self.cells.in_use(),
            handles: Arc::strong_count(&self.handle),
            names: self.directory.len(),
            queued: stats.sent - stats.taken,
            calls: self.endpoint.readiness(),
            objects: (self.notification.pending(), self.semaphore.available(), self.counter.count()),
            kernel: [0, 1, 2].map(|at| self.kernel.counts[at].load(Ordering::Relaxed)),
        }
    }

    fn check(&self) {
        let ends = [self.directory.check(), self.channel.check(), self.endpoint.check()];
        assert!(ends.iter().all(Result::is_ok) && self.spaces.iter().all(|space| space.check_all().is_ok()));
        let rest = [self.set.check(), self.segments.check(), self.cells.check(), self.semaphore.check()];
        assert!(rest.iter().all(Result::is_ok), "{rest:?}");
    }

    /// Does `op`, which says `None` if it failed; if it did, once more. A failure has a refusal for a cause, and no other effect.
    fn attempt<T>(&self, mut op: impl FnMut() -> Option<T>) -> T {
        let (before, open) = (self.picture(), self.kernel.doubts.unseen());
        if let Some(done) = op() {
            assert_eq!(self.kernel.doubts.unseen(), open, "refused, and it went on");
            return done;
        }
        assert_eq!(self.kernel.doubts.unseen(), open + 1, "failed, and nobody had refused");
        self.kernel.doubts.see();
        assert_eq!(self.picture(), before);
        self.check();
        op().unwrap()
    }

    fn insert(&self, rights: Rights) -> CapId {
        self.spaces[0].insert(Thing::Plain(Arc::clone(&self.handle)), rights, 0).unwrap()
    }
}

const BOTH: Rights = Rights::READ.union(Rights::DUPLICATE).union(Rights::TRANSFER);

fn directory(world: &World) {
    let (caller, [ours, theirs]) = (world.caller(), world.spaces);
    let ids = [world.insert(BOTH)];
    let mut cap = None;
    ours.prepare(&ids).unwrap().commit(|_, carried: Carried<'_, _, _>| cap = Some(carried));
    world.attempt(|| match world.directory.publish(&caller, b"svc", cap.take().unwrap()) {
        Ok(()) => Some(()),
        Err(refused) => {
            cap = Some(refused.cap);
            None
        }
    });
    let id = world.attempt(|| world.directory.open(&caller, b"svc", theirs, Rights::READ).ok());
    assert!(theirs.get(id, PLAIN, Rights::READ).is_ok());
    theirs.close(id).unwrap();
    drop(world.attempt(|| world.directory.unlink(&caller, b"svc").ok()));
}

fn channel(world: &'static World) {
    let (caller, [ours, theirs]) = (world.caller(), world.spaces);
    let (a, b) = (world.channel.end(Side::A), world.channel.end(Side::B));
    let ids = [world.insert(BOTH), world.insert(BOTH)];
    world.attempt(|| a.try_send(&caller, b"one", ours.prepare(&ids[..1]).unwrap()).ok());
    let mut permit = Some(world.attempt(|| a.try_reserve(&caller, 3, 1).ok()));
    world.attempt(|| {
        let permit = permit.take().or_else(|| a.try_reserve(&caller, 3, 1).ok());
        permit.unwrap().send(&caller, b"two", ours.prepare(&ids[1..]).unwrap()).ok()
    });
    for text in [b"one", b"two"] {
        let (mut bytes, mut got) = ([0; 3], [CapId::from_raw(0)]);
        world.attempt(|| b.try_receive(&caller, &mut bytes, ToSpace { space: theirs, ids: &mut got }).ok());
        assert_eq!((&bytes, theirs.close(got[0])), (text, Ok(())));
    }
    let sent = a.call(&caller, b"?", (), (&mut [], &mut []), Some(crate::time::Instant::from_ticks(0)));
    assert!(sent.is_err());
    while b.clear(4) == Progress::More {}
}

/// A server on the same thread, while the client sleeps.
fn serve(world: &'static World) {
    let caller = Caller::new(&1, (), &world.kernel);
    let call = world.attempt(|| world.endpoint.try_recv(&caller).ok());
    world.attempt(|| call.token.read(0, 2, &mut [0; 4]).ok());
    world.attempt(|| call.token.write(1, 0, &[0; 4]).ok());
    call.token.reply(call.message + 1).unwrap();
}

fn endpoint(world: &'static World) {
    let caller = world.caller();
    world.endpoint.set_server(Some(1));
    *world.kernel.server.lock().unwrap() = Some(Box::new(move || serve(world)));
    let lease = |access| Lease { start: 64, len: 8, access };
    let leases = [lease(endpoint::Access::Read), lease(endpoint::Access::Write)];
    let answer = world.attempt(|| {
        let lent = Some(Lent { memory: world.kernel.clone(), leases: &leases });
        match world.endpoint.call(&caller, 7, 41, lent, None) {
            Ok(answer) => Some(answer),
            Err(CallError::Unsent(unsent)) => {
                assert_eq!(unsent.message, 41);
                None
            }
            Err(other) => panic!("{other}"),
        }
    });
    assert_eq!(answer, 42);
    *world.kernel.server.lock().unwrap() = None;
    drop(world.attempt(|| world.endpoint.call_async(&caller, 0, 1).ok()));
}

fn notify(world: &World) {
    let caller = world.caller();
    world.attempt(|| world.notification.post(&caller, 5).ok());
    assert_eq!(world.attempt(|| world.notification.try_take(&caller, 1).ok()), 1);
    world.attempt(|| world.semaphore.release(&caller, 2).ok());
    world.attempt(|| world.semaphore.try_acquire(&caller, 1).ok());
    world.attempt(|| world.counter.try_write(&caller, 3).ok());
    assert_eq!(world.attempt(|| world.counter.try_read(&caller).ok()), 3);
}

fn waitset(world: &'static World) {
    let (caller, set) = (world.caller(), world.set.as_ref());
    let counter: Pin<Handle> = Pin::static_ref(&world.counter);
    let mut source = Some(counter);
    let id = world.attempt(|| {
        let asked = source.take().unwrap();
        set.watch(&caller, asked, 1, Readiness::READABLE, Mode::Level)
            .map_err(|refused| source = Some(refused.source))
            .ok()
    });
    world.attempt(|| set.modify(&caller, id, 2, Readiness::READABLE, Mode::Edge).ok());
    world.attempt(|| world.counter.try_write(&caller, 1).ok());
    let mut events = [Event::NONE; 2];
    assert_eq!(world.attempt(|| set.try_wait(&caller, &mut events).ok()), 1);
    assert_eq!(events[0].key, 2);
    world.attempt(|| set.unwatch(&caller, id).ok());
    world.attempt(|| world.counter.try_read(&caller).ok());
}

fn segments(world: &'static World) {
    let (caller, [ours, theirs], table) = (world.caller(), world.spaces, &world.segments);
    let rights = Rights::READ | Rights::MAP;
    let home =
        Home { space: ours, directory: &world.directory, quota: &world.quota, rights, label: 0, id: 0 };
    let owner =
        world.attempt(|| table.create_shared_memory(&caller, &home, b"log", PAGE, Thing::Shared).ok());
    let reader = world.attempt(|| world.directory.open(&caller, b"log", theirs, rights).ok());
    let map = |space, id, range: Range<usize>| {
        world.attempt(|| table.map(&caller, (space, id, SHARED), &0, range.clone(), Access::READ).ok())
    };
    let segment = ours.get(owner, SHARED, Rights::READ).unwrap().segment().unwrap().clone();
    world.attempt(|| segment.resize(&caller, 2 * PAGE).ok());
    world.attempt(|| segment.seal(&caller, Seals::GROW).ok());
    let mapped = map(ours, owner, PAGE..2 * PAGE);
    map(theirs, reader, 0..PAGE);
    let unmap = table.unmap(mapped).unwrap();
    world.kernel.unmap();
    table.unmapped(unmap).unwrap();
    let mut unmapping = table.revoke(ours, owner, SHARED).unwrap();
    let mut steps = vec![];
    for _ in 0..20 {
        match unmapping.step(2) {
            UnmapStep::Unmap(unmap) => {
                world.kernel.unmap();
                table.unmapped(unmap).unwrap();
                steps.push(());
            }
            UnmapStep::Done => break,
            UnmapStep::More | UnmapStep::Wait => {}
        }
    }
    assert_eq!(steps.len(), 1);
    drop((unmapping, segment));
    drop(world.attempt(|| world.directory.unlink(&caller, b"log").ok()));
    ours.close(owner).unwrap();
    theirs.close(reader).unwrap();
}

/// Every operation, while the k-th call to a port is refused. Whether there was one.
fn story(k: usize) -> bool {
    let world = world(Doubts::at(k));
    let before = world.picture();
    directory(world);
    channel(world);
    endpoint(world);
    notify(world);
    waitset(world);
    segments(world);
    let mut after = world.picture();
    assert_eq!((after.objects.0, after.objects.1), (4, 1));
    after.objects = before.objects;
    assert_eq!(after, before, "something is kept");
    world.check();
    world.kernel.doubts.refused() == 1
}

#[test]
fn a_refusal_at_any_port_changes_nothing() {
    let calls = (1..).take_while(|&k| story(k)).count();
    assert!(calls > 60, "{calls} calls to ports: is everything done?");
}
