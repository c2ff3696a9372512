//! Where the heads of buckets and the links of entries are: [`Chains`], [`LentChains`].

use super::NOBODY;

/// What an entry keeps for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// The hash it was inserted with.
    pub hash: u32,
    /// The entry behind it in its chain, or [`NOBODY`].
    pub next: u32,
}

impl Default for ChainLink {
    fn default() -> Self {
        Self { hash: 0, next: NOBODY }
    }
}

/// The table's memory: buckets, and for each entry, by index, a link. A wrong implementation loses entries; it cannot make the
/// table panic or walk for ever.
pub trait Chains {
    /// How many buckets there are. It may grow between calls; the new heads are [`NOBODY`].
    fn buckets(&self) -> u32;
    /// The first entry of `bucket`; [`NOBODY`] if there is none, or no such bucket.
    fn head(&self, bucket: u32) -> u32;
    /// Makes `index` the first entry of `bucket`.
    fn set_head(&mut self, bucket: u32, index: u32);
    /// The link of entry `index`; `None` for [`NOBODY`] and if there is no such entry.
    fn link(&self, index: u32) -> Option<ChainLink>;
    /// Changes the link of entry `index`.
    fn set_link(&mut self, index: u32, link: ChainLink);
}

/// Lent slices.
#[derive(Debug)]
pub struct LentChains<'a> {
    heads: &'a mut [u32],
    links: &'a mut [ChainLink],
}

impl<'a> LentChains<'a> {
    /// Takes the slices, and empties the buckets.
    pub fn new(heads: &'a mut [u32], links: &'a mut [ChainLink]) -> Self {
        heads.fill(NOBODY);
        Self { heads, links }
    }
}

fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

impl Chains for LentChains<'_> {
    fn buckets(&self) -> u32 {
        u32::try_from(self.heads.len()).unwrap_or(u32::MAX)
    }

    fn head(&self, bucket: u32) -> u32 {
        self.heads.get(at(bucket)).copied().unwrap_or(NOBODY)
    }

    fn set_head(&mut self, bucket: u32, index: u32) {
        if let Some(head) = self.heads.get_mut(at(bucket)) {
            *head = index;
        }
    }

    fn link(&self, index: u32) -> Option<ChainLink> {
        self.links.get(at(index)).copied()
    }

    fn set_link(&mut self, index: u32, link: ChainLink) {
        if let Some(place) = self.links.get_mut(at(index)) {
            *place = link;
        }
    }
}
