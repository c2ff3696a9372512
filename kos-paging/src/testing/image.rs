//! Page tables as a file, with questions and their answers: for any MMU to check ours, and for ours to check others'.
//!
//! Numbers are little-endian and of 64 bits. In order:
//!
//! | what | numbers |
//! |---|---|
//! | the word `kos-mmu1` | 1 |
//! | mode and its parameters | 6: see below; what a mode does not use is 0 |
//! | memory types by slot | 8: 0 write-back, 1 write-through, 2 write-combining, 3 write-protected, 4 uncached minus, 5 uncached, 255 none |
//! | the root's address | 1 |
//! | bytes of a frame, number of frames | 2 |
//! | each frame: its address, its bytes | 1 + bytes / 8 |
//! | number of questions | 1 |
//! | each question: virtual address, physical address or all ones, rights, memory type | 4 |
//!
//! Modes: 0 x86 two levels (PSE, PAT); 1 PAE (NXE, MAXPHYADDR); 2 and 3 four and five levels (NXE, 1 GiB leaves,
//! MAXPHYADDR); 4 A64 (granule bits, TTBR1, IPS bits, HAFDBS, software's dirty bit); 5 RISC-V (levels, ADUE).
//! Rights: 1 loads, 2 stores, 4 fetches, 8 user mode, 16 global. The answers are those of the naive model.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Arena;
use super::mmu::{Found, Mmu, Mode};
use super::model::Model;
use super::rig::Rig;
use crate::addr::PhysAddr;
use crate::attrs::{Flags, MemoryType};
use crate::ports::{FrameRequest, FrameSource};

const MAGIC: u64 = u64::from_le_bytes(*b"kos-mmu1");
/// The answer of an address that is not mapped.
const NOWHERE: u64 = !0;
const TYPES: [MemoryType; 6] = [
    MemoryType::WriteBack,
    MemoryType::WriteThrough,
    MemoryType::WriteCombining,
    MemoryType::WriteProtected,
    MemoryType::UncachedMinus,
    MemoryType::Uncached,
];
const NO_TYPE: u64 = 255;
/// More frames than any image has.
const MOST_FRAMES: u64 = 4096;

/// The image of an arena, with questions about all that the model maps, and around it.
pub(super) fn write<F>(rig: &Rig<F>, arena: &Arena, root: PhysAddr, model: &Model) -> Vec<u8> {
    let mut words = Vec::from([MAGIC]);
    words.extend(mode_words(&rig.mode));
    words.extend((0..8).map(|slot| rig.pat.get(slot).map_or(NO_TYPE, |memory| number_of(*memory))));
    let image = arena.image();
    words.extend([root.get(), 4096 << rig.order, image.len() as u64]);
    for (address, frame) in image {
        words.push(address);
        words.extend(frame);
    }
    let edges = model
        .pieces()
        .into_iter()
        .flat_map(|piece| [piece.first, piece.last, piece.first.wrapping_sub(1), piece.last.wrapping_add(1)]);
    let places = edges.chain(rig.bases.iter().copied()).filter(|at| rig.mode.translates(*at));
    let questions: Vec<[u64; 4]> = places.map(|at| question(model, at)).collect();
    words.push(questions.len() as u64);
    words.extend(questions.into_iter().flatten());
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn question(model: &Model, at: u64) -> [u64; 4] {
    match model.at(at) {
        Some((phys, attrs)) => [at, phys, attrs.flags.bits().into(), number_of(attrs.memory)],
        None => [at, NOWHERE, 0, 0],
    }
}

fn number_of(memory: MemoryType) -> u64 {
    TYPES.iter().position(|known| *known == memory).map_or(NO_TYPE, |number| number as u64)
}

fn mode_words(mode: &Mode) -> [u64; 6] {
    match *mode {
        Mode::TwoLevel { pse, pat } => [0, pse.into(), pat.into(), 0, 0, 0],
        Mode::Pae { nxe, maxphyaddr } => [1, nxe.into(), maxphyaddr.into(), 0, 0, 0],
        Mode::FourLevel { nxe, page1gb, maxphyaddr } => {
            [2, nxe.into(), page1gb.into(), maxphyaddr.into(), 0, 0]
        }
        Mode::FiveLevel { nxe, page1gb, maxphyaddr } => {
            [3, nxe.into(), page1gb.into(), maxphyaddr.into(), 0, 0]
        }
        Mode::A64 { granule, high, ips, hafdbs, software_dirty } => {
            [4, granule.into(), high.into(), ips.into(), hafdbs.into(), software_dirty.into()]
        }
        Mode::Riscv { levels, adue } => [5, levels.into(), adue.into(), 0, 0, 0],
    }
}

fn mode_of(words: [u64; 6]) -> Option<Mode> {
    let [kind, a, b, c, d, e] = words;
    let bits = |word: u64| u32::try_from(word).ok().filter(|bits| *bits < 64);
    Some(match kind {
        0 => Mode::TwoLevel { pse: a != 0, pat: b != 0 },
        1 => Mode::Pae { nxe: a != 0, maxphyaddr: bits(b)? },
        2 => Mode::FourLevel { nxe: a != 0, page1gb: b != 0, maxphyaddr: bits(c)? },
        3 => Mode::FiveLevel { nxe: a != 0, page1gb: b != 0, maxphyaddr: bits(c)? },
        4 if matches!(a, 12 | 14 | 16) => Mode::A64 {
            granule: bits(a)?,
            high: b != 0,
            ips: bits(c)?,
            hafdbs: d != 0,
            software_dirty: bits(e)?,
        },
        5 if (3..=5).contains(&a) => Mode::Riscv { levels: bits(a)?, adue: b != 0 },
        _ => return None,
    })
}

/// Words of a file, one after the other.
struct Words<'b>(&'b [u8]);

impl Words<'_> {
    fn next(&mut self) -> Result<u64, String> {
        let (word, rest) = self.0.split_first_chunk().ok_or("the image ends too early")?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*word))
    }

    fn take<const N: usize>(&mut self) -> Result<[u64; N], String> {
        let mut words = [0; N];
        for word in &mut words {
            *word = self.next()?;
        }
        Ok(words)
    }
}

/// Reads an image, and asks the software MMU each of its questions; how many there are.
///
/// # Errors
///
/// What is wrong with the image, or the first answer that is not the MMU's.
pub fn judge(image: &[u8]) -> Result<usize, String> {
    let mut words = Words(image);
    if words.next()? != MAGIC {
        return Err("not an image of this kind".into());
    }
    let mode = mode_of(words.take()?).ok_or("an unknown mode")?;
    let types: [u64; 8] = words.take()?;
    let [root, bytes, frames] = words.take()?;
    let order = match bytes {
        0x1000 => 0,
        0x4000 => 2,
        0x1_0000 => 4,
        _ => return Err(format!("frames of {bytes} bytes")),
    };
    let memory = frames_of(&mut words, bytes, order, frames)?;
    let mmu = Mmu { mode, memory: &memory, cr3: root };
    let questions = words.next()?;
    for number in 0..questions {
        let [at, phys, rights, memory] = words.take()?;
        let found = mmu.probe(at);
        let answer = found.as_ref().map_or([NOWHERE, 0, 0], |found| {
            let slot = usize::try_from(found.pat_index).unwrap_or(usize::MAX);
            [found.phys, rights_of(found), types.get(slot).copied().unwrap_or(NO_TYPE)]
        });
        if answer != [phys, rights, memory] {
            return Err(format!("question {number}: {at:#x} is {phys:#x}, the MMU finds {found:x?}"));
        }
    }
    usize::try_from(questions).map_err(|_| "more questions than fit".into())
}

fn frames_of(words: &mut Words<'_>, bytes: u64, order: u8, frames: u64) -> Result<Arena, String> {
    let mut content = Vec::new();
    let mut last = 0;
    for _ in 0..frames.min(MOST_FRAMES) {
        let address = words.next()?;
        let number = address.checked_sub(Arena::BASE).map(|inside| inside / bytes);
        let number = number.filter(|number| *number < MOST_FRAMES);
        last = last.max(number.ok_or_else(|| format!("a frame at {address:#x}"))?);
        for inside in (0..bytes).step_by(8) {
            content.push((address + inside, words.next()?));
        }
    }
    let count = usize::try_from(last + 1).map_err(|_| "more frames than fit")?;
    let memory = Arena::of_order(count, order);
    let any = FrameRequest::below(PhysAddr::new(u64::MAX)).of_order(order);
    let taken = (0..count).filter_map(|_| memory.allocate(any).ok()).count();
    debug_assert_eq!(taken, count, "the arena is as large as that");
    content.into_iter().for_each(|(at, word)| memory.write(at, word));
    Ok(memory)
}

fn rights_of(found: &Found) -> u64 {
    let when = |holds: bool, flag: Flags| if holds { flag } else { Flags::empty() };
    let flags = when(found.readable, Flags::READ)
        | when(found.writable, Flags::WRITE)
        | when(found.executable, Flags::EXECUTE)
        | when(found.user, Flags::USER)
        | when(found.global, Flags::GLOBAL);
    flags.bits().into()
}
