//! What a package needs, as its `METADATA` says: [`requirements`]. Nothing here fetches it.

use super::fields;

/// What a package needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requirement<'m> {
    /// A package.
    pub(crate) name: &'m str,
    /// The same with its versions, and whatever else is said.
    pub(crate) text: &'m str,
    /// Where it is needed; empty: everywhere.
    pub(crate) marker: &'m str,
}

/// What `METADATA` says that is needed, without what is for extras: nobody can ask for those.
pub(crate) fn requirements(metadata: &[u8]) -> impl Iterator<Item = Requirement<'_>> {
    fields(metadata, "Requires-Dist").filter_map(|value| {
        let (text, marker) = value.split_once(';').unwrap_or((value, ""));
        let (text, marker) = (text.trim(), marker.trim());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name = text.split(|c| !plain(c)).next().filter(|name| !name.is_empty())?;
        (!marker.contains("extra")).then_some(Requirement { name, text, marker })
    })
}

#[cfg(test)]
mod tests {
    use super::{Requirement, requirements};
    use alloc::vec::Vec;

    #[test]
    fn what_is_needed_is_named() {
        let metadata = b"Name: a\nRequires-Dist: b\nRequires-Dist: c.d (>=1,<2)\nRequires-Dist: e[x]~=1.0\n\
            Requires-Dist: f; python_version < '3'\nRequires-Dist: g ; extra == 'x'\nRequires-Dist: (>1)\n\
            \nRequires-Dist: text\n";
        let found: Vec<_> = requirements(metadata).collect();
        let plain = |name, text| Requirement { name, text, marker: "" };
        let marked = Requirement { marker: "python_version < '3'", ..plain("f", "f") };
        assert_eq!(found, [plain("b", "b"), plain("c.d", "c.d (>=1,<2)"), plain("e", "e[x]~=1.0"), marked]);
    }
}
