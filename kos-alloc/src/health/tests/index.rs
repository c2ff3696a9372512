//! Golden indices, worked out by hand from the formulas of Linux's `mm/vmstat.c`, and their properties.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::blocks;
use crate::frame::{Histogram, MAX_ORDER};
use crate::health::{external, fragmentation, unusable_free};
use crate::testing::cases;

/// Orders, and how many blocks of each.
type Blocks = &'static [(usize, usize)];

/// free = 10·1 + 5·2 + 3·8 = 44 frames in 18 blocks.
const MIXED: [(usize, usize); 3] = [(0, 10), (1, 5), (3, 3)];

#[test]
fn golden_indices() {
    // (free blocks, order, unusable, external, fragmentation)
    let golden: [(Blocks, u32, u32, u32, i32); 14] = [
        // Nothing free: all of it is unusable, none of it is external, and no index.
        (&[], 0, 1000, 0, 0),
        (&[], 9, 1000, 0, 0),
        (&MIXED, 0, 0, 0, -1000),
        // suit = 5 + 3·4 = 17: (44 - 34)·1000/44 = 227, 1000/44 = 22 %.
        (&MIXED, 1, 227, 22, -1000),
        // suit = 3·2 = 6: (44 - 24)·1000/44 = 454.
        (&MIXED, 2, 454, 45, -1000),
        (&MIXED, 3, 454, 45, -1000),
        // suit = 0: 1000 - (1000 + 44·1000/16)/18 = 1000 - 3750/18 = 1000 - 208.
        (&MIXED, 4, 1000, 100, 792),
        // 1000 - (1000 + 44·1000/512)/18 = 1000 - 1085/18 = 1000 - 60.
        (&MIXED, 9, 1000, 100, 940),
        // One block of half the size: 1000 - (1000 + 500)/1.
        (&[(8, 1)], 9, 1000, 100, -500),
        // Two of them: 1000 - (1000 + 1000)/2: neither lack nor pieces.
        (&[(8, 2)], 9, 1000, 100, 0),
        // 512 single frames make up one block of order 9: 1000 - 2000/512 = 1000 - 3.
        (&[(0, 512)], 9, 1000, 100, 997),
        (&[(9, 1), (0, 512)], 9, 500, 50, -1000),
        (&[(MAX_ORDER as usize, 1)], MAX_ORDER, 0, 0, -1000),
        // Above every order: 1000 - (1000 + 500)/1.
        (&[(MAX_ORDER as usize, 1)], MAX_ORDER + 1, 1000, 100, -500),
    ];
    for (orders, order, unusable, percent, index) in golden {
        let free = blocks(orders);
        let found = (unusable_free(&free, order), external(&free, order), fragmentation(&free, order));
        assert_eq!(found, (unusable, percent, index), "{orders:?} at order {order}");
    }
}

#[test]
fn huge_counts_and_orders_do_not_overflow() {
    let most = Histogram([usize::MAX; MAX_ORDER as usize + 1]);
    assert_eq!((unusable_free(&most, 0), external(&most, 0), fragmentation(&most, 0)), (0, 0, -1000));
    // All but the top half of the sum of 2^0 … 2^18.
    assert_eq!((unusable_free(&most, 18), external(&most, 18), fragmentation(&most, 18)), (499, 49, -1000));
    for order in [19, 63, 64, 127, 128, u32::MAX] {
        let index = fragmentation(&most, order);
        assert_eq!((unusable_free(&most, order), external(&most, order)), (1000, 100));
        assert!((900..=1000).contains(&index), "{index} at order {order}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, rng_seed: RngSeed::Fixed(0x1d5), ..ProptestConfig::default() })]

    #[test]
    fn indices_stay_in_their_ranges(
        counts in proptest::array::uniform19(prop_oneof![Just(0usize), 0usize..100, any::<usize>()]),
        order in 0u32..=MAX_ORDER,
    ) {
        let free = Histogram(counts);
        let suits = counts[order as usize..].iter().any(|count| *count > 0);
        let (unusable, percent, index) = (unusable_free(&free, order), external(&free, order), fragmentation(&free, order));
        prop_assert!(unusable <= 1000 && (index == -1000 || (-500..=1000).contains(&index)));
        prop_assert!(free == Histogram::EMPTY || percent == unusable / 10);
        prop_assert_eq!(suits, index == -1000);
        prop_assert_eq!(free == Histogram::EMPTY, index == 0 && percent == 0 && unusable == 1000);
        // A larger order never has more use of the same memory.
        prop_assert!(unusable <= unusable_free(&free, order + 1) && index <= fragmentation(&free, order + 1));
    }
}
