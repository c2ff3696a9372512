//! What only a table that CPUs may have loaded has: to and from [`Exclusive`], splits, [`Walker`]s, and installs by many.
//!
//! One thread edits at a time (`&mut`). Installs (`&self`) race with each other and with walks only. What an install adds
//! is built where nobody sees it, tables and leaf, and linked by one exchange: the loser of a race gets its tables back,
//! and no failure leaves an empty one.
//!
//! Source: SDM vol. 3, "Recommended Invalidation"; Arm ARM D8, "break-before-make".

use core::ops::Deref;

use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::Attrs;
use crate::cpus::{TlbContext, WalkGuard};
use crate::cursor;
use crate::entry::{Entries, RawEntry};
use crate::error::{MapError, SplitError, TranslateError, WalkError};
use crate::flush::FlushSet;
use crate::format::{Absent, Entry, Format, Level, MAX_LEVELS, Transition};
use crate::mode::sealed::Mode as _;
use crate::mode::{Exclusive, Live};
use crate::ports::{FrameSource, PhysMapper, TlbFlush};
use crate::reserve::{self, Reserve};
use crate::span::{self, Span};
use crate::sync::{Bug, seeded};
use crate::table::Table;
use crate::walk::{self, Node, Purpose, Translation, Walk};

impl<F: Format, P: FrameSource + PhysMapper> Table<F, P> {
    /// The same table, for CPUs to load: those that enter `context`. Whoever loaded it before drops what it held.
    pub fn into_live<C, const WORDS: usize>(self, context: C) -> Table<F, P, Live<C>>
    where
        C: Deref<Target = TlbContext<WORDS>>,
    {
        context.forget();
        let Self { format, ports, root, wx, stats, flush, shared, mode: _ } = self;
        Table { format, ports, root, wx, stats, flush, shared, mode: Live::new(context) }
    }
}

impl<F, P, C, const WORDS: usize> Table<F, P, Live<C>>
where
    F: Format,
    P: FrameSource + PhysMapper,
    C: Deref<Target = TlbContext<WORDS>>,
{
    /// The same table, for one to edit with plain stores.
    ///
    /// # Errors
    ///
    /// The table, if a CPU has it loaded.
    #[expect(clippy::result_large_err, reason = "a table that is in use comes back whole")]
    pub fn into_exclusive(mut self) -> Result<Table<F, P>, Self> {
        if !self.mode.context.loaded().is_empty() {
            return Err(self);
        }
        self.count_installed();
        let Self { format, ports, root, wx, stats, flush, shared, mode: _ } = self;
        Ok(Table { format, ports, root, wx, stats, flush, shared, mode: Exclusive::NEW })
    }

    /// The CPUs that have it loaded, and their flushes.
    pub fn context(&self) -> &TlbContext<WORDS> {
        &self.mode.context
    }

    /// What reads the table without a lock.
    pub fn walker(&self) -> Walker<F, P>
    where
        P: Clone,
    {
        Walker { format: self.format, ports: self.ports.clone(), root: self.root }
    }

    /// Splits the huge leaves that `range` covers in part, down to its edges; no translation changes.
    ///
    /// Where the format asks for it ([`Transition::BreakBeforeMake`]) the leaf is taken away and flushed first; accesses
    /// fault meanwhile. A [`SplitPolicy::Split`](crate::SplitPolicy::Split) of such a format needs this before: it cannot flush.
    ///
    /// # Errors
    ///
    /// [`SplitError`]; nothing changed but that a leaf may have been split whose neighbour could not be.
    pub fn split<T: TlbFlush>(&mut self, range: VirtRange, tlb: &T) -> Result<(), SplitError<T::Error>> {
        let span = self.own(range)?;
        for edge in [span.first, span.last] {
            while let Some(node) = self.cut_leaf(span, edge)? {
                self.split_leaf(&node, tlb)?;
            }
        }
        Ok(())
    }

    /// The leaf at `edge` that has parts outside of `span`.
    fn cut_leaf(&self, span: Span, edge: u64) -> Result<Option<Node>, WalkError> {
        let at = Span { first: edge, last: edge };
        let leaf = Walk::new(self.format, &self.ports, self.root, at, Purpose::List).next().transpose()?;
        Ok(leaf.filter(|node| !node.span.within(span)))
    }

    fn split_leaf<T: TlbFlush>(&mut self, node: &Node, tlb: &T) -> Result<(), SplitError<T::Error>> {
        let (format, level, index) = (self.format, node.level, node.span.index::<F>(node.level));
        let mut reserve = Reserve::take(format, &self.ports, 1)?;
        let entries = entry_at(format, &self.ports, self.root, node.span.first, level);
        let table = format.table(self.root, level);
        let breaks = format.transition(entries.load(index), table, level) == Transition::BreakBeforeMake;
        if breaks && !seeded(Bug::SplitUnbroken) {
            Live::<C>::replace(entries, index, F::park);
            let set = FlushSet::new(node.span.range::<F>(), span::size::<F>(level)).with_global();
            if let Err(cause) = tlb.flush(&set) {
                Live::<C>::replace(entries, index, |raw| F::unpark(raw).unwrap_or(raw));
                reserve.give_back(format, &self.ports);
                return Err(SplitError::Flush(cause));
            }
        }
        let (frame, child) = reserve.pop(format, &self.ports);
        Live::<C>::replace(entries, index, |raw| {
            cursor::split_into(format, child, F::unpark(raw).unwrap_or(raw), level, node.leaf.phys);
            format.table(frame, level)
        });
        self.stats.tables += 1;
        self.stats.splits += 1;
        Ok(())
    }

    fn count_installed(&mut self) {
        let (tables, bytes) = self.mode.take_installed();
        self.stats.tables += tables;
        self.stats.mapped_bytes += bytes;
    }

    /// Maps one leaf at `level`, as many threads may at once: the fault path.
    ///
    /// # Errors
    ///
    /// [`MapError`]; nothing changed. `Occupied` is also what the loser of a race gets: the page is there.
    pub fn install(&self, at: VirtAddr, phys: PhysAddr, attrs: Attrs, level: Level) -> Result<(), MapError> {
        let level = level.min(self.format.max_leaf());
        let range = VirtRange::new(at, span::size::<F>(level))?;
        let _ = self.own(range)?;
        let (span, leaf) = cursor::one_leaf(self, range, phys, attrs, level)?;
        let mut chain = Chain { leaf, tables: [None; MAX_LEVELS], made: false };
        let linked = self.link(span, level, &mut chain);
        chain.give_back::<F, P>(&self.ports, linked.as_ref().ok().copied());
        let here = linked?;
        self.mode.count(u64::from(here.get() - level.get()), span.bytes());
        Ok(())
    }

    /// Goes down to `level` and links the leaf, with the tables that are missing on the way; from which level.
    fn link(&self, span: Span, level: Level, chain: &mut Chain<F::Raw>) -> Result<Level, MapError> {
        let (mut here, mut frame) = (span::top::<F>(), self.root);
        loop {
            let entries = Entries::ours::<F>(&self.ports, frame, here);
            let index = span.index::<F>(here);
            let raw = entries.load_acquire(index);
            match walk::decode(self.format, raw, here, span)? {
                Entry::Table { phys, .. } if here > level => {
                    frame = phys;
                    here = here.down().unwrap_or_default();
                }
                Entry::Absent(Absent::Empty) => {
                    let new = chain.build(self.format, &self.ports, span, level, here)?;
                    if entries.exchange(index, raw, new).is_ok() {
                        return Ok(here);
                    }
                }
                Entry::Absent(state) => return Err(MapError::Held { at: span.address::<F>(), state }),
                Entry::Parked => return Err(MapError::Quarantined { at: span.address::<F>() }),
                _ => return Err(self.occupied(span)),
            }
        }
    }

    /// What is in the way.
    fn occupied(&self, span: Span) -> MapError {
        let mut leaves = Walk::new(self.format, &self.ports, self.root, span, Purpose::List);
        match leaves.next() {
            Some(Ok(node)) => {
                let first = node.span.first.max(span.first);
                MapError::Occupied { at: F::VA.address(first), existing: node.mapping::<F>() }
            }
            Some(Err(cause)) => cause.into(),
            None => MapError::Quarantined { at: span.address::<F>() },
        }
    }
}

/// The table in which the entry of `offset` at `level` stands; there is one.
fn entry_at<'p, F: Format, P: PhysMapper>(
    format: F,
    ports: &'p P,
    root: PhysAddr,
    offset: u64,
    level: Level,
) -> Entries<'p, F::Raw, P> {
    let (mut entries, mut here) = (Entries::ours::<F>(ports, root, span::top::<F>()), span::top::<F>());
    let at = Span { first: offset, last: offset };
    while let (true, Ok(Entry::Table { phys, .. }), Some(below)) =
        (here > level, format.decode(entries.load(at.index::<F>(here)), here), here.down())
    {
        (entries, here) = (Entries::ours::<F>(ports, phys, below), below);
    }
    entries
}

/// A leaf and the tables above it, which nobody sees yet. The tables are made when the first place is found.
struct Chain<R> {
    leaf: R,
    /// By level: the table whose entries stand there.
    tables: [Option<PhysAddr>; MAX_LEVELS],
    made: bool,
}

impl<R: RawEntry> Chain<R> {
    /// The entry that links the leaf at `level` from an entry at `here`: the leaf, or a table with all that is below.
    fn build<F: Format<Raw = R>, P: FrameSource + PhysMapper>(
        &mut self,
        format: F,
        ports: &P,
        span: Span,
        level: Level,
        here: Level,
    ) -> Result<R, MapError> {
        if !self.made {
            self.make(format, ports, span, level, here)?;
        }
        // A loser goes on below: what it has for this place and above is no more needed, but goes back at the end.
        let below =
            here.down().and_then(|below| self.tables.get(usize::from(below.get())).copied().flatten());
        Ok(below.map_or(self.leaf, |table| format.table(table, here)))
    }

    fn make<F: Format<Raw = R>, P: FrameSource + PhysMapper>(
        &mut self,
        format: F,
        ports: &P,
        span: Span,
        level: Level,
        here: Level,
    ) -> Result<(), MapError> {
        self.made = true;
        let mut reserve = Reserve::take(format, ports, u64::from(here.get() - level.get()))?;
        let mut entry = self.leaf;
        for (at, table) in self.tables.iter_mut().enumerate().take(here.get().into()).skip(level.get().into())
        {
            let (frame, entries) = reserve.pop(format, ports);
            let at = Level::new(u8::try_from(at).unwrap_or(u8::MAX));
            entries.store(span.index::<F>(at), entry);
            entry = format.table(frame, at.up());
            *table = Some(frame);
        }
        Ok(())
    }

    /// Gives back the tables above the entry that was linked from `here`; all, if none was.
    fn give_back<F: Format, P: FrameSource>(self, ports: &P, linked: Option<Level>) {
        let used = linked.map_or(0, |here| usize::from(here.get()));
        for frame in self.tables.into_iter().skip(used).flatten() {
            reserve::free::<F, P>(ports, frame, Level::PAGE);
        }
    }
}

/// Reads a live table without a lock: in interrupt context, beside an edit.
#[derive(Clone, Copy, Debug)]
pub struct Walker<F, P> {
    format: F,
    ports: P,
    root: PhysAddr,
}

impl<F: Format, P: PhysMapper> Walker<F, P> {
    /// Where the byte at `at` is: at some moment during the call.
    ///
    /// # Errors
    ///
    /// [`TranslateError`], with the level reached.
    pub fn translate(&self, _guard: &WalkGuard<'_>, at: VirtAddr) -> Result<Translation, TranslateError> {
        walk::translate(self.format, &self.ports, self.root, at)
    }
}
