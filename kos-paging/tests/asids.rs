//! Numbers of spaces and shootdowns together, as a kernel uses them: four CPUs whose TLBs forget nothing by themselves,
//! seven numbers, spaces that come and go. `KOS_STALE_STEPS=1000000 cargo test --release --test asids`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails a test")]

mod common;

extern crate alloc;

use alloc::collections::BTreeMap;

use common::{PAGE, range};
use kos_paging::*;

const CPUS: usize = 4;
const SPACES: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// A new generation of numbers drops nothing.
    GenerationForgets,
    /// What was shot down while the CPU was elsewhere stays.
    SwitchInForgets,
    /// The TLB is dropped before the new root is loaded, and what still runs fills it again.
    DroppedTooEarly,
}

/// A space: who it is, and how often its only page was moved.
struct Subject {
    name: u64,
    version: u64,
    context: TlbContext<1>,
    asid: AsidSlot,
}

impl Subject {
    fn new(name: u64) -> Self {
        Self { name, version: 0, context: TlbContext::new(), asid: AsidSlot::default() }
    }
}

/// What a TLB holds of the only page, by number: whose, and which version.
type Tlb = BTreeMap<u16, (u64, u64)>;

struct Machine {
    asids: Asids<CPUS, 1>,
    tlbs: [Tlb; CPUS],
    /// The index of the space that each CPU has loaded, and its number.
    loaded: [Option<(usize, u16)>; CPUS],
    spaces: Vec<Subject>,
    fault: Fault,
}

impl Machine {
    fn new(fault: Fault) -> Self {
        Self {
            asids: Asids::new(3).unwrap(),
            tlbs: Default::default(),
            loaded: [None; CPUS],
            spaces: (0..SPACES as u64).map(Subject::new).collect(),
            fault,
        }
    }

    /// The CPU uses the page of what it runs; whether it found that.
    fn access(&mut self, cpu: usize) -> bool {
        let Some((space, asid)) = self.loaded[cpu] else { return true };
        let Subject { name, version, .. } = self.spaces[space];
        *self.tlbs[cpu].entry(asid).or_insert((name, version)) == (name, version)
    }

    fn load(&mut self, cpu: usize, space: usize) {
        if self.loaded[cpu].is_some_and(|(loaded, _)| loaded == space) {
            return;
        }
        let subject = &mut self.spaces[space];
        let switch = self.asids.switch(cpu, &mut subject.asid).unwrap();
        let tlb = &mut self.tlbs[cpu];
        let entered = subject.context.enter(cpu, |stale| {
            if stale && self.fault != Fault::SwitchInForgets {
                tlb.remove(&switch.asid);
            }
        });
        assert!(entered);
        if switch.flush && self.fault != Fault::GenerationForgets {
            tlb.clear();
        }
        if self.fault == Fault::DroppedTooEarly {
            self.access(cpu);
        }
        if let Some((before, _)) = self.loaded[cpu].replace((space, switch.asid)) {
            self.spaces[before].context.leave(cpu);
        }
    }

    /// Moves the page, and tells the CPUs that have the space loaded.
    fn move_page(&mut self, space: usize) {
        let subject = &mut self.spaces[space];
        subject.version += 1;
        let (generation, cpus) = subject.context.request();
        let set = FlushSet::new(range(0, PAGE), PAGE).at(generation);
        for cpu in cpus.iter() {
            let tlb = &mut self.tlbs[cpu];
            subject.context.answer(cpu, &set, |_| {
                tlb.remove(&subject.asid.number());
            });
        }
    }

    /// The space goes, and another comes.
    fn replace(&mut self, space: usize, name: u64) {
        let subject = &mut self.spaces[space];
        for cpu in subject.context.loaded().iter() {
            self.loaded[cpu] = None;
        }
        *subject = Subject::new(name);
    }
}

fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap()
}

/// The step at which a CPU found what was another's, or gone.
fn run(fault: Fault, steps: u64) -> Option<u64> {
    let (mut machine, mut seed) = (Machine::new(fault), 0x2545_f491_4f6c_dd1d);
    for step in 0..steps {
        let (cpu, space) = (next(&mut seed) % CPUS, next(&mut seed) % SPACES);
        match next(&mut seed) % 16 {
            0..=7 => machine.load(cpu, space),
            8..=13 => {}
            14 => machine.move_page(space),
            _ => machine.replace(space, SPACES as u64 + step),
        }
        if !machine.access(cpu) {
            return Some(step);
        }
    }
    assert!(machine.asids.generation() > steps / 1000, "numbers did not run out");
    None
}

#[test]
fn no_cpu_finds_what_is_another_s_or_gone() {
    let steps = std::env::var("KOS_STALE_STEPS").ok().and_then(|steps| steps.parse().ok());
    assert_eq!(run(Fault::None, steps.unwrap_or(100_000)), None);
}

#[test]
fn wrong_switches_are_found() {
    for fault in [Fault::GenerationForgets, Fault::SwitchInForgets, Fault::DroppedTooEarly] {
        assert!(run(fault, 100_000).is_some(), "{fault:?}");
    }
}
