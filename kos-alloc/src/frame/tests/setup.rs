//! Bad memory maps, storage that is too small, requests above the top order.

use alloc::vec;

use super::{range, with_buddy};
use crate::frame::{Backend, Bitmap, Buddy, Config, InitError};
use crate::types::{FrameRange, FrameRequest};

#[test]
fn overlapping_regions_are_named() {
    let usable = [range(10, 20), range(30, 40), range(19, 25)];
    let overlap = InitError::Overlap { existing: range(10, 20), added: range(19, 25) };
    assert_eq!(Buddy::storage_words(Config::default(), &usable, &[]), Err(overlap));
    assert_eq!(Bitmap::storage_words(&usable, &[]), Err(overlap));
}

#[test]
fn a_map_without_frames_is_refused() {
    for (usable, reserved) in
        [(&[][..], &[][..]), (&[FrameRange::EMPTY], &[]), (&[range(5, 9)], &[range(0, 9)])]
    {
        assert_eq!(Buddy::storage_words(Config::default(), usable, reserved), Err(InitError::NoFrames));
        assert_eq!(Bitmap::storage_words(usable, reserved), Err(InitError::NoFrames));
    }
}

#[test]
fn short_storage_is_refused() {
    let usable = [range(0, 1000)];
    let InitError::Storage { needed, given: 0 } =
        Buddy::new(&mut [], Config::default(), &usable, &[]).unwrap_err()
    else {
        panic!("another error")
    };
    let mut storage = vec![0; needed];
    let (_, short) = storage.split_first_mut().unwrap();
    let refused = Buddy::new(short, Config::default(), &usable, &[]).unwrap_err();
    assert_eq!(refused, InitError::Storage { needed, given: needed - 1 });
    assert!(Buddy::new(&mut storage, Config::default(), &usable, &[]).is_ok());
    assert!(matches!(Bitmap::new(&mut [], &usable, &[]), Err(InitError::Storage { given: 0, .. })));
}

#[test]
fn all_frame_numbers_at_once_are_too_large_or_too_long() {
    let all = [range(0, usize::MAX)];
    assert!(Buddy::storage_words(Config::default(), &all, &[]).is_err());
    assert!(matches!(Bitmap::new(&mut [], &all, &[]), Err(InitError::Storage { .. } | InitError::TooLarge)));
}

/// The storage itself may be cut out of the regions that it was counted for.
#[test]
fn storage_suffices_after_it_was_cut_out() {
    for (start, end) in [(0, 70_000), (0x100, 0x7fe0), (5, 6000)] {
        let ram = range(start, end);
        let words = Buddy::storage_words(Config::default(), &[ram], &[]).unwrap();
        for at in (start..end - 10).step_by(577) {
            let rest = [range(start, at), range(at + 9, end)];
            assert!(Buddy::new(&mut vec![0; words], Config::default(), &rest, &[]).is_ok(), "cut at {at}");
        }
    }
}

#[test]
fn the_last_frame_numbers_work() {
    let ram = range(usize::MAX - 100, usize::MAX);
    with_buddy(&[ram], &[], |mut buddy| {
        let high = buddy.allocate(&FrameRequest::new(32).aligned(32)).unwrap();
        assert_eq!(high, range(usize::MAX - 95, usize::MAX - 63));
        buddy.free(high).unwrap();
        assert_eq!(buddy.allocate_at(ram), Ok(ram));
        buddy.free(ram).unwrap();
        buddy.check().unwrap();
    });
}

#[test]
fn runs_above_the_top_order_use_adjacent_blocks() {
    let config = Config { max_order: 3 };
    // Blocks of 8 frames: 1..=4, a hole in cell 5, 6..=9; region borders inside cells 0 and 10.
    let usable = [range(3, 40), range(48, 85)];
    let mut storage = vec![0; Buddy::storage_words(config, &usable, &[]).unwrap()];
    let mut buddy = Buddy::new(&mut storage, config, &usable, &[]).unwrap();
    assert_eq!(buddy.max_order(), 3);
    assert_eq!(buddy.largest_free(), 32);
    assert_eq!(buddy.allocate(&FrameRequest::new(9).aligned(16)), Ok(range(16, 25)));
    assert_eq!(buddy.allocate(&FrameRequest::new(31)), Ok(range(48, 79)), "never across the hole");
    assert!(buddy.allocate(&FrameRequest::new(9)).is_err());
    assert_eq!(buddy.allocate(&FrameRequest::new(2).aligned(32)), Ok(range(32, 34)));
    buddy.check().unwrap();
}
