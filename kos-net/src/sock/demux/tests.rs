use alloc::vec;
use alloc::vec::Vec;
use std::collections::HashMap;

use proptest::prelude::*;

use super::{ChainLink, Chains, Demux, DemuxCorruption, Flow, FlowKey, LentChains, NOBODY};

fn flow(number: u32) -> Flow {
    let remote =
        core::net::SocketAddr::new(core::net::Ipv4Addr::from_bits(0x0a00_0000 | number >> 8).into(), 1024);
    Flow::new(
        "192.0.2.1:80".parse().unwrap(),
        core::net::SocketAddr::new(remote.ip(), 1024 + (number & 255) as u16),
    )
}

fn longest(chains: &LentChains<'_>, table: &Demux) -> usize {
    let length = |bucket| {
        core::iter::successors(chains.link(chains.head(bucket)), |link| chains.link(link.next)).count()
    };
    (0..table.buckets).map(length).max().unwrap()
}

/// Counts how many links an operation changes.
struct Counting<'a>(LentChains<'a>, usize);

impl Chains for Counting<'_> {
    fn buckets(&self) -> u32 {
        self.0.buckets()
    }
    fn head(&self, bucket: u32) -> u32 {
        self.0.head(bucket)
    }
    fn set_head(&mut self, bucket: u32, index: u32) {
        self.0.set_head(bucket, index);
    }
    fn link(&self, index: u32) -> Option<ChainLink> {
        self.0.link(index)
    }
    fn set_link(&mut self, index: u32, link: ChainLink) {
        self.1 += 1;
        self.0.set_link(index, link);
    }
}

/// The whole way up and down: chains stay short, and no operation touches more than two of them.
#[test]
fn no_operation_stalls() {
    const MANY: u32 = 1 << 17;
    let (mut heads, mut links) = (vec![0; MANY as usize], vec![ChainLink::default(); MANY as usize]);
    let mut chains = Counting(LentChains::new(&mut heads, &mut links), 0);
    let (key, mut table, mut most) = (FlowKey::new([7; 16]), Demux::new(&chains), 0);
    for number in 0..MANY {
        chains.1 = 0;
        table.insert(&mut chains, number, key.hash(&flow(number)));
        most = most.max(chains.1);
    }
    assert_eq!((table.buckets, table.len()), (MANY, MANY));
    assert!(
        most <= 16 && longest(&chains.0, &table) <= 12,
        "{most} links changed, {}",
        longest(&chains.0, &table)
    );
    for number in 0..MANY {
        assert_eq!(table.lookup(&chains, key.hash(&flow(number)), |index| index == number), Some(number));
    }
    table.check(&chains).unwrap();
    for number in 0..MANY {
        chains.1 = 0;
        assert!(table.remove(&mut chains, number));
        most = most.max(chains.1);
    }
    assert!(most <= 24 && table.is_empty() && table.buckets == 16, "{most} links changed, {table:?}");
    table.check(&chains).unwrap();
}

#[test]
fn few_buckets_hold_many_entries() {
    let (mut heads, mut links) = ([0; 3], [ChainLink::default(); 64]);
    let mut chains = LentChains::new(&mut heads, &mut links);
    let mut table = Demux::new(&chains);
    (0..64).for_each(|index| table.insert(&mut chains, index, index * 7));
    table.insert(&mut chains, 64, 9);
    table.check(&chains).unwrap();
    assert_eq!((table.len(), table.buckets), (64, 3));
    assert!((0..64).all(|index| table.lookup(&chains, index * 7, |found| found == index).is_some()));
    assert_eq!(table.lookup(&chains, 1, |_| true), None);
    assert!(
        table.remove(&mut chains, 63) && !table.remove(&mut chains, 63) && !table.remove(&mut chains, 99)
    );
}

#[test]
fn flows_differ_in_each_part_and_keys_in_each_bit() {
    let key = FlowKey::new([1; 16]);
    let ends = ["192.0.2.1:80", "192.0.2.1:81", "192.0.2.2:80", "[2001:db8::1]:80"];
    let ends = ends.map(|end| end.parse().unwrap());
    let mut hashes = Vec::new();
    for local in ends {
        hashes.push(key.hash(&Flow::listening(local)));
        hashes.extend(ends.map(|remote| key.hash(&Flow::new(local, remote))));
    }
    let (count, one) = (hashes.len(), Flow::new(ends[0], ends[1]));
    for bit in 0..128 {
        let mut secret = [1; 16];
        secret[bit / 8] ^= 1 << (bit % 8);
        hashes.push(FlowKey::new(secret).hash(&one));
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count + 128);
}

#[test]
fn broken_chains_are_found() {
    let (mut heads, mut links) = ([0; 4], [ChainLink::default(); 4]);
    let mut chains = LentChains::new(&mut heads, &mut links);
    let mut table = Demux::new(&chains);
    (0..4).for_each(|index| table.insert(&mut chains, index, index));
    let whole = table;
    table.entries = 5;
    assert_eq!(table.check(&chains), Err(DemuxCorruption::BadCount { found: 4, expected: 5 }));
    chains.set_link(2, ChainLink { hash: 2, next: 2 });
    assert_eq!(whole.check(&chains), Err(DemuxCorruption::BadLink { bucket: 2, index: 2 }));
    assert_eq!(whole.lookup(&chains, 2, |_| false), None, "a circle does not hold it");
    chains.set_link(2, ChainLink { hash: 3, next: NOBODY });
    assert_eq!(whole.check(&chains), Err(DemuxCorruption::BadLink { bucket: 2, index: 2 }));
}

proptest! {
    #![proptest_config(crate::testing::config())]
    /// Beside a `HashMap`, with hashes that collide.
    #[test]
    fn a_demux_is_a_hash_map(buckets in 1..40_usize, steps in prop::collection::vec((any::<bool>(), 0..32_u32, 0..24_u32), 1..200)) {
        let (mut heads, mut links) = (vec![0; buckets], vec![ChainLink::default(); 32]);
        let mut chains = LentChains::new(&mut heads, &mut links);
        let (mut table, mut model) = (Demux::new(&chains), HashMap::new());
        for (insert, index, hash) in steps {
            if insert && !model.contains_key(&index) {
                table.insert(&mut chains, index, hash);
                model.insert(index, hash);
            } else if !insert {
                prop_assert_eq!(table.remove(&mut chains, index), model.remove(&index).is_some());
            }
            prop_assert_eq!(table.check(&chains), Ok(()));
            prop_assert_eq!(table.len() as usize, model.len());
            for index in 0..32 {
                let found = (0..24).find(|&hash| table.lookup(&chains, hash, |found| found == index).is_some());
                prop_assert_eq!(found, model.get(&index).copied());
            }
        }
    }
}
