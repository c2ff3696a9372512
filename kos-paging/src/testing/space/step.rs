//! Steps of the machine: how bytes say them.

use alloc::vec::Vec;

use super::model::{ModelSpace, Page};
use crate::addr::VirtRange;
use crate::attrs::Flags;

pub(super) const PAGE: u64 = 4096;
/// The first page that spaces have, and their number.
pub(super) const FIRST: u64 = 0x7f0;
pub(super) const PAGES: u64 = 48;
pub(super) const SPACES: usize = 4;

/// One step, as bytes say it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) what: u8,
    pub(super) space: usize,
    pub(super) first: u64,
    pub(super) pages: u64,
    pub(super) extra: u8,
    pub(super) fail: Option<u64>,
}

impl Step {
    pub(super) fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<Self> {
        let (what, space, first, extra) = (bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?);
        let offset = u64::from(first) % PAGES;
        let pages = (u64::from(extra >> 4) % 8 + 1).min(PAGES - offset);
        let fail = (space >> 4 == 1).then(|| u64::from(space >> 2 & 3));
        Some(Self { what, space: usize::from(space) % SPACES, first: FIRST + offset, pages, extra, fail })
    }

    pub(super) fn range(&self) -> VirtRange {
        crate::space::range(self.first * PAGE, (self.first + self.pages) * PAGE - 1)
    }

    pub(super) fn rights(&self) -> Flags {
        match self.extra % 8 {
            0 => Flags::READ,
            1 => Flags::empty(),
            2 => Flags::READ | Flags::EXECUTE,
            _ => Flags::READ | Flags::WRITE,
        }
    }
}

/// The model after a move, if it is possible.
pub(super) fn model_move(model: &ModelSpace, step: Step, to: u64, pages: u64) -> Option<ModelSpace> {
    let fits =
        to + pages <= FIRST + PAGES && model.covered(step.first, step.pages) && model.is_free(to, pages);
    let source = model.pages.get(&step.first).copied().filter(|_| fits)?;
    let like = |page: &Page, number: u64| {
        let object = source.object.map(|(object, index)| (object, index + (number - step.first)));
        page.rights == source.rights
            && page.shared == source.shared
            && page.dont_fork == source.dont_fork
            && page.object == object
    };
    let mut moved = model.clone();
    let old: Vec<Page> =
        (step.first..step.first + step.pages).filter_map(|page| moved.pages.remove(&page)).collect();
    if !old.iter().zip(step.first..).all(|(page, number)| like(page, number)) {
        return None;
    }
    for number in 0..pages {
        let object = source.object.map(|(object, index)| (object, index + number));
        let own = old.get(usize::try_from(number).ok()?).and_then(|page| page.own);
        moved.pages.insert(to + number, Page { object, own, ..source });
    }
    Some(moved)
}
