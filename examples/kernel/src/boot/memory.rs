//! Stage `memory`: the firmware's map becomes a set of free frames, and accounts that add up.

use kos_alloc::boot::{RegionError, RegionSet};
use kos_alloc::{Env, FrameRange};

use super::Config;
use crate::accounts::{Accounts, FRAME_BYTES};
use crate::error::Cause;
use crate::firmware::{self, Defect, MAX_ENTRIES, Piece};
use crate::platform::{FirmwareKind, Platform, Reserved};
use crate::stage::Notes;
use crate::text::Bytes;

/// Strange entries that are described; more are only counted.
const DESCRIBED: usize = 4;

/// Reads the map into `storage`, takes out what is reserved, and counts everything.
pub(super) fn survey<'m, P: Platform>(
    platform: &P,
    config: &Config,
    storage: &'m mut [FrameRange],
    notes: &mut Notes<'_, '_, P>,
) -> Result<(Accounts, RegionSet<'m>), Cause> {
    let mut accounts = Accounts::default();
    examine(platform, &mut accounts, notes)?;
    if let Some(fault) = platform.nodes_fault() {
        notes.warn(format_args!("{fault}: all is one node"));
    }
    let (reach, mut free) = (platform.env().direct_map().frames(), RegionSet::new(storage));
    for piece in firmware::pieces(|| platform.memory_map()) {
        let frames = frames_of(piece, reach);
        accounts.add_piece(piece, frames.map_or(0, |frames| frames.count()));
        frames.map_or(Ok(()), |frames| free.add(frames)).map_err(Cause::MapTooFragmented)?;
    }
    if free.is_empty() {
        return Err(Cause::NoUsableMemory { entries: accounts.entries });
    }
    for piece in platform.reserved() {
        reserve(&mut accounts, &mut free, piece)?;
    }
    let (left, needed) = (free.frames(), config.minimum_free);
    if left < needed {
        return Err(Cause::TooLittleMemory { free: left, needed });
    }
    notes.figures(format_args!(
        "{} entries: {} usable, {} firmware; {} reserved",
        accounts.entries,
        Bytes(accounts.usable_frames as u64 * FRAME_BYTES),
        Bytes(accounts.firmware_bytes()),
        Bytes(accounts.reserved_frames() as u64 * FRAME_BYTES)
    ));
    Ok((accounts, free))
}

/// Counts the entries and names those that are strange.
fn examine<P: Platform>(
    platform: &P,
    accounts: &mut Accounts,
    notes: &mut Notes<'_, '_, P>,
) -> Result<(), Cause> {
    let mut strange = 0;
    for (index, entry) in platform.memory_map().enumerate() {
        if index == MAX_ENTRIES {
            return Err(Cause::MapTooLong { max: MAX_ENTRIES });
        }
        accounts.entries = index + 1;
        let what = match firmware::examine(entry).1 {
            None => continue,
            Some(Defect::Empty) => "is empty: ignored",
            Some(Defect::Unbelievable) => "is beyond the address space: ignored",
            Some(Defect::Cut) => "reaches beyond the address space: cut",
        };
        strange += 1;
        if strange <= DESCRIBED {
            let (start, length, kind) = (entry.start, entry.length, entry.kind);
            notes.warn(format_args!("map entry {index} ({kind}, {length:#x} bytes at {start:#x}) {what}"));
        }
    }
    if strange > DESCRIBED {
        notes.warn(format_args!("{} more map entries are strange", strange - DESCRIBED));
    }
    Ok(())
}

/// The frames that the kernel gets of a piece: whole, usable, within `reach`.
pub(crate) fn frames_of(piece: Piece, reach: FrameRange) -> Option<FrameRange> {
    if piece.kind != FirmwareKind::Usable {
        return None;
    }
    let inside = FrameRange::inside(piece.start, piece.end - piece.start, 12).ok()?;
    Some(inside.intersection(&reach)).filter(|frames| !frames.is_empty())
}

/// Takes reserved memory out of what is free.
fn reserve(accounts: &mut Accounts, free: &mut RegionSet<'_>, piece: Reserved) -> Result<(), Cause> {
    let Reserved { name, start, length } = piece;
    let bad = Cause::BadReservation { name };
    let range = FrameRange::covering(start, length, 12).map_err(|_| bad)?;
    let taken = free.remove(range).map_err(|error| match error {
        RegionError::Full { .. } => Cause::MapTooFragmented(error),
        _ => bad,
    })?;
    if taken > 0 {
        accounts.reserve(name, range, taken).map_err(|_| bad)?;
    }
    Ok(())
}
