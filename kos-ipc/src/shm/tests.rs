//! Segments, by story.

use alloc::vec::Vec;
use core::ops::Range;

use super::*;
use crate::cap::{CapError, CapId, Rights};
use crate::ports::Access;
use crate::quota::Limits;
use crate::testing::shm_world::{KIND, RW, World, with};
use crate::testing::{NoMemory, PAGE};

impl World<'_, '_, '_, '_> {
    pub(super) fn open(&self, name: &[u8], rights: Rights) -> CapId {
        self.directory.open(self.caller, name, self.client, rights).unwrap()
    }
}

#[test]
fn a_segment_is_made_mapped_and_freed_at_the_end() {
    with(Limits::UNLIMITED, |world| {
        let owner = world.create(b"log", PAGE + 1).unwrap();
        assert_eq!(
            (world.segment(owner).size(), world.used(), world.pages.bytes()),
            (2 * PAGE, 2 * PAGE, 2 * PAGE)
        );
        let client = world.open(b"log", Rights::READ | Rights::MAP);
        let ours = world.map(world.owner, owner, 0..2 * PAGE, RW).unwrap();
        let theirs = world.map(world.client, client, PAGE..2 * PAGE, Access::READ).unwrap();
        assert_eq!(world.pages.at(2).unwrap().1, PAGE..2 * PAGE);
        assert_eq!(world.segment(owner).mapped(), 2);
        drop(world.directory.unlink(world.caller, b"log").unwrap());
        world.owner.close(owner).unwrap();
        world.unmap(ours);
        world.client.close(client).unwrap();
        assert_eq!((world.pages.bytes(), world.used()), (2 * PAGE, 2 * PAGE));
        let last = world.table.unmap(theirs).unwrap();
        world.pages.unmap(*last.place());
        assert_eq!(world.pages.bytes(), 2 * PAGE, "freed before it was told");
        world.table.unmapped(last).unwrap();
        assert_eq!((world.pages.bytes(), world.used()), (0, 0));
    });
}

#[test]
fn a_segment_that_cannot_be_made_leaves_no_trace() {
    with(Limits { bytes: 4 * PAGE, ..Limits::UNLIMITED }, |world| {
        assert_eq!(world.create(b"a", 0), Err(CreateError::Empty));
        assert_eq!(world.create(b"a", usize::MAX), Err(CreateError::TooLarge { bytes: usize::MAX }));
        assert!(matches!(world.create(b"a", 5 * PAGE), Err(CreateError::Quota(_))));
        world.pages.fail_at(0);
        assert_eq!(world.create(b"a", 1), Err(CreateError::Memory(NoMemory)));
        world.pages.fail_at(u64::MAX);
        assert!(matches!(world.create(b"", 1), Err(CreateError::Name(_))));
        assert_eq!((world.used(), world.pages.bytes(), world.owner.stats().live), (0, 0, 0));
        let first = world.create(b"a", 1).unwrap();
        assert!(matches!(world.create(b"a", 1), Err(CreateError::Name(_))));
        assert_eq!((world.used(), world.owner.stats().live), (PAGE, 1));
        assert_eq!(world.segment(first).mapped(), 0);
    });
}

#[test]
fn a_mapping_needs_the_rights_of_its_access() {
    with(Limits::UNLIMITED, |world| {
        let owner = world.create(b"a", PAGE).unwrap();
        let reader = world.open(b"a", Rights::READ | Rights::MAP);
        let missing = |access| match world.map(world.client, reader, 0..PAGE, access) {
            Err(MapError::Cap(CapError::MissingRights(rights))) => rights,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(RW), Rights::WRITE);
        assert_eq!(missing(Access::EXEC | Access::READ), Rights::EXEC);
        assert!(matches!(world.map(world.client, reader, 0..PAGE, Access::empty()), Err(MapError::NoAccess)));
        for range in [0..0, 0..PAGE + 1, 1..PAGE, 0..2 * PAGE, Range { start: PAGE, end: 0 }] {
            let refused = world.map(world.client, reader, range, Access::READ);
            assert!(matches!(refused, Err(MapError::OutOfRange { size: PAGE })));
        }
        assert_eq!((world.pages.mapped(), world.segment(owner).mapped()), (0, 0));
    });
}

#[test]
fn seals_are_added_and_kept() {
    with(Limits::UNLIMITED, |world| {
        let owner = world.create(b"a", 2 * PAGE).unwrap();
        let (segment, caller) = (world.segment(owner), world.caller);
        let writer = world.map(world.owner, owner, 0..PAGE, RW).unwrap();
        assert_eq!(segment.seal(caller, Seals::all()), Err(SealError::MappedWritable { count: 1 }));
        assert_eq!(segment.seals(), Seals::empty());
        assert_eq!(segment.resize(caller, 1), Err(ResizeError::Mapped { count: 1 }));
        assert_eq!(segment.resize(caller, 2 * PAGE + 1), Ok(3 * PAGE));
        assert_eq!(world.used(), 3 * PAGE);
        world.unmap(writer);
        segment.seal(caller, Seals::WRITE | Seals::GROW).unwrap();
        assert!(matches!(world.map(world.owner, owner, 0..PAGE, RW), Err(MapError::Sealed(Seals::WRITE))));
        assert_eq!(segment.resize(caller, 4 * PAGE), Err(ResizeError::Sealed(Seals::GROW)));
        assert_eq!(segment.resize(caller, 2 * PAGE), Ok(2 * PAGE));
        segment.seal(caller, Seals::SHRINK).unwrap();
        assert_eq!(segment.resize(caller, PAGE), Err(ResizeError::Sealed(Seals::SHRINK)));
        assert_eq!((segment.seals(), segment.size(), world.used()), (Seals::all(), 2 * PAGE, 2 * PAGE));
        let reader = world.map(world.owner, owner, 0..PAGE, Access::READ).unwrap();
        world.unmap(reader);
    });
}

#[test]
fn a_revoke_says_what_to_unmap() {
    with(Limits::UNLIMITED, |world| {
        let owner = world.create(b"a", PAGE).unwrap();
        let other = world.create(b"b", PAGE).unwrap();
        let client = world.open(b"a", Rights::READ | Rights::MAP);
        let stays = world.map(world.owner, other, 0..PAGE, RW).unwrap();
        let goes = world.map(world.client, client, 0..PAGE, Access::READ).unwrap();
        let mut unmapping = world.table.revoke(world.owner, owner, KIND).unwrap();
        let refused = world.map(world.client, client, 0..PAGE, Access::READ);
        assert!(matches!(refused, Err(MapError::Cap(CapError::Revoked))));
        let mut found = None;
        for _ in 0..20 {
            match unmapping.step(2) {
                UnmapStep::Unmap(unmap) => found = Some(unmap),
                UnmapStep::Wait => break,
                UnmapStep::More => {}
                UnmapStep::Done => panic!("done before it was told"),
            }
        }
        assert_eq!(world.table.unmap(goes).unwrap_err(), StaleMapping(goes));
        let unmap = found.unwrap();
        assert_eq!((unmap.id(), *unmap.place(), unmap.range()), (goes, 2, 0..PAGE));
        world.end(unmap);
        let done = (0..20).any(|_| matches!(unmapping.step(2), UnmapStep::Done));
        assert!(done && world.pages.mapped() == 1);
        world.unmap(stays);
    });
}

#[test]
fn views_copy_and_keep_to_their_bounds() {
    let words: Vec<_> = (0..3).map(|_| core::sync::atomic::AtomicUsize::new(0)).collect();
    let view = SharedBytes::new(&words);
    let mut model = std::vec![0_u8; view.len()];
    for at in 0..=model.len() {
        for len in 0..=model.len() + 1 - at {
            let bytes: Vec<u8> = (0..len).map(|n| u8::try_from(at * 31 + len * 7 + n).unwrap_or(9)).collect();
            let inside = at + len <= model.len();
            assert_eq!(view.write(at, &bytes).is_ok(), inside);
            if inside {
                model[at..at + len].copy_from_slice(&bytes);
            }
            let mut all = std::vec![0; model.len()];
            view.read(0, &mut all).unwrap();
            assert_eq!(all, model);
            let mut part = std::vec![0xaa; len];
            assert_eq!(view.read(at, &mut part).is_ok(), inside);
            assert!(!inside || part == model[at..at + len]);
        }
    }
    let size = view.len();
    assert_eq!(view.read(usize::MAX, &mut [0; 2]), Err(OutOfBounds { at: usize::MAX, len: 2, size }));
    assert!(view.words(1, size - 1).is_err() && view.words(0, size + 8).is_err());
    assert_eq!(view.words(size / 3, size / 3).unwrap().len(), size / 3);
}
