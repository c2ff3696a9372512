//! A table over a window of one place does what a table over all memory does, to the byte.
#![expect(unsafe_code, reason = "the peephole hands out its own page")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails a test")]

mod common;
#[macro_use]
#[path = "common/every_format.rs"]
mod every_format;

use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use common::{at, phys};
use kos_paging::testing::{Arena, FakeTlb, Image, Rig, noise};
use kos_paging::*;

const WORDS: usize = 8192;

#[repr(align(4096))]
struct Place([AtomicU64; WORDS]);

/// One place in which a copy of one frame is seen: who looks there for another finds the wrong one.
struct Peephole {
    memory: Arena,
    place: Box<Place>,
    shown: Cell<Option<(u64, usize)>>,
    shows: Cell<u64>,
}

impl Peephole {
    fn new(memory: Arena) -> Self {
        let place = Box::new(Place([const { AtomicU64::new(0) }; WORDS]));
        Self { memory, place, shown: Cell::new(None), shows: Cell::new(0) }
    }

    fn words(&self, frame: u64, bytes: usize) -> impl Iterator<Item = (u64, &AtomicU64)> {
        (frame..).step_by(8).zip(&self.place.0).take(bytes / 8)
    }

    /// What was written in the place goes to the frame that it shows.
    fn write_back(&self) {
        if let Some((frame, bytes)) = self.shown.get() {
            self.words(frame, bytes)
                .for_each(|(at, word)| self.memory.write(at, word.load(Ordering::Relaxed)));
        }
    }

    fn image(&self) -> Image {
        self.write_back();
        self.memory.image()
    }
}

// SAFETY: the place is its own, atomics aligned to 4096, and one thread looks through it.
unsafe impl ShowFrame for Peephole {
    fn show(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        self.memory.table(frame, bytes)?;
        self.write_back();
        for (at, word) in self.words(frame.get(), bytes) {
            word.store(self.memory.read(at, 8)?, Ordering::Relaxed);
        }
        self.shown.set(Some((frame.get(), bytes)));
        self.shows.set(self.shows.get() + 1);
        Some(NonNull::from(&*self.place).cast())
    }
}

impl FrameSource for Peephole {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        self.memory.allocate(request)
    }

    fn free(&self, frame: Frame) {
        self.memory.free(frame);
    }
}

/// What one operation of eight random bytes came to, in words.
fn step<F: Format, P: FrameSource + PhysMapper>(
    rig: &Rig<F>,
    table: &mut Table<F, P>,
    bytes: &[u8],
) -> String {
    let &[kind, base, offset, size, to, policy, ..] = bytes else { return String::new() };
    let units = [12, rig.leaf_bits[0], rig.leaf_bits[1]].map(|bits| 1_u64 << bits);
    let unit = units[usize::from(size >> 4) % 3].max(rig.page());
    let first = rig.bases[usize::from(base % 3) % rig.bases.len()] + u64::from(offset % 16) * unit;
    let range = match VirtRange::new(at(first), u64::from(size % 8) * unit) {
        Ok(range) => range,
        Err(cause) => return cause.to_string(),
    };
    let split = if policy & 1 == 0 { SplitPolicy::Refuse } else { SplitPolicy::Split };
    let flags = rig.always | if policy & 2 == 0 { Flags::READ } else { Flags::READ | Flags::WRITE };
    let attrs = Attrs { flags, ..Attrs::RW };
    let tlb = FakeTlb::new();
    match kind % 8 {
        0..=2 => format!("{:?}", table.map(range, phys(u64::from(to) * unit), attrs, HugePolicy::Largest)),
        3 | 4 => match table.unmap(range, split) {
            Ok(unmapped) => {
                let mut came_back = String::new();
                match unmapped.flush(&tlb) {
                    Ok(flushed) => flushed.release(|run| came_back += &format!("{run:?}")),
                    Err(stuck) => came_back = format!("{:?}", stuck.cause),
                }
                came_back
            }
            Err(cause) => cause.to_string(),
        },
        5 | 6 => match table.protect(range, attrs, split) {
            Ok(protected) => format!("{:?}", protected.flush(&tlb)),
            Err(cause) => cause.to_string(),
        },
        // A listing goes on while addresses are translated: each finds the window at another table.
        _ => {
            table.runs().take(9).map(|run| format!("{run:?} {:?}", table.translate(range.first()))).collect()
        }
    }
}

fn window_is_as_memory<F: Format>(rig: Rig<F>) {
    let arena = || Arena::of_order(24, rig.order);
    let memory = arena();
    let mut direct = Table::new(rig.format, &memory, rig.wx).unwrap();
    let mut narrow = Table::new(rig.format, Window::new(Peephole::new(arena())), rig.wx).unwrap();
    let operations: Vec<u8> = noise(u64::from(F::LEVELS), 8 * 400).collect();
    let mut mapped = false;
    for (number, bytes) in operations.chunks_exact(8).enumerate() {
        let told = step(&rig, &mut narrow, bytes);
        assert_eq!(told, step(&rig, &mut direct, bytes), "operation {number}");
        assert_eq!(narrow.stats(), direct.stats(), "operation {number}");
        mapped |= narrow.stats().mapped_bytes > 0;
    }
    narrow.check().unwrap();
    assert!(mapped, "nothing was ever mapped");
    let peephole = narrow.ports().port();
    assert!(peephole.image() == memory.image());
    assert!(peephole.shows.get() > 1000, "{} frames were shown", peephole.shows.get());
}

in_every_format! {
    a_window_shows_what_memory_is => window_is_as_memory;
}
