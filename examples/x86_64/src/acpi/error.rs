//! What can be wrong with the ACPI tables.

use core::error::Error;
use core::fmt;

/// A part of the ACPI tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The root pointer.
    Rsdp,
    /// The root table: RSDT or XSDT.
    Root,
    /// The interrupt controllers.
    Madt,
    /// What is near what.
    Srat,
    /// The timer.
    Hpet,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsdp => "RSDP",
            Self::Root => "root table",
            Self::Madt => "MADT",
            Self::Srat => "SRAT",
            Self::Hpet => "HPET",
        })
    }
}

/// Why a list of the firmware cannot be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcpiError {
    /// The boot loader names no root pointer: this machine has no ACPI.
    Absent,
    /// A pointer leads to something that is not readable memory.
    Unreadable {
        /// Which part should be there.
        part: Part,
        /// First physical address.
        start: u64,
        /// Length in bytes.
        length: u64,
    },
    /// Something else stands where the part should.
    BadSignature(Part),
    /// The bytes of the part do not sum to zero.
    BadChecksum(Part),
    /// The part is shorter than its fixed fields or longer than any real one.
    BadLength {
        /// Which part.
        part: Part,
        /// The length that it gives itself.
        length: u32,
    },
    /// An entry is shorter than its fields, reaches beyond the table, or says what cannot be.
    BadEntry {
        /// Which table.
        part: Part,
        /// Its offset in the table.
        offset: usize,
    },
    /// The root table names no MADT.
    NoMadt,
}

impl fmt::Display for AcpiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no ACPI"),
            Self::Unreadable { part, start, length } => {
                write!(f, "ACPI {part} ({length} bytes at {start:#x}) is not in readable memory")
            }
            Self::BadSignature(part) => write!(f, "ACPI {part} has a wrong signature"),
            Self::BadChecksum(part) => write!(f, "ACPI {part} has a wrong checksum"),
            Self::BadLength { part, length } => write!(f, "ACPI {part} cannot have {length} bytes"),
            Self::BadEntry { part, offset } => write!(f, "ACPI {part} has a broken entry at offset {offset}"),
            Self::NoMadt => f.write_str("ACPI has no MADT"),
        }
    }
}

impl Error for AcpiError {}
