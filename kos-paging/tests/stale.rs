//! Four CPUs whose TLBs never forget by themselves: no CPU that has a space loaded reaches a frame or a table that was
//! given back. And shootdowns that are wrong are found: `KOS_STALE_STEPS=1000000 cargo test --release --test stale`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails a test")]

mod common;

use core::cell::Cell;

use common::{Bench, PAGE, at, phys, range};
use kos_paging::testing::FakeTlb;
use kos_paging::testing::mmu::{Access, Mmu};
use kos_paging::*;

const CPUS: usize = 4;
/// Pages of three tables of the lowest level.
const PLACES: [u64; 6] = [0, PAGE, 0x20_0000, 0x20_1000, 1 << 30, (1 << 30) + PAGE];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// A table went, and only its leaves are flushed.
    LeafOnly,
    /// The last CPU's answer is not waited for.
    FreeBeforeAck,
    /// A CPU that loads the space again flushes nothing.
    SwitchInForgets,
}

struct Machine {
    tlbs: [FakeTlb; CPUS],
    context: TlbContext<1>,
    fault: Fault,
    interrupts: Cell<u64>,
    /// This CPU does not answer.
    stuck: Cell<Option<usize>>,
}

/// All of the space.
fn everything() -> FlushSet {
    FlushSet::new(range(0, 1 << 47), PAGE).with_ceiling(0).with_global().with_tables()
}

impl Machine {
    fn new(fault: Fault) -> Self {
        Self {
            tlbs: core::array::from_fn(|_| FakeTlb::new()),
            context: TlbContext::new(),
            fault,
            interrupts: Cell::new(0),
            stuck: Cell::new(None),
        }
    }

    fn load(&self, cpu: usize) {
        let loaded = self.context.enter(cpu, |flush| {
            if flush && self.fault != Fault::SwitchInForgets {
                self.tlbs[cpu].flush(&everything()).unwrap();
            }
        });
        assert!(loaded);
    }
}

// SAFETY: no CPU uses what the fake TLBs hold.
unsafe impl TlbControl<1> for Machine {
    type Ticket = CpuSet<1>;

    fn submit(&self, set: &FlushSet, to: &CpuSet<1>) -> CpuSet<1> {
        let mut left = *to;
        let last = to.iter().last();
        let leaves = FlushSet::new(set.ranges()[0].range(), PAGE);
        for cpu in to.iter().filter(|cpu| Some(*cpu) != self.stuck.get()) {
            self.interrupts.set(self.interrupts.get() + 1);
            assert!(self.context.loaded().contains(cpu), "CPU {cpu} was disturbed for nothing");
            if self.fault == Fault::FreeBeforeAck && Some(cpu) == last {
                left.remove(cpu);
                continue;
            }
            self.context.answer(cpu, set, |answer| {
                let set = if self.fault == Fault::LeafOnly { &leaves } else { set };
                match answer {
                    Answer::Set => self.tlbs[cpu].flush(set).unwrap(),
                    Answer::All => self.tlbs[cpu].flush(&everything()).unwrap(),
                }
            });
            assert!(self.context.is_answered(cpu, set.generation()));
            left.remove(cpu);
        }
        left
    }

    fn wait(&self, left: CpuSet<1>) -> Result<(), Stuck<CpuSet<1>>> {
        left.iter().next().map_or(Ok(()), |cpu| Err(Stuck { cpu, ticket: left }))
    }
}

/// A small generator (Marsaglia's xorshift): the same steps each time.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Runs `steps` steps; the step after which a CPU could reach what was given back.
fn run(fault: Fault, steps: u64) -> Option<u64> {
    let Bench { ports, table, mode, .. } = Bench::new();
    let machine = Machine::new(fault);
    let (mut table, mut seed) = (table, 0x9e37_79b9_7f4a_7c15);
    for step in 0..steps {
        let random = next(&mut seed);
        let cpu = usize::try_from(random >> 8 & 3).unwrap();
        let place = PLACES[usize::try_from((random >> 16) % 6).unwrap()];
        let loaded = machine.context.loaded().contains(cpu);
        let mmu = Mmu { mode, memory: ports.inner(), cr3: table.root().get() };
        match random & 7 {
            0 if loaded => machine.context.leave(cpu),
            0 | 1 if !loaded => machine.load(cpu),
            2 | 3 if loaded => {
                // Where nothing is mapped, nothing is read.
                let _ = machine.tlbs[cpu].access(&mmu, place, Access::default());
            }
            4 | 5 => {
                let to = phys((random >> 32 & 0xff) * PAGE);
                // Where something is mapped already, it stays.
                let _ = table.map(range(place, PAGE), to, Attrs::RW, HugePolicy::Never);
            }
            6 => {
                let (first, bytes) =
                    if random >> 40 & 1 == 0 { (place, PAGE) } else { (place & !0x1f_ffff, 0x20_0000) };
                machine.stuck.set((random >> 41 & 15 == 0).then_some(cpu));
                let unmapped = table.unmap(range(first, bytes), SplitPolicy::Refuse).unwrap();
                let flushed = unmapped.flush(&machine.context.shootdown(&machine)).or_else(|failed| {
                    assert_eq!(failed.cause.cpu, cpu);
                    machine.stuck.set(None);
                    failed.token.flush(&machine.context.shootdown(&machine))
                });
                flushed.unwrap().release(drop);
                machine.stuck.set(None);
            }
            _ => {
                let attrs = if random >> 40 & 1 == 0 { Attrs::R } else { Attrs::RW };
                if let Ok(changed) = table.protect(range(place, PAGE), attrs, SplitPolicy::Refuse) {
                    changed.flush(&machine.context.shootdown(&machine)).unwrap();
                }
            }
        }
        let mmu = Mmu { mode, memory: ports.inner(), cr3: table.root().get() };
        let stale = |cpu: usize| machine.tlbs[cpu].stale(&mmu, &PLACES, |_| false).is_some();
        if machine.context.loaded().iter().any(stale) {
            return Some(step);
        }
    }
    assert!(machine.interrupts.get() > steps / 100, "too few shootdowns to tell anything");
    None
}

fn steps() -> u64 {
    std::env::var("KOS_STALE_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(5000)
}

#[test]
fn no_cpu_reaches_what_was_given_back() {
    assert_eq!(run(Fault::None, steps()), None);
}

#[test]
fn wrong_shootdowns_are_found() {
    for fault in [Fault::LeafOnly, Fault::FreeBeforeAck, Fault::SwitchInForgets] {
        assert!(run(fault, 20_000).is_some(), "{fault:?}");
    }
}

#[test]
fn a_cpu_that_left_is_not_disturbed() {
    let mut bench = Bench::new();
    bench.map(0, 0, PAGE);
    let machine = Machine::new(Fault::None);
    machine.load(0);
    machine.load(1);
    machine.context.leave(1);
    let unmapped = bench.table.unmap(range(0, PAGE), SplitPolicy::Refuse).unwrap();
    unmapped.flush(&machine.context.shootdown(&machine)).unwrap().release(drop);
    assert_eq!(machine.interrupts.get(), 1);
    let mut dropped = false;
    assert!(machine.context.enter(1, |flush| dropped = flush));
    assert!(dropped, "it drops what is stale when it loads the space again");
    machine.context.leave(1);
    assert!(machine.context.enter(1, |flush| dropped = flush) && !dropped, "and once only");
}

#[test]
fn a_stuck_cpu_leaves_the_frames_in_quarantine() {
    let mut bench = Bench::new();
    bench.map(0, 0, PAGE);
    let machine = Machine::new(Fault::None);
    machine.load(2);
    machine.stuck.set(Some(2));
    let unmapped = bench.table.unmap(range(0, PAGE), SplitPolicy::Refuse).unwrap();
    let stuck = unmapped.flush(&machine.context.shootdown(&machine)).unwrap_err().cause;
    assert_eq!(stuck.cpu, 2);
    assert_eq!(bench.table.stats().quarantined_bytes, PAGE);
    let again = bench.table.map(range(0, PAGE), phys(0), Attrs::R, HugePolicy::Never);
    assert_eq!(again, Err(MapError::Quarantined { at: at(0) }));
    machine.stuck.set(None);
    let unmapped = bench.table.unmap(range(0, PAGE), SplitPolicy::Refuse).unwrap();
    let mut pages = 0;
    unmapped.flush(&machine.context.shootdown(&machine)).unwrap().release(|_| pages += 1);
    assert_eq!(pages, 1);
}
