//! [`choose`]: which file of a page is taken.

use kos_net::services::http::decode;

use super::html::{Link, Links, meaning};
use super::link::join;
use super::wanted::meant;
use super::{IndexError, Wanted};
use crate::net::url::{self, Url};
use crate::text::Text;
use crate::wheel::error::{self, shown};
use crate::wheel::name::{FileName, WHEEL, parts};
use crate::wheel::sum::Sum;
use crate::wheel::version::Version;

/// Bytes of the longest link.
const LINK: usize = 1024;
/// How files of sources end.
const SOURCES: [&str; 3] = [".tar.gz", ".zip", ".tar.bz2"];

/// A file that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// How it is called.
    pub(crate) file: heapless::String<WHEEL>,
    /// Where it is.
    pub(crate) url: heapless::String<{ url::MOST }>,
    /// What it has to be.
    pub(crate) sum: Sum,
}

/// A link as it is meant, and the file to which it leads.
struct Target {
    href: heapless::String<LINK>,
    file: heapless::String<WHEEL>,
}

/// Why there is nothing, by what was passed over; what explains more comes later.
#[derive(Default)]
struct Passed {
    sources: Option<Text>,
    version: bool,
    tag: Option<Text>,
    early: Option<Text>,
    withdrawn: Option<Text>,
}

/// The file of `page`, which is at `place`, that is `wanted`.
///
/// # Errors
/// There is none, the page is not as it should be, or what would be taken has no SHA-256.
pub(crate) fn choose(page: &[u8], place: &Url<'_>, wanted: &Wanted<'_>) -> Result<Chosen, IndexError> {
    let (mut best, mut passed): (Option<Target>, _) = (None, Passed::default());
    for link in Links::of(page)? {
        let link = link?;
        let Some(target) = Target::of(&link) else { continue };
        let newer = match candidate(&target, &link, wanted, &mut passed) {
            None => false,
            Some(version) => best
                .as_ref()
                .and_then(|best| FileName::parse(&best.file).ok())
                .and_then(|best| Version::parse(best.version))
                .is_none_or(|best| version > best),
        };
        if newer {
            best = Some(target);
        }
    }
    best.ok_or_else(|| passed.reason(wanted))?.resolve(place)
}

/// The version of a target, if it may be taken.
fn candidate<'t>(
    target: &'t Target,
    link: &Link<'_>,
    wanted: &Wanted<'_>,
    passed: &mut Passed,
) -> Option<Version<'t>> {
    let shown = || Some(shown(&target.file));
    let Some((file, tag)) = parts(&target.file) else {
        let is_sources = SOURCES.iter().any(|end| target.file.ends_with(end));
        passed.sources = passed.sources.take().or_else(|| shown().filter(|_| is_sources));
        return None;
    };
    let version = Version::parse(file.version)?;
    if !wanted.has_name(file.name) {
        return None;
    }
    passed.version |= !wanted.has_version(&version);
    if !wanted.has_version(&version) {
        return None;
    }
    let Ok(file) = FileName::parse(&target.file) else {
        passed.tag = Some(error::shown(tag));
        return None;
    };
    let refused = match () {
        () if wanted.is_exact() => return Version::parse(file.version),
        () if link.withdrawn => &mut passed.withdrawn,
        () if version.is_early() => &mut passed.early,
        () => return Version::parse(file.version),
    };
    *refused = shown();
    None
}

impl Target {
    /// Where a link leads; [`None`]: not to what could be taken.
    fn of(link: &Link<'_>) -> Option<Self> {
        let mut href = heapless::String::new();
        meaning(link.href, &mut href)?;
        let path = href.split(['#', '?']).next()?;
        let last = path.rsplit('/').next()?;
        let mut name = [0; WHEEL];
        let file = core::str::from_utf8(decode(last, &mut name)?).ok()?;
        let file = heapless::String::try_from(file).ok()?;
        Some(Self { href, file })
    }

    fn resolve(self, place: &Url<'_>) -> Result<Chosen, IndexError> {
        let (href, fragment) = self.href.split_once('#').unwrap_or((&self.href, ""));
        let sum = fragment.split('&').find_map(|part| Sum::parse(part.strip_prefix("sha256=")?));
        let sum = sum.ok_or_else(|| IndexError::NoSum(shown(&self.file)))?;
        let url = join(place, href).map_err(|why| IndexError::Link(shown(&self.file), why))?;
        Ok(Chosen { file: self.file, url, sum })
    }
}

impl Passed {
    fn reason(self, wanted: &Wanted<'_>) -> IndexError {
        let Self { sources, version, tag, early, withdrawn } = self;
        (withdrawn.map(IndexError::Withdrawn))
            .or(early.map(IndexError::Early))
            .or(tag.map(IndexError::Tag))
            .or(version.then(|| IndexError::NoVersion(meant(wanted))))
            .or(sources.map(IndexError::Sources))
            .unwrap_or_else(|| IndexError::NoFiles(meant(wanted)))
    }
}
