//! What stories and models of shared segments happen in: [`World`].
#![expect(clippy::unwrap_used, reason = "a test's world is made, or the test is to end")]

use core::cell::Cell as StdCell;
use core::ops::Range;

use super::{HostPages, NoMemory, StdEnv, StdPark};
use crate::caller::Caller;
use crate::cap::{CapId, CapSlot, CapSpace, Cell, Cells, DirEntry, Directory, Object, Rights};
use crate::policy::NoPolicy;
use crate::ports::Access;
use crate::quota::{Limits, Quota, QuotaNode, Quotas, Resource};
use crate::shm::{
    CreateError, Home, MapError, MappingId, MappingSlot, Segment, SegmentCount, SegmentMemory, SegmentObject,
    SegmentSlot, Segments, Unmap,
};

/// Segments that a [`World`] has room for.
pub(crate) const SEGMENTS: usize = 3;
/// Mappings.
pub(crate) const MAPPINGS: usize = 4;
/// Names.
pub(crate) const NAMES: usize = 2;
/// Capabilities of each of its spaces.
pub(crate) const CAPS: usize = 6;

pub(crate) const KIND: u8 = 3;
pub(crate) const RW: Access = Access::READ.union(Access::WRITE);

pub(crate) type Table<'m> = Segments<'m, StdEnv, &'m HostPages>;
pub(crate) type Made<'m> = Result<CapId, CreateError<NoMemory>>;

#[derive(Clone, Debug)]
pub(crate) struct Shared<'m>(pub(crate) Segment<'m, StdEnv, &'m HostPages>);

impl Object for Shared<'_> {
    fn kind(&self) -> u8 {
        KIND
    }
}

impl<'m> SegmentObject<'m, StdEnv, &'m HostPages> for Shared<'m> {
    fn segment(&self) -> Option<&Segment<'m, StdEnv, &'m HostPages>> {
        Some(&self.0)
    }
}

/// What a story has.
pub(crate) struct World<'w, 'd, 'c, 'm> {
    pub(crate) pages: &'m HostPages,
    pub(crate) table: &'m Table<'m>,
    pub(crate) owner: &'w CapSpace<'c, StdEnv, Shared<'m>>,
    pub(crate) client: &'w CapSpace<'c, StdEnv, Shared<'m>>,
    pub(crate) directory: &'w Directory<'d, 'c, StdEnv, Shared<'m>>,
    pub(crate) quota: &'w Quota<'c, StdEnv>,
    pub(crate) caller: &'w Caller<'w, StdEnv>,
    next_place: StdCell<u64>,
}

impl<'c, 'm> World<'_, '_, 'c, 'm> {
    pub(crate) fn create(&self, name: &[u8], size: usize) -> Made<'m> {
        let rights = Rights::READ | Rights::WRITE | Rights::MAP;
        let home =
            Home { space: self.owner, directory: self.directory, quota: self.quota, rights, label: 0, id: 1 };
        self.table.create_shared_memory(self.caller, &home, name, size, Shared)
    }

    pub(crate) fn map(
        &self,
        space: &CapSpace<'c, StdEnv, Shared<'m>>,
        id: CapId,
        range: Range<usize>,
        access: Access,
    ) -> Result<MappingId, MapError<&'m HostPages>> {
        self.next_place.set(self.next_place.get() + 1);
        self.table.map(self.caller, (space, id, KIND), &self.next_place.get(), range, access)
    }

    pub(crate) fn end(&self, unmap: Unmap<&'m HostPages>) {
        self.pages.unmap(*unmap.place());
        self.table.unmapped(unmap).unwrap();
    }

    pub(crate) fn unmap(&self, id: MappingId) {
        self.end(self.table.unmap(id).unwrap());
    }

    pub(crate) fn segment(&self, id: CapId) -> Segment<'m, StdEnv, &'m HostPages> {
        self.owner.get(id, KIND, Rights::empty()).unwrap().0.clone()
    }

    pub(crate) fn used(&self) -> usize {
        self.quota.used(Resource::Bytes)
    }
}

/// Runs a story; nothing may be left of it.
pub(crate) fn with(limits: Limits, story: impl FnOnce(&World<'_, '_, '_, '_>)) {
    let (pages, park) = (HostPages::new(), StdPark::new());
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    let mut nodes = [(); 2].map(|()| QuotaNode::new());
    let mut cells = [(); 8].map(|()| Cell::new());
    let quotas = Quotas::new(&mut nodes);
    let cells = Cells::new(&mut cells, &quotas);
    let quota = quotas.root(limits).unwrap();
    let (mut segments, mut mappings) =
        ([const { SegmentSlot::new() }; SEGMENTS], [const { MappingSlot::new() }; MAPPINGS]);
    let mut counts = [(); SEGMENTS].map(|()| SegmentCount::new());
    let memory = SegmentMemory { segments: &mut segments, counts: &mut counts, mappings: &mut mappings };
    let table = Segments::new(&pages, &cells, memory);
    {
        let (mut ours, mut theirs) =
            ([(); CAPS].map(|()| CapSlot::new()), [(); CAPS].map(|()| CapSlot::new()));
        let mut entries = [const { DirEntry::new() }; NAMES];
        let owner = CapSpace::new(&mut ours, &cells, quota.clone(), 1).unwrap();
        let client = CapSpace::new(&mut theirs, &cells, quota.clone(), 2).unwrap();
        let directory = Directory::new(park, &mut entries, 0, 0);
        story(&World {
            pages: &pages,
            table: &table,
            owner: &owner,
            client: &client,
            directory: &directory,
            quota: &quota,
            caller: &caller,
            next_place: StdCell::new(0),
        });
    }
    assert_eq!((pages.bytes(), pages.mapped(), cells.in_use()), (0, 0, 0), "something is left");
    assert_eq!(quota.used(Resource::Bytes), 0);
    assert_eq!(table.check(), Ok(()));
}
