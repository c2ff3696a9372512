//! The rights of a machine's mapping as attributes of a page.

use kos_paging::{Attrs, MemoryType};

use crate::platform::Rights;

/// The attributes, global, for the kernel alone; `None` for what must stay unmapped.
#[must_use]
pub fn attrs_of(rights: Rights) -> Option<Attrs> {
    match rights {
        Rights::ReadExecute => Some(Attrs::RX.global()),
        Rights::Read => Some(Attrs::R.global()),
        Rights::ReadWrite => Some(Attrs::RW.global()),
        Rights::Device => Some(Attrs::RW.global().with_memory(MemoryType::Uncached)),
        Rights::Guard => None,
    }
}
