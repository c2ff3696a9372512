//! Who has which block: the bitmaps, counted from the tree, some groups at a time.

use alloc::vec::Vec;

use lock_api::RawRwLock;

use super::super::block::{Block, Expected};
use super::super::extent::Extent;
use super::super::key::{ItemKind, Key};
use super::super::layout::{BlockKind, GROUP_BLOCKS, HEADER};
use super::super::node::Node;
use super::super::space::{Home, free_bits, fresh};
use super::walk::{Route, Seen, walk};
use super::{Check, Problem};
use crate::block::BlockDevice;
use crate::error::FsError;

/// Words of 64 blocks in a group.
const GROUP_WORDS: usize = (GROUP_BLOCKS / 64) as usize;

/// The blocks of some groups, and 64 more, into which the last extent may reach.
struct Claims {
    first: u64,
    words: Vec<u64>,
}

impl Claims {
    fn try_new(groups: usize) -> Result<Self, FsError> {
        let mut words = Vec::new();
        words.try_reserve_exact(groups * GROUP_WORDS + 1)?;
        words.resize(groups * GROUP_WORDS + 1, 0);
        Ok(Self { first: 0, words })
    }

    /// The first block that begins none of its extents.
    fn end(&self) -> u64 {
        self.first + (self.words.len() as u64 - 1) * 64
    }

    fn place(&mut self, block: u64) -> Option<(&mut u64, u64)> {
        let at = block.checked_sub(self.first)?;
        let word = self.words.get_mut(usize::try_from(at / 64).ok()?)?;
        Some((word, 1 << (at % 64)))
    }

    /// Claims `block`; whether nobody had it. What lies outside is nobody's.
    fn claim(&mut self, block: u64) -> bool {
        let Some((word, bit)) = self.place(block) else { return true };
        core::mem::replace(word, *word | bit) & bit == 0
    }

    fn has(&mut self, block: u64) -> bool {
        self.place(block).is_some_and(|(word, bit)| *word & bit != 0)
    }

    fn last(&mut self) -> &mut u64 {
        let last = self.words.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "there is one word at least")]
        &mut self.words[last]
    }
}

/// Extents of one walk, as far as they depend on each other.
struct Walker<'a> {
    claims: &'a mut Claims,
    /// Whether those that are wrong by themselves are to be told.
    tell: bool,
    /// The file of the last extent, and its end.
    before: (u64, u64),
}

impl<D: BlockDevice, R: RawRwLock> Check<'_, D, R> {
    /// Compares all bitmaps with the tree, and puts those right that differ.
    pub(super) fn check_blocks(&mut self) -> Result<(), FsError> {
        let groups = self.superblock.plan.groups();
        let window = groups.min(self.options.groups.max(1) as u64);
        let mut claims = Claims::try_new(usize::try_from(window).map_err(|_| FsError::NoMemory)?)?;
        let mut carry = 0;
        for first in (0..groups).step_by(usize::try_from(window).unwrap_or(1)) {
            claims.first = first * GROUP_BLOCKS;
            claims.words.fill(0);
            self.claim_nodes(&mut claims)?;
            let nodes = *claims.last();
            if let Some(word) = claims.words.first_mut() {
                *word |= carry;
            }
            self.claim_extents(&mut claims, first == 0)?;
            carry = *claims.last() & !nodes;
            for group in first..(first + window).min(groups) {
                self.check_bitmap(&claims, group)?;
            }
            self.commit_bitmaps()?;
        }
        Ok(())
    }

    fn claim_nodes(&mut self, claims: &mut Claims) -> Result<(), FsError> {
        let mut doubles = Vec::new();
        let route = Route { superblock: &self.superblock, without: &self.bad, leaves: false };
        walk(self.volume.disk(), route, &mut |seen| {
            let Seen::Node(node) = seen else { return Ok(()) };
            if !claims.claim(node.block) {
                doubles.try_reserve(1)?;
                doubles.push(node);
            }
            Ok(())
        })?;
        for bad in doubles {
            self.found_bad(bad)?;
        }
        Ok(())
    }

    fn claim_extents(&mut self, claims: &mut Claims, tell: bool) -> Result<(), FsError> {
        let mut wrong = Vec::new();
        let mut walker = Walker { claims, tell, before: (0, 0) };
        let route = Route { superblock: &self.superblock, without: &self.bad, leaves: true };
        let plan = self.superblock.plan;
        walk(self.volume.disk(), route, &mut |seen| {
            let Seen::Leaf(leaf) = seen else { return Ok(()) };
            walker.leaf(leaf, &|block| plan.is_usable(block), &mut wrong)
        })?;
        for key in wrong {
            self.found(Problem::SharedBlocks { file: key.file, first: key.offset });
            self.drop_later(key)?;
        }
        Ok(())
    }

    fn check_bitmap(&mut self, claims: &Claims, group: u64) -> Result<(), FsError> {
        let plan = self.superblock.plan;
        let home = self.volume.home(group);
        let words = usize::try_from((group * GROUP_BLOCKS - claims.first) / 64).unwrap_or(0);
        let words = claims.words.get(words..).unwrap_or_default();
        let nobody = words.iter().take(GROUP_WORDS).all(|&word| word == 0);
        let mut counted = fresh(plan, group)?;
        let usable = free_bits(&counted, plan, group).unwrap_or(0);
        if home.is_none() && nobody && self.volume.free_in(group) == usable {
            return Ok(());
        }
        let bytes = counted.bytes_mut().get_mut(HEADER..).unwrap_or_default();
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = (u64::from_le_bytes(*place) | word).to_le_bytes();
        }
        let free = free_bits(&counted, plan, group).unwrap_or(0);
        let stored = self.read_bitmap(group, home)?;
        let (leaked, missing) = stored.as_ref().map_or((0, usable - free), |stored| differ(stored, &counted));
        if stored.is_some() && (leaked, missing, self.volume.free_in(group)) == (0, 0, free) {
            return Ok(());
        }
        self.found(Problem::Bitmap { group, leaked, missing });
        self.volume.replace_bitmap(group, counted)
    }

    /// What stands on the device; `None` if that is no bitmap of this group.
    fn read_bitmap(&self, group: u64, home: Option<Home>) -> Result<Option<Block>, FsError> {
        let Some(home) = home else { return fresh(self.superblock.plan, group).map(Some) };
        let mut block = Block::try_new()?;
        self.volume.disk().read(home.address, &mut block)?;
        let expected =
            Expected { kind: BlockKind::Bitmap, address: home.address, volume: &self.superblock.volume };
        let whole = block.verify(expected).is_ok_and(|header| header.checksum.get() == home.checksum);
        Ok(whole.then_some(block))
    }
}

impl Walker<'_> {
    /// Claims what the extents of `leaf` have; `wrong` are those that have what they cannot.
    fn leaf(
        &mut self,
        leaf: &Node,
        is_usable: &dyn Fn(u64) -> bool,
        wrong: &mut Vec<Key>,
    ) -> Result<(), FsError> {
        for index in 0..leaf.len() {
            let key = leaf.key(index);
            if key.kind != ItemKind::Extent as u8 {
                continue;
            }
            let decoded = Extent::decode(key, leaf.item(index)).ok();
            let good = decoded.is_some_and(|extent| {
                let blocks = extent.start..extent.start.saturating_add(extent.count() as u64);
                let behind = self.before.0 != key.file || self.before.1 <= extent.first;
                self.before = (key.file, extent.end());
                behind && is_usable(blocks.start) && is_usable(blocks.end - 1)
            });
            let extent = match decoded.filter(|_| good) {
                Some(extent) if (self.claims.first..self.claims.end()).contains(&extent.start) => extent,
                Some(_) => continue,
                None if self.tell => {
                    wrong.try_reserve(1)?;
                    wrong.push(key);
                    continue;
                }
                None => continue,
            };
            let mut blocks = extent.start..extent.start + extent.count() as u64;
            if blocks.clone().any(|block| self.claims.has(block)) {
                wrong.try_reserve(1)?;
                wrong.push(key);
            } else {
                blocks.all(|block| self.claims.claim(block));
            }
        }
        Ok(())
    }
}

/// Blocks that are taken in `stored` alone, and in `counted` alone.
fn differ(stored: &Block, counted: &Block) -> (u32, u32) {
    let pairs = stored.bytes().iter().zip(counted.bytes()).skip(HEADER);
    pairs.fold((0, 0), |(leaked, missing), (stored, counted)| {
        (leaked + (stored & !counted).count_ones(), missing + (counted & !stored).count_ones())
    })
}
