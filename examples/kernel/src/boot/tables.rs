//! Stage `paging`: the final page tables, built beside those of the boot stub and then loaded.
//!
//! Write and execute never meet, neither in a mapping ([`WxPolicy::Deny`]) nor in a frame: what the image may not write, the
//! direct map shows read-only too. On a CPU without NX the stage is degraded: all memory is executable then. Guard pages are
//! holes: they are checked to be.

use kos_alloc::{Env, FrameRange};
use kos_paging::{Attrs, HugePolicy, PhysAddr, RangeError, SplitPolicy, VirtAddr, VirtRange, WxPolicy};

use super::EARLY_LIMIT;
use super::memory::frames_of;
use crate::error::Cause;
use crate::firmware;
use crate::glue::address::{in_direct_map, phys_of};
use crate::glue::rights::{attrs_of, can_forbid_execution, expressible};
use crate::glue::table_frames::TableFrames;
use crate::kernel::{KernelTable, SharedFrames};
use crate::platform::{Mapping, Platform, Rights};
use crate::stage::Notes;
use crate::text::{Bytes, Text};

/// Builds the tables and loads them.
pub(super) fn start<P: Platform>(
    platform: &P,
    frames: SharedFrames<P>,
    notes: &mut Notes<'_, '_, P>,
) -> Result<KernelTable<P>, Cause> {
    let ports = TableFrames::below(EARLY_LIMIT, frames, platform.phys());
    let format = platform.format();
    let nx = can_forbid_execution(&format);
    let policy = if nx { WxPolicy::Deny } else { WxPolicy::Allow };
    let mut tables = KernelTable::<P>::new(format, ports, policy).map_err(Cause::Tables)?;
    let direct = map_memory(platform, &mut tables)?;
    for mapping in platform.mappings().filter(|mapping| mapping.rights != Rights::Guard) {
        map_piece::<P>(&mut tables, mapping)?;
        seal(platform, &mut tables, mapping)?;
    }
    for guard in platform.mappings().filter(|mapping| mapping.rights == Rights::Guard) {
        check_guard::<P>(&tables, guard)?;
    }
    activate(platform, &tables);
    tables.ports().lift_limit();
    let (count, direct, features) = (tables.stats().tables, Bytes(direct), features(platform));
    if nx {
        notes.figures(format_args!("{count} tables map {direct}, W^X;{features}"));
    } else {
        notes.degraded(format_args!("no NX: no W^X; {count} tables;{features}"));
    }
    Ok(tables)
}

/// All usable memory.
fn memory<P: Platform>(platform: &P) -> impl Iterator<Item = FrameRange> {
    let reach = platform.env().direct_map().frames();
    firmware::pieces(|| platform.memory_map()).filter_map(move |piece| frames_of(piece, reach))
}

/// Maps all usable memory, read and write; the bytes.
fn map_memory<P: Platform>(platform: &P, tables: &mut KernelTable<P>) -> Result<u64, Cause> {
    let name = "direct map";
    let attrs = expressible(tables.format(), Attrs::RW.global());
    let mut bytes = 0;
    for frames in memory(platform) {
        let range =
            in_direct_map(platform.direct_map_base(), frames).map_err(|error| bad_range(name, error))?;
        let phys = phys_of(frames.start());
        tables.map(range, phys, attrs, HugePolicy::Largest).map_err(|cause| Cause::Map { name, cause })?;
        bytes += range.bytes();
    }
    Ok(bytes)
}

fn map_piece<P: Platform>(tables: &mut KernelTable<P>, mapping: Mapping) -> Result<(), Cause> {
    let Mapping { name, phys, rights, .. } = mapping;
    let Some(attrs) = attrs_of(tables.format(), rights) else { return Ok(()) };
    let range = range_of(mapping)?;
    tables
        .map(range, PhysAddr::new(phys), attrs, HugePolicy::Largest)
        .map_err(|cause| Cause::Map { name, cause })
}

/// Makes the frames of a read-only piece read-only in the direct map, as far as it shows them. Huge leaves elsewhere stay.
fn seal<P: Platform>(
    platform: &P,
    tables: &mut KernelTable<P>,
    Mapping { name, phys, length, rights, .. }: Mapping,
) -> Result<(), Cause> {
    if !matches!(rights, Rights::ReadExecute | Rights::Read) {
        return Ok(());
    }
    let piece = FrameRange::covering(phys, length, 12).map_err(|_| Cause::BadReservation { name })?;
    let attrs = expressible(tables.format(), Attrs::R.global());
    for frames in memory(platform).map(|frames| frames.intersection(&piece)).filter(|part| !part.is_empty()) {
        let range =
            in_direct_map(platform.direct_map_base(), frames).map_err(|error| bad_range(name, error))?;
        let sealed = tables.protect(range, attrs, SplitPolicy::Split);
        // Nothing to flush: no TLB has seen these tables yet.
        let _ = sealed.map_err(|cause| Cause::Seal { name, cause })?;
    }
    Ok(())
}

fn check_guard<P: Platform>(tables: &KernelTable<P>, guard: Mapping) -> Result<(), Cause> {
    let name = guard.name;
    match tables.query(range_of(guard)?).map_err(|error| bad_range(name, error))?.next() {
        None => Ok(()),
        Some(_) => Err(Cause::GuardMapped { name }),
    }
}

fn range_of(mapping: Mapping) -> Result<VirtRange, Cause> {
    VirtRange::new(VirtAddr::new(mapping.virt), mapping.length)
        .map_err(|error| bad_range(mapping.name, error))
}

const fn bad_range(name: &'static str, error: RangeError) -> Cause {
    Cause::Map { name, cause: kos_paging::MapError::Range(error) }
}

#[expect(unsafe_code, reason = "the one place where the machine changes its address space")]
fn activate<P: Platform>(platform: &P, tables: &KernelTable<P>) {
    // SAFETY: `start` has mapped all memory at the direct map, where the boot stub had it, and every piece that the machine
    // says it runs in; nothing was left out, or `start` would have failed.
    unsafe { platform.activate(tables.root().get()) };
}

/// The protections in use, then those that the CPU lacks.
fn features<P: Platform>(platform: &P) -> Text {
    use core::fmt::Write;
    let mut text = Text::default();
    let mut list = |word: &str, wanted| {
        for (index, (name, _)) in platform.features().filter(|&(_, on)| on == wanted).enumerate() {
            // More features than a line holds are cut.
            let _ = write!(text, "{} {name}", if index == 0 { word } else { "" });
        }
    };
    list("", true);
    list("; no", false);
    text
}
