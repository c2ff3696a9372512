//! Nodes: CPUs and memory that are near each other, as the firmware's table of affinities says, copied out of it.
//!
//! Proximity domains are any numbers; nodes are numbered from 0 in the order in which the table names them.

use core::error::Error;
use core::fmt;

use heapless::Vec;

use crate::acpi::Affinity;

/// Nodes that are told apart.
const NODES: usize = 64;
/// Pieces of memory.
const PIECES: usize = 128;
/// Local APICs: their numbers have 8 bits here.
const APICS: usize = 256;

/// A piece of the memory of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Whose.
    pub node: u32,
    /// First byte.
    pub start: u64,
    /// Bytes; the end fits 64 bits.
    pub length: u64,
}

/// What is near what.
#[derive(Clone, Debug)]
pub struct Nodes {
    domains: Vec<u32, NODES>,
    memory: Vec<Piece, PIECES>,
    /// Nodes by number of the local APIC.
    cpus: [Option<u8>; APICS],
}

impl Default for Nodes {
    fn default() -> Self {
        Self { domains: Vec::new(), memory: Vec::new(), cpus: [None; APICS] }
    }
}

impl Nodes {
    /// Those of a table.
    ///
    /// # Errors
    /// [`NodesError`]
    pub fn new(entries: impl Iterator<Item = Affinity>) -> Result<Self, NodesError> {
        let mut nodes = Self::default();
        for entry in entries {
            match entry {
                // CPUs with longer numbers are out of reach.
                Affinity::Cpu { apic_id, domain } => {
                    let node = nodes.node(domain)?;
                    if let Some(slot) = usize::try_from(apic_id).ok().and_then(|id| nodes.cpus.get_mut(id)) {
                        *slot = u8::try_from(node).ok();
                    }
                }
                Affinity::Memory { length: 0, .. } => {}
                Affinity::Memory { start, length, domain } => {
                    let node = nodes.node(domain)?;
                    nodes.add(Piece { node, start, length })?;
                }
            }
        }
        Ok(nodes)
    }

    /// The number of a domain.
    fn node(&mut self, domain: u32) -> Result<u32, NodesError> {
        let known = self.domains.iter().position(|known| *known == domain);
        let at = known.unwrap_or(self.domains.len());
        if known.is_none() {
            self.domains.push(domain).map_err(|_| NodesError::TooMany)?;
        }
        u32::try_from(at).map_err(|_| NodesError::TooMany)
    }

    fn add(&mut self, new: Piece) -> Result<(), NodesError> {
        let overlaps = |old: &Piece| old.start < new.start + new.length && new.start < old.start + old.length;
        if self.memory.iter().any(overlaps) {
            return Err(NodesError::Overlap { start: new.start });
        }
        self.memory.push(new).map_err(|_| NodesError::TooMany)
    }

    /// How many there are; 0 where the firmware tells none apart.
    #[must_use]
    pub fn count(&self) -> usize {
        self.domains.len()
    }

    /// Their memory, in the order of the table.
    #[must_use]
    pub fn memory(&self) -> &[Piece] {
        &self.memory
    }

    /// The node of the CPU whose local APIC has this number.
    #[must_use]
    pub fn of_apic(&self, id: u8) -> Option<u32> {
        self.cpus.get(usize::from(id)).copied().flatten().map(u32::from)
    }
}

/// Why a table is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodesError {
    /// More nodes, or more pieces of memory, than there is room for.
    TooMany,
    /// Memory is said to be at two places.
    Overlap {
        /// Where the later piece begins.
        start: u64,
    },
}

impl fmt::Display for NodesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "ACPI SRAT has more than {NODES} nodes or {PIECES} pieces of memory"),
            Self::Overlap { start } => write!(f, "ACPI SRAT has the memory at {start:#x} twice"),
        }
    }
}

impl Error for NodesError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(domain: u32, start: u64, length: u64) -> Affinity {
        Affinity::Memory { start, length, domain }
    }

    #[test]
    fn domains_are_numbered_in_order() {
        let cpu = |apic_id, domain| Affinity::Cpu { apic_id, domain };
        let table =
            [cpu(3, 77), memory(5, 0, 10), memory(77, 10, 5), memory(5, 15, 0), cpu(300, 5), cpu(0, 5)];
        let nodes = Nodes::new(table.into_iter()).unwrap();
        let pieces = [Piece { node: 1, start: 0, length: 10 }, Piece { node: 0, start: 10, length: 5 }];
        assert_eq!(nodes.memory(), pieces);
        assert_eq!([nodes.of_apic(3), nodes.of_apic(0), nodes.of_apic(1)], [Some(0), Some(1), None]);
    }

    #[test]
    fn memory_is_at_one_place() {
        for (start, length) in [(9, 2), (0, 1), (5, 1), (0, 100)] {
            let table = [memory(0, 0, 10), memory(1, start, length)];
            assert_eq!(Nodes::new(table.into_iter()).err(), Some(NodesError::Overlap { start }));
        }
        let end = u64::MAX - 1;
        assert!(Nodes::new([memory(0, end, 1), memory(1, 0, end)].into_iter()).is_ok());
        let many = (0..65).map(|domain| memory(domain, u64::from(domain), 1));
        assert_eq!(Nodes::new(many).err(), Some(NodesError::TooMany));
    }
}
