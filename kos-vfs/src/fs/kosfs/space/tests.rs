use alloc::vec;

use super::*;

/// Three groups and a bit of a fourth.
fn plan() -> Plan {
    Plan::new(3 * GROUP_BLOCKS + 500).unwrap()
}

/// Does `attempt` until no bitmap is missing. None was ever written.
fn with<T>(space: &mut Space, mut attempt: impl FnMut(&mut Space) -> Result<T, Lack>) -> Result<T, FsError> {
    loop {
        match attempt(space) {
            Ok(answer) => return Ok(answer),
            Err(Lack::Fs(error)) => return Err(error),
            Err(Lack::Bitmap(group)) => space.supply(group, None, fresh(plan(), group)?)?,
        }
    }
}

fn taken(space: &mut Space, count: usize) -> Vec<u64> {
    let mut blocks = vec![];
    with(space, |space| space.take(count, &mut blocks)).unwrap();
    blocks
}

#[test]
fn a_bitmap_that_comes_twice_stays_as_it_was_changed() {
    let mut space = Space::try_new(plan()).unwrap();
    let first = taken(&mut space, 5);
    // Somebody else read it before that, and comes now.
    space.supply(0, None, fresh(plan(), 0).unwrap()).unwrap();
    space.check().unwrap();
    assert!(taken(&mut space, 5).iter().all(|block| !first.contains(block)), "a block was taken twice");
    space.check().unwrap();
}

#[test]
fn a_bitmap_that_was_read_from_an_old_home_is_not_taken_in() {
    let mut space = Space::try_new(plan()).unwrap();
    let block = taken(&mut space, 1)[0];
    space.claim(block);
    assert!(space.seal_bitmap(&[0; 16], 1).is_some());
    space.turn();
    (0..2).for_each(|_| space.shrink(0));
    assert_eq!(space.loaded(), 0);
    space.supply(0, None, fresh(plan(), 0).unwrap()).unwrap();
    assert_eq!(space.loaded(), 0, "what stood there before the block was claimed");
}

#[test]
fn a_bitmap_with_a_block_in_flight_does_not_go() {
    let mut space = Space::try_new(plan()).unwrap();
    let blocks = taken(&mut space, 3);
    (0..3).for_each(|_| space.shrink(0));
    assert_eq!(space.loaded(), 1, "three blocks are taken and nobody's");
    space.untake(blocks[0]);
    space.claim(blocks[1]);
    space.claim(blocks[2]);
    space.seal_bitmap(&[0; 16], 1).unwrap();
    space.turn();
    space.free(blocks[1]).unwrap();
    space.seal_bitmap(&[0; 16], 2).unwrap();
    space.turn();
    (0..3).for_each(|_| space.shrink(0));
    assert_eq!(space.loaded(), 1, "the older tree has the block that was given up");
    space.turn();
    (0..3).for_each(|_| space.shrink(0));
    assert_eq!((space.loaded(), space.free_now()), (0, plan().usable() - 1), "nothing leaked");
    space.check().unwrap();
}

#[test]
fn a_request_is_served_by_several_groups_one_bitmap_at_a_time() {
    let mut space = Space::try_new(plan()).unwrap();
    let all = usize::try_from(plan().usable()).unwrap();
    let mut blocks = taken(&mut space, all);
    assert_eq!(with(&mut space, |space| space.take(1, &mut vec![])), Err(FsError::NoSpace));
    blocks.dedup();
    assert_eq!((blocks.len(), space.free_now()), (all, 0));
    assert!(blocks.iter().all(|&block| plan().is_usable(block)));
    assert_eq!(space.free_next(), plan().usable(), "nothing was claimed");
    blocks.iter().for_each(|&block| space.untake(block));
    space.check().unwrap();
}
