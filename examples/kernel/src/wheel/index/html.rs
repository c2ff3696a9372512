//! The links of a page of HTML: [`Links`].
//!
//! Only what a page of links needs is read: tags with attributes, comments, declarations. What a browser would mend is refused,
//! with its place; so what is taken has one meaning.

use super::IndexError;

/// Most bytes of what stands between `&` and `;`.
const ESCAPE: usize = 10;

/// A link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link<'p> {
    /// Where it leads, as it is written: with `&amp;` and the like.
    pub(super) href: &'p str,
    /// The file was withdrawn.
    pub(super) withdrawn: bool,
}

/// The links of a page, one by one. After an error there is nothing more.
#[derive(Clone, Debug)]
pub(super) struct Links<'p> {
    page: &'p str,
    at: usize,
}

impl<'p> Links<'p> {
    /// Takes a page.
    ///
    /// # Errors
    /// It is no text.
    pub(super) fn of(page: &'p [u8]) -> Result<Self, IndexError> {
        let page = core::str::from_utf8(page).map_err(|error| IndexError::NoText(error.valid_up_to()))?;
        Ok(Self { page, at: 0 })
    }

    fn rest(&self) -> &'p str {
        self.page.get(self.at..).unwrap_or_default()
    }

    fn wrong<T>(&mut self, what: &'static str) -> Result<T, IndexError> {
        let at = core::mem::replace(&mut self.at, self.page.len());
        Err(IndexError::NoPage(what, at))
    }

    /// Goes behind `end`, which has to come.
    fn behind(&mut self, end: &str, what: &'static str) -> Result<&'p str, IndexError> {
        match self.rest().split_once(end) {
            Some((before, _)) => {
                self.at += before.len() + end.len();
                Ok(before)
            }
            None => self.wrong(what),
        }
    }

    /// Takes the characters that are `wanted`.
    fn run(&mut self, wanted: fn(char) -> bool) -> &'p str {
        let rest = self.rest();
        let run = rest.split(|c| !wanted(c)).next().unwrap_or_default();
        self.at += run.len();
        run
    }

    fn skip(&mut self, sign: char) -> bool {
        let there = self.rest().starts_with(sign);
        self.at += if there { sign.len_utf8() } else { 0 };
        there
    }

    /// The next thing that begins with `<`; [`None`] within: it is no link.
    fn next_thing(&mut self) -> Option<Result<Option<Link<'p>>, IndexError>> {
        let start = self.rest().find('<')?;
        self.at += start + 1;
        let rest = self.rest();
        Some(if rest.starts_with("!--") {
            self.behind("-->", "a comment without an end").map(|_| None)
        } else if rest.starts_with(['!', '?']) {
            self.behind(">", "a declaration without an end").map(|_| None)
        } else {
            self.tag()
        })
    }

    fn tag(&mut self) -> Result<Option<Link<'p>>, IndexError> {
        let ends = self.skip('/');
        let name = self.run(|c| c.is_ascii_alphanumeric());
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return self.wrong("a '<' that begins no tag");
        }
        let (mut href, mut withdrawn) = (None, false);
        loop {
            self.run(|c| c.is_ascii_whitespace() || c == '/');
            if self.skip('>') {
                break;
            }
            let (key, value) = self.attribute()?;
            if key.eq_ignore_ascii_case("href") && href.replace(value).is_some() {
                return self.wrong("a second href");
            }
            withdrawn |= key.eq_ignore_ascii_case("data-yanked");
        }
        let is_link = !ends && name.eq_ignore_ascii_case("a");
        Ok(href.filter(|_| is_link).map(|href| Link { href, withdrawn }))
    }

    fn attribute(&mut self) -> Result<(&'p str, &'p str), IndexError> {
        let key = self.run(|c| !c.is_ascii_whitespace() && !c.is_control() && !"/>=<\"'".contains(c));
        if key.is_empty() {
            return self.wrong("a tag without an end");
        }
        self.run(|c| c.is_ascii_whitespace());
        if !self.skip('=') {
            return Ok((key, ""));
        }
        self.run(|c| c.is_ascii_whitespace());
        for quote in ['"', '\''] {
            if self.skip(quote) {
                let end = if quote == '"' { "\"" } else { "'" };
                return Ok((key, self.behind(end, "a quote without an end")?));
            }
        }
        let value = self.run(|c| !c.is_ascii_whitespace() && !c.is_control() && !"><\"'`".contains(c));
        if value.is_empty() { self.wrong("an attribute without a value") } else { Ok((key, value)) }
    }
}

impl<'p> Iterator for Links<'p> {
    type Item = Result<Link<'p>, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_thing()? {
                Ok(None) => {}
                Ok(Some(link)) => return Some(Ok(link)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What a value means: without what HTML escapes. [`None`]: it has no room in `out`, or is not of visible ASCII.
pub(super) fn meaning<const N: usize>(value: &str, out: &mut heapless::String<N>) -> Option<()> {
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let (c, next) = escaped(rest).unwrap_or((c, rest.get(c.len_utf8()..).unwrap_or_default()));
        out.push(Some(c).filter(char::is_ascii_graphic)?).ok()?;
        rest = next;
    }
    Some(())
}

/// A character that is escaped, and what follows.
fn escaped(text: &str) -> Option<(char, &str)> {
    const NAMES: [(&str, char); 5] = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
    let text = text.strip_prefix('&')?;
    // Not farther than such a name is long: who has only `&` is not to be read again and again.
    let end = text.bytes().take(ESCAPE).position(|byte| byte == b';')?;
    let (name, rest) = text.split_at_checked(end)?;
    let c = match name.strip_prefix('#') {
        None => NAMES.iter().find(|(known, _)| *known == name)?.1,
        Some(digits) => char::from_u32(match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => digits.parse().ok()?,
        })?,
    };
    Some((c, rest.strip_prefix(';')?))
}
