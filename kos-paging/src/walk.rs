//! Reading tables: translate one address, list what is mapped.
//!
//! Works on tables of any origin: a reserved bit or a pointer to a frame that the mapper does not know is an error.
//! [`translate`] reads at most one entry a level. A listing of hostile tables, whose entries may point in circles, is
//! finite but as long as the address space: bound what you take from it.

use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::Attrs;
use crate::entry::Entries;
use crate::error::{TranslateError, WalkError};
use crate::format::{Entry, Format, Level, Limit, MAX_LEVELS, ReservedBits};
use crate::ports::PhysMapper;
use crate::run::{self, Like, Run};
use crate::span::{self, Span};

/// A leaf, or a run of leaves that follow one another in virtual and physical memory with like size and attributes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mapping {
    /// The addresses.
    pub range: VirtRange,
    /// The physical address of the first byte.
    pub phys: PhysAddr,
    /// The level of each leaf.
    pub level: Level,
    /// Bytes of each leaf.
    pub leaf_bytes: u64,
    /// Attributes, narrowed by the tables above.
    pub attrs: Attrs,
    /// The MMU has used one of the leaves.
    pub accessed: bool,
    /// The MMU has written through one of the leaves.
    pub dirty: bool,
}

impl Mapping {
    /// Appends `next` if it continues this run.
    pub(crate) fn join(&mut self, next: &Self) -> bool {
        let bytes = self.range.bytes();
        let follows = self.range.first().checked_add(bytes) == Some(next.range.first())
            && self.phys.checked_add(bytes) == Some(next.phys)
            && self.level == next.level
            && self.attrs == next.attrs;
        if follows {
            self.range = VirtRange::ordered(self.range.first(), next.range.last());
            self.accessed |= next.accessed;
            self.dirty |= next.dirty;
        }
        follows
    }
}

/// Where a byte is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Translation {
    /// The physical address of the byte.
    pub phys: PhysAddr,
    /// The leaf that holds it.
    pub leaf: Mapping,
}

/// Where the byte at `at` is, by the tables from `root`, of any origin: at most one entry a level is read.
///
/// # Errors
///
/// [`TranslateError`], with the level reached.
#[inline]
pub fn translate<F: Format, M: PhysMapper>(
    format: F,
    mapper: &M,
    root: PhysAddr,
    at: VirtAddr,
) -> Result<Translation, TranslateError> {
    let offset = F::VA.offset(at).ok_or(TranslateError::NonCanonical { at })?;
    let span = Span { first: offset, last: offset };
    let (mut frame, mut limit) = (root, Limit::all());
    for level in (0..F::LEVELS).rev().map(Level::new) {
        let entries = Entries::open::<F>(mapper, frame, level)
            .ok_or_else(|| unknown::<F>(offset, level.up(), frame))?;
        match decode(format, entries.load(span.index::<F>(level)), level, span)? {
            Entry::Absent(_) | Entry::Parked => return Err(TranslateError::NotMapped { at, level }),
            Entry::Table { phys, limit: narrower } => {
                frame = phys;
                limit &= narrower;
            }
            Entry::Leaf { phys, mut attrs, accessed, dirty } => {
                attrs.flags = limit.narrow(attrs.flags);
                let span = Span::of_entry::<F>(offset, level);
                let leaf = Leaf { phys, attrs, accessed, dirty };
                let leaf = Node { span, level, parked: false, leaf }.mapping::<F>();
                return Ok(Translation { phys: PhysAddr::new(phys.get() + (offset - span.first)), leaf });
            }
        }
    }
    // No format has tables below its last level.
    Err(unknown::<F>(offset, Level::PAGE, frame).into())
}

/// The error of an entry at `level` that leads nowhere.
#[cold]
fn unknown<F: Format>(offset: u64, level: Level, frame: PhysAddr) -> WalkError {
    WalkError::UnknownFrame { at: Span::of_entry::<F>(offset, level).address::<F>(), level, frame }
}

/// All that is mapped by the tables from `root`, of any origin, as runs of like leaves.
#[must_use]
pub fn runs<F: Format, M: PhysMapper>(format: F, mapper: &M, root: PhysAddr) -> Runs<'_, F, M> {
    Runs::new(format, mapper, root, Span::whole::<F>())
}

/// Runs of like leaves in order of their offsets: the lower half, then the upper. Ends after an error.
#[derive(Debug)]
pub struct Runs<'m, F: Format, M> {
    leaves: Walk<'m, F, M>,
    ahead: Option<Result<Mapping, WalkError>>,
}

impl<'m, F: Format, M: PhysMapper> Runs<'m, F, M> {
    pub(crate) fn new(format: F, mapper: &'m M, root: PhysAddr, span: Span) -> Self {
        Self { leaves: Walk::new(format, mapper, root, span, Purpose::List), ahead: None }
    }

    fn leaf(&mut self) -> Option<Result<Mapping, WalkError>> {
        self.leaves.next().map(|node| node.map(|node| node.mapping::<F>()))
    }
}

impl<F: Format, M: PhysMapper> Iterator for Runs<'_, F, M> {
    type Item = Result<Mapping, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut run = match self.ahead.take().or_else(|| self.leaf())? {
            Ok(run) => run,
            error => return Some(error),
        };
        loop {
            match self.leaf() {
                Some(Ok(leaf)) if run.join(&leaf) => {}
                ahead => {
                    self.ahead = ahead;
                    return Some(Ok(run));
                }
            }
        }
    }
}

/// What a walk is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To list what is mapped: the leaves of a node follow one another in physical memory.
    List,
    /// To change it: what is parked is seen too; of physical memory only the first leaf of a node tells.
    Survey,
}

/// Like leaves of one table as the walk found them: those with a part outside its span alone, the others as runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// All that the leaves translate.
    pub(crate) span: Span,
    pub(crate) level: Level,
    /// The leaves or a table above them are parked.
    pub(crate) parked: bool,
    /// The first.
    pub(crate) leaf: Leaf,
}

/// What a leaf entry holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) phys: PhysAddr,
    pub(crate) attrs: Attrs,
    pub(crate) accessed: bool,
    pub(crate) dirty: bool,
}

impl Node {
    pub(crate) fn mapping<F: Format>(&self) -> Mapping {
        let Leaf { phys, attrs, accessed, dirty } = self.leaf;
        Mapping {
            range: self.span.range::<F>(),
            phys,
            level: self.level,
            leaf_bytes: span::size::<F>(self.level),
            attrs,
            accessed,
            dirty,
        }
    }
}

/// A table on the way from the root.
#[derive(Debug)]
struct Step<'m, R, M> {
    entries: Entries<'m, R, M>,
    limit: Limit,
    parked: bool,
}

impl<R: Copy, M> Copy for Step<'_, R, M> {}

impl<R: Copy, M> Clone for Step<'_, R, M> {
    fn clone(&self) -> Self {
        *self
    }
}

/// The leaves of a span in order, without a walk from the root for each.
#[derive(Debug)]
pub(crate) struct Walk<'m, F: Format, M> {
    format: F,
    mapper: &'m M,
    root: PhysAddr,
    purpose: Purpose,
    rest: Option<Span>,
    /// The level of the entry that is read next.
    level: Level,
    /// By level: the tables from the root down to that entry.
    path: [Option<Step<'m, F::Raw, M>>; MAX_LEVELS],
}

impl<'m, F: Format, M: PhysMapper> Walk<'m, F, M> {
    pub(crate) fn new(format: F, mapper: &'m M, root: PhysAddr, span: Span, purpose: Purpose) -> Self {
        Self {
            format,
            mapper,
            root,
            purpose,
            rest: Some(span),
            level: span::top::<F>(),
            path: [None; MAX_LEVELS],
        }
    }

    /// Reads the entry of the first byte of `rest`: a leaf, or goes down, or past it.
    fn look(&mut self, rest: Span) -> Result<Option<Node>, WalkError> {
        let step = self.step()?;
        let level = self.level;
        let rest = match run::skip_empty::<F, M>(step.entries, level, rest) {
            Ok(rest) => rest,
            Err(last) => {
                self.advance(last, rest);
                return Ok(None);
            }
        };
        self.rest = Some(rest);
        let raw = step.entries.load(rest.index::<F>(level));
        let (original, like) = match self.purpose {
            Purpose::List => (None, Like::Contiguous),
            Purpose::Survey => (F::unpark(raw), Like::Attributes),
        };
        let parked = step.parked || original.is_some();
        let entry = decode(self.format, original.unwrap_or(raw), level, rest)?;
        match entry {
            Entry::Absent(_) | Entry::Parked => {
                self.advance(Span::of_entry::<F>(rest.first, level).last, rest);
                Ok(None)
            }
            Entry::Table { phys, limit } => {
                self.enter(rest.first, level, phys, step.limit & limit, parked)?;
                Ok(None)
            }
            Entry::Leaf { phys, mut attrs, accessed, dirty } => {
                attrs.flags = step.limit.narrow(attrs.flags);
                let leaf = Leaf { phys, attrs, accessed, dirty };
                let Run { span, leaf } = run::of(&self.format, step.entries, level, rest, like, leaf);
                self.advance(span.last, rest);
                Ok(Some(Node { span, level, parked, leaf }))
            }
        }
    }

    /// Goes on behind the entries up to `last`, to the level at which the next one stands.
    fn advance(&mut self, last: u64, rest: Span) {
        self.rest = rest.after(last);
        let Some(Span { first, .. }) = self.rest else { return };
        while self.level < span::top::<F>() && first.is_multiple_of(span::size::<F>(self.level.up())) {
            self.level = self.level.up();
        }
    }

    /// The table that holds the entry read next; the root at first.
    fn step(&mut self) -> Result<Step<'m, F::Raw, M>, WalkError> {
        if let Some(step) = self.path.get(usize::from(self.level.get())).copied().flatten() {
            return Ok(step);
        }
        self.enter(0, Level::new(F::LEVELS), self.root, Limit::all(), false)
    }

    /// Goes into the table that the entry of `offset` at level `from` points to.
    fn enter(
        &mut self,
        offset: u64,
        from: Level,
        frame: PhysAddr,
        limit: Limit,
        parked: bool,
    ) -> Result<Step<'m, F::Raw, M>, WalkError> {
        let unknown = || unknown::<F>(offset, from, frame);
        let level = from.down().ok_or_else(unknown)?;
        let entries = Entries::open::<F>(self.mapper, frame, level).ok_or_else(unknown)?;
        let step = Step { entries, limit, parked };
        self.level = level;
        if let Some(place) = self.path.get_mut(usize::from(level.get())) {
            *place = Some(step);
        }
        Ok(step)
    }
}

impl<F: Format, M: PhysMapper> Iterator for Walk<'_, F, M> {
    type Item = Result<Node, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(rest) = self.rest {
            match self.look(rest) {
                Ok(Some(node)) => return Some(Ok(node)),
                Ok(None) => {}
                Err(cause) => {
                    self.rest = None;
                    return Some(Err(cause));
                }
            }
        }
        None
    }
}

/// What an entry says, or where it is damaged.
#[inline]
pub(crate) fn decode<F: Format>(
    format: F,
    raw: F::Raw,
    level: Level,
    span: Span,
) -> Result<Entry, WalkError> {
    format.decode(raw, level).map_err(|bits| reserved::<F>(span.first, level, bits))
}

/// The error of an entry at `level` that the MMU refuses.
#[cold]
fn reserved<F: Format>(offset: u64, level: Level, ReservedBits(bits): ReservedBits) -> WalkError {
    WalkError::Reserved { at: Span::of_entry::<F>(offset, level).address::<F>(), level, bits }
}
