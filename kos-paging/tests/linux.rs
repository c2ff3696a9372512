//! Mappings beside the Linux that runs this test: content always, boundaries where nothing was touched.
//!
//! A region of this process is reserved once; each operation goes to it by `mmap`, `munmap`, `mprotect`, `mremap` and
//! `madvise`, and to a space at the same addresses. A page is read through the kernel (`process_vm_readv` of ourselves),
//! so that a page which may not be read is an error, not a signal.
#![cfg(all(feature = "vma", target_os = "linux", target_pointer_width = "64"))]
#![expect(unsafe_code, reason = "maps and unmaps memory of this process, in a region that nobody else uses")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests, beside which the lints are off"
)]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::ffi::c_void;
use core::ptr;

use kos_paging::space::{Advice, Config, MapRequest, Move, Place, Space, SpaceId};
use kos_paging::testing::noise;
use kos_paging::testing::space::{SimEnv, SimMachine};
use kos_paging::{Flags, VirtAddr, VirtRange};
use rustix::mm::{self, MapFlags, MprotectFlags, MremapFlags, ProtFlags};

const PAGE: u64 = 4096;
/// Pages that operations work on; one more on either side stays as it is, so that nothing merges with strangers.
const PAGES: u64 = 64;

#[derive(Clone, Copy, Debug)]
struct Op {
    what: u8,
    first: u64,
    pages: u64,
    to: u64,
    rights: u8,
}

impl Op {
    fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<Self> {
        let (what, first, pages, to, rights) =
            (bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?);
        let first = u64::from(first) % PAGES;
        let pages = (u64::from(pages) % 9).min(PAGES - first);
        Some(Self { what, first, pages, to: u64::from(to) % PAGES, rights: rights % 4 })
    }

    fn flags(self) -> Flags {
        [Flags::empty(), Flags::READ, Flags::READ | Flags::WRITE, Flags::READ | Flags::EXECUTE]
            [usize::from(self.rights)]
    }

    fn prot(self) -> u32 {
        [0, 1, 3, 5][usize::from(self.rights)]
    }
}

/// Linux's side: a reserved region of this process.
struct Host {
    base: u64,
    memory: std::fs::File,
}

impl Host {
    /// A region far from where the kernel and the allocator put things: nobody else maps into its holes.
    fn new(far: u64) -> Self {
        let host = Self { base: far + PAGE, memory: std::fs::File::open("/proc/self/mem").unwrap() };
        let at = ptr::with_exposed_provenance_mut(usize::try_from(far).unwrap());
        let (all, flags) = (
            ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC,
            MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE,
        );
        // SAFETY: a fresh region, else an error; nobody has a pointer into it.
        unsafe { mm::mmap_anonymous(at, Self::len(PAGES + 2), all, flags) }.unwrap();
        assert!(host.unmap(0, PAGES));
        host
    }

    fn at(&self, page: u64) -> *mut c_void {
        ptr::with_exposed_provenance_mut(usize::try_from(self.base + page * PAGE).unwrap())
    }

    fn len(pages: u64) -> usize {
        usize::try_from(pages * PAGE).unwrap()
    }

    fn unmap(&self, first: u64, pages: u64) -> bool {
        // SAFETY: the pages are of the region, which holds no Rust object.
        unsafe { mm::munmap(self.at(first), Self::len(pages)) }.is_ok()
    }

    fn apply(&self, op: Op, model: &BTreeMap<u64, u8>) -> bool {
        let (at, len) = (self.at(op.first), Self::len(op.pages));
        match op.what % 8 {
            0 | 1 => {
                let fixed =
                    if op.what.is_multiple_of(2) { MapFlags::FIXED } else { MapFlags::FIXED_NOREPLACE };
                let prot = ProtFlags::from_bits_retain(op.prot());
                // SAFETY: the pages are of the region, which holds no Rust object.
                unsafe { mm::mmap_anonymous(at, len, prot, MapFlags::PRIVATE | fixed) }.is_ok()
            }
            2 => self.unmap(op.first, op.pages),
            // Linux changes the part before a hole; a whole range is what both do alike.
            3 if !covered(model, op) => false,
            3 => {
                let prot = MprotectFlags::from_bits_retain(op.prot());
                // SAFETY: as above.
                unsafe { mm::mprotect(at, len, prot) }.is_ok()
            }
            4 => {
                let new = Self::len(u64::from(op.rights) * 2 + 1);
                // SAFETY: as above; in place.
                unsafe { mm::mremap(at, len, new, MremapFlags::empty()) }.is_ok()
            }
            // SAFETY: as above; the target is free, so nothing else goes.
            5 => unsafe { mm::mremap_fixed(at, len, len, MremapFlags::MAYMOVE, self.at(op.to)) }.is_ok(),
            6 if !covered(model, op) => false,
            // SAFETY: as above.
            6 => unsafe { mm::madvise(at, len, mm::Advice::LinuxDontNeed) }.is_ok(),
            _ => true,
        }
    }

    fn read(&self, page: u64) -> Option<u8> {
        use std::os::unix::fs::FileExt;
        let mut byte = [0];
        // Through the kernel, with the rights of the mapping looked at by `maps` below.
        self.memory.read_exact_at(&mut byte, self.base + page * PAGE).ok().map(|()| byte[0])
    }

    fn write(&self, page: u64, value: u8) {
        // SAFETY: the page is mapped for writing, says the caller; no Rust object is there.
        unsafe { self.at(page).cast::<u8>().write_volatile(value) };
    }

    /// First page, pages, rights of each mapping in the region.
    fn maps(&self) -> Vec<(u64, u64, String)> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let (first, end) = words.next()?.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            let (first, end) = (number(first)?, number(end)?);
            let inside = first >= self.base && end <= self.base + PAGES * PAGE;
            inside.then(|| {
                ((first - self.base) / PAGE, (end - first) / PAGE, words.next().unwrap()[..3].into())
            })
        };
        maps.lines().filter_map(line).collect()
    }
}

fn covered(model: &BTreeMap<u64, u8>, op: Op) -> bool {
    op.pages > 0 && (op.first..op.first + op.pages).all(|page| model.contains_key(&page))
}

/// Our side: the same addresses.
struct Ours {
    base: u64,
    space: Space<SimEnv>,
}

impl Ours {
    fn new(base: u64) -> Self {
        let range = VirtRange::new(VirtAddr::new(base), PAGES * PAGE).unwrap();
        let space = Space::new(SimMachine::leaked(600), SpaceId(0), Config::new(range)).unwrap();
        Self { base, space }
    }

    fn at(&self, page: u64) -> VirtAddr {
        VirtAddr::new(self.base + page * PAGE)
    }

    fn apply(&self, op: Op) -> bool {
        let bytes = op.pages * PAGE;
        let Ok(range) = VirtRange::new(self.at(op.first), bytes) else { return op.what % 8 == 7 };
        match op.what % 8 {
            0 => {
                self.space.map(MapRequest::new(bytes, op.flags()).at(Place::Fixed(self.at(op.first)))).is_ok()
            }
            1 => {
                let place = Place::FixedNoReplace(self.at(op.first));
                self.space.map(MapRequest::new(bytes, op.flags()).at(place)).is_ok()
            }
            2 => self.space.unmap(range).is_ok(),
            3 => self.space.protect(range, op.flags()).is_ok(),
            4 => self.space.remap(range, (u64::from(op.rights) * 2 + 1) * PAGE, Move::No).is_ok(),
            5 => self.space.remap(range, bytes, Move::To(self.at(op.to))).is_ok(),
            6 => self.space.advise(range, Advice::DontNeed).is_ok(),
            _ => true,
        }
    }

    fn read(&self, page: u64) -> Option<u8> {
        let mut byte = [0];
        self.space.copy_in(self.at(page), &mut byte).ok().map(|()| byte[0])
    }

    fn maps(&self) -> Vec<(u64, u64, String)> {
        let mut found = Vec::new();
        let mut next = Some(VirtAddr::new(0));
        while let Some(vma) = next.and_then(|next| self.space.vma_at_or_after(next)) {
            next = vma.range.last().checked_add(1);
            let right = |flag, name| if vma.rights.contains(flag) { name } else { '-' };
            let rights = [right(Flags::READ, 'r'), right(Flags::WRITE, 'w'), right(Flags::EXECUTE, 'x')]
                .iter()
                .collect();
            found.push(((vma.range.first().get() - self.base) / PAGE, vma.range.bytes() / PAGE, rights));
        }
        found
    }
}

/// Rights by page, to know what may be done.
fn pages(maps: &[(u64, u64, String)]) -> BTreeMap<u64, u8> {
    let page = |(first, pages, rights): &(u64, u64, String)| {
        let rights = rights.as_bytes();
        let bits =
            u8::from(rights[0] == b'r') | u8::from(rights[1] == b'w') << 1 | u8::from(rights[2] == b'x') << 2;
        (*first..first + pages).map(move |page| (page, bits)).collect::<Vec<_>>()
    };
    maps.iter().flat_map(page).collect()
}

/// Whether both sides mean the same. Where Linux differs from itself by version, or does a part, ours refuses: a range
/// of several mappings remapped, a move onto something. Beyond the region nobody looks.
fn comparable(op: Op, maps: &[(u64, u64, String)], model: &BTreeMap<u64, u8>) -> bool {
    let one =
        || maps.iter().any(|(first, pages, _)| *first <= op.first && op.first + op.pages <= first + pages);
    let target = op.to..op.to + op.pages;
    match op.what % 8 {
        4 => one() && op.first + u64::from(op.rights) * 2 < PAGES,
        5 => one() && target.end <= PAGES && target.clone().all(|page| !model.contains_key(&page)),
        _ => true,
    }
}

/// Runs operations on both sides; `touch` writes to pages too, and then only content is compared.
fn run(seed: u64, steps: usize, touch: bool) {
    let host = Host::new(seed << 40);
    let ours = Ours::new(host.base);
    let mut bytes = noise(seed, steps * 5);
    let mut model = BTreeMap::new();
    let mut done = 0;
    while let Some(op) = Op::read(&mut bytes) {
        if op.what % 8 == 7 {
            if touch && model.get(&op.first).is_some_and(|rights| rights & 2 > 0) {
                host.write(op.first, op.rights + 1);
                ours.space.copy_out(ours.at(op.first), &[op.rights + 1]).unwrap();
            }
            continue;
        }
        // Touched mappings of ours are larger than the host's: there its own list decides.
        let maps = if touch && matches!(op.what % 8, 4 | 5) { host.maps() } else { ours.maps() };
        if op.pages == 0 || !comparable(op, &maps, &model) {
            continue;
        }
        let (theirs, mine) = (host.apply(op, &model), ours.apply(op));
        assert_eq!(mine, theirs, "step {done}, seed {seed}: {op:?} with {model:?}");
        let mine = ours.maps();
        let our_pages = pages(&mine);
        done += 1;
        model = our_pages;
        // Reading the host's list is most of the time of this test.
        if done % 8 > 0 {
            continue;
        }
        let (theirs, our_pages) = (host.maps(), &model);
        assert_eq!(*our_pages, pages(&theirs), "step {done}, seed {seed}: {op:?}");
        if !touch {
            assert_eq!(mine, theirs, "step {done}, seed {seed}: {op:?}");
        } else {
            for (page, _) in our_pages.iter().filter(|(_, rights)| **rights & 1 > 0) {
                assert_eq!(
                    ours.read(*page),
                    host.read(*page),
                    "page {page}, step {done}, seed {seed}: {op:?}"
                );
            }
        }
    }
    ours.space.check().unwrap();
    host.unmap(0, PAGES);
    println!("{done} operations, touched: {touch}");
}

/// `KOS_LINUX_STEPS=80000` for 10^5 operations.
fn steps() -> usize {
    std::env::var("KOS_LINUX_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(3000)
}

#[test]
fn boundaries_are_those_of_linux() {
    run(3, steps(), false);
}

#[test]
fn content_is_that_of_linux() {
    run(4, steps(), true);
}
