//! [`Version`]: versions in the order of Python's packages.
//!
//! Source: PyPA, "Version specifiers" (PEP 440), with its rules of normal form.

use core::cmp::Ordering;

/// Most numbers of a release.
const NUMBERS: usize = 8;
/// What stands before a release, in its order, longer words first.
const BEFORE: [(&str, u8); 8] =
    [("alpha", 1), ("a", 1), ("beta", 2), ("b", 2), ("preview", 3), ("pre", 3), ("rc", 3), ("c", 3)];
/// Above all that stands before a release, and below it.
const RELEASE: u8 = 4;
const DEVELOPED: u8 = 0;

/// A version; those that mean the same are equal.
#[derive(Clone, Debug)]
pub(crate) struct Version<'v> {
    epoch: u64,
    release: heapless::Vec<u64, NUMBERS>,
    before: Option<(u8, u64)>,
    after: Option<u64>,
    development: Option<u64>,
    local: &'v str,
}

impl<'v> Version<'v> {
    /// Reads a version; [`None`]: it is none, or has more than eight numbers, or one of more than 64 bits.
    pub(crate) fn parse(text: &'v str) -> Option<Self> {
        let (public, local) = match text.split_once('+') {
            Some((public, local)) => (public, is_local(local).then_some(local)?),
            None => (text, ""),
        };
        let mut rest = Rest(public.strip_prefix(['v', 'V']).unwrap_or(public));
        let mut release = heapless::Vec::new();
        let mut first = rest.number()?;
        let epoch = match rest.take('!') {
            true => core::mem::replace(&mut first, rest.number()?),
            false => 0,
        };
        release.push(first).ok()?;
        while rest.0.strip_prefix('.').is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit())) {
            rest.take('.');
            release.push(rest.number()?).ok()?;
        }
        let before = rest.tagged(&BEFORE);
        let after = match rest.0.strip_prefix('-').and_then(|next| Rest(next).with_number()) {
            Some((number, next)) => {
                rest = next;
                Some(number)
            }
            None => rest.tagged(&[("post", 0), ("rev", 0), ("r", 0)]).map(|(_, number)| number),
        };
        let development = rest.tagged(&[("dev", 0)]).map(|(_, number)| number);
        rest.0.is_empty().then_some(Self { epoch, release, before, after, development, local })
    }

    /// Whether it comes before what it is a version of.
    pub(crate) const fn is_early(&self) -> bool {
        self.before.is_some() || self.development.is_some()
    }

    /// Whether `other` is what is meant by this one: a local part that is not named may be any.
    pub(crate) fn means(&self, other: &Self) -> bool {
        self.public(other).is_eq() && (self.local.is_empty() || local(self.local, other.local).is_eq())
    }

    /// The order without the local part.
    fn public(&self, other: &Self) -> Ordering {
        let length = self.release.len().max(other.release.len());
        let numbers = |of: &Self| {
            let mut all = [0; NUMBERS];
            all.iter_mut().zip(&of.release).for_each(|(to, from)| *to = *from);
            all
        };
        let [own, others] = [self, other].map(numbers);
        let release = own.iter().take(length).cmp(others.iter().take(length));
        let before = |of: &Self| match (of.before, of.after, of.development) {
            (Some(before), ..) => before,
            (None, None, Some(_)) => (DEVELOPED, 0),
            (None, ..) => (RELEASE, 0),
        };
        // Whoever has no number of development comes behind all who have one.
        let development = |of: &Self| (of.development.is_none(), of.development);
        (self.epoch.cmp(&other.epoch))
            .then(release)
            .then_with(|| before(self).cmp(&before(other)))
            .then_with(|| self.after.cmp(&other.after))
            .then_with(|| development(self).cmp(&development(other)))
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.public(other).then_with(|| local(self.local, other.local))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

fn is_local(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
    text.split(['.', '-', '_']).all(word)
}

/// The order of local parts: numbers are more than words, more parts more than fewer, none the least.
fn local(own: &str, other: &str) -> Ordering {
    let parts = |text| str::split(text, ['.', '-', '_']).filter(|part| !part.is_empty());
    let mut pairs = parts(own).zip(parts(other)).map(|(own, other)| {
        let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        let digits = |part| str::trim_start_matches(part, '0');
        match (is_number(own), is_number(other)) {
            (true, true) => {
                let (own, other) = (digits(own), digits(other));
                own.len().cmp(&other.len()).then_with(|| own.cmp(other))
            }
            (false, false) => {
                let small = |byte: u8| byte.to_ascii_lowercase();
                own.bytes().map(small).cmp(other.bytes().map(small))
            }
            (own, other) => own.cmp(&other),
        }
    });
    pairs.find(|order| order.is_ne()).unwrap_or_else(|| parts(own).count().cmp(&parts(other).count()))
}

/// What of a version is not read yet.
#[derive(Clone, Copy)]
struct Rest<'v>(&'v str);

impl Rest<'_> {
    fn take(&mut self, sign: char) -> bool {
        let rest = self.0.strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits.parse().ok()
    }

    fn with_number(mut self) -> Option<(u64, Self)> {
        Some((self.number()?, self))
    }

    fn without_separator(self) -> Self {
        Self(self.0.strip_prefix(['.', '-', '_']).unwrap_or(self.0))
    }

    /// One of `words`, as `.post1`, `-post-1` or `post`, and its number.
    fn tagged(&mut self, words: &[(&str, u8)]) -> Option<(u8, u64)> {
        let rest = self.without_separator().0;
        let (kind, rest) = words.iter().find_map(|(word, kind)| {
            let (start, rest) = rest.split_at_checked(word.len())?;
            start.eq_ignore_ascii_case(word).then_some((*kind, Rest(rest)))
        })?;
        let numbered = rest.without_separator().with_number();
        let (number, rest) = numbered.unwrap_or((0, rest));
        *self = rest;
        Some((kind, number))
    }
}

#[cfg(test)]
mod tests {
    use super::Version;
    use core::cmp::Ordering;

    fn version(text: &str) -> Version<'_> {
        Version::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn versions_are_in_the_order_of_pep_440() {
        // From lower to higher, among them the list of PEP 440 itself.
        let order = [
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0+10",
            "1.0+10.1",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1.9",
            "1.10",
            "2",
            "2024.1",
            "1!0.1",
        ];
        for (at, one) in order.iter().enumerate() {
            for (other_at, other) in order.iter().enumerate() {
                assert_eq!(version(one).cmp(&version(other)), at.cmp(&other_at), "{one} and {other}");
            }
        }
    }

    #[test]
    fn other_spellings_are_the_same_version() {
        for (one, other) in [
            ("1", "1.0.0"),
            ("v1.0", "1"),
            ("1.0alpha1", "1.0a1"),
            ("1.0-BETA.2", "1.0b2"),
            ("1.0c3", "1.0rc3"),
            ("1.0preview", "1.0rc0"),
            ("1.0-1", "1.0.post1"),
            ("1.0_rev-2", "1.0.post2"),
            ("1.0dev", "1.0.dev0"),
            ("1.0a.dev1", "1.0a0.dev1"),
            ("0!1.0", "1.0"),
            ("1.0+Ubuntu_01", "1.0+ubuntu.1"),
            ("01.0010", "1.10"),
        ] {
            assert_eq!(version(one).cmp(&version(other)), Ordering::Equal, "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            ".",
            "a",
            "1.",
            "1..2",
            "1.x",
            "1.*",
            "1.0a1b1",
            "1.0.post",
            "1.0+",
            "1.0+a..b",
            "1.0 ",
            "1!",
            "!1",
            "-1",
            "1.0dev1a",
            "99999999999999999999",
            "1.2.3.4.5.6.7.8.9",
            "ä",
            "1.0+ä",
        ] {
            let good = text == "1.0.post";
            assert_eq!(Version::parse(text).is_some(), good, "{text:?}");
        }
    }

    #[test]
    fn a_local_part_that_is_not_named_may_be_any() {
        assert!(version("1.0").means(&version("1+x")));
        assert!(version("1.0+x").means(&version("1+x")));
        assert!(!version("1.0+y").means(&version("1+x")));
        assert!(!version("1.0+x").means(&version("1")));
        assert!(
            version("1.0rc1").is_early()
                && version("1.0.dev1").is_early()
                && !version("1.0.post1").is_early()
        );
    }
}
