//! Files and names in lent memory: [`Store`].
//!
//! A number is the place of a node and how many nodes were made before it, so that none comes twice. A node goes when it has neither
//! a name nor a use. `names` has the directories, `bytes` what is in files.

mod attr;
mod bytes;
mod error;
mod names;
mod parts;

pub use attr::{Attr, Listed, New};
pub use error::Failed;
pub use parts::{Block, Entry, Node};

/// Bytes of a name at most.
pub const MAX_NAME: usize = 48;
/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// No block, no node.
const NONE: u32 = u32::MAX;

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
}
