//! Several CPUs grow one source at once.

use core::sync::atomic::Ordering;
use std::thread;

use alloc::vec::Vec;

use super::{Below, Source, free, sizes, take, with_source};
use crate::error::FrameError;

/// Takes and gives back frames in an order of its own; says how many requests failed.
fn story(source: &Source<'_>, seed: usize) -> usize {
    let (mut live, mut failed, mut state) = (Vec::new(), 0, seed);
    for _ in 0..3000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let number = state >> 8;
        if number % 5 < 3 {
            match take(source, 1 + number / 5 % 24) {
                Ok(range) => live.push(range),
                Err(FrameError::LimitReached { .. }) => failed += 1,
                Err(error) => panic!("{error}"),
            }
        } else if !live.is_empty() {
            let index = number % live.len();
            free(source, live.swap_remove(index)).unwrap();
        }
        if live.len() > 12 {
            live.drain(..).for_each(|range| free(source, range).unwrap());
        }
    }
    live.into_iter().for_each(|range| free(source, range).unwrap());
    failed
}

#[test]
fn cpus_grow_one_source() {
    for max in [2000, 150] {
        let below = Below::new(4000);
        let failed = with_source(&below, sizes(16, 16, max), |source| {
            let failed: usize = thread::scope(|scope| {
                let threads = [1, 2, 3, 4].map(|seed| scope.spawn(move || story(source, seed)));
                threads.map(|thread| thread.join().unwrap()).iter().sum()
            });
            let stats = source.stats();
            assert_eq!((stats.free, stats.limited, stats.lost), (stats.held, failed, 0));
            assert_eq!(source.check(), Ok(()));
            source.shrink();
            assert_eq!(source.stats().held, 16);
            assert!(source.stats().grown == source.stats().shrunk && source.stats().grown > 10);
            failed
        });
        assert!(below.most.load(Ordering::Relaxed) <= max, "never more than the limit");
        assert_eq!((below.frames.live_frames(), failed > 0), (16, max == 150));
    }
}
