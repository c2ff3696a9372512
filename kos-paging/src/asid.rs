//! Numbers by which TLBs tell address spaces apart (x86 PCID, ARM and RISC-V ASID): [`Asids`].
//!
//! There are fewer numbers than spaces. A space keeps its number for a *generation*. When no number is left the next
//! generation begins: every CPU drops its whole TLB once, when it switches next, and spaces get numbers anew. What runs
//! on another CPU at that moment keeps its number, for that CPU goes on with what it has cached. So a switch within a
//! generation flushes nothing.
//!
//! Invariant: of one generation no number belongs to two spaces; a CPU runs a number of an earlier generation only for
//! the space that it ran when that generation ended, and then nobody else gets this number.
//!
//! Source: the generations of ARM Linux's `context.c`, as described in Deacon's mails of 2013; Arm ARM D8, "ASID".

use core::error::Error;
use core::fmt;

/// The number of no space: before [`Asids`] is used, and for tables that belong to no space.
const NONE: u16 = 0;

/// The number of a space, and the generation in which it counts. Each space has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AsidSlot {
    generation: u64,
    number: u16,
}

impl AsidSlot {
    /// The number that the space had when it was loaded last; 0 if it never was.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.number
    }
}

/// What a switch has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the number is what the CPU has to load, and the flush must not be left out"]
pub struct Switch {
    /// The number under which the CPU loads the root.
    pub asid: u16,
    /// The CPU drops its whole TLB, but for global entries, before it runs the space: after it has loaded the root, for what
    /// it ran before may fill the TLB up to then, under a number that is now another's.
    pub flush: bool,
}

/// Why numbers cannot be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AsidError {
    /// Numbers have 1 to 16 bits.
    Bits(u8),
    /// Fewer numbers than CPUs: all could be in use at once.
    TooFew {
        /// The numbers, without 0.
        numbers: usize,
    },
    /// `WORDS` words have no place for so many numbers.
    TooMany {
        /// The numbers, with 0.
        numbers: usize,
    },
    /// No such CPU.
    UnknownCpu(usize),
}

/// The numbers of a machine with `CPUS` CPUs, at most `64 * WORDS` of them. Number 0 is never given.
///
/// To be used under a lock with interrupts masked: a switch takes a few instructions, a new generation
/// `CPUS + WORDS` steps.
#[derive(Clone, Debug)]
pub struct Asids<const CPUS: usize, const WORDS: usize> {
    numbers: usize,
    generation: u64,
    used: [u64; WORDS],
    /// All below are in use.
    next: usize,
    /// What each CPU runs.
    running: [AsidSlot; CPUS],
    /// CPUs that have not dropped their TLB in this generation.
    stale: [bool; CPUS],
}

impl<const CPUS: usize, const WORDS: usize> Asids<CPUS, WORDS> {
    /// Numbers of `bits` bits, 1 to 16.
    ///
    /// # Errors
    ///
    /// [`AsidError`]
    pub const fn new(bits: u8) -> Result<Self, AsidError> {
        if bits == 0 || bits > 16 {
            return Err(AsidError::Bits(bits));
        }
        let numbers = 1 << bits;
        if numbers - 1 < CPUS {
            return Err(AsidError::TooFew { numbers: numbers - 1 });
        }
        if numbers > 64 * WORDS {
            return Err(AsidError::TooMany { numbers });
        }
        let running = [AsidSlot { generation: 0, number: NONE }; CPUS];
        Ok(Self { numbers, generation: 1, used: [0; WORDS], next: 1, running, stale: [true; CPUS] })
    }

    /// `cpu` switches to the space of `slot`.
    ///
    /// # Errors
    ///
    /// [`AsidError::UnknownCpu`]; nothing changed.
    pub fn switch(&mut self, cpu: usize, slot: &mut AsidSlot) -> Result<Switch, AsidError> {
        if cpu >= CPUS {
            return Err(AsidError::UnknownCpu(cpu));
        }
        if slot.generation != self.generation {
            *slot = self.renew(cpu, *slot);
        }
        if let Some(running) = self.running.get_mut(cpu) {
            *running = *slot;
        }
        let flush = self.stale.get_mut(cpu).is_some_and(core::mem::take);
        Ok(Switch { asid: slot.number, flush })
    }

    /// The generation: how often numbers ran out, and one more.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// A number of this generation for a space that has one of an earlier generation, or none.
    fn renew(&mut self, cpu: usize, slot: AsidSlot) -> AsidSlot {
        let kept = slot.number != NONE && self.running.contains(&slot);
        let number = if kept { slot.number } else { self.take(cpu) };
        let new = AsidSlot { generation: self.generation, number };
        if kept {
            self.running.iter_mut().filter(|running| **running == slot).for_each(|running| *running = new);
        }
        new
    }

    fn take(&mut self, cpu: usize) -> u16 {
        if let Some(number) = self.free_number() {
            return number;
        }
        self.begin_generation(cpu);
        // As many numbers as CPUs, and `cpu` holds none: one is free.
        self.free_number().unwrap_or(NONE)
    }

    fn free_number(&mut self) -> Option<u16> {
        let free = (self.next..self.numbers).find(|number| !self.is_used(*number))?;
        self.next = free + 1;
        let number = u16::try_from(free).ok()?;
        self.mark(number);
        Some(number)
    }

    /// `cpu` gives up what it runs: it is about to drop its TLB.
    fn begin_generation(&mut self, cpu: usize) {
        self.generation += 1;
        (self.used, self.next, self.stale) = ([0; WORDS], 1, [true; CPUS]);
        if let Some(running) = self.running.get_mut(cpu) {
            *running = AsidSlot::default();
        }
        for AsidSlot { number, .. } in self.running {
            if number != NONE {
                self.mark(number);
            }
        }
    }

    fn is_used(&self, number: usize) -> bool {
        self.used.get(number / 64).is_none_or(|word| word >> (number % 64) & 1 == 1)
    }

    fn mark(&mut self, number: u16) {
        if let Some(word) = self.used.get_mut(usize::from(number) / 64) {
            *word |= 1 << (number % 64);
        }
    }
}

impl fmt::Display for AsidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits(bits) => write!(f, "no CPU has ASIDs of {bits} bits"),
            Self::TooFew { numbers } => write!(f, "{numbers} ASIDs are fewer than CPUs"),
            Self::TooMany { numbers } => write!(f, "no place for {numbers} ASIDs"),
            Self::UnknownCpu(cpu) => write!(f, "there is no CPU {cpu}"),
        }
    }
}

impl Error for AsidError {}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec;

    use super::{AsidError, AsidSlot, Asids, Switch};

    /// Spaces switched at random between CPUs that cache whose number they have seen, and never forget by themselves.
    struct Machine<const CPUS: usize, const WORDS: usize> {
        asids: Asids<CPUS, WORDS>,
        tlbs: [BTreeMap<u16, usize>; CPUS],
        flushes: [u64; CPUS],
        obeys: bool,
    }

    impl<const CPUS: usize, const WORDS: usize> Machine<CPUS, WORDS> {
        fn new(bits: u8, obeys: bool) -> Self {
            let asids = Asids::new(bits).unwrap();
            Self { asids, tlbs: core::array::from_fn(|_| BTreeMap::new()), flushes: [0; CPUS], obeys }
        }

        /// Whether the CPU then finds nothing of another space under its number.
        fn switch(&mut self, cpu: usize, space: usize, slot: &mut AsidSlot) -> bool {
            let Switch { asid, flush } = self.asids.switch(cpu, slot).unwrap();
            assert_ne!(asid, 0);
            if flush && self.obeys {
                self.tlbs[cpu].clear();
            }
            self.flushes[cpu] += u64::from(flush);
            *self.tlbs[cpu].entry(asid).or_insert(space) == space
        }

        /// Switches `steps` times among `spaces`; whether all went well.
        fn churn(&mut self, spaces: usize, steps: u64) -> bool {
            let mut slots = vec![AsidSlot::default(); spaces];
            let mut running = [None; CPUS];
            let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
            (0..steps).all(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let cpu = usize::try_from(seed >> 8).unwrap() % CPUS;
                let space = usize::try_from(seed >> 24).unwrap() % spaces;
                let well = self.switch(cpu, space, &mut slots[space]);
                running[cpu] = Some(space);
                // Whoever runs goes on under his number: nobody else may have got it.
                let mut owners = BTreeMap::new();
                let alone = running.iter().zip(&self.asids.running).all(|(space, slot)| {
                    space.is_none_or(|space| *owners.entry(slot.number).or_insert(space) == space)
                });
                well && alone
            })
        }
    }

    #[test]
    fn ten_times_as_many_spaces_on_256_cpus_meet_nothing_stale() {
        let mut machine = Machine::<256, 8>::new(9, true);
        assert!(machine.churn(5110, 8000));
        let generation = machine.asids.generation();
        assert!(generation > 10, "numbers ran out {generation} times only");
        assert!(
            machine.flushes.iter().all(|flushes| *flushes <= generation),
            "one flush a CPU and generation"
        );
    }

    #[test]
    fn asid_reuse_flushes() {
        assert!(Machine::<1, 1>::new(1, true).churn(3, 1000));
        assert!(Machine::<3, 1>::new(2, true).churn(9, 10_000));
        assert!(!Machine::<3, 1>::new(2, false).churn(9, 10_000), "without the flush a stale entry is met");
    }

    #[test]
    fn a_switch_within_a_generation_flushes_nothing() {
        let mut asids = Asids::<2, 1>::new(4).unwrap();
        let (mut one, mut other) = (AsidSlot::default(), AsidSlot::default());
        assert_eq!(asids.switch(0, &mut one), Ok(Switch { asid: 1, flush: true }));
        assert_eq!(asids.switch(0, &mut other), Ok(Switch { asid: 2, flush: false }));
        assert_eq!(asids.switch(0, &mut one), Ok(Switch { asid: 1, flush: false }));
        assert_eq!(asids.switch(2, &mut one), Err(AsidError::UnknownCpu(2)));
    }

    #[test]
    fn numbers_that_cannot_work_are_refused() {
        assert_eq!(Asids::<1, 1>::new(0).err(), Some(AsidError::Bits(0)));
        assert_eq!(Asids::<1, 1>::new(17).err(), Some(AsidError::Bits(17)));
        assert_eq!(Asids::<4, 1>::new(2).err(), Some(AsidError::TooFew { numbers: 3 }));
        assert_eq!(Asids::<4, 1>::new(7).err(), Some(AsidError::TooMany { numbers: 128 }));
        assert!(Asids::<256, 1024>::new(16).is_ok());
    }
}
