//! The step: one operation on a table, its model, an MMU and a TLB at once, and the comparison of all four.
//!
//! Property tests, fuzz targets and the corpus replay all run [`run`] over bytes, eight to an operation; a difference
//! is an `Err` that tells it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::image;
use super::mmu::{self, Access, Census, Fault, Mmu};
use super::model::{Model, Piece, joined};
use super::op::{Kind, Op};
use super::rig::Rig;
use super::{Arena, FailAt, FakeTlb, Image};
use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::{Attrs, Flags, MemoryType};
use crate::error::{AttrError, MapError, ProtectError, RangeError, TranslateError, UnmapError};
use crate::flush::Unmapped;
use crate::format::{Format, Transition};
use crate::policy::{HugePolicy, SplitPolicy, WxPolicy};
use crate::stats::Stats;
use crate::table::Table;
use crate::walk::Mapping;

/// What a step came to; a difference is told in words.
pub type Verdict = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($told:tt)+) => {
        if !$holds {
            return Err(format!($($told)+));
        }
    };
}

/// Runs a sequence of operations; unmaps all at the end and counts the frames.
///
/// # Errors
///
/// The first difference between table, model, MMU and TLB.
pub fn run<F: Format>(rig: Rig<F>, bytes: &[u8]) -> Verdict {
    run_and(rig, bytes, |_| ())
}

/// The same, and an image of the tables before all is unmapped: see [`image()`].
///
/// # Errors
///
/// As [`run`].
pub fn image<F: Format>(rig: Rig<F>, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut written = Vec::new();
    run_and(rig, bytes, |machine| {
        written = image::write(&machine.rig, machine.ports.inner(), machine.table.root(), &machine.model);
    })?;
    Ok(written)
}

fn run_and<F: Format>(rig: Rig<F>, bytes: &[u8], look: impl FnOnce(&Machine<'_, F>)) -> Verdict {
    let ports = FailAt::new(Arena::of_order(rig.frames, rig.order));
    let table = Table::new(rig.format, &ports, rig.wx).map_err(|cause| format!("no table: {cause}"))?;
    let tlb = FakeTlb::new();
    let mut machine =
        Machine { rig, ports: &ports, table, tlb, model: Model::default(), parked: Model::default() };
    let mut before = None;
    for (number, bytes) in bytes.chunks_exact(Op::BYTES).enumerate() {
        let op = Op::decode(&rig, before.as_ref(), bytes);
        machine.step(&op).map_err(|told| format!("operation {number}, {op:?}: {told}"))?;
        before = Some(op);
    }
    look(&machine);
    machine.end()
}

/// Accessed and dirty, where something is mapped.
type UseBits = Option<(bool, bool)>;

struct Machine<'p, F> {
    rig: Rig<F>,
    ports: &'p FailAt<Arena>,
    table: Table<F, &'p FailAt<Arena>>,
    tlb: FakeTlb,
    model: Model,
    /// Unmapped, never flushed.
    parked: Model,
}

/// All that a failed operation must leave alone.
#[derive(PartialEq)]
struct Before {
    image: Image,
    stats: Stats,
    available: u64,
}

impl<F: Format> Machine<'_, F> {
    fn step(&mut self, op: &Op) -> Verdict {
        match op.kind {
            Kind::Map => self.map(op)?,
            Kind::Unmap => self.unmap(op)?,
            Kind::Protect => self.protect(op)?,
            Kind::Touch => self.touch(op)?,
        }
        self.compare(&points(op.first, op.last))
    }

    fn map(&mut self, op: &Op) -> Verdict {
        let before = self.before();
        let Some(range) = self.range(op)? else { return Ok(()) };
        let expected = self.map_error(op);
        let (result, failed) = self.failing(op, |table| table.map(range, op.phys(), op.attrs, op.huge));
        match (result, expected) {
            (Ok(()), None) => {
                self.model.map(Piece { first: op.first, last: op.last, phys: op.phys, attrs: op.attrs });
                self.largest_leaf(op)
            }
            (Err(MapError::OutOfTables { needed }), None) if failed || needed > before.available => {
                self.unchanged(&before)
            }
            (Err(MapError::Quarantined { .. }), _) if !self.parked.is_empty() => self.unchanged(&before),
            (Err(MapError::Occupied { at, existing }), Some(MapError::Occupied { at: expected, .. })) => {
                let led = existing.phys.get() + (at.get() - existing.range.first().get());
                let leads = self.model.at(at.get()).map(|(phys, _)| phys);
                ensure!(at == expected && leads == Some(led), "occupied at {at} by {existing:?}");
                self.unchanged(&before)
            }
            (Err(error), Some(expected)) if error == expected => self.unchanged(&before),
            (result, expected) => Err(format!("map gave {result:?}, expected {expected:?}")),
        }
    }

    fn map_error(&self, op: &Op) -> Option<MapError> {
        if let Some(cause) = self.range_error(op) {
            return Some(MapError::Range(cause));
        }
        if let Some(cause) = self.attr_error(op) {
            return Some(MapError::Attr(cause));
        }
        if !op.phys.is_multiple_of(self.rig.page()) {
            return Some(MapError::Misaligned { phys: op.phys() });
        }
        if op.phys + (op.last - op.first) >= self.rig.phys_end {
            return Some(MapError::PhysOutOfRange {
                phys: op.phys(),
                highest: PhysAddr::new(self.rig.phys_end - 1),
            });
        }
        let at = self.model.first_in(op.first, op.last)?;
        let range = VirtRange::ordered(VirtAddr::new(at), VirtAddr::new(at));
        let existing = Mapping {
            range,
            phys: op.phys(),
            level: crate::Level::PAGE,
            leaf_bytes: 0,
            attrs: op.attrs,
            accessed: false,
            dirty: false,
        };
        Some(MapError::Occupied { at: VirtAddr::new(at), existing })
    }

    /// The first leaf of a new mapping is as large as policy, alignment and length allow.
    fn largest_leaf(&self, op: &Op) -> Verdict {
        let bytes = op.last - op.first;
        let bound = match op.huge {
            HugePolicy::Never => 0,
            HugePolicy::Largest => usize::MAX,
            HugePolicy::UpTo(level) => level.get().into(),
        };
        let fits = |bits: &u32| (op.first | op.phys).is_multiple_of(1 << bits) && bytes >= (1 << bits) - 1;
        let allowed = self.rig.leaf_bits.iter().enumerate().filter(|(level, _)| *level <= bound);
        let expected = allowed.map(|(_, bits)| *bits).rfind(fits);
        let found = self.mmu().probe(op.first).map(|found| found.page_bits).ok();
        ensure!(found == expected, "the first leaf has {found:?} bits, expected {expected:?}");
        Ok(())
    }

    fn unmap(&mut self, op: &Op) -> Verdict {
        let before = self.before();
        let Some(range) = self.range(op)? else { return Ok(()) };
        let huge = op.split == SplitPolicy::Refuse
            && (self.cuts(op.first, op.first) || self.cuts(op.last, op.first));
        let cuts_parked = self.parked.pieces().iter().any(|piece| {
            let inside = |at: u64, edge: u64| piece.first <= at && at <= piece.last && at != edge;
            inside(op.first, piece.first) || inside(op.last, piece.last)
        });
        let expected = self.range_error(op);
        if let Some(k) = op.fail {
            self.ports.arm(k);
        }
        let result = self.table.unmap(range, op.split);
        let failed = op.fail.is_some() && !self.ports.disarm();
        match (result, expected) {
            (Ok(unmapped), None) => {
                ensure!(!huge, "part of a huge leaf went");
                let released = finish(unmapped, &self.tlb, op);
                self.unmapped(op.first, op.last, released)
            }
            (Err(UnmapError::OutOfTables { needed }), None) if failed || needed > before.available => {
                self.unchanged(&before)
            }
            (Err(UnmapError::PartOfHuge { .. }), None) if huge || cuts_parked => self.unchanged(&before),
            (Err(UnmapError::Range(cause)), Some(expected)) if cause == expected => self.unchanged(&before),
            (Err(error), expected) => {
                Err(format!("unmap gave {error:?}, expected {expected:?}, huge {huge}"))
            }
            (Ok(_), expected) => Err(format!("unmap succeeded, expected {expected:?}")),
        }
    }

    /// The range left the table: what came back must be what was there.
    fn unmapped(&mut self, first: u64, last: u64, released: Option<Vec<Piece>>) -> Verdict {
        let mut gone = self.model.cut(first, last);
        let Some(released) = released else {
            gone.into_iter().for_each(|piece| self.parked.map(piece));
            return Ok(());
        };
        gone.extend(self.parked.cut(first, last));
        let gone = joined(gone);
        ensure!(joined(released.clone()) == gone, "released {released:x?}, expected {gone:x?}");
        let held = points(first, last).into_iter().filter(|at| first <= *at && *at <= last);
        for at in held {
            ensure!(!self.tlb.holds(at), "the TLB still holds {at:#x}");
        }
        Ok(())
    }

    fn protect(&mut self, op: &Op) -> Verdict {
        let before = self.before();
        let Some(range) = self.range(op)? else { return Ok(()) };
        let expected = self.protect_error(op);
        let used = self.used_at(op);
        let (result, failed) = self.failing(op, |table| table.protect(range, op.attrs, op.split));
        match (result, expected) {
            (Ok(protected), None) => {
                self.model.protect(op.first, op.last, op.attrs);
                ensure!(self.keeps(used, self.used_at(op)), "accessed and dirty bits changed");
                // What only relaxes needs no flush: then nothing stale may be found either.
                if op.stuck && protected.transition() < Transition::Flush {
                    return Ok(());
                }
                protected.flush(&self.tlb).map_err(|error| format!("{error}"))
            }
            (Err(ProtectError::OutOfTables { needed }), None) if failed || needed > before.available => {
                self.unchanged(&before)
            }
            (Err(ProtectError::PartOfHuge { .. }), Some(ProtectError::PartOfHuge { .. })) => {
                self.unchanged(&before)
            }
            (Err(error), Some(expected)) if error == expected => self.unchanged(&before),
            (result, expected) => Err(format!("protect gave {result:?}, expected {expected:?}")),
        }
    }

    /// Accessed and dirty bits at both ends of a range.
    fn used_at(&self, op: &Op) -> [UseBits; 2] {
        [op.first, op.last].map(|at| self.mmu().probe(at).ok().map(|found| (found.accessed, found.dirty)))
    }

    /// Whether accessed and dirty bits are as they were; where they are preset, a right to stores brings a dirty bit.
    fn keeps(&self, before: [UseBits; 2], after: [UseBits; 2]) -> bool {
        let lost = |(before, after): (UseBits, UseBits)| match (before, after) {
            (Some((accessed, dirty)), Some((accesses, dirties))) => {
                (accessed && !accesses) || (dirty && !dirties)
            }
            (before, after) => before != after,
        };
        before == after || self.rig.preset && !before.into_iter().zip(after).any(lost)
    }

    fn protect_error(&self, op: &Op) -> Option<ProtectError> {
        if let Some(cause) = self.range_error(op) {
            return Some(ProtectError::Range(cause));
        }
        if let Some(cause) = self.attr_error(op) {
            return Some(ProtectError::Attr(cause));
        }
        let part = |at| op.split == SplitPolicy::Refuse && self.cuts(at, op.first);
        let hole = self.model.hole_in(op.first, op.last);
        match hole {
            Some(at) if at == op.first || !part(op.first) => {
                Some(ProtectError::Hole { at: VirtAddr::new(at) })
            }
            None if !part(op.first) && !part(op.last) => None,
            _ => {
                let at = VirtRange::ordered(VirtAddr::new(op.first), VirtAddr::new(op.first));
                let leaf = Mapping {
                    range: at,
                    phys: PhysAddr::new(0),
                    level: crate::Level::PAGE,
                    leaf_bytes: 0,
                    attrs: op.attrs,
                    accessed: false,
                    dirty: false,
                };
                Some(ProtectError::PartOfHuge { leaf })
            }
        }
    }

    /// A program uses an address; MMU and `translate` must say what the model says.
    fn touch(&mut self, op: &Op) -> Verdict {
        let access =
            Access { write: op.stuck, fetch: op.split == SplitPolicy::Split, user: op.phys & 4096 != 0 };
        let found = self.tlb.access(&self.mmu(), op.first, access);
        let expected = self.model.at(op.first).map(|(_, attrs)| attrs.flags);
        let allowed = expected.is_some_and(|flags| {
            (!access.write || flags.contains(Flags::WRITE))
                && (!access.fetch || flags.contains(Flags::EXECUTE))
                && (!access.user || flags.contains(Flags::USER))
                && (access.write || access.fetch || flags.contains(Flags::READ))
                && (!access.fetch || access.user || self.rig.kernel_runs_user || !flags.contains(Flags::USER))
        });
        ensure!(found.is_ok() == allowed, "{access:?} gave {found:?}, the model says {expected:?}");
        if let Err(Fault::Page(code)) = found {
            ensure!(code & 1 == u32::from(expected.is_some()), "{access:?} gave error code {code:#x}");
        }
        if found.is_ok() {
            let leaf = self.table.translate(VirtAddr::new(op.first)).map(|translation| translation.leaf);
            let seen = leaf.is_ok_and(|leaf| leaf.accessed && (leaf.dirty || !access.write));
            ensure!(seen, "{access:?} left no accessed or dirty bit");
        }
        Ok(())
    }

    /// Unmaps what is left, also what was never flushed, and counts the frames.
    fn end(mut self) -> Verdict {
        self.tlb.set_stuck(false);
        let left = self.parked.pieces().into_iter().chain(self.model.pieces());
        for Piece { first, last, .. } in left {
            let range = VirtRange::ordered(VirtAddr::new(first), VirtAddr::new(last));
            let unmapped = self.table.unmap(range, SplitPolicy::Refuse);
            let unmapped = unmapped.map_err(|error| format!("unmapping {range} at the end: {error}"))?;
            let mut released = Vec::new();
            let flushed = unmapped.flush(&self.tlb).map_err(|error| format!("{error}"))?;
            flushed.release(|mapping| released.push(Piece::from(&mapping)));
            self.unmapped(first, last, Some(released))?;
        }
        self.compare(&[])?;
        let Stats { tables, mapped_bytes, quarantined_bytes, .. } = self.table.stats();
        let left = (tables, mapped_bytes, quarantined_bytes, self.ports.inner().used());
        let fixed = self.rig.fixed_tables;
        ensure!(left == (fixed, 0, 0, fixed), "at the end tables, mapped, quarantined, frames: {left:?}");
        Ok(())
    }

    /// Table, model, MMU, TLB and frame source must agree.
    fn compare(&self, points: &[u64]) -> Verdict {
        self.table.check().map_err(|corruption| format!("check: {corruption}"))?;
        self.compare_runs()?;
        self.compare_frames()?;
        let edges = self.model.pieces().into_iter().flat_map(|piece| [piece.first, piece.last]);
        edges.chain(points.iter().copied()).try_for_each(|at| self.compare_at(at))?;
        let unflushed = |at| self.parked.at(at).is_some();
        match self.tlb.stale(&self.mmu(), points, unflushed) {
            Some(at) => Err(format!("the TLB is stale at {at:#x}")),
            None => Ok(()),
        }
    }

    fn compare_runs(&self) -> Verdict {
        let mut runs = Vec::new();
        for run in self.table.runs() {
            runs.push(Piece::from(&run.map_err(|error| format!("walk: {error}"))?));
        }
        let expected = joined(self.model.pieces());
        ensure!(joined(runs.clone()) == expected, "the table maps {runs:x?}, the model {expected:x?}");
        let bytes = expected.iter().map(|piece| piece.last - piece.first + 1).sum::<u64>();
        ensure!(self.table.stats().mapped_bytes == bytes, "mapped_bytes is not {bytes}");
        Ok(())
    }

    fn compare_frames(&self) -> Verdict {
        let Census { mut tables, empty, leaves } = self.mmu().census();
        let reached = tables.len() as u64;
        tables.sort_unstable();
        tables.dedup();
        ensure!(tables.len() as u64 == reached, "a table is linked twice");
        ensure!(empty == 0, "{empty} empty tables");
        let (counted, used) = (self.table.stats().tables, self.ports.inner().used());
        ensure!(counted == used, "{counted} tables counted, {used} frames in use");
        let hidden = !self.parked.is_empty();
        ensure!(
            counted == reached || hidden && counted > reached,
            "{counted} tables counted, {reached} reached"
        );
        let bytes: u64 = leaves.iter().map(|(_, bytes)| bytes).sum();
        ensure!(bytes == self.table.stats().mapped_bytes, "the MMU finds {bytes} bytes mapped");
        Ok(())
    }

    fn compare_at(&self, at: u64) -> Verdict {
        let found = self.mmu().probe(at);
        let expected = self.model.at(at);
        let translated = self.table.translate(VirtAddr::new(at));
        match (found, expected, translated) {
            (Ok(found), Some((phys, attrs)), Ok(translation)) => {
                let seen = Attrs {
                    flags: flags(&found),
                    memory: self.memory(found.pat_index).unwrap_or(attrs.memory),
                };
                ensure!(
                    (found.phys, seen) == (phys, attrs),
                    "at {at:#x} the MMU finds {found:x?}, not {attrs:?}"
                );
                let Mapping { leaf_bytes, accessed, dirty, .. } = translation.leaf;
                let said = (translation.phys.get(), translation.leaf.attrs, leaf_bytes, accessed, dirty);
                let right = (phys, attrs, 1 << found.page_bits, found.accessed, found.dirty);
                ensure!(said == right, "translate says {said:x?} at {at:#x}, the MMU {right:x?}");
                Ok(())
            }
            (Err(Fault::Page(code)), None, Err(TranslateError::NotMapped { .. })) if code & 1 == 0 => Ok(()),
            (Err(Fault::NonCanonical), None, Err(TranslateError::NonCanonical { .. })) => Ok(()),
            differ => Err(format!("at {at:#x}: MMU, model, translate: {differ:x?}")),
        }
    }

    /// Runs an operation whose k-th allocation fails, if it has so many; tells whether it failed.
    fn failing<T>(&mut self, op: &Op, work: impl FnOnce(&mut Table<F, &FailAt<Arena>>) -> T) -> (T, bool) {
        if let Some(k) = op.fail {
            self.ports.arm(k);
        }
        let result = work(&mut self.table);
        (result, op.fail.is_some() && !self.ports.disarm())
    }

    fn before(&self) -> Before {
        let arena = self.ports.inner();
        Before { image: arena.image(), stats: self.table.stats(), available: arena.available() }
    }

    fn unchanged(&self, before: &Before) -> Verdict {
        ensure!(self.before() == *before, "a failed operation left a trace");
        Ok(())
    }

    /// The range, unless it cannot even be said.
    fn range(&self, op: &Op) -> Result<Option<VirtRange>, String> {
        let range = VirtRange::inclusive(VirtAddr::new(op.first), VirtAddr::new(op.last));
        match range {
            Ok(range) => Ok(Some(range)),
            Err(RangeError::Empty) if op.last < op.first => Ok(None),
            Err(error) => Err(format!("range: {error}")),
        }
    }

    fn range_error(&self, op: &Op) -> Option<RangeError> {
        let mode = self.rig.mode;
        if let Some(at) = [op.first, op.last].into_iter().find(|at| !mode.translates(*at)) {
            return Some(RangeError::NonCanonical { at: VirtAddr::new(at) });
        }
        if let Some(sign) = mode.sign_bit().filter(|_| op.first >> 63 != op.last >> 63) {
            return Some(RangeError::NonCanonical { at: VirtAddr::new(1 << sign) });
        }
        let page = self.rig.page();
        if !op.first.is_multiple_of(page) {
            return Some(RangeError::Misaligned { at: VirtAddr::new(op.first) });
        }
        (op.last % page != page - 1).then_some(RangeError::Misaligned { at: VirtAddr::new(op.last) })
    }

    fn attr_error(&self, op: &Op) -> Option<AttrError> {
        let Attrs { flags, memory } = op.attrs;
        if self.rig.wx == WxPolicy::Deny && flags.contains(Flags::WRITE | Flags::EXECUTE) {
            Some(AttrError::WriteAndExecute)
        } else if flags.contains(Flags::USER) && op.first >> 63 == 1 {
            Some(AttrError::UserInKernelHalf)
        } else if !self.rig.readable(flags) {
            Some(AttrError::NotReadable)
        } else if !self.rig.pat.contains(&memory) {
            Some(AttrError::NoMemorySlot(memory))
        } else if !flags.contains(Flags::EXECUTE) && self.rig.always.contains(Flags::EXECUTE) {
            Some(AttrError::NoExecuteDisable)
        } else {
            None
        }
    }

    /// Whether an edge of a range at `edge` (its first byte if equal to `first`, else its last) cuts a leaf.
    fn cuts(&self, edge: u64, first: u64) -> bool {
        self.mmu().probe(edge).is_ok_and(|found| {
            let inside = edge & ((1 << found.page_bits) - 1);
            if edge == first { inside != 0 } else { inside != (1 << found.page_bits) - 1 }
        })
    }

    fn memory(&self, index: u32) -> Option<MemoryType> {
        self.rig.pat.get(usize::try_from(index).ok()?).copied()
    }

    fn mmu(&self) -> Mmu<'_> {
        Mmu { mode: self.rig.mode, memory: self.ports.inner(), cr3: self.table.root().get() }
    }
}

/// Flushes and releases; `None` if the flush failed and the token was dropped.
fn finish<F: Format>(
    unmapped: Unmapped<'_, F, &FailAt<Arena>>,
    tlb: &FakeTlb,
    op: &Op,
) -> Option<Vec<Piece>> {
    tlb.set_stuck(op.stuck);
    let flushed = unmapped.flush(tlb).or_else(|error| {
        tlb.set_stuck(!op.retry);
        error.token.flush(tlb)
    });
    tlb.set_stuck(false);
    let mut released = Vec::new();
    flushed.ok()?.release(|mapping| released.push(Piece::from(&mapping)));
    Some(released)
}

/// Where to look after an operation on a range.
fn points(first: u64, last: u64) -> Vec<u64> {
    [first, last, first.wrapping_sub(1), last.wrapping_add(1), first / 2 + last / 2].into()
}

fn flags(found: &mmu::Found) -> Flags {
    let when = |holds: bool, flag: Flags| if holds { flag } else { Flags::empty() };
    when(found.readable, Flags::READ)
        | when(found.writable, Flags::WRITE)
        | when(found.executable, Flags::EXECUTE)
        | when(found.user, Flags::USER)
        | when(found.global, Flags::GLOBAL)
}
