//! What can be wrong with the start information.

use core::error::Error;
use core::fmt;

/// A part of the start information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `hvm_start_info` itself.
    Header,
    /// The command line.
    CommandLine,
    /// The memory map table.
    MemoryMap,
    /// The module table.
    Modules,
    /// The content of a module.
    Module,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::CommandLine => "command line",
            Self::MemoryMap => "memory map",
            Self::Modules => "module table",
            Self::Module => "module",
        })
    }
}

/// Why the start information was refused. All of it is the boot loader's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartInfoError {
    /// A pointer leads to something that is not readable memory.
    Unreadable {
        /// Which part should be there.
        part: Part,
        /// First physical address.
        start: u64,
        /// Length in bytes.
        length: u64,
    },
    /// The magic number is wrong: this is not start information.
    BadMagic {
        /// The number found.
        found: u32,
    },
    /// A table has more entries than we accept.
    TooMany {
        /// Which table.
        part: Part,
        /// Its entries.
        count: u32,
        /// The most that we accept.
        limit: u32,
    },
    /// The command line has no terminator within [`MAX_COMMAND_LINE`](super::MAX_COMMAND_LINE) bytes.
    EndlessCommandLine {
        /// Its first physical address.
        start: u64,
    },
}

impl fmt::Display for StartInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { part, start, length } => {
                write!(f, "{part} is not in readable memory: {length} bytes at {start:#x}")
            }
            Self::BadMagic { found } => {
                write!(f, "bad magic: found {found:#x}, expected {:#x}", super::MAGIC)
            }
            Self::TooMany { part, count, limit } => write!(f, "{part} has {count} entries, limit {limit}"),
            Self::EndlessCommandLine { start } => write!(f, "command line at {start:#x} does not end"),
        }
    }
}

impl Error for StartInfoError {}
