//! Which zones a machine has: [`ZoneKind`], the presets, [`Config`].

use super::super::Config as BuddyConfig;
use crate::types::{FrameRange, Pfn};

/// Zones of one machine at most: as many as a [`ZoneSet`](crate::ZoneSet) has bits.
pub const MAX_ZONES: usize = 8;

/// One zone of the integrator's table: all frames below `end` that no earlier zone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneKind {
    /// What reports call it.
    pub name: &'static str,
    /// The frame behind its last possible one. Ends ascend through the table; that of the last is usually [`Pfn::MAX`].
    pub end: Pfn,
    /// Requests that could have been served from a higher zone leave 1/`reserve_ratio` of the higher zones' frames free
    /// in this one, for those who can use no other; 0: nothing. Linux's `lowmem_reserve_ratio`.
    pub reserve_ratio: usize,
}

impl ZoneKind {
    /// The zone `name` of the frames below `end`, with no lowmem reserve.
    #[must_use]
    pub const fn new(name: &'static str, end: Pfn) -> Self {
        Self { name, end, reserve_ratio: 0 }
    }

    /// The same with a lowmem reserve of 1/`reserve_ratio` of the zones above.
    #[must_use]
    pub const fn reserving(self, reserve_ratio: usize) -> Self {
        Self { reserve_ratio, ..self }
    }
}

/// 64-bit PCs: `DMA` below 16 MiB for ISA devices, `DMA32` below 4 GiB for devices with 32-bit addresses, `Normal`.
#[must_use]
pub const fn dma_dma32_normal(page_shift: u32) -> [ZoneKind; 3] {
    [
        ZoneKind::new("DMA", frames_in(16 << 20, page_shift)).reserving(256),
        ZoneKind::new("DMA32", frames_in(4 << 30, page_shift)).reserving(256),
        ZoneKind::new("Normal", Pfn::MAX),
    ]
}

/// 32-bit PCs: `DMA` below 16 MiB, `Normal` below 896 MiB, which the kernel has mapped, and `High`.
#[must_use]
pub const fn dma_normal_high(page_shift: u32) -> [ZoneKind; 3] {
    [
        ZoneKind::new("DMA", frames_in(16 << 20, page_shift)).reserving(256),
        ZoneKind::new("Normal", frames_in(896 << 20, page_shift)).reserving(32),
        ZoneKind::new("High", Pfn::MAX),
    ]
}

/// The frame behind the first `bytes` bytes of memory, or the last number if there is none.
#[expect(clippy::cast_possible_truncation, reason = "compared with the largest value first")]
const fn frames_in(bytes: u64, page_shift: u32) -> Pfn {
    let frames = bytes >> page_shift;
    if frames > usize::MAX as u64 { Pfn::MAX } else { Pfn(frames as usize) }
}

/// What an integrator chooses of [`Zones`](super::Zones).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config<'a> {
    /// The zones in ascending order, 1 to [`MAX_ZONES`].
    pub table: &'a [ZoneKind],
    /// For the buddy of each zone.
    pub buddy: BuddyConfig,
    /// Frames that all zones together keep for [`RESERVE`](crate::FrameFlags::RESERVE); `None`: as
    /// [`Watermarks`](super::Watermarks) tells.
    pub min_free: Option<usize>,
    /// Distance of the watermarks in 1/10000 of a zone, at least; Linux's `watermark_scale_factor`.
    pub watermark_scale: usize,
}

impl<'a> Config<'a> {
    /// The zones of `table`, all else as Linux has it.
    #[must_use]
    pub const fn new(table: &'a [ZoneKind]) -> Self {
        let buddy = BuddyConfig { max_order: super::super::MAX_ORDER };
        Self { table, buddy, min_free: None, watermark_scale: 10 }
    }
}

/// What of a [`Config`] is needed again when memory is added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) buddy: BuddyConfig,
    pub(super) min_free: Option<usize>,
    pub(super) watermark_scale: usize,
}

/// A checked table, and what is set for all its zones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    kinds: [ZoneKind; MAX_ZONES],
    len: usize,
    settings: Settings,
}

impl Table {
    /// That of `config`, unless there are no zones or too many, or their ends do not ascend.
    pub(super) fn new(config: &Config<'_>) -> Option<Self> {
        let Config { table: kinds, buddy, min_free, watermark_scale } = *config;
        let settings = Settings { buddy, min_free, watermark_scale };
        let ascending = kinds.is_sorted_by(|below, above| below.end < above.end);
        let empty = [ZoneKind::new("", Pfn(0)); MAX_ZONES];
        let mut table = Self { kinds: empty, len: kinds.len(), settings };
        let places = table.kinds.get_mut(..kinds.len()).filter(|places| ascending && !places.is_empty())?;
        places.copy_from_slice(kinds);
        Some(table)
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn kinds(&self) -> &[ZoneKind] {
        self.kinds.get(..self.len).unwrap_or(&[])
    }

    /// The frames that zone number `index` may have.
    pub(super) fn bounds(&self, index: usize) -> FrameRange {
        let end = |index: usize| self.kinds().get(index).map_or(Pfn(0), |kind| kind.end);
        let start = index.checked_sub(1).map_or(Pfn(0), end);
        FrameRange::between(start, end(index))
    }

    /// The number of the zone in which the whole of `range` lies, if it has a frame.
    #[inline]
    pub(super) fn zone_of(&self, range: FrameRange) -> Option<usize> {
        let index = self.kinds().iter().position(|kind| range.start() < kind.end)?;
        (!range.is_empty() && range.end() <= self.kinds().get(index)?.end).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(kinds: &[ZoneKind]) -> Option<Table> {
        Table::new(&Config::new(kinds))
    }

    #[test]
    fn presets_end_where_the_devices_do() {
        let [dma, dma32, normal] = dma_dma32_normal(12);
        assert_eq!((dma.end, dma32.end, normal.end), (Pfn(0x1000), Pfn(0x10_0000), Pfn::MAX));
        let [dma, normal, high] = dma_normal_high(14);
        assert_eq!((dma.end, normal.end, high.end), (Pfn(0x400), Pfn(0xe000), Pfn::MAX));
    }

    #[test]
    fn tables_must_ascend_and_fit() {
        let kind = |end| ZoneKind::new("zone", Pfn(end));
        assert!(new(&[]).is_none());
        assert!(new(&[kind(5), kind(5)]).is_none());
        assert!(new(&[kind(1); 9]).is_none());
        assert!(new(&core::array::from_fn::<_, 8, _>(kind)).is_some());
    }

    #[test]
    fn a_range_lies_in_one_zone_or_in_none() {
        let table = new(&[ZoneKind::new("low", Pfn(10)), ZoneKind::new("high", Pfn(20))]).unwrap();
        let zone = |start, end| table.zone_of(FrameRange::between(Pfn(start), Pfn(end)));
        assert_eq!((zone(0, 10), zone(10, 20)), (Some(0), Some(1)));
        assert_eq!((zone(9, 11), zone(19, 21), zone(20, 21), zone(3, 3)), (None, None, None, None));
        assert_eq!(table.bounds(0), FrameRange::between(Pfn(0), Pfn(10)));
        assert_eq!(table.bounds(1), FrameRange::between(Pfn(10), Pfn(20)));
    }
}
