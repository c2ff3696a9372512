//! Runs of like leaves in one table, told by their bits alone.
//!
//! Only the first leaf of a run is decoded; each one more costs a load and a compare. Entries that differ in nothing but
//! an address in reach, accessed and dirty say the same, and none has a reserved bit if the first has none. That holds
//! for parked entries too, since parking treats each bit for itself.

use crate::addr::PhysAddr;
use crate::entry::Entries;
use crate::format::{Entry, Format, Level};
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
pub(crate) fn of<F: Format>(
    format: &F,
    entries: Entries<'_, F::Raw>,
    level: Level,
    rest: Span,
    like: Like,
    mut leaf: Leaf,
) -> Run {
    let first = rest.index::<F>(level);
    let raw = entries.load(first);
    let address = format.address_bits(level);
    let place = |raw: F::Raw| -> u64 { (F::unpark(raw).unwrap_or(raw) & address).into() };
    let attributes = !(address | F::KEPT);
    let (wanted, size) = (raw & attributes, span::size::<F>(level));
    // One leaf further in physical memory, as an entry writes it.
    let step: u64 = F::with_address(F::Raw::default(), PhysAddr::new(size)).into();
    let (mut last, mut at, mut used) = (Span::of_entry::<F>(rest.first, level).last, place(raw), raw);
    for index in first + 1..first + rest.whole_entries::<F>(level) {
        let next = entries.load(index);
        at += step;
        if next & attributes != wanted || like == Like::Contiguous && place(next) != at {
            break;
        }
        used = used | next & F::KEPT;
        last += size;
    }
    if used != raw
        && let Ok(Entry::Leaf { accessed, dirty, .. }) = format.decode(F::unpark(used).unwrap_or(used), level)
    {
        leaf = Leaf { accessed, dirty, ..leaf };
    }
    Run { span: Span { last, ..Span::of_entry::<F>(rest.first, level) }, leaf }
}
