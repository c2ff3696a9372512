//! How much code of an image is whose: [`by_crate`], and that of the crates that every kernel built of them has: [`core()`].
//!
//! A function is the crate's that its name begins with; what the compiler put into its callers counts there. It reaches to the
//! next function, padding included.

use alloc::collections::BTreeMap;

/// What a kernel cannot do without: memory, page tables, threads, messages.
pub const CORE: [&str; 4] = ["kos_alloc", "kos_ipc", "kos_paging", "kos_sched"];

/// A function is shorter: beyond lies another section.
const LONGEST: u64 = 64 << 10;

/// Bytes of code by crate, from the lines of a [symbol module](crate::image): address and name, by address.
#[must_use]
pub fn by_crate(symbols: &str) -> BTreeMap<&str, u64> {
    let place = |line: &'_ str| u64::from_str_radix(line.split_once(' ')?.0, 16).ok();
    let lines: Vec<_> =
        symbols.lines().filter_map(|line| Some((place(line)?, line.split_once(' ')?.1))).collect();
    let mut sums = BTreeMap::new();
    for pair in lines.windows(2) {
        let [(start, name), (end, _)] = pair else { continue };
        let length = end.saturating_sub(*start);
        if length <= LONGEST {
            *sums.entry(crate_of(name)).or_default() += length;
        }
    }
    sums
}

/// Bytes of the code of [`CORE`].
#[must_use]
pub fn core(symbols: &str) -> u64 {
    let sums = by_crate(symbols);
    CORE.iter().filter_map(|name| sums.get(name)).sum()
}

/// The crate in `<&mut kos_alloc::Heap<E> as core::fmt::Write>::write_str`; for a name without a path, the name.
fn crate_of(name: &str) -> &str {
    let mut rest = name;
    loop {
        let bare = rest.trim_start_matches(['<', '&', '*', '[', '(', ' ']);
        let bare = ["mut ", "dyn ", "const "].iter().find_map(|word| bare.strip_prefix(word)).unwrap_or(bare);
        if bare.len() == rest.len() {
            break;
        }
        rest = bare;
    }
    rest.split("::").next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_of_the_crate_that_its_name_begins_with() {
        for (name, expected) in [
            ("kos_alloc::heap::grow", "kos_alloc"),
            ("<kos_ipc::Wait<T> as core::fmt::Debug>::fmt", "kos_ipc"),
            ("<&mut dyn kos_vfs::File as core::fmt::Write>::write_str", "kos_vfs"),
            ("core::ptr::drop_in_place<kos_alloc::Heap>", "core"),
            ("higher_half", "higher_half"),
        ] {
            assert_eq!(crate_of(name), expected);
        }
    }

    #[test]
    fn code_reaches_to_the_next_function_of_its_section() {
        let symbols = "KSYM1\n\
                       0000000000100000 start\n\
                       ffffffff80100000 kos_alloc::a\n\
                       ffffffff80100040 kos_sched::b\n\
                       ffffffff80100050 <kos_alloc::C as core::fmt::Debug>::fmt\n\
                       ffffffff80100060 kos_vfs::d\n\
                       ffffffff80100070 e\n";
        let sums = by_crate(symbols);
        assert_eq!([sums["kos_alloc"], sums["kos_sched"], sums["kos_vfs"]], [0x50, 0x10, 0x10]);
        assert_eq!((sums.get("start"), core(symbols)), (None, 0x60));
        assert_eq!(core("KSYM1\n"), 0, "an image without symbols");
    }
}
