//! Four CPUs in the same spaces at once: faults, forks, unmapping, a shared object.
#![cfg(feature = "vma")]
#![expect(unsafe_code, reason = "implements the ports on a shared arena")]

extern crate alloc;

use alloc::sync::Arc;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::thread;

use kos_paging::object::{MemoryObject, Zeros};
use kos_paging::space::*;
use kos_paging::testing::Arena;
use kos_paging::*;

const PAGE: u64 = 4096;
const BASE: u64 = 0x40_0000;
const FRAMES: usize = 900;
const RW: Flags = Flags::READ.union(Flags::WRITE);

struct Machine {
    arena: Mutex<Arena>,
    metas: Vec<FrameMeta>,
}

/// A handle to a machine that many threads use.
#[derive(Clone, Copy)]
struct Env(&'static Machine);

type Memory = MemoryObject<Env, parking_lot::RawMutex, Zeros>;

impl FrameSource for Env {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        self.0.arena.lock().unwrap_or_else(PoisonError::into_inner).allocate(request)
    }

    fn free(&self, frame: Frame) {
        self.0.arena.lock().unwrap_or_else(PoisonError::into_inner).free(frame);
    }
}

// SAFETY: the answers are the arena's, whose pages never move.
unsafe impl PhysMapper for Env {
    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        self.0.arena.lock().unwrap_or_else(PoisonError::into_inner).table(frame, bytes)
    }
}

// SAFETY: one count for each frame, found by its number.
unsafe impl FrameTable for Env {
    fn meta(&self, phys: PhysAddr) -> Option<&FrameMeta> {
        self.0.metas.get(usize::try_from(phys.get().checked_sub(Arena::BASE)? / PAGE).ok()?)
    }
}

/// CPUs that answer at once.
#[derive(Debug)]
struct Cpus;

// SAFETY: no CPU loads the tables.
unsafe impl TlbControl for Cpus {
    type Ticket = ();

    fn submit(&self, _set: &FlushSet, _to: &CpuSet) {}

    fn wait(&self, _ticket: ()) -> Result<(), Stuck<()>> {
        Ok(())
    }
}

/// Flushes a space by its context.
#[derive(Clone, Debug)]
struct Tlb(Arc<TlbContext>);

// SAFETY: the shootdown of the space's own context.
unsafe impl TlbFlush for Tlb {
    type Error = Stuck<()>;

    fn flush(&self, set: &FlushSet) -> Result<(), Self::Error> {
        self.0.shootdown(&Cpus).flush(set)
    }
}

impl SpaceEnv for Env {
    type Format = X86Long<4>;
    type Mode = Live<Arc<TlbContext>>;
    type Tlb = Tlb;
    type Lock = parking_lot::RawMutex;
    type Object = Arc<Memory>;

    fn new_table(&self, _id: SpaceId) -> Result<ports::NewTable<Self>, CreateError> {
        let format = X86Long::<4>::new(LongCaps::FULL).map_err(|_| CreateError::OutOfFrames)?;
        let context = Arc::new(TlbContext::new());
        let table = Table::new(format, *self, WxPolicy::Deny)?;
        Ok((table.into_live(context.clone()), Tlb(context)))
    }
}

fn at(page: u64) -> VirtAddr {
    VirtAddr::new(BASE + page * PAGE)
}

/// What one CPU does in a round.
#[expect(clippy::unwrap_used, reason = "a refusal fails the test")]
fn work(space: &Space<Env>, cpu: u64, round: u32) {
    // A mapping of its own comes and goes, in tables that others use too.
    let mine = at(100 * (cpu + 1));
    space.map(MapRequest::new(4 * PAGE, RW).at(Place::FixedNoReplace(mine))).unwrap();
    space.copy_out(mine, &round.to_ne_bytes()).unwrap();
    // All count in one word of the object, and write to the same private pages.
    space.with_u32(at(1000), true, |word| word.fetch_add(1, Ordering::SeqCst)).unwrap();
    space.copy_out(at(u64::from(round) % 16), &[1]).unwrap();
    if round.is_multiple_of(8) {
        let child = space.fork(SpaceId(1 + cpu)).unwrap();
        child.copy_out(mine, &[0xff; 4]).unwrap();
        child.check().unwrap();
    }
    let mut word = [0; 4];
    space.copy_in(mine, &mut word).unwrap();
    assert_eq!(u32::from_ne_bytes(word), round);
    space.unmap(VirtRange::new(mine, 4 * PAGE).unwrap()).unwrap();
}

#[test]
fn four_cpus_fault_fork_and_unmap_at_once() {
    let metas = (0..FRAMES).map(|_| FrameMeta::new()).collect();
    let env = Env(Box::leak(Box::new(Machine { arena: Mutex::new(Arena::new(FRAMES)), metas })));
    let range = VirtRange::new(VirtAddr::new(0x1_0000), 1 << 32).unwrap();
    let space = Space::new(env, SpaceId(0), Config::new(range)).unwrap();
    let memory = Arc::new(Memory::new(env, Zeros));
    memory.grow(PAGE).unwrap();
    let shared = MapRequest::new(PAGE, RW).at(Place::Fixed(at(1000)));
    space.map(shared.showing(memory.clone(), 0).shared()).unwrap();
    space.map(MapRequest::new(16 * PAGE, RW).at(Place::Fixed(at(0)))).unwrap();

    thread::scope(|scope| {
        for cpu in 0..4 {
            let space = &space;
            scope.spawn(move || (0..200).for_each(|round| work(space, cpu, round)));
        }
    });
    assert_eq!(space.load_u32(at(1000)), Ok(800));
    space.check().unwrap();
    drop((space, memory));
    assert_eq!(env.0.arena.lock().unwrap().used(), 0);
}
