//! The table beside an array of bytes, each of which knows who has it how.

use alloc::vec::Vec;
use core::task::Waker;

use super::table::{Lock, LockTable, Owner};
use super::{LockError, LockKind, LockRange};

const BYTES: usize = 24;
const OWNERS: [Owner; 4] = [Owner::Process(1), Owner::Process(2), Owner::Open(1), Owner::Open(7)];
const FILES: u32 = 2;

/// What each owner has on each byte of each file, `flock` as one more byte.
type Bytes = [[[Option<LockKind>; BYTES + 1]; OWNERS.len()]; FILES as usize];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }
}

fn lock(random: &mut Random, flock: bool) -> (usize, Lock) {
    let who = if flock { 2 + random.index(2) } else { random.index(OWNERS.len()) };
    let (a, b) = (random.below(BYTES as u64), random.below(BYTES as u64));
    let range = if flock { LockRange::WHOLE } else { LockRange { start: a.min(b), last: a.max(b) } };
    let kind = if random.below(2) == 0 { LockKind::Shared } else { LockKind::Exclusive };
    let inode = u32::try_from(random.below(FILES.into())).unwrap();
    (who, Lock { inode, flock, owner: OWNERS[who], kind, range })
}

fn span(lock: &Lock) -> core::ops::RangeInclusive<usize> {
    let index = |at: u64| usize::try_from(at).unwrap();
    if lock.flock { BYTES..=BYTES } else { index(lock.range.start)..=index(lock.range.last) }
}

fn blocked(bytes: &Bytes, who: usize, wish: &Lock) -> bool {
    span(wish).any(|at| {
        (0..OWNERS.len()).filter(|&other| other != who).any(|other| {
            let held = bytes[wish.inode as usize][other][at];
            held.is_some_and(|kind| kind == LockKind::Exclusive || wish.kind == LockKind::Exclusive)
        })
    })
}

/// Runs of bytes that one owner has in one kind: what the table must consist of.
fn runs(bytes: &Bytes) -> usize {
    let all = bytes.iter().flatten();
    all.map(|row| {
        let starts =
            (0..BYTES).filter(|&at| row[at].is_some() && (at == 0 || row[at] != row[at - 1])).count();
        starts + usize::from(row[BYTES].is_some())
    })
    .sum()
}

#[test]
fn locks_are_those_of_an_array_of_bytes() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..60 {
        let mut table = LockTable::new(20, 1).unwrap();
        let mut bytes: Bytes = Default::default();
        for _ in 0..400 {
            let flock = random.below(5) == 0;
            let (who, wish) = lock(&mut random, flock);
            let row = |bytes: &mut Bytes, kind: Option<LockKind>| {
                span(&wish).for_each(|at| bytes[wish.inode as usize][who][at] = kind);
            };
            let mut next = bytes;
            let taking = random.below(3) > 0;
            let result = if taking { table.set(wish) } else { table.clear(wish) };
            let held = bytes[wish.inode as usize][who][BYTES];
            if taking && flock && held.is_some_and(|kind| kind != wish.kind) {
                // Given up, whatever comes.
                row(&mut bytes, None);
            }
            row(&mut next, taking.then_some(wish.kind));
            let expected = if taking && blocked(&bytes, who, &wish) {
                assert!(matches!(result, Err(LockError::WouldBlock(_))), "{wish:?}: {result:?}");
                bytes
            } else if runs(&next) > 20 {
                assert_eq!(result, Err(LockError::TableFull));
                bytes
            } else {
                assert_eq!(result, Ok(()));
                next
            };
            bytes = expected;
            assert_eq!(table.find(&wish).is_some(), blocked(&bytes, who, &wish));
            assert_eq!(table.all().len(), runs(&bytes), "{:?}", table.all());
            table.check().unwrap();
        }
        table.release(OWNERS[0], Some(0));
        table.release(OWNERS[2], None);
        bytes[0][0] = [None; BYTES + 1];
        bytes.iter_mut().for_each(|file| file[2] = [None; BYTES + 1]);
        assert_eq!(table.all().len(), runs(&bytes));
    }
}

#[test]
fn a_circle_of_waiters_is_a_deadlock() {
    let mut table = LockTable::new(8, 4).unwrap();
    let wish = |owner, at| {
        let range = LockRange { start: at, last: at };
        Lock { inode: 0, flock: false, owner: Owner::Process(owner), kind: LockKind::Exclusive, range }
    };
    for owner in 0..3 {
        table.set(wish(owner, owner)).unwrap();
    }
    let waker = Waker::noop().clone();
    let first = table.wait(wish(0, 1), waker.clone()).unwrap();
    let second = table.wait(wish(1, 2), waker.clone()).unwrap();
    assert_eq!(table.wait(wish(2, 0), waker.clone()), Err(LockError::Deadlock));
    // One who only waits beside them is in no circle.
    table.wait(wish(9, 0), waker.clone()).unwrap();
    table.wait_no_more(second);
    table.wait(wish(2, 0), waker).unwrap();
    let mut woken = Vec::new();
    table.release(Owner::Process(1), None);
    woken.extend(table.next_ready());
    assert_eq!((woken.len(), table.next_ready().is_none()), (1, true), "only the one who waited for it");
    table.wait_no_more(first);
}
