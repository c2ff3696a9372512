//! A space as an array of pages; its fork is a deep copy.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::attrs::Flags;

/// Words of a page that are looked at.
pub const WORDS: usize = 4;
/// Their content.
pub type Words = [u32; WORDS];

/// What a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// What may be done.
    pub rights: Flags,
    /// A child does not get it.
    pub dont_fork: bool,
    /// Writes go to the object.
    pub shared: bool,
    /// The object and the page of it.
    pub object: Option<(usize, u64)>,
    /// What is private to the space, if it was written.
    pub own: Option<Words>,
}

/// Pages by number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ModelSpace {
    /// All that is mapped.
    pub pages: BTreeMap<u64, Page>,
}

/// Objects: pages of words.
pub type ModelObjects = Vec<Vec<Words>>;

/// Why an access fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nothing is mapped.
    NoMapping,
    /// The rights do not allow it.
    Denied,
    /// The object is shorter.
    Beyond,
}

impl ModelSpace {
    /// The page that an access gets.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn access(&self, page: u64, access: Flags, objects: &ModelObjects) -> Result<Page, Refusal> {
        let found = *self.pages.get(&page).ok_or(Refusal::NoMapping)?;
        if !found.rights.contains(access) {
            return Err(Refusal::Denied);
        }
        match found.object {
            Some((object, index)) if found.own.is_none() && word_page(objects, object, index).is_none() => {
                Err(Refusal::Beyond)
            }
            _ => Ok(found),
        }
    }

    /// What the page reads as.
    #[must_use]
    pub fn read(&self, page: &Page, objects: &ModelObjects) -> Words {
        let shown = page.object.and_then(|(object, index)| word_page(objects, object, index));
        page.own.or(shown).unwrap_or_default()
    }

    /// Writes one word of a page that allows it.
    pub fn write(&mut self, number: u64, word: usize, value: u32, objects: &mut ModelObjects) {
        let Some(page) = self.pages.get(&number).copied() else { return };
        let mut words = self.read(&page, objects);
        words.iter_mut().skip(word % WORDS).take(1).for_each(|place| *place = value);
        match page.object {
            Some((object, index)) if page.shared => {
                let place = objects.get_mut(object).zip(usize::try_from(index).ok());
                if let Some(place) = place.and_then(|(object, index)| object.get_mut(index)) {
                    *place = words;
                }
            }
            _ => {
                self.pages.insert(number, Page { own: Some(words), ..page });
            }
        }
    }

    /// The pages of a range are all mapped.
    #[must_use]
    pub fn covered(&self, first: u64, pages: u64) -> bool {
        (first..first + pages).all(|page| self.pages.contains_key(&page))
    }

    /// No page of a range is mapped.
    #[must_use]
    pub fn is_free(&self, first: u64, pages: u64) -> bool {
        self.pages.range(first..first + pages).next().is_none()
    }

    /// A deep copy, without what children do not get.
    #[must_use]
    pub fn fork(&self) -> Self {
        let pages = self.pages.iter().filter(|(_, page)| !page.dont_fork);
        Self { pages: pages.map(|(number, page)| (*number, *page)).collect() }
    }

    /// What an object's truncation takes away.
    pub fn zap(&mut self, object: usize, from: u64) {
        let shows =
            |page: &&mut Page| page.object.is_some_and(|(shown, index)| shown == object && index >= from);
        self.pages.values_mut().filter(shows).for_each(|page| page.own = None);
    }
}

fn word_page(objects: &ModelObjects, object: usize, index: u64) -> Option<Words> {
    objects.get(object)?.get(usize::try_from(index).ok()?).copied()
}
