//! How much of a zone is kept free, and for whom: [`Watermarks`], [`Floors`].
//!
//! Source: Linux, mm/page_alloc.c (`calculate_min_free_kbytes`, `__setup_per_zone_wmarks`,
//! `setup_per_zone_lowmem_reserve`).

use core::sync::atomic::{AtomicUsize, Ordering};

use super::table::{MAX_ZONES, Settings, ZoneKind};

/// Free frames of a zone at which something begins or ends.
///
/// All zones together keep `min` = 4·√(KiB of memory) KiB, at least 128 KiB and at most 256 MiB, but never more than
/// 1/32 of the memory; or what [`Config::min_free`](super::Config::min_free) says. Each has its share. The distance from `min` to `low` and from
/// `low` to `high` is `min`/4 or [`Config::watermark_scale`](super::Config::watermark_scale) of the zone, whichever is larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// Only requests with [`RESERVE`](crate::FrameFlags::RESERVE) go below.
    pub min: usize,
    /// Below it the zone is under pressure: frames freed go past the CPUs' caches to those who wait.
    pub low: usize,
    /// From here on the pressure is over.
    pub high: usize,
}

impl Watermarks {
    /// Those of a zone with `managed` of `total` frames of `1 << page_shift` bytes.
    pub(super) fn new(settings: &Settings, page_shift: u32, managed: usize, total: usize) -> Self {
        let together = settings.min_free.unwrap_or_else(|| min_free(total, page_shift));
        let min = share(together, managed, total.max(1)).min(managed);
        let distance = (min / 4).max(share(managed, settings.watermark_scale, 10_000));
        let low = min.saturating_add(distance).min(managed);
        Self { min, low, high: low.saturating_add(distance).min(managed) }
    }
}

/// What Linux would keep of `frames` frames.
fn min_free(frames: usize, page_shift: u32) -> usize {
    let kib = ((frames as u128) << page_shift) >> 10;
    let min_kib = (kib * 16).isqrt().clamp(128, 256 << 10);
    let min = (min_kib << 10) >> page_shift;
    usize::try_from(min).unwrap_or(usize::MAX).min(frames / 32)
}

/// `part`/`whole` of `amount`, rounded down.
fn share(amount: usize, part: usize, whole: usize) -> usize {
    usize::try_from(amount as u128 * part as u128 / whole as u128).unwrap_or(usize::MAX)
}

/// The free frames that a zone keeps from requests without a claim on them: its min watermark and its lowmem reserve.
/// Changes only when memory is added or reserved.
#[derive(Debug)]
pub(super) struct Floors([AtomicUsize; MAX_ZONES]);

impl Floors {
    pub(super) const fn new() -> Self {
        Self([const { AtomicUsize::new(0) }; MAX_ZONES])
    }

    /// What a request whose highest allowed zone is number `highest` leaves free.
    pub(super) fn of(&self, highest: usize) -> usize {
        self.0.get(highest).map_or(0, |floor| floor.load(Ordering::Relaxed))
    }

    /// Computes the floors of the zone number `index` of kind `kind`, when zone n has `managed[n]` frames.
    pub(super) fn set(&self, kind: &ZoneKind, index: usize, min: usize, managed: &[usize; MAX_ZONES]) {
        let mut above = 0_usize;
        for (highest, floor) in self.0.iter().enumerate().skip(index) {
            if highest > index {
                above = above.saturating_add(managed.get(highest).copied().unwrap_or(0));
            }
            let reserve = above.checked_div(kind.reserve_ratio).unwrap_or(0);
            floor.store(min.saturating_add(reserve), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{Config, Table, dma_dma32_normal};
    use super::*;
    use crate::types::Pfn;

    const TABLE: [ZoneKind; 3] = dma_dma32_normal(12);

    fn marks(min_free: Option<usize>, managed: usize, total: usize) -> Watermarks {
        let table = Table::new(&Config { min_free, ..Config::new(&TABLE) }).unwrap();
        Watermarks::new(table.settings(), 12, managed, total)
    }

    /// Linux of a machine with 16 GiB: `min_free_kbytes` 16384.
    #[test]
    fn watermarks_are_those_of_linux() {
        let frames = 16 << 18;
        let all = marks(None, frames, frames);
        assert_eq!(all.min, 16 << 20 >> 12);
        assert_eq!((all.low, all.high), (all.min + 4194, all.min + 2 * 4194), "1/1000 of the zone");
        let quarter = marks(None, frames / 4, frames);
        assert_eq!(quarter.min, all.min / 4);
    }

    #[test]
    fn watermarks_leave_small_machines_their_memory() {
        for frames in [0, 1, 31, 64, 1000, 8 << 8] {
            let marks = marks(None, frames, frames);
            assert!(marks.min <= frames / 32, "{marks:?} of {frames}");
            assert!(marks.min <= marks.low && marks.low <= marks.high && marks.high <= frames);
        }
        let given = marks(Some(usize::MAX), 100, 200);
        assert_eq!(given.high, 100, "never more than there is");
    }

    #[test]
    fn a_low_zone_keeps_a_part_of_the_higher_ones() {
        let managed = [4000, 256_000, 1 << 20, 0, 0, 0, 0, 0];
        let floors = Floors::new();
        floors.set(&TABLE[0], 0, 10, &managed);
        assert_eq!(floors.of(0), 10, "who can use no other zone");
        assert_eq!(floors.of(1), 10 + 256_000 / 256);
        assert_eq!(floors.of(2), 10 + (256_000 + (1 << 20)) / 256);
        floors.set(&ZoneKind::new("Normal", Pfn::MAX), 2, 7, &managed);
        assert_eq!((floors.of(2), floors.of(3)), (7, 7));
    }
}
