//! The peers by name: their versions as pinned in `Cargo.toml`, and those that are missing with the reason.

/// `name` with the version that `Cargo.toml` pins, as in "talc 5.1.1".
pub(crate) fn peer(name: &str) -> String {
    format!("{name} {}", pinned(name).unwrap_or("unpinned"))
}

/// The exact version that `Cargo.toml` asks for.
fn pinned(name: &str) -> Option<&'static str> {
    let line = include_str!("../Cargo.toml")
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('=')))?;
    let (_, version) = line.split_once("\"=")?;
    Some(version.split_once('"')?.0)
}

/// Crates that one could miss in the tables, and why they are not there.
pub(crate) const LEFT_OUT: [(&str, &str); 5] = [
    ("LLFree", "not published as a crate"),
    ("slabmalloc", "it has no source of pages: each refill would be our code, and be measured"),
    ("osdk-frame-allocator, osdk-heap-allocator", "built only inside an OSTD kernel"),
    (
        "littlefs2",
        "littlefs2-sys makes its bindings with libclang, which a build of this workspace must not need",
    ),
    ("memory_set", "address spaces, not page tables: compared when kos-paging has them"),
];

#[cfg(test)]
mod tests {
    use super::{peer, pinned};

    #[test]
    fn versions_come_from_the_manifest() {
        assert_eq!(peer("talc"), "talc 5.1.1");
        assert_eq!(peer("x86_64"), "x86_64 0.15.5");
        assert_eq!(pinned("talk"), None);
    }
}
