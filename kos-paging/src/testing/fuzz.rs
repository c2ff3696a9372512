//! Bodies of the fuzz targets.

use super::machine::run;
use super::rig::Rig;
use super::{Arena, noise};
use crate::addr::{PhysAddr, VirtAddr};
use crate::format::{A64, Entry, Format, Level, Riscv, Transition};
use crate::ports::{FrameRequest, FrameSource};
use crate::{TranslateError, walk};

/// Calls a function with the rig of the format that a byte chooses, and more arguments.
macro_rules! with_format {
    ($choice:expr, $body:ident, $($argument:expr),+) => {
        match $choice % 10 {
            0 => $body(&Rig::two_level(), $($argument),+),
            1 => $body(&Rig::pae(), $($argument),+),
            2 => $body(&Rig::long(), $($argument),+),
            3 => $body(&Rig::five_levels(), $($argument),+),
            4 => $body(&Rig::<A64<12>>::a64_low(), $($argument),+),
            5 => $body(&Rig::<A64<14>>::a64_low(), $($argument),+),
            6 => $body(&Rig::<A64<16>>::a64_low(), $($argument),+),
            7 => $body(&Rig::<Riscv<3>>::riscv(), $($argument),+),
            8 => $body(&Rig::<Riscv<4>>::riscv(), $($argument),+),
            _ => $body(&Rig::<Riscv<5>>::riscv(), $($argument),+),
        }
    };
}

/// `page_table_ops`: operations on two formats, each for a new and an old CPU; the first byte says which.
///
/// # Panics
///
/// If table, model, MMU and TLB differ.
pub fn page_table_ops(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let verdict = match choice % 4 {
        0 => run(Rig::long(), bytes),
        1 => run(Rig::two_level(), bytes),
        2 => run(Rig::early_long(), bytes),
        _ => run(Rig::early_two_level(), bytes),
    };
    #[expect(clippy::panic, reason = "how a fuzz target reports")]
    if let Err(told) = verdict {
        panic!("{told}");
    }
}

/// `space`: operations on four spaces beside deep copies; the first byte says how many frames there are.
///
/// # Panics
///
/// If a space and its model differ, or a frame is lost.
#[cfg(feature = "vma")]
pub fn space(data: &[u8]) {
    space_on(super::space::SimMachine::leaked, data);
}

/// [`space`] on a machine with so many frames, all of them free: machines are never freed.
///
/// # Panics
///
/// As [`space`].
#[cfg(feature = "vma")]
pub fn space_on(machine: impl FnOnce(usize) -> super::space::SimEnv, data: &[u8]) {
    let Some((frames, bytes)) = data.split_first() else { return };
    #[expect(clippy::panic, reason = "how a fuzz target reports")]
    if let Err(told) = super::space::machine::run_on(machine(60 + usize::from(*frames)), bytes) {
        panic!("{told}");
    }
}

/// `decode`: any bits as an entry of each format at each level: what is decoded can be written, and says the same again.
///
/// # Panics
///
/// If it does not.
pub fn decode(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let (Some(choice), Some(level)) = (bytes.next(), bytes.next()) else { return };
    let raw = u64::from_le_bytes(core::array::from_fn(|_| bytes.next().unwrap_or_default()));
    with_format!(choice, entry, raw, level);
}

fn entry<F: Format>(rig: &Rig<F>, raw: u64, level: u8) {
    let (format, level) = (rig.format, Level::new(level % F::LEVELS));
    let Ok(raw) = F::Raw::try_from(raw).or_else(|_| F::Raw::try_from(raw & 0xffff_ffff)) else { return };
    let said = format.decode(raw, level);
    assert_eq!(format.transition(raw, raw, level), Transition::None, "no change at all");
    match said {
        Ok(Entry::Absent(state)) => {
            let written = format.absent(state).map(|raw| format.decode(raw, level));
            assert_eq!(written, Ok(said), "an absent entry");
        }
        Ok(Entry::Leaf { phys, attrs, .. }) => {
            let again =
                format.leaf_bits(attrs, level).map(|bits| format.decode(F::with_address(bits, phys), level));
            let same = matches!(again, Ok(Ok(Entry::Leaf { phys: at, attrs: said, .. })) if (at, said) == (phys, attrs));
            assert!(same, "{said:?} became {again:?}");
            let kept = F::unpark(F::park(raw)).map(|raw| format.decode(raw, level));
            assert_eq!(kept, Some(said), "parked");
            assert_eq!(format.decode(F::park(raw), level), Ok(Entry::Parked));
        }
        Ok(Entry::Table { phys, .. }) => {
            let again = format.decode(format.table(phys, level), level);
            assert!(
                matches!(again, Ok(Entry::Table { phys: at, .. }) if at == phys),
                "{said:?} became {again:?}"
            );
            let kept = F::unpark(F::park(raw)).map(|raw| format.decode(raw, level));
            assert_eq!(kept, Some(said), "parked");
        }
        Ok(Entry::Parked) | Err(_) => {}
    }
}

/// `walk_hostile`: tables of any content, in each format: a translation ends, and a listing of the first of them.
///
/// # Panics
///
/// If a leaf is said to lie beyond the physical addresses.
pub fn walk_hostile(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    with_format!(choice, hostile, bytes);
}

/// Frames of hostile tables.
const TABLES: u64 = 3;

fn hostile<F: Format>(rig: &Rig<F>, bytes: &[u8]) {
    let memory = Arena::of_order(3, rig.order);
    let any = FrameRequest::below(PhysAddr::new(u64::MAX)).of_order(rig.order);
    let taken = (0..TABLES).filter_map(|_| memory.allocate(any).ok()).count();
    assert_eq!(taken as u64, TABLES, "the arena is as large as that");
    let words = bytes
        .chunks(8)
        .map(|word| u64::from_le_bytes(core::array::from_fn(|at| word.get(at).copied().unwrap_or_default())));
    let entries = (TABLES * 512) << rig.order;
    // Entries stand close to the edges of the tables and in a random pattern between them.
    for (number, word) in words.enumerate() {
        let number = number as u64;
        let place = if number.is_multiple_of(2) { number / 2 } else { (number * 0x9e37_79b9) % entries };
        memory.write(Arena::BASE + place % entries * 8, word);
    }
    let root = PhysAddr::new(Arena::BASE);
    let seed = bytes.len() as u64;
    let mut noise = noise(seed, 512);
    for _ in 0..64 {
        let at = u64::from_le_bytes(core::array::from_fn(|_| noise.next().unwrap_or_default()));
        let at = VirtAddr::new(
            rig.mode.address(at & (rig.page() * 64 - 1) | at & !(!0 << rig.mode.address_bits() >> 1)),
        );
        match walk::translate(rig.format, &memory, root, at) {
            Ok(found) => assert!(found.phys <= rig.format.max_phys(), "{at} leads to {}", found.phys),
            Err(TranslateError::NonCanonical { at }) => assert!(!rig.mode.translates(at.get()), "{at}"),
            Err(_) => {}
        }
    }
    for run in walk::runs(rig.format, &memory, root).take(256).map_while(Result::ok) {
        assert!(run.phys <= rig.format.max_phys(), "{run:?}");
    }
}
