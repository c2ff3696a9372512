//! Two processes that find the same memory by its name, and what its rights forbid.
#![expect(unsafe_code, reason = "memory that several processes use lies behind no reference")]

use crate::abi::{self, rights};
use crate::io::{Line, Words};
use crate::ipc::{self, Cap};
use crate::sys::{self, Errno};

const NAME: &[u8] = b"numbers";
const PAGE: u64 = 4096;
const PAGES: u64 = 3;
/// Numbers that the parent writes; the sum goes behind them.
const NUMBERS: u64 = (PAGES - 1) * PAGE / 8;
const BOTH: u64 = abi::READ | abi::WRITE;
/// What the child asks for by the name.
const WANTED: u64 = rights::READ | rights::WRITE | rights::MAP;

/// The parent makes and fills it; the child finds it, adds up, and says the sum in it.
pub(super) fn run(_: Words<'_>) -> u8 {
    match parent() {
        Ok(()) => 0,
        Err(Wrong(step, why)) => {
            Line::say(format_args!("{step}: {why:?}"));
            1
        }
    }
}

/// At which step something was not as it should be.
struct Wrong(&'static str, Option<Errno>);

fn of(step: &'static str) -> impl FnOnce(Errno) -> Wrong {
    move |errno| Wrong(step, Some(errno))
}

fn sure(good: bool, step: &'static str) -> Result<(), Wrong> {
    if good { Ok(()) } else { Err(Wrong(step, None)) }
}

fn parent() -> Result<(), Wrong> {
    let names = ipc::names().map_err(of("names"))?;
    sure(ipc::shared_create(names, NAME, 0) == Err(Errno::INVAL), "nothing is no memory")?;
    let segment = ipc::shared_create(names, NAME, PAGES * PAGE - 5).map_err(of("create"))?;
    sure(ipc::shared_create(names, NAME, PAGE).is_err(), "a name is given once")?;
    let at = ipc::shared_map(segment, BOTH).map_err(of("map"))?;
    for number in 0..NUMBERS {
        // SAFETY: mapped above, and behind no reference.
        sure(unsafe { sys::peek(at + number * 8) } == 0, "new memory is zero")?;
        // SAFETY: as above.
        unsafe { sys::poke(at + number * 8, number) };
    }
    sure(sys::unmap(at, PAGE).is_err(), "munmap leaves it alone")?;
    match sys::fork() {
        Ok(0) => sys::exit(u8::from(child(at).is_err())),
        Ok(_) => {}
        Err(errno) => return Err(Wrong("fork", Some(errno))),
    }
    let (_, status) = sys::wait().map_err(of("wait"))?;
    sure(status == abi::exited(0), "the child did its part")?;
    // SAFETY: as above.
    let sum = unsafe { sys::peek(at + NUMBERS * 8) };
    sure(sum == NUMBERS * (NUMBERS - 1) / 2, "the child's sum")?;
    Line::say(format_args!("another process added up {NUMBERS} numbers in shared memory: {sum}"));
    refusals(names, segment, at)
}

/// Nothing comes with the fork: by the name all does.
fn child(parents: u64) -> Result<(), Errno> {
    let names = ipc::names()?;
    // What was mapped there is not: the room is free.
    sys::unmap(parents, PAGE)?;
    let segment = ipc::lookup(names, NAME, WANTED, 0)?;
    let at = ipc::shared_map(segment, BOTH)?;
    // SAFETY: mapped above, and behind no reference.
    let sum = (0..NUMBERS).map(|number| unsafe { sys::peek(at + number * 8) }).sum();
    // SAFETY: as above.
    unsafe { sys::poke(at + NUMBERS * 8, sum) };
    ipc::shared_unmap(at)
}

fn refusals(names: Cap, segment: Cap, at: u64) -> Result<(), Wrong> {
    let reader = ipc::lookup(names, NAME, rights::READ | rights::MAP, 0).map_err(of("look up"))?;
    sure(ipc::shared_map(reader, BOTH) == Err(Errno::ACCES), "a reader does not write")?;
    let view = ipc::shared_map(reader, abi::READ).map_err(of("map to read"))?;
    sure(sys::protect(view, PAGES * PAGE, BOTH).is_err(), "nor does mprotect let him")?;
    ipc::unlink(names, NAME).map_err(of("unlink"))?;
    sure(ipc::lookup(names, NAME, rights::MAP, 0) == Err(Errno::NOENT), "no name any more")?;
    // SAFETY: mapped above; the name's end takes no mapping.
    sure(unsafe { sys::peek(view + 8) } == 1, "what is mapped stays")?;
    ipc::revoke(segment).map_err(of("revoke"))?;
    sure(ipc::shared_map(reader, abi::READ) == Err(Errno::STALE), "a revoked capability")?;
    sure(ipc::shared_unmap(view) == Err(Errno::INVAL), "a revoke took the mapping back")?;
    sure(ipc::shared_unmap(at) == Err(Errno::INVAL), "and whatever else was made of it")
}
