//! The rights of a machine's mapping as attributes of a page, as far as its CPU can express them.

use kos_paging::{AttrError, Attrs, Flags, Format, Level, MemoryType};

use crate::platform::Rights;

/// The attributes, global, for the kernel alone; `None` for what must stay unmapped.
#[must_use]
pub fn attrs_of<F: Format>(format: &F, rights: Rights) -> Option<Attrs> {
    let attrs = match rights {
        Rights::ReadExecute => Attrs::RX,
        Rights::Read => Attrs::R,
        Rights::ReadWrite => Attrs::RW,
        Rights::Device => Attrs::RW.with_memory(MemoryType::Uncached),
        Rights::Guard => return None,
    };
    Some(expressible(format, attrs.global()))
}

/// These attributes; executable too on a CPU that cannot forbid that.
#[must_use]
pub fn expressible<F: Format>(format: &F, attrs: Attrs) -> Attrs {
    if can_forbid_execution(format) {
        return attrs;
    }
    Attrs { flags: attrs.flags | Flags::EXECUTE, ..attrs }
}

/// Whether the CPU has an execute-disable bit (NX), and uses it.
#[must_use]
pub fn can_forbid_execution<F: Format>(format: &F) -> bool {
    format.leaf_bits(Attrs::R, Level::PAGE) != Err(AttrError::NoExecuteDisable)
}
