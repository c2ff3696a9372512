//! From a file to an address space in which its program can begin: segments, heap, stack, words.

use core::error::Error;
use core::fmt;

use kos_paging::space::{Behaviour, Kind, MapRequest, Place, SpaceError};
use kos_paging::{Flags, VirtAddr, VirtRange};
use kos_vfs::Errno;

use super::elf::{Abi, ElfError, HEAD, Image, PAGE, Segment, pages};
use super::linux::stack;
use super::object::Object;
use super::space::UserSpace;
use crate::Kernel;
use crate::platform::{Platform, UserStart};

/// Bytes of the stack that are mapped from the start.
const STACK: u64 = 64 << 10;
/// Unmapped below the end of the space and above the stack.
const ABOVE_STACK: u64 = 1 << 20;
/// Bytes that are copied to a program at a time.
const PIECE: usize = 512;

/// What a program is told at its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Words<'a> {
    /// Its name, and its arguments.
    pub(crate) words: &'a [&'a str],
    /// Variables: `NAME=VALUE`.
    pub(crate) variables: &'a [&'a str],
}

impl<'a> From<&'a [&'a str]> for Words<'a> {
    fn from(words: &'a [&'a str]) -> Self {
        Self { words, variables: &[] }
    }
}

impl<'a, const N: usize> From<&'a [&'a str; N]> for Words<'a> {
    fn from(words: &'a [&'a str; N]) -> Self {
        Self::from(words.as_slice())
    }
}

/// Why a program does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum LoadError {
    /// The file could not be read.
    File(Errno),
    /// It is no program.
    Elf(ElfError),
    /// There is no place or no memory for it.
    Space(SpaceError),
    /// Its words cannot be copied.
    Words,
    /// Words and variables are too long (E2BIG).
    TooLong,
    /// The machine runs no programs.
    NoPrograms,
}

/// Fills an empty space with the program of `file`, of the user and group `ids`: whose calls it makes, and where it begins.
pub(super) fn load<P: Platform>(
    kernel: &Kernel<P>,
    space: &UserSpace<P>,
    file: &Object<P>,
    words: Words<'_>,
    ids: (u32, u32),
) -> Result<(Abi, UserStart), LoadError> {
    let layout = P::PROGRAMS.ok_or(LoadError::NoPrograms)?;
    let mut head = [0; HEAD];
    let read = file.read(0, &mut head).map_err(|_| LoadError::File(Errno::EIO))?;
    let image = Image::parse(head.get(..read).unwrap_or_default(), layout.machine).map_err(LoadError::Elf)?;
    for segment in &image.segments {
        map_segment(space, file, *segment)?;
    }
    let heap = image.segments.last().map_or(0, |last| pages(last.end)) + PAGE;
    space.set_heap(VirtAddr::new(heap)).map_err(LoadError::Space)?;
    let top = layout.end - ABOVE_STACK;
    let start = match image.abi {
        Abi::Native => {
            let lengths = words.lengths().ok_or(LoadError::TooLong)?;
            map_stack(space, top, STACK + pages((lengths[0] + lengths[1]) as u64))?;
            let argument = put_words(space, top, words, lengths)?;
            UserStart { entry: image.entry, stack: argument, argument }
        }
        Abi::Linux => {
            let random = stack::random(kernel);
            let block = stack::Block::new(&image, words, ids, random).ok_or(LoadError::TooLong)?;
            map_stack(space, top, STACK + pages(block.bytes()))?;
            let put =
                |at, bytes: &[u8]| space.copy_out(VirtAddr::new(at), bytes).map_err(|_| LoadError::Words);
            UserStart { entry: image.entry, stack: block.put(top, put)?, argument: 0 }
        }
    };
    Ok((image.abi, start))
}

/// Maps the stack of the first thread, which grows.
fn map_stack<P: Platform>(space: &UserSpace<P>, top: u64, bytes: u64) -> Result<(), LoadError> {
    let stack = MapRequest::new(bytes, Flags::READ | Flags::WRITE)
        .at(Place::FixedNoReplace(VirtAddr::new(top - bytes)))
        .of_kind(Kind::Stack)
        .behaving(Behaviour::GROWS_DOWN);
    space.map(stack).map(|_: VirtRange| ()).map_err(LoadError::Space)
}

fn map_segment<P: Platform>(
    space: &UserSpace<P>,
    file: &Object<P>,
    segment: Segment,
) -> Result<(), LoadError> {
    let Segment { offset, first, file_end, end, rights } = segment;
    let map = |from: u64, to: u64, show: bool| -> Result<(), LoadError> {
        if from >= to {
            return Ok(());
        }
        let request = MapRequest::new(to - from, rights).at(Place::FixedNoReplace(VirtAddr::new(from)));
        let request = if show {
            request.showing(Object::<P>::clone(file), offset).of_kind(Kind::Mapped)
        } else {
            request
        };
        space.map(request).map(|_: VirtRange| ()).map_err(LoadError::Space)
    };
    map(first, pages(file_end), true)?;
    map(pages(file_end), pages(end), false)?;
    // Behind the end of the segment the file goes on; a program finds zeros there.
    let behind = usize::try_from(pages(file_end).min(end).saturating_sub(file_end)).unwrap_or(0);
    if behind > 0 {
        space.fill(VirtAddr::new(file_end), behind, 0).map_err(|_| LoadError::File(Errno::EIO))?;
    }
    Ok(())
}

impl<'a> Words<'a> {
    /// What the program is called: the last part of its first word.
    pub(super) fn name(&self) -> &'a str {
        let path = self.words.first().copied().unwrap_or("");
        path.rsplit('/').next().unwrap_or(path)
    }

    /// Bytes of the words and of the variables, with a zero behind each; [`None`]: one has a zero in it, or they are too many.
    fn lengths(&self) -> Option<[usize; 2]> {
        let length = |texts: &[&str]| {
            texts.iter().try_fold(0_usize, |sum, text| {
                sum.checked_add(text.len())?.checked_add(1).filter(|_| !text.contains('\0'))
            })
        };
        let lengths = [length(self.words)?, length(self.variables)?];
        (lengths[0].checked_add(lengths[1])? <= stack::MOST).then_some(lengths)
    }
}

/// Puts the words of a native program at the top of the stack: where. Two lengths, and behind them the strings.
fn put_words<P: Platform>(
    space: &UserSpace<P>,
    top: u64,
    words: Words<'_>,
    lengths: [usize; 2],
) -> Result<u64, LoadError> {
    let at = (top - (lengths[0] + lengths[1] + size_of_val(&lengths)) as u64) & !15;
    let (mut place, mut piece) = (at, heapless::Vec::<u8, PIECE>::new());
    let mut flush = |piece: &mut heapless::Vec<u8, PIECE>| {
        space.copy_out(VirtAddr::new(place), piece).map_err(|_| LoadError::Words)?;
        place += piece.len() as u64;
        piece.clear();
        Ok(())
    };
    let texts = words.words.iter().chain(words.variables).flat_map(|text| text.bytes().chain([0]));
    for byte in lengths.into_iter().flat_map(usize::to_le_bytes).chain(texts) {
        if piece.is_full() {
            flush(&mut piece)?;
        }
        piece.push(byte).map_err(|_| LoadError::Words)?;
    }
    flush(&mut piece)?;
    Ok(at)
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(errno) => f.write_str(errno.meaning()),
            Self::Elf(cause) => cause.fmt(f),
            Self::Space(cause) => cause.fmt(f),
            Self::TooLong => write!(f, "more than {} bytes of words and variables", stack::MOST),
            Self::Words => f.write_str("its words cannot be copied"),
            Self::NoPrograms => f.write_str("this machine runs no programs"),
        }
    }
}

impl Error for LoadError {}
