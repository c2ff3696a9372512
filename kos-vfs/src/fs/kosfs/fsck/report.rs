//! What a check says: [`Problem`] and [`FsckReport`].

use core::fmt;

/// Something wrong with a volume. Files and directories are told by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The newest tree cannot be read whole. The one before can: its generation counts from now on.
    OlderGeneration {
        /// The newest.
        damaged: u64,
        /// The one before.
        whole: u64,
    },
    /// The copy of the parameters in the last block is not what the superblock says.
    Parameters,
    /// A node of the tree is not what must be there. What was below it is lost.
    Node {
        /// Where.
        block: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The table of groups is not the one that was committed.
    Table,
    /// A bitmap is not what the tree says.
    Bitmap {
        /// Which, from the start of the volume.
        group: u64,
        /// Blocks that are taken and belong to nobody.
        leaked: u32,
        /// Blocks that are free and belong to somebody.
        missing: u32,
    },
    /// What the superblock counts is another number.
    Count {
        /// Of what.
        of: Counted,
        /// What it says.
        stored: u64,
        /// What there is.
        counted: u64,
    },
    /// There is no root directory.
    NoRoot,
    /// An item that makes no sense, or belongs to no file.
    Stray {
        /// The file in its key.
        file: u64,
        /// The kind in its key.
        kind: u8,
        /// The offset in its key.
        offset: u64,
    },
    /// Blocks of a file that another one has, or that are none.
    SharedBlocks {
        /// Whose.
        file: u64,
        /// The first, counted in the file.
        first: u64,
    },
    /// A file has another number of blocks than it says.
    Blocks {
        /// Which.
        file: u64,
        /// What it says.
        stored: u64,
        /// What there is.
        counted: u64,
    },
    /// A short file has other bytes than its size says.
    Size {
        /// Which.
        file: u64,
        /// What it says.
        stored: u64,
        /// What there is.
        counted: u64,
    },
    /// A directory counts its names wrong, or is said to be a kind of file that has none.
    Names {
        /// Which.
        directory: u64,
        /// What it says.
        stored: u64,
        /// What there is.
        counted: u64,
    },
    /// A file has another number of names, or a directory of directories, than it says.
    Links {
        /// Which.
        file: u64,
        /// What it says.
        stored: u32,
        /// What there is.
        counted: u32,
    },
    /// A file without a name that nothing will remove, or one whose blocks behind the end nothing will.
    Unmarked {
        /// Which.
        file: u64,
    },
    /// A name that is wrong: its file is not there, it is not where it is looked for, it is there twice, or it is a
    /// directory's second.
    Name {
        /// In which directory.
        directory: u64,
        /// Its place there.
        offset: u64,
        /// The file that it names.
        file: u64,
    },
    /// A name tells another kind of file.
    Kind {
        /// In which directory.
        directory: u64,
        /// The file that it names.
        file: u64,
    },
    /// The `..` of a directory leads elsewhere.
    Parent {
        /// Which.
        directory: u64,
    },
    /// A directory is below itself.
    Loop {
        /// Which.
        directory: u64,
    },
    /// A file that no name leads to.
    Lost {
        /// Which.
        file: u64,
    },
    /// A block of data with another checksum. Nothing mends it: reading it stays an error.
    Data {
        /// Whose.
        file: u64,
        /// Which, counted in the file.
        block: u64,
    },
}

/// What a superblock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counted {
    /// Free blocks.
    Free,
    /// Files.
    Files,
    /// The number of the next file, which must be behind all others.
    NextFile,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "free blocks",
            Self::Files => "files",
            Self::NextFile => "the number of the next file",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OlderGeneration { damaged, whole } => {
                write!(f, "generation {damaged} is damaged: {whole} counts")
            }
            Self::Parameters => f.write_str("the copy of the parameters is another"),
            Self::Node { block, what } => write!(f, "the node in block {block} is lost: {what}"),
            Self::Table => f.write_str("the table of groups is another"),
            Self::Bitmap { group, leaked, missing } => {
                write!(f, "bitmap {group}: {leaked} blocks are nobody's, {missing} are not taken")
            }
            Self::Count { of, stored, counted } => write!(f, "{of}: {stored}, not {counted}"),
            Self::NoRoot => f.write_str("there is no root directory"),
            Self::Stray { file, kind, offset } => {
                write!(f, "an item of no use at ({file}, {kind}, {offset})")
            }
            Self::SharedBlocks { file, first } => {
                write!(f, "file {file}: blocks from {first} on belong to others or are none")
            }
            Self::Blocks { file, stored, counted } => {
                write!(f, "file {file}: {stored} blocks, not {counted}")
            }
            Self::Size { file, stored, counted } => write!(f, "file {file}: {stored} bytes, not {counted}"),
            Self::Names { directory, stored, counted } => {
                write!(f, "directory {directory}: {stored} names, not {counted}")
            }
            Self::Links { file, stored, counted } => write!(f, "file {file}: {stored} links, not {counted}"),
            Self::Unmarked { file } => write!(f, "file {file}: nothing will remove what it no longer has"),
            Self::Name { directory, offset, file } => {
                write!(f, "directory {directory}: the name at {offset} of file {file} is wrong")
            }
            Self::Kind { directory, file } => {
                write!(f, "directory {directory}: a name tells another kind of file {file}")
            }
            Self::Parent { directory } => write!(f, "directory {directory}: its parent is another"),
            Self::Loop { directory } => write!(f, "directory {directory} is below itself"),
            Self::Lost { file } => write!(f, "file {file}: no name leads to it"),
            Self::Data { file, block } => write!(f, "file {file}: the bytes of block {block} are damaged"),
        }
    }
}

/// What a check found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Problems in all.
    pub problems: u64,
    /// Of these, mended.
    pub repaired: u64,
    /// The generation that was checked, or that holds what was mended.
    pub generation: u64,
    /// Superblocks that are whole. A power cut may leave one; a mount makes it two.
    pub superblocks: u8,
    /// Files, directories among them.
    pub files: u64,
    /// Directories, the root among them.
    pub directories: u64,
    /// Blocks that are free.
    pub free: u64,
}

impl FsckReport {
    /// Problems that are still there.
    pub const fn left(&self) -> u64 {
        self.problems - self.repaired
    }
}
