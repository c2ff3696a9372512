//! Formats with one wrong bit each. A model that does not catch them proves nothing.

use crate::addr::PhysAddr;
use crate::attrs::Attrs;
use crate::error::AttrError;
use crate::format::{Absent, Entry, Format, Level, ReservedBits, Transition, VaRule, X86Long};

const P: u64 = 1 << 0;
const RW: u64 = 1 << 1;
const US: u64 = 1 << 2;
const A: u64 = 1 << 5;
const PS: u64 = 1 << 7;
const G: u64 = 1 << 8;
const PAT_HUGE: u64 = 1 << 12;
const XD: u64 = 1 << 63;

/// The four-level format with fault number `FAULT`, an index of [`FAULTS`].
#[derive(Clone, Copy, Debug)]
pub struct Mutant<const FAULT: usize>(pub X86Long<4>);

/// What is wrong, by number.
pub const FAULTS: [&str; 16] = [
    "a huge leaf loses its PAT bit",
    "execute-disable is dropped",
    "every leaf is for user mode",
    "every leaf is writable",
    "tables are read-only",
    "tables are for the kernel",
    "a huge leaf loses its size bit",
    "global is dropped",
    "addresses are cut at 40 bits",
    "a split leaf keeps its size bit",
    "a split leaf loses execute-disable",
    "protect forgets accessed and dirty",
    "narrowing asks for no flush",
    "a parked entry stays present",
    "leaves of 1 GiB on a CPU that has none",
    "a 4 KiB leaf has the size bit, which is its PAT bit",
];

impl<const FAULT: usize> Format for Mutant<FAULT> {
    type Raw = u64;

    const LEVELS: u8 = X86Long::<4>::LEVELS;
    const VA: VaRule = X86Long::<4>::VA;
    const KEPT: u64 = if FAULT == 11 { 0 } else { X86Long::<4>::KEPT };

    fn shift(level: Level) -> u32 {
        X86Long::<4>::shift(level)
    }

    fn max_phys(&self) -> PhysAddr {
        self.0.max_phys()
    }

    fn max_leaf(&self) -> Level {
        if FAULT == 14 { Level::new(2) } else { self.0.max_leaf() }
    }

    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<u64, AttrError> {
        let bits = self.0.leaf_bits(attrs, level)?;
        Ok(match FAULT {
            0 if level > Level::PAGE => bits & !PAT_HUGE,
            1 => bits & !XD,
            2 => bits | US,
            3 => bits | RW,
            6 if level > Level::PAGE => bits & !PS,
            7 => bits & !G,
            15 if level == Level::PAGE => bits | PS,
            _ => bits,
        })
    }

    fn with_address(bits: u64, phys: PhysAddr) -> u64 {
        let reach = if FAULT == 8 { (1 << 40) - 1 } else { u64::MAX };
        X86Long::<4>::with_address(bits, PhysAddr::new(phys.get() & reach))
    }

    fn address_bits(&self, level: Level) -> u64 {
        self.0.address_bits(level)
    }

    fn table(&self, phys: PhysAddr, level: Level) -> u64 {
        let entry = self.0.table(phys, level);
        match FAULT {
            4 => entry & !RW,
            5 => entry & !US,
            _ => entry,
        }
    }

    fn absent(&self, state: Absent) -> Result<u64, AttrError> {
        self.0.absent(state)
    }

    fn decode(&self, raw: u64, level: Level) -> Result<Entry, ReservedBits> {
        self.0.decode(raw, level)
    }

    fn split(&self, raw: u64, level: Level) -> u64 {
        let bits = self.0.split(raw, level);
        match FAULT {
            9 => bits | PS,
            10 => bits & !XD,
            _ => bits,
        }
    }

    fn park(raw: u64) -> u64 {
        if FAULT == 13 { raw | P | A } else { X86Long::<4>::park(raw) }
    }

    fn unpark(raw: u64) -> Option<u64> {
        X86Long::<4>::unpark(raw)
    }

    fn mark(raw: u64, write: bool) -> u64 {
        X86Long::<4>::mark(raw, write)
    }

    fn transition(&self, old: u64, new: u64, level: Level) -> Transition {
        if FAULT == 12 { Transition::None } else { self.0.transition(old, new, level) }
    }
}
