//! Names of addresses, from the symbol module.
//!
//! The module is text: the line `KSYM1`, then one line `<16 hexadecimal digits> <name>` a function, sorted by address.
//! The demo command makes it from the image's symbol table; it arrives as a boot module and is searched where it lies.

/// First line of a symbol module.
pub const MAGIC: &[u8] = b"KSYM1\n";

/// What is behind the symbols in a module that begins with them, as a boot loader that takes one module alone makes it do for two: the
/// text ends at a NUL, and the other part begins behind the last of that row of NULs.
#[must_use]
pub fn behind(module: &[u8]) -> Option<&[u8]> {
    let rest = module.strip_prefix(MAGIC)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    let rest = rest.get(end..)?;
    rest.get(rest.iter().position(|&byte| byte != 0)?..)
}

const DIGITS: usize = 16;

/// A symbol module.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'m> {
    lines: &'m [u8],
}

/// The function around an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'m> {
    /// Its name.
    pub name: &'m str,
    /// How far into it the address lies, in bytes.
    pub offset: u64,
}

impl<'m> Symbols<'m> {
    /// Takes a module; `None` if it does not begin with [`MAGIC`].
    #[must_use]
    pub fn new(module: &'m [u8]) -> Option<Self> {
        let lines = module.strip_prefix(MAGIC)?;
        Some(Self { lines: lines.split(|&byte| byte == 0).next().unwrap_or_default() })
    }

    /// The last symbol that starts at or below `address`; `None` if there is none or its line is malformed.
    ///
    /// Takes O(log n) line reads. The module is outside input: an unsorted or malformed one gives wrong names or none, and
    /// nothing worse.
    #[must_use]
    pub fn lookup(&self, address: u64) -> Option<Symbol<'m>> {
        let (mut low, mut high) = (0, self.lines.len());
        let mut best = None;
        while low < high {
            let start = self.line_start(low + (high - low) / 2, low);
            let line = self.line(start);
            let (base, name) = parse(line)?;
            if base <= address {
                best = Some(Symbol { name, offset: address - base });
                low = start + line.len() + 1;
            } else {
                high = start;
            }
        }
        best
    }

    /// Start of the line around `position`, which is not below `floor`, itself a line start.
    fn line_start(&self, position: usize, floor: usize) -> usize {
        let before = self.lines.get(floor..position).unwrap_or_default();
        before.iter().rposition(|&byte| byte == b'\n').map_or(floor, |newline| floor + newline + 1)
    }

    fn line(&self, start: usize) -> &'m [u8] {
        let rest = self.lines.get(start..).unwrap_or_default();
        rest.split(|&byte| byte == b'\n').next().unwrap_or_default()
    }
}

/// Address and name of one line.
fn parse(line: &[u8]) -> Option<(u64, &str)> {
    let (digits, rest) = line.split_at_checked(DIGITS)?;
    let address = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some((address, str::from_utf8(rest.strip_prefix(b" ")?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String, vec::Vec};
    use proptest::prelude::*;

    const MODULE: &[u8] =
        b"KSYM1\nffffffff80100000 pvh_start\nffffffff80100200 kos::kmain\nffffffff80101000 last one\n";

    fn at(module: &[u8], address: u64) -> Option<(&str, u64)> {
        Symbols::new(module)?.lookup(address).map(|symbol| (symbol.name, symbol.offset))
    }

    #[test]
    fn finds_the_function_around_an_address() {
        assert_eq!(at(MODULE, 0xffff_ffff_8010_0000), Some(("pvh_start", 0)));
        assert_eq!(at(MODULE, 0xffff_ffff_8010_01ff), Some(("pvh_start", 0x1ff)));
        assert_eq!(at(MODULE, 0xffff_ffff_8010_0201), Some(("kos::kmain", 1)));
        assert_eq!(at(MODULE, u64::MAX), Some(("last one", 0x7fef_efff)));
        assert_eq!(at(MODULE, 0xffff_ffff_800f_ffff), None);
    }

    #[test]
    fn refuses_a_module_without_magic() {
        assert!(Symbols::new(b"KSYM2\n").is_none());
        assert!(Symbols::new(b"").is_none());
        assert_eq!(at(MAGIC, 1), None);
    }

    #[test]
    fn what_lies_behind_the_symbols_is_apart() {
        let both = [MODULE, b"\x00\x00\x00070701 and more\0"].concat();
        assert_eq!(behind(&both), Some(&b"070701 and more\0"[..]));
        assert_eq!(at(&both, u64::MAX), Some(("last one", 0x7fef_efff)));
        for none in [MODULE, b"KSYM1\n\0\0", b"070701\0x", b""] {
            assert_eq!(behind(none), None);
        }
    }

    #[test]
    fn survives_malformed_lines() {
        assert_eq!(at(b"KSYM1\n\n\n\n", 5), None);
        assert_eq!(at(b"KSYM1\n0000000000000001", 5), None);
        assert_eq!(at(b"KSYM1\n+000000000000001 plus", 5), Some(("plus", 4)));
        assert_eq!(at(b"KSYM1\n0000000000000001 \xff\xfe\n", 5), None);
        assert_eq!(at(b"KSYM1\n0000000000000001 no newline", 5), Some(("no newline", 4)));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..ProptestConfig::with_cases(crate::testing::cases())
        })]

        #[test]
        fn agrees_with_a_linear_search(mut bases in prop::collection::vec(0u64..5000, 0..60), probe in 0u64..6000) {
            bases.sort_unstable();
            bases.dedup();
            let lines: Vec<String> = bases.iter().map(|base| format!("{base:016x} f{}\n", base % 977)).collect();
            let module = format!("KSYM1\n{}", lines.concat());
            let expected = bases.iter().rev().find(|&&base| base <= probe).map(|base| (format!("f{}", base % 977), probe - base));
            let found = at(module.as_bytes(), probe).map(|(name, offset)| (String::from(name), offset));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_are_survived(noise in prop::collection::vec(any::<u8>(), 0..200), probe: u64) {
            let mut module = MAGIC.to_vec();
            module.extend(noise);
            let _ = at(&module, probe);
        }
    }
}
