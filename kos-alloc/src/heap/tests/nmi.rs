//! Callers who must not wait. `HostLock` panics if one does.

use alloc::vec::Vec;

use super::{Machine, free, layout, try_free};
use crate::error::{AllocError, FreeError};
use crate::slab::Class;
use crate::testing::HostEnv;

/// An NMI that finds the cache in use and the lock taken says so, and its frees are kept for later.
#[test]
fn an_nmi_waits_for_nobody() {
    let machine = Machine::new(512);
    let heap = machine.hybrid(64 << 10);
    let line = layout(64, 8);
    let blocks: Vec<_> = (0..70).map(|_| heap.allocate(line).unwrap()).collect();
    let cache = &heap.caches.all()[0];
    let bin = heap.bin(Class::of(line).unwrap());
    bin.with(heap.env(), |_| {
        let busy = cache.enter();
        HostEnv::nmi(|| {
            assert_eq!(heap.allocate(line), Err(AllocError::WouldBlock));
            assert_eq!(heap.allocate_nolock(line), Err(AllocError::WouldBlock));
            for (index, block) in blocks.iter().enumerate() {
                let room = if index < 64 { Ok(()) } else { Err(FreeError::WouldBlock(*block)) };
                assert_eq!(try_free(&heap, *block, line), room, "{index}");
            }
            assert_eq!(try_free(&heap, blocks[0], line), Err(FreeError::DoubleFree(blocks[0])));
        });
        drop(busy);
    });
    assert_eq!(heap.stats().live_blocks(), 6);
    blocks[64..].iter().for_each(|block| free(&heap, *block, line));
    heap.shrink();
    let stats = heap.stats();
    assert_eq!((stats.live, stats.requested, stats.classes[7].cached), (0, 0, 0));
    assert_eq!((heap.check(), stats.refused.would_block), (Ok(()), 6));
}

/// With the lock free it is served from the slabs, with the cache free from that; never from the frame source.
#[test]
fn an_nmi_gets_what_is_at_hand() {
    for hybrid in [false, true] {
        let machine = Machine::new(512);
        let heap = if hybrid { machine.hybrid(64 << 10) } else { machine.heap() };
        let line = layout(64, 8);
        HostEnv::nmi(|| assert_eq!(heap.allocate(line), Err(AllocError::WouldBlock)));
        let kept = heap.allocate(line).unwrap();
        let frames = machine.frames.live_frames();
        HostEnv::nmi(|| {
            let block = heap.allocate(line).unwrap();
            free(&heap, block, line);
            assert_eq!(heap.allocate(layout(9000, 8)), Err(AllocError::WouldBlock));
            let nothing = layout(0, 8);
            free(&heap, heap.allocate_nolock(nothing).unwrap(), nothing);
        });
        assert_eq!(machine.frames.live_frames(), frames);
        free(&heap, kept, line);
        assert_eq!((heap.stats().live, heap.check()), (0, Ok(())));
    }
}
