//! Files and names in lent memory: [`Store`].
//!
//! A number is the place of a node and how many nodes were made before it, so that none comes twice. A node goes when it has neither
//! a name nor a use. The bytes of a file are blocks in a chain, without holes.

use super::Time;

/// Bytes of a name at most.
pub const MAX_NAME: usize = 48;
/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// No block, no node.
const NONE: u32 = u32::MAX;

/// Why a request failed: an errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(pub u64);

impl Failed {
    /// ENOENT.
    pub const NOT_FOUND: Self = Self(2);
    /// EFAULT: what was lent is not there.
    pub const FAULT: Self = Self(14);
    /// EEXIST.
    pub const EXISTS: Self = Self(17);
    /// ENOTDIR.
    pub const NOT_DIRECTORY: Self = Self(20);
    /// EISDIR.
    pub const IS_DIRECTORY: Self = Self(21);
    /// ENOSPC.
    pub const NO_SPACE: Self = Self(28);
    /// EILSEQ: a name that cannot be held.
    pub const BAD_NAME: Self = Self(84);
    /// ENOTEMPTY.
    pub const NOT_EMPTY: Self = Self(39);
    /// EOPNOTSUPP.
    pub const UNSUPPORTED: Self = Self(95);
    /// ESTALE: no such file any more.
    pub const STALE: Self = Self(116);
}

/// A block of bytes, and which comes behind it.
#[derive(Clone, Debug)]
pub struct Block {
    next: u32,
    bytes: [u8; BLOCK],
}

/// A file or a directory.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// 0: free.
    serial: u64,
    directory: bool,
    mode: u64,
    owners: [u64; 2],
    links: u64,
    uses: u64,
    size: u64,
    times: [Time; 3],
    first: u32,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// 0: free. Else the place in the order of listings.
    serial: u64,
    dir: u64,
    file: u64,
    length: usize,
    name: [u8; MAX_NAME],
}

impl Block {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: NONE, bytes: [0; BLOCK] }
    }
}

impl Node {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        let (owners, times) = ([0; 2], [0; 3]);
        Self { serial: 0, directory: false, mode: 0, owners, links: 0, uses: 0, size: 0, times, first: NONE }
    }
}

impl Entry {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { serial: 0, dir: 0, file: 0, length: 0, name: [0; MAX_NAME] }
    }

    fn name(&self) -> &[u8] {
        self.name.get(..self.length).unwrap_or_default()
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Its number.
    pub file: u64,
    /// Whether it is a directory.
    pub directory: bool,
    /// Permission bits.
    pub mode: u64,
    /// Its names.
    pub links: u64,
    /// User and group.
    pub owners: [u64; 2],
    /// Bytes.
    pub size: u64,
    /// When it was read, written, changed.
    pub times: [Time; 3],
}

impl Attr {
    /// As an answer carries it.
    #[must_use]
    pub const fn words(&self) -> [u64; 8] {
        let kind = self.mode | (self.directory as u64) << 16 | self.links << 32;
        let [uid, gid] = self.owners;
        let [accessed, modified, changed] = self.times;
        [self.file, kind, uid | gid << 32, self.size, accessed, modified, changed, 0]
    }

    /// From an answer.
    #[must_use]
    pub const fn of(words: &[u64; 8]) -> Self {
        let [file, kind, owners, size, accessed, modified, changed, _] = *words;
        Self {
            file,
            directory: kind >> 16 & 1 != 0,
            mode: kind & 0xffff,
            links: kind >> 32,
            owners: [owners & 0xffff_ffff, owners >> 32],
            size,
            times: [accessed, modified, changed],
        }
    }
}

/// What is made.
#[derive(Clone, Copy, Debug)]
pub struct New {
    /// Permission bits.
    pub mode: u64,
    /// User.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// When.
    pub now: Time,
    /// Whether a directory.
    pub directory: bool,
}

/// One name of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its file.
    pub file: u64,
    /// Where to go on after it.
    pub next: u64,
    /// Whether that is a directory.
    pub directory: bool,
    /// The name.
    pub name: &'a [u8],
}

/// Files in lent memory.
#[derive(Debug)]
pub struct Store<'m> {
    nodes: &'m mut [Node],
    entries: &'m mut [Entry],
    blocks: &'m mut [Block],
    free: u32,
    free_blocks: u64,
    serial: u64,
    root: u64,
}

/// How many bits of a number are the place of its node.
const PLACE: u32 = 16;
/// The least cookie; those below are the kernel's.
const FIRST_COOKIE: u64 = 8;

impl<'m> Store<'m> {
    /// With an empty root. `None` without a node for it, or with more than 65,536.
    pub fn new(nodes: &'m mut [Node], entries: &'m mut [Entry], blocks: &'m mut [Block]) -> Option<Self> {
        let (mut free, count) = (NONE, blocks.len() as u64);
        for (number, block) in (0..NONE).zip(blocks.iter_mut()) {
            block.next = free;
            free = number;
        }
        nodes.fill(Node::new());
        entries.fill(Entry::new());
        if nodes.len() > 1 << PLACE {
            return None;
        }
        let mut store =
            Self { nodes, entries, blocks, free, free_blocks: count, serial: FIRST_COOKIE, root: 0 };
        let new = New { mode: 0o755, uid: 0, gid: 0, now: 0, directory: true };
        store.root = store.make(&new, 2).ok()?;
        Some(store)
    }

    /// The number of the root.
    #[must_use]
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// Blocks, free ones; files, free ones.
    #[must_use]
    pub fn room(&self) -> [u64; 4] {
        let free = self.nodes.iter().filter(|node| node.serial == 0).count();
        [self.blocks.len() as u64, self.free_blocks, self.nodes.len() as u64, free as u64]
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn node(&self, file: u64) -> Result<&Node, Failed> {
        let place = usize::try_from(file & ((1 << PLACE) - 1)).map_err(|_| Failed::STALE)?;
        let node = self.nodes.get(place).filter(|node| node.serial != 0 && node.serial == file >> PLACE);
        node.ok_or(Failed::STALE)
    }

    fn node_mut(&mut self, file: u64) -> Result<&mut Node, Failed> {
        let place = usize::try_from(file & ((1 << PLACE) - 1)).map_err(|_| Failed::STALE)?;
        let node = self.nodes.get_mut(place).filter(|node| node.serial != 0 && node.serial == file >> PLACE);
        node.ok_or(Failed::STALE)
    }

    fn directory(&self, dir: u64) -> Result<(), Failed> {
        if self.node(dir)?.directory { Ok(()) } else { Err(Failed::NOT_DIRECTORY) }
    }

    fn regular(&self, file: u64) -> Result<&Node, Failed> {
        self.node(file).and_then(|node| if node.directory { Err(Failed::IS_DIRECTORY) } else { Ok(node) })
    }

    fn make(&mut self, new: &New, links: u64) -> Result<u64, Failed> {
        let serial = self.next_serial();
        let place = self.nodes.iter().position(|node| node.serial == 0).ok_or(Failed::NO_SPACE)?;
        let (owners, times) = ([new.uid, new.gid], [new.now; 3]);
        let New { mode, directory, .. } = *new;
        if let Some(node) = self.nodes.get_mut(place) {
            *node = Node { serial, directory, mode, owners, links, times, ..Node::new() };
        }
        Ok(serial << PLACE | place as u64)
    }

    /// Frees a node that has neither name nor use.
    fn tidy(&mut self, file: u64) {
        if self.node(file).is_ok_and(|node| node.links == 0 && node.uses == 0) {
            // It was just looked at.
            let _ = self.cut(file, 0).and_then(|()| self.node_mut(file).map(|node| *node = Node::new()));
        }
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// [`Failed::STALE`]
    pub fn attr(&self, file: u64) -> Result<Attr, Failed> {
        let Node { directory, mode, links, owners, size, times, .. } = *self.node(file)?;
        Ok(Attr { file, directory, mode, links, owners, size, times })
    }

    /// The same; it is in use once more.
    ///
    /// # Errors
    /// [`Failed::STALE`]
    pub fn load(&mut self, file: u64) -> Result<Attr, Failed> {
        let node = self.node_mut(file)?;
        node.uses = node.uses.saturating_add(1);
        self.attr(file)
    }

    /// Gives back so many uses.
    ///
    /// # Errors
    /// [`Failed::STALE`]
    pub fn forget(&mut self, file: u64, uses: u64) -> Result<(), Failed> {
        let node = self.node_mut(file)?;
        node.uses = node.uses.saturating_sub(uses);
        self.tidy(file);
        Ok(())
    }

    /// Sets what the mask, the second word, names of the words behind it.
    ///
    /// # Errors
    /// [`Failed::STALE`]
    pub fn set_attr(&mut self, file: u64, words: &[u64; 8]) -> Result<Attr, Failed> {
        let node = self.node_mut(file)?;
        let [uid, gid] = &mut node.owners;
        let [accessed, modified, changed] = &mut node.times;
        let fields = [&mut node.mode, uid, gid, accessed, modified, changed];
        for ((bit, field), word) in (0_u32..).zip(fields).zip(words.iter().skip(2)) {
            if words[1] >> bit & 1 != 0 {
                *field = *word;
            }
        }
        self.attr(file)
    }

    fn find(&self, dir: u64, name: &[u8]) -> Option<usize> {
        self.entries.iter().position(|entry| entry.serial != 0 && entry.dir == dir && entry.name() == name)
    }

    /// The file of that name, taken in use.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn lookup(&mut self, dir: u64, name: &[u8]) -> Result<Attr, Failed> {
        self.directory(dir)?;
        let entry = self.find(dir, name).and_then(|at| self.entries.get(at)).ok_or(Failed::NOT_FOUND)?;
        let file = entry.file;
        self.load(file)
    }

    /// Adds a name, if there is room.
    fn enter(&mut self, dir: u64, name: &[u8], file: u64, now: Time) -> Result<(), Failed> {
        self.directory(dir)?;
        if self.find(dir, name).is_some() {
            return Err(Failed::EXISTS);
        }
        let serial = self.next_serial();
        let directory = self.node(file)?.directory;
        let free = self.entries.iter_mut().find(|entry| entry.serial == 0).ok_or(Failed::NO_SPACE)?;
        let mut entry = Entry { serial, dir, file, length: name.len(), ..Entry::new() };
        entry.name.get_mut(..name.len()).ok_or(Failed::BAD_NAME)?.copy_from_slice(name);
        *free = entry;
        self.stamp(dir, now, i64::from(directory))
    }

    /// A directory changed, and has so many more directories in it.
    fn stamp(&mut self, dir: u64, now: Time, more: i64) -> Result<(), Failed> {
        let node = self.node_mut(dir)?;
        node.links = node.links.saturating_add_signed(more);
        let [_, modified, changed] = &mut node.times;
        (*modified, *changed) = (now, now);
        Ok(())
    }

    /// Makes a file with one name, taken in use.
    ///
    /// # Errors
    /// [`Failed`]; nothing is left of it.
    pub fn create(&mut self, dir: u64, name: &[u8], new: &New) -> Result<Attr, Failed> {
        let file = self.make(new, if new.directory { 2 } else { 1 })?;
        let entered = self.enter(dir, name, file, new.now).and_then(|()| self.load(file));
        entered.inspect_err(|_| {
            if let Ok(node) = self.node_mut(file) {
                *node = Node::new();
            }
        })
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn link(&mut self, dir: u64, name: &[u8], file: u64, now: Time) -> Result<Attr, Failed> {
        self.regular(file)?;
        self.enter(dir, name, file, now)?;
        let node = self.node_mut(file)?;
        node.links += 1;
        node.times[2] = now;
        self.attr(file)
    }

    fn is_empty(&self, dir: u64) -> bool {
        !self.entries.iter().any(|entry| entry.serial != 0 && entry.dir == dir)
    }

    /// Takes a name away, and the file with its last one. A directory must be empty.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn unlink(&mut self, dir: u64, name: &[u8], file: u64, now: Time) -> Result<(), Failed> {
        let at = self.find(dir, name).ok_or(Failed::NOT_FOUND)?;
        let directory = self.node(file)?.directory;
        if directory && !self.is_empty(file) {
            return Err(Failed::NOT_EMPTY);
        }
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry::new();
        }
        self.stamp(dir, now, -i64::from(directory))?;
        let node = self.node_mut(file)?;
        node.links = if directory { 0 } else { node.links.saturating_sub(1) };
        node.times[2] = now;
        self.tidy(file);
        Ok(())
    }

    /// Renames; what has the new name goes.
    ///
    /// # Errors
    /// [`Failed`]; nothing has changed.
    pub fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), now: Time) -> Result<(), Failed> {
        let at = self.find(from.0, from.1).ok_or(Failed::NOT_FOUND)?;
        let moved = self.entries.get(at).map_or(0, |entry| entry.file);
        let directory = self.node(moved)?.directory;
        self.directory(to.0)?;
        let replaced = self.find(to.0, to.1).and_then(|at| self.entries.get(at)).map(|entry| entry.file);
        if replaced == Some(moved) {
            return Ok(());
        }
        if let Some(file) = replaced {
            self.unlink(to.0, to.1, file, now)?;
        }
        let serial = self.next_serial();
        if let Some(entry) = self.entries.get_mut(at) {
            let mut name = [0; MAX_NAME];
            name.iter_mut().zip(to.1).for_each(|(to, from)| *to = *from);
            *entry = Entry { serial, dir: to.0, file: moved, length: to.1.len(), name };
        }
        self.stamp(from.0, now, -i64::from(directory))?;
        self.stamp(to.0, now, i64::from(directory))
    }

    /// The first name of a directory from a cookie on.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn next_entry(&self, dir: u64, from: u64) -> Result<Option<Listed<'_>>, Failed> {
        self.directory(dir)?;
        let behind = self.entries.iter().filter(|entry| entry.dir == dir && entry.serial >= from.max(1));
        let Some(entry) = behind.min_by_key(|entry| entry.serial) else { return Ok(None) };
        let (file, next) = (entry.file, entry.serial + 1);
        Ok(Some(Listed { file, next, directory: self.node(file)?.directory, name: entry.name() }))
    }

    fn block(&self, number: u32) -> Option<&Block> {
        self.blocks.get(number as usize)
    }

    fn block_mut(&mut self, number: u32) -> Option<&mut Block> {
        self.blocks.get_mut(number as usize)
    }

    /// The block of a file that has byte `offset`.
    fn at(&self, file: u64, offset: u64) -> Result<u32, Failed> {
        let mut number = self.node(file)?.first;
        for _ in 0..offset / BLOCK as u64 {
            number = self.block(number).map_or(NONE, |block| block.next);
        }
        Ok(number)
    }

    /// Gives every block beyond `size` back.
    fn cut(&mut self, file: u64, size: u64) -> Result<(), Failed> {
        let mut next = match size {
            0 => core::mem::replace(&mut self.node_mut(file)?.first, NONE),
            size => {
                let last = self.at(file, size - 1)?;
                self.block_mut(last).map_or(NONE, |block| core::mem::replace(&mut block.next, NONE))
            }
        };
        while let Some(block) = self.blocks.get_mut(next as usize) {
            let behind = core::mem::replace(&mut block.next, self.free);
            (self.free, self.free_blocks) = (next, self.free_blocks + 1);
            next = behind;
        }
        Ok(())
    }

    /// Has blocks for `size` bytes, those behind the old end zeroed.
    fn grow(&mut self, file: u64, size: u64) -> Result<(), Failed> {
        let old = self.node(file)?.size;
        let (have, want) = (old.div_ceil(BLOCK as u64), size.div_ceil(BLOCK as u64));
        if want.saturating_sub(have) > self.free_blocks {
            return Err(Failed::NO_SPACE);
        }
        let mut last = if old == 0 { NONE } else { self.at(file, old - 1)? };
        if let Some(block) = self.block_mut(last) {
            let end = usize::try_from(old % BLOCK as u64).unwrap_or(0);
            if end != 0 {
                block.bytes.get_mut(end..).unwrap_or_default().fill(0);
            }
        }
        for _ in have..want {
            let new = self.free;
            let Some(block) = self.block_mut(new) else { return Err(Failed::NO_SPACE) };
            let free = core::mem::replace(&mut block.next, NONE);
            block.bytes.fill(0);
            (self.free, self.free_blocks) = (free, self.free_blocks - 1);
            match self.block_mut(last) {
                Some(block) => block.next = new,
                None => self.node_mut(file)?.first = new,
            }
            last = new;
        }
        self.node_mut(file)?.size = size;
        Ok(())
    }

    /// Sets the size.
    ///
    /// # Errors
    /// [`Failed`]; the size stays.
    pub fn truncate(&mut self, file: u64, size: u64, now: Time) -> Result<Attr, Failed> {
        let old = self.regular(file)?.size;
        if size > old {
            self.grow(file, size)?;
        } else {
            self.cut(file, size)?;
        }
        let node = self.node_mut(file)?;
        node.size = size;
        let [_, modified, changed] = &mut node.times;
        (*modified, *changed) = (now, now);
        self.attr(file)
    }

    /// Gives bytes of a file to `put`, with their place in what is read; how many.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn read(
        &self,
        file: u64,
        offset: u64,
        bytes: u64,
        mut put: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<u64, Failed> {
        let there = self.regular(file)?.size.saturating_sub(offset).min(bytes);
        let (mut done, mut number) = (0, self.at(file, offset)?);
        while done < there {
            let Some(block) = self.block(number) else { return Err(Failed::STALE) };
            let inside = usize::try_from((offset + done) % BLOCK as u64).unwrap_or(0);
            let most = usize::try_from(there - done).unwrap_or(BLOCK);
            let part = block.bytes.get(inside..).unwrap_or_default();
            let part = part.get(..most.min(part.len())).unwrap_or_default();
            if !put(done, part) {
                return Err(Failed::FAULT);
            }
            (done, number) = (done + part.len() as u64, block.next);
        }
        Ok(there)
    }

    /// Has `get` fill bytes of a file, with their place in what is written; how many.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn write(
        &mut self,
        file: u64,
        offset: u64,
        bytes: u64,
        now: Time,
        mut get: impl FnMut(u64, &mut [u8]) -> bool,
    ) -> Result<u64, Failed> {
        let end = offset.checked_add(bytes).ok_or(Failed::NO_SPACE)?;
        if end > self.regular(file)?.size {
            self.grow(file, end)?;
        }
        let (mut done, mut number) = (0, self.at(file, offset)?);
        while done < bytes {
            let Some(block) = self.block_mut(number) else { return Err(Failed::STALE) };
            let inside = usize::try_from((offset + done) % BLOCK as u64).unwrap_or(0);
            let most = usize::try_from(bytes - done).unwrap_or(BLOCK);
            let part = block.bytes.get_mut(inside..).unwrap_or_default();
            let length = most.min(part.len());
            let part = part.get_mut(..length).unwrap_or_default();
            if !get(done, part) {
                return Err(Failed::FAULT);
            }
            (done, number) = (done + length as u64, block.next);
        }
        let [_, modified, changed] = &mut self.node_mut(file)?.times;
        (*modified, *changed) = (now, now);
        Ok(done)
    }
}
