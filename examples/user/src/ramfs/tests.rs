//! The server, asked by hand.

extern crate alloc;
extern crate std;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::store::{BLOCK, Block, Entry, Node};
use super::*;

/// Requests from a list, and one memory that is lent with each.
struct Script {
    requests: VecDeque<Words>,
    answers: Vec<Words>,
    lent: Vec<u8>,
}

impl Transport for Script {
    fn next(&mut self, answer: Option<Words>) -> Option<Words> {
        self.answers.extend(answer);
        self.requests.pop_front()
    }

    fn read(&mut self, offset: u64, to: &mut [u8]) -> bool {
        let offset = usize::try_from(offset).unwrap();
        self.lent.get(offset..offset + to.len()).is_some_and(|from| {
            to.copy_from_slice(from);
            true
        })
    }

    fn write(&mut self, offset: u64, from: &[u8]) -> bool {
        let offset = usize::try_from(offset).unwrap();
        self.lent.get_mut(offset..offset + from.len()).is_some_and(|to| {
            to.copy_from_slice(from);
            true
        })
    }
}

/// Asks one thing; the answer, and what was lent afterwards.
fn ask(store: &mut Store<'_>, op: Op, words: &[u64], lent: &[u8]) -> (Words, Vec<u8>) {
    let mut request = Words { label: op as u64, ..Words::default() };
    request.words[..words.len()].copy_from_slice(words);
    let mut script = Script { requests: [request].into(), answers: Vec::new(), lent: lent.to_vec() };
    serve(store, &mut script);
    (script.answers[0], script.lent)
}

fn with(story: impl FnOnce(&mut Store<'_>)) {
    let (mut nodes, mut entries) = ([Node::new(); 8], [Entry::new(); 8]);
    let mut blocks = std::vec![Block::new(); 4];
    let mut store = Store::new(&mut nodes, &mut entries, &mut blocks).unwrap();
    let before = store.room();
    story(&mut store);
    assert_eq!(store.room(), before, "something is left");
}

fn create(store: &mut Store<'_>, dir: u64, name: &[u8], directory: bool) -> u64 {
    let words = [dir, name.len() as u64, 0o644, 1, 2, 9, directory.into()];
    let (answer, _) = ask(store, Op::Create, &words, name);
    assert_eq!(answer.label, 0);
    let attr = Attr::of(&answer.words);
    assert_eq!((attr.mode, attr.owners, attr.times, attr.directory), (0o644, [1, 2], [9; 3], directory));
    attr.file
}

fn remove(store: &mut Store<'_>, dir: u64, name: &[u8], file: u64) {
    let (answer, _) = ask(store, Op::Unlink, &[dir, name.len() as u64, file, 9], name);
    assert_eq!(answer.label, 0);
    assert_eq!(ask(store, Op::Forget, &[file, 1], b"").0.label, 0);
}

#[test]
fn bytes_across_blocks_come_back_and_holes_are_zeros() {
    with(|store| {
        let root = store.root();
        let file = create(store, root, b"f", false);
        let bytes: Vec<u8> = (0..BLOCK + 100).map(|at| at.to_le_bytes()[0] | 1).collect();
        let length = bytes.len() as u64;
        assert_eq!(ask(store, Op::Write, &[file, 50, length, 9], &bytes).0.words[0], length);
        let (answer, lent) = ask(store, Op::Read, &[file, 0, length + 99], &std::vec![7; bytes.len() + 99]);
        assert_eq!(answer.words[0], length + 50);
        assert!(lent[..50].iter().all(|&byte| byte == 0) && lent[50..bytes.len() + 50] == bytes);
        // What was cut off does not come back.
        assert_eq!(ask(store, Op::Truncate, &[file, 60, 9], b"").0.label, 0);
        assert_eq!(ask(store, Op::Truncate, &[file, 70, 9], b"").0.label, 0);
        let (_, lent) = ask(store, Op::Read, &[file, 60, 10], &[7; 10]);
        assert_eq!(lent, [0; 10]);
        remove(store, root, b"f", file);
        assert_eq!(ask(store, Op::Attr, &[file], b"").0.label, Failed::STALE.0);
    });
}

#[test]
fn a_full_store_says_so_and_stays_as_it_was() {
    with(|store| {
        let root = store.root();
        let file = create(store, root, b"f", false);
        let most = 4 * BLOCK as u64;
        assert_eq!(ask(store, Op::Truncate, &[file, most + 1, 9], b"").0.label, Failed::NO_SPACE.0);
        assert_eq!(ask(store, Op::Truncate, &[file, most, 9], b"").0.label, 0);
        let write = ask(store, Op::Write, &[file, most, 1, 9], b"x").0;
        assert_eq!((write.label, store.attr(file).unwrap().size), (Failed::NO_SPACE.0, most));
        let others: Vec<u64> = (0..6).map(|number| create(store, root, &[b'g' + number], false)).collect();
        let full = ask(store, Op::Create, &[root, 1, 0, 0, 0, 0, 0], b"z").0;
        assert_eq!(full.label, Failed::NO_SPACE.0);
        for (number, other) in (b'g'..).zip(others) {
            remove(store, root, &[number], other);
        }
        remove(store, root, b"f", file);
    });
}

#[test]
fn names_move_and_are_listed_once() {
    with(|store| {
        let root = store.root();
        let (dir, a) = (create(store, root, b"dir", true), create(store, root, b"a", false));
        let b = create(store, dir, b"b", false);
        let busy = ask(store, Op::Unlink, &[root, 3, dir, 9], b"dir").0;
        assert_eq!(busy.label, Failed::NOT_EMPTY.0);
        // `a` takes the place of `dir/b`, which stays for who uses it.
        assert_eq!(ask(store, Op::Rename, &[root, dir, 1, 1, 9], b"ab").0.label, 0);
        assert_eq!((store.attr(b).unwrap().links, store.attr(a).unwrap().links), (0, 1));
        let (answer, lent) = ask(store, Op::ReadDir, &[root, 0, 256], &[0; 256]);
        assert_eq!((answer.words[0], &lent[32..35]), (40, &b"dir"[..]));
        let next = u64::from_le_bytes(lent[8..16].try_into().unwrap());
        assert_eq!(ask(store, Op::ReadDir, &[root, next, 256], &[0; 256]).0.words[0], 0);
        assert_eq!(ask(store, Op::Lookup, &[root, 1], b"a").0.label, Failed::NOT_FOUND.0);
        assert_eq!(ask(store, Op::Link, &[root, 1, a, 9], b"l").0.label, 0);
        assert_eq!(ask(store, Op::Unlink, &[root, 1, a, 9], b"l").0.label, 0);
        assert_eq!(ask(store, Op::Forget, &[b, 1], b"").0.label, 0);
        remove(store, dir, b"b", a);
        remove(store, root, b"dir", dir);
    });
}

#[test]
fn nonsense_is_refused() {
    with(|store| {
        let root = store.root();
        for (label, words) in [(0, [0; 8]), (99, [0; 8]), (u64::MAX, [u64::MAX; 8])] {
            let mut script =
                Script { requests: [Words { label, words }].into(), answers: Vec::new(), lent: Vec::new() };
            serve(store, &mut script);
            assert_eq!(script.answers[0].label, Failed::UNSUPPORTED.0);
        }
        for op in Op::ALL {
            let wild = ask(store, op, &[u64::MAX; 8], b"").0;
            assert!(wild.label != 0 || matches!(op, Op::Root | Op::StatFs), "{op:?}");
        }
        assert_eq!(ask(store, Op::Lookup, &[root, 5], b"x").0.label, Failed::FAULT.0);
        assert_eq!(ask(store, Op::Lookup, &[root, 0], b"").0.label, Failed::BAD_NAME.0);
        assert_eq!(ask(store, Op::Read, &[root, 0, 1], b"x").0.label, Failed::IS_DIRECTORY.0);
    });
}
