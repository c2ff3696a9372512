//! What the boot loader told, copied out of its memory, so that nothing depends on that memory later.

use core::ops::Range;
use core::slice;

use heapless::Vec;
use kos_demo_kernel::firmware;
use kos_demo_kernel::platform::{FirmwareKind, FirmwareRegion};
use kos_x86_64::layout::{BOOT_MAPPED, DIRECT_MAP, PAGE};
use kos_x86_64::pvh::{self, MemoryMapEntry, Part, PhysicalMemory, StartInfo, StartInfoError};

use crate::address::pointer;
use crate::image;

const REGIONS: usize = pvh::MAX_MEMORY_MAP as usize;
const USABLE: usize = 2 * REGIONS;
const MODULES: usize = pvh::MAX_MODULES as usize;
const COMMAND_LINE: usize = pvh::MAX_COMMAND_LINE;

/// The memory that the boot tables map, without the image.
#[derive(Debug)]
pub(crate) struct BootMemory;

impl PhysicalMemory for BootMemory {
    fn bytes(&self, start: u64, length: u64) -> Option<&[u8]> {
        let end = start.checked_add(length).filter(|&end| end <= BOOT_MAPPED)?;
        let image = image::physical();
        if start < image.end && image.start < end {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        // SAFETY: the boot tables map the whole range; whatever the bus answers for an address without memory is a byte too.
        // Nobody writes there while the slice lives: the CPU is alone, devices are silent, and what this kernel itself
        // writes, the image, is left out. Modules, whose slices stay, are reserved before any frame is handed out.
        Some(unsafe { slice::from_raw_parts(pointer(DIRECT_MAP + start), length) })
    }
}

/// The boot loader's information.
#[derive(Debug)]
pub(crate) struct BootInfo {
    pub(crate) memory_map: Vec<FirmwareRegion, REGIONS>,
    usable: Vec<Range<u64>, USABLE>,
    pub(crate) command_line: Vec<u8, COMMAND_LINE>,
    modules: Vec<Module, MODULES>,
    /// Where the firmware's tables begin; 0: nowhere.
    pub(crate) rsdp: u64,
    /// A page below 1 MiB on which the other CPUs start, if there is one.
    pub(crate) trampoline: Option<u64>,
}

/// Pages to which a start signal can lead; page 0 is not used, to catch null pointers.
const REAL_MODE_PAGES: Range<u64> = 1..0xa0;

#[derive(Clone, Copy, Debug)]
struct Module {
    start: u64,
    bytes: &'static [u8],
}

impl BootInfo {
    /// Reads the start information at physical address `at`.
    pub(crate) fn read(at: u64) -> Result<Self, StartInfoError> {
        let info = StartInfo::read(&BootMemory, at)?;
        // The capacities are the parser's limits: nothing is lost.
        let memory_map: Vec<_, REGIONS> = info.memory_map().map(region).collect();
        let mut info = Self {
            rsdp: info.rsdp(),
            trampoline: None,
            usable: usable(&memory_map),
            memory_map,
            command_line: info.command_line().iter().copied().collect(),
            modules: info
                .modules()
                .map(|module| Module { start: module.start, bytes: module.bytes })
                .collect(),
        };
        info.check_modules()?;
        info.trampoline = info.low_page();
        Ok(info)
    }

    /// The first page of usable memory below 1 MiB that holds no module.
    fn low_page(&self) -> Option<u64> {
        let taken =
            |page: u64| self.module_ranges().any(|module| module.start < page + PAGE && page < module.end);
        REAL_MODE_PAGES.map(|page| page * PAGE).find(|&page| self.is_memory(page) && !taken(page))
    }

    /// Modules are read as long as the kernel runs, and the final tables map usable memory only.
    fn check_modules(&self) -> Result<(), StartInfoError> {
        let mapped = |module: &Range<u64>| {
            self.usable.iter().any(|range| range.start <= module.start && module.end <= range.end)
        };
        let stray = self.module_ranges().find(|module| !module.is_empty() && !mapped(module));
        stray.map_or(Ok(()), |Range { start, end }| {
            Err(StartInfoError::Unreadable { part: Part::Module, start, length: end - start })
        })
    }

    /// The contents of the modules, in order.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &[u8]> {
        self.modules.iter().map(|module| module.bytes)
    }

    /// Where the modules lie.
    pub(crate) fn module_ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.modules.iter().map(|module| module.start..module.start + module.bytes.len() as u64)
    }

    /// The end of the highest usable memory, at most `limit`.
    pub(crate) fn memory_end(&self, limit: u64) -> u64 {
        self.usable.last().map_or(0, |range| range.end.min(limit))
    }

    /// Whether the page at physical address `page` is usable memory.
    pub(crate) fn is_memory(&self, page: u64) -> bool {
        self.usable.iter().any(|range| range.contains(&page))
    }

    /// Whether any address of a range is memory of the kernel's.
    pub(crate) fn has_memory_in(&self, range: &Range<u64>) -> bool {
        self.usable.iter().any(|usable| usable.start < range.end && range.start < usable.end)
    }
}

/// The whole pages of usable memory, ascending: what the kernel maps.
fn usable(map: &[FirmwareRegion]) -> Vec<Range<u64>, USABLE> {
    let pieces = firmware::pieces(|| map.iter().copied()).filter(|piece| piece.kind == FirmwareKind::Usable);
    let pages = pieces.map(|piece| piece.start.next_multiple_of(PAGE)..piece.end / PAGE * PAGE);
    // Each entry begins and ends at most two pieces: all of them fit.
    pages.filter(|range| !range.is_empty()).collect()
}

fn region(entry: MemoryMapEntry) -> FirmwareRegion {
    let kind = match entry.kind {
        1 => FirmwareKind::Usable,
        3 => FirmwareKind::AcpiReclaimable,
        4 => FirmwareKind::AcpiNvs,
        5 => FirmwareKind::Bad,
        _ => FirmwareKind::Reserved,
    };
    FirmwareRegion { start: entry.start, length: entry.length, kind }
}
