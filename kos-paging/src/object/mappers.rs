//! Which spaces map an object, each with the number of its pages: all the reverse map that a truncation needs.

use crate::ports::{FrameSource, OutOfFrames, PhysMapper};
use crate::space::{FrameVec, SpaceId};

/// One space and the pages of the object that its mappings have.
#[derive(Clone, Copy, Debug)]
struct Mapper {
    space: SpaceId,
    pages: u64,
}

/// Spaces in no order: an object has few.
#[derive(Debug)]
pub(super) struct Mappers(FrameVec<Mapper>);

impl Mappers {
    pub(super) const fn new() -> Self {
        Self(FrameVec::new())
    }

    /// Frames that the list takes.
    pub(super) fn frames(&self) -> usize {
        self.0.frames()
    }

    /// Counts pages that a space maps more.
    pub(super) fn attach<P: FrameSource + PhysMapper>(
        &mut self,
        ports: &P,
        space: SpaceId,
        pages: u64,
    ) -> Result<(), OutOfFrames> {
        if let Some(mapper) = self.position(space).and_then(|index| self.0.get_mut(index)) {
            mapper.pages += pages;
            return Ok(());
        }
        self.0.reserve(ports, 1)?;
        self.0.push(Mapper { space, pages });
        Ok(())
    }

    /// Counts pages that a space maps fewer; without one it is forgotten.
    pub(super) fn detach<P: FrameSource>(&mut self, ports: &P, space: SpaceId, pages: u64) {
        let Some(index) = self.position(space) else { return };
        let Some(mapper) = self.0.get_mut(index) else { return };
        mapper.pages = mapper.pages.saturating_sub(pages);
        if mapper.pages > 0 {
            return;
        }
        let last = self.0.pop();
        if let (Some(place), Some(last)) = (self.0.get_mut(index), last) {
            *place = last;
        }
        self.0.trim(ports);
    }

    /// The space with the lowest number above `after`: to visit all while they come and go.
    pub(super) fn next(&self, after: Option<SpaceId>) -> Option<SpaceId> {
        self.iter().map(|mapper| mapper.space).filter(|space| after.is_none_or(|after| *space > after)).min()
    }

    /// Number of spaces.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear<P: FrameSource>(&mut self, ports: &P) {
        self.0.clear(ports);
    }

    fn iter(&self) -> impl Iterator<Item = &Mapper> {
        (0..self.0.len()).filter_map(|index| self.0.get(index))
    }

    fn position(&self, space: SpaceId) -> Option<usize> {
        self.iter().position(|mapper| mapper.space == space)
    }
}
