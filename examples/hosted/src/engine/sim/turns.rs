//! [`Turns`]: which simulated CPU goes on, and when its interrupts come. A state machine without stacks or host time: the same
//! seed gives the same history.
//!
//! CPUs take turns. The one that has the turn keeps it until a *point*: the moment at which it unmasks interrupts, reads the
//! clock unmasked, or falls asleep. There the seed decides how much time has passed and who goes on, and the interrupts that are
//! due are taken. So every critical section is whole, and everything between two of them can be torn apart. How long a step
//! takes and how often the turn changes depend on the seed, too: some seeds hurry, some let one CPU run far ahead.

use core::ops::Range;

use crate::dice::Dice;
use crate::engine::Interrupt;

/// Nanoseconds between two points, at most, as a power of two.
const STEPS: Range<u64> = 8..14;
/// One point in so many takes the turn away, on average, as a power of two.
const PATIENCE: Range<u64> = 1..7;
/// Nanoseconds until an inter-processor interrupt arrives, at most.
const FLIGHT: u64 = 1 << 14;

/// Who may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This CPU has the turn.
    Cpu(usize),
    /// Every CPU sleeps, and nothing that is under way will wake one.
    Nobody,
}

/// One simulated CPU.
#[derive(Clone, Copy, Debug, Default)]
struct Cpu {
    started: bool,
    idle: bool,
    /// When each interrupt comes, if it does.
    due: [Option<u64>; Interrupt::ALL.len()],
}

impl Cpu {
    /// When the next interrupt comes, and which.
    fn next(&self) -> Option<(u64, Interrupt)> {
        let due = self.due.iter().zip(Interrupt::ALL);
        due.filter_map(|(at, what)| Some((((*at)?), what))).min_by_key(|&(at, _)| at)
    }

    /// Whether it has something to do.
    fn ready(&self, now: u64) -> bool {
        self.started && (!self.idle || self.next().is_some_and(|(at, _)| at <= now))
    }
}

/// The CPUs, their clock and the seed's choices.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    cpus: Vec<Cpu>,
    current: usize,
    now: u64,
    random: Dice,
    step: u64,
    patience: u64,
    history: u64,
}

impl Turns {
    /// `cpus` CPUs (at least one) of which the first runs, at time 0.
    pub(crate) fn new(cpus: usize, seed: u64) -> Self {
        let mut cpus = vec![Cpu::default(); cpus.max(1)];
        if let Some(boot) = cpus.first_mut() {
            boot.started = true;
        }
        let mut turns = Self {
            cpus,
            current: 0,
            now: 0,
            random: Dice::new(seed),
            step: 1,
            patience: 1,
            history: FNV_OFFSET,
        };
        turns.step = 1 << (STEPS.start + turns.random.below(STEPS.end - STEPS.start));
        turns.patience = 1 << (PATIENCE.start + turns.random.below(PATIENCE.end - PATIENCE.start));
        turns
    }

    /// Nanoseconds since the start.
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    /// The CPU that has the turn.
    pub(crate) const fn current(&self) -> usize {
        self.current
    }

    /// A number that stands for all that has happened: every turn and every interrupt, with its time.
    pub(crate) const fn history(&self) -> u64 {
        self.history
    }

    /// A number below `bound`, or 0.
    pub(crate) fn chance(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// Lets `cpu` take turns from now on.
    pub(crate) fn start(&mut self, cpu: usize) {
        if let Some(cpu) = self.cpus.get_mut(cpu) {
            cpu.started = true;
        }
    }

    /// The current CPU's timer fires at `at`, or never.
    pub(crate) fn arm(&mut self, at: Option<u64>) {
        self.set_due(self.current, Interrupt::Timer, at);
    }

    /// Interrupts `cpu`, when the message has arrived. Whether it is on.
    pub(crate) fn interrupt(&mut self, cpu: usize, what: Interrupt) -> bool {
        let at = self.now + self.random.below(FLIGHT);
        let Some(on) = self.cpus.get(cpu).filter(|cpu| cpu.started) else { return false };
        let earlier = on.due.get(what as usize).copied().flatten();
        self.set_due(cpu, what, Some(earlier.map_or(at, |earlier| earlier.min(at))));
        true
    }

    fn set_due(&mut self, cpu: usize, what: Interrupt, at: Option<u64>) {
        if let Some(due) = self.cpus.get_mut(cpu).and_then(|cpu| cpu.due.get_mut(what as usize)) {
            *due = at;
        }
    }

    /// Lets a little time pass: reading the clock is work.
    pub(crate) fn glance(&mut self) -> u64 {
        self.now += 1 + self.random.below(32);
        self.now
    }

    /// The current CPU unmasks: time passes, and perhaps it loses the turn.
    pub(crate) fn point(&mut self) -> Turn {
        self.now += 1 + self.random.below(self.step);
        if self.random.below(self.patience) == 0 { self.hand_on() } else { Turn::Cpu(self.current) }
    }

    /// The current CPU sleeps until something comes.
    pub(crate) fn idle(&mut self) -> Turn {
        let current = self.current;
        if let Some(cpu) = self.cpus.get_mut(current) {
            cpu.idle = true;
        }
        self.hand_on()
    }

    /// The interrupt that the current CPU takes now, if any; the earliest first. Ends its sleep.
    pub(crate) fn take(&mut self) -> Option<Interrupt> {
        let (now, current) = (self.now, self.current);
        let cpu = self.cpus.get_mut(current)?;
        cpu.idle = false;
        let (_, first) = cpu.next().filter(|&(at, _)| at <= now)?;
        self.set_due(current, first, None);
        self.note(first as u64 + 1);
        Some(first)
    }

    /// Gives the turn to a CPU of the seed's choice that has something to do; if none has, time passes until one has.
    fn hand_on(&mut self) -> Turn {
        let mut ready = self.ready();
        if ready == 0 {
            let started = self.cpus.iter().filter(|cpu| cpu.started);
            let Some((next, _)) = started.filter_map(Cpu::next).min_by_key(|&(at, _)| at) else {
                return Turn::Nobody;
            };
            self.now = self.now.max(next);
            ready = self.ready();
        }
        let chosen = usize::try_from(self.random.below(ready as u64)).unwrap_or(0);
        let now = self.now;
        let found = self.cpus.iter().enumerate().filter(|(_, cpu)| cpu.ready(now)).nth(chosen);
        self.current = found.map_or(self.current, |(index, _)| index);
        self.note(0);
        Turn::Cpu(self.current)
    }

    fn ready(&self) -> usize {
        self.cpus.iter().filter(|cpu| cpu.ready(self.now)).count()
    }

    /// FNV-1a, a word at a time.
    fn note(&mut self, what: u64) {
        for word in [self.now, self.current as u64, what] {
            self.history = (self.history ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Where FNV-1a begins.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

#[cfg(test)]
mod tests {
    use super::{Interrupt, Turn, Turns};

    fn history(seed: u64) -> Vec<(u64, Turn, Option<Interrupt>)> {
        let mut turns = Turns::new(4, seed);
        (1..4).for_each(|cpu| turns.start(cpu));
        (0..1000)
            .map(|step| {
                if step % 3 == 0 {
                    let at = turns.now() + 10_000;
                    turns.arm(Some(at));
                }
                let called = usize::try_from(turns.random.below(5)).unwrap();
                turns.interrupt(called, Interrupt::ALL[step % 3]);
                let turn = if step % 7 == 0 { turns.idle() } else { turns.point() };
                (turns.now(), turn, turns.take())
            })
            .collect()
    }

    #[test]
    fn a_seed_is_a_history() {
        assert_eq!(history(1), history(1));
        assert_ne!(history(1), history(2));
        let seen = history(1);
        assert!((0..4).all(|cpu| seen.iter().any(|&(_, turn, _)| turn == Turn::Cpu(cpu))));
        assert!(Interrupt::ALL.iter().all(|what| seen.iter().any(|seen| seen.2 == Some(*what))));
        assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn the_idle_wait_for_the_first_timer() {
        let mut turns = Turns::new(2, 7);
        turns.arm(Some(5_000_000));
        assert_eq!(turns.idle(), Turn::Cpu(0));
        assert_eq!((turns.now(), turns.take()), (5_000_000, Some(Interrupt::Timer)));
        assert_eq!((turns.take(), turns.idle()), (None, Turn::Nobody));
    }

    #[test]
    fn a_call_wakes_a_sleeper_but_nobody_who_is_off() {
        let mut turns = Turns::new(2, 3);
        assert!(!turns.interrupt(1, Interrupt::Call) && !turns.interrupt(9, Interrupt::Call));
        turns.start(1);
        assert_eq!(turns.idle(), Turn::Cpu(1));
        assert!(turns.interrupt(0, Interrupt::Call));
        assert_eq!(turns.idle(), Turn::Cpu(0));
        assert_eq!(turns.take(), Some(Interrupt::Call));
        assert_eq!(turns.idle(), Turn::Nobody);
    }

    #[test]
    fn seeds_differ_in_pace() {
        let paces: alloc::collections::BTreeSet<_> =
            (0..200).map(|seed| Turns::new(1, seed)).map(|turns| (turns.step, turns.patience)).collect();
        assert!(paces.len() > 20, "{paces:?}");
    }
}
