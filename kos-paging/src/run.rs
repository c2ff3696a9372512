//! Runs of like leaves in one table, and of empty entries, told by their bits alone.
//!
//! Only the first leaf of a run is decoded; each one more costs a load and a compare. Entries that differ in nothing but
//! an address in reach, accessed and dirty say the same, and none has a reserved bit if the first has none. That holds
//! for parked entries too, since parking treats each bit for itself.

use crate::addr::PhysAddr;
use crate::entry::{Entries, GROUP};
use crate::format::{Entry, Format, Level};
use crate::ports::PhysMapper;
use crate::span::{self, Span};
use crate::walk::Leaf;

/// Which leaves make a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Like {
    /// Those of the same attributes.
    Attributes,
    /// Those that also follow one another in physical memory.
    Contiguous,
}

/// Like leaves that follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// All that they translate.
    pub(crate) span: Span,
    /// The first; accessed and dirty if any is.
    pub(crate) leaf: Leaf,
}

/// The run from the entry of the first byte of `rest`, which says `leaf`, present or parked. A leaf of which `rest` has a
/// part only stays alone.
pub(crate) fn of<F: Format, M: PhysMapper>(
    format: &F,
    entries: Entries<'_, F::Raw, M>,
    level: Level,
    rest: Span,
    like: Like,
    leaf: Leaf,
) -> Run {
    let first = rest.index::<F>(level);
    let whole = rest.whole_entries::<F>(level);
    let raw = entries.load(first);
    let address = format.address_bits(level);
    let (mask, step, most) = match like {
        Like::Attributes => (!(address | F::KEPT), 0, whole),
        Like::Contiguous => {
            let (step, room) = reach::<F>(raw, address, level);
            (!F::KEPT, step, whole.min(room.saturating_add(1)))
        }
    };
    let mask: u64 = mask.into();
    let mut wanted = raw.into() & mask;
    let (mut count, mut used) = (1, raw);
    while count + GROUP <= most
        && let Some(group) = entries.load_group(first + count)
    {
        let (mut all, mut differ, mut last) = (used, 0, wanted);
        for next in group {
            last = last.wrapping_add(step);
            differ |= next.into() ^ last;
            all = all | next;
        }
        if differ & mask != 0 {
            break;
        }
        (used, wanted) = (used | all & F::KEPT, last);
        count += GROUP;
    }
    while count < most {
        let next = entries.load(first + count);
        wanted = wanted.wrapping_add(step);
        if next.into() & mask != wanted {
            break;
        }
        used = used | next & F::KEPT;
        count += 1;
    }
    let entry = Span::of_entry::<F>(rest.first, level);
    let span = Span { last: entry.last + (count as u64 - 1) * span::size::<F>(level), ..entry };
    Run { span, leaf: if used == raw { leaf } else { with_use(format, used, level, leaf) } }
}

/// What is left of `rest` from the first entry on, in the table of its first byte, that is not empty; if none is, the
/// last byte that the table has of it.
#[inline]
pub(crate) fn skip_empty<F: Format, M: PhysMapper>(
    entries: Entries<'_, F::Raw, M>,
    level: Level,
    rest: Span,
) -> Result<Span, u64> {
    let first = rest.index::<F>(level);
    if entries.load(first) != F::Raw::default() {
        return Ok(rest);
    }
    let Span { last, .. } = rest.piece::<F>(level.up());
    let end = Span { first: last, last }.index::<F>(level);
    let skipped = entries.first_used(first + 1, end).ok_or(last)? - first;
    let entry = Span::of_entry::<F>(rest.first, level).first;
    Ok(Span { first: entry + skipped as u64 * span::size::<F>(level), ..rest })
}

/// What an entry has more than the one before it, whose leaf is one further in physical memory, and how many can follow
/// `raw` before its address ends.
fn reach<F: Format>(raw: F::Raw, address: F::Raw, level: Level) -> (u64, usize) {
    let place = F::unpark(raw).unwrap_or(raw) & address;
    // One leaf further in physical memory, as an entry writes it.
    let step: u64 = F::with_address(F::Raw::default(), PhysAddr::new(span::size::<F>(level))).into();
    let left: u64 = (!place & address).into();
    let room = usize::try_from(left.checked_div(step).unwrap_or(0)).unwrap_or(usize::MAX);
    if raw & address == place {
        (step, room)
    } else if raw & address == !place & address {
        (step.wrapping_neg(), room)
    } else {
        (0, 0)
    }
}

/// The leaf with what the MMU noted in the entry `used`.
fn with_use<F: Format>(format: &F, used: F::Raw, level: Level, leaf: Leaf) -> Leaf {
    match format.decode(F::unpark(used).unwrap_or(used), level) {
        Ok(Entry::Leaf { accessed, dirty, .. }) => Leaf { accessed, dirty, ..leaf },
        _ => leaf,
    }
}
