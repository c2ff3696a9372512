//! Pages of an index for tests, and any bytes taken for one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::choose::Chosen;
use super::link::join;
use super::{PAGE as MOST, Wanted, choose, index_of};
use crate::net::url::Url;
use crate::wheel::sum::Sum;
use crate::wheel::version::Version;
use crate::wheel::{FileName, normal};

const PAGE: &str = "http://h/simple/a/";
/// Bytes that a link is made of.
const LINK: usize = 3;

/// A page with these files, as `pip` takes it: each a name, and what it holds.
#[must_use]
pub fn page(files: &[(&str, &[u8])]) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html><body>\n");
    for (name, bytes) in files {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<a href=\"/files/{name}#sha256={}\">{name}</a><br>", Sum::of(bytes));
    }
    page.push_str("</body></html>\n");
    page
}

/// Takes any bytes for a page, for versions and links, and for what a page is made of. What is chosen is a file of what is wanted,
/// at a place that can be asked for, with a sum that is on the page; of a page that is made it is the newest.
///
/// # Panics
/// A promise is broken.
pub fn fuzz(data: &[u8]) {
    let data = data.get(..usize::try_from(MOST).unwrap_or(0)).unwrap_or(data);
    let (Some((kind, rest)), Ok(place)) = (data.split_first(), Url::parse(PAGE)) else { return };
    match kind % 3 {
        0 => ["a", "a==1", "a==2.0rc1"].iter().for_each(|wanted| any(rest, &place, wanted)),
        1 => ordered(rest, &place),
        _ => made(rest, &place),
    }
}

#[expect(clippy::panic, reason = "a fuzzer's finding")]
fn any(page: &[u8], place: &Url<'_>, asked: &str) {
    let Ok(wanted) = Wanted::parse(asked) else { panic!("{asked} is refused") };
    let Ok(Chosen { file, url, sum }) = choose(page, place, &wanted) else { return };
    let name = FileName::parse(&file).map(|file| normal(file.name));
    if !matches!(&name, Ok(Ok(name)) if name == "a")
        || !FileName::parse(&file).is_ok_and(|file| wanted.is(&file))
    {
        panic!("{file} was chosen for {asked}");
    }
    if Url::parse(&url).is_err() || url.contains('#') {
        panic!("{url} was chosen");
    }
    let mut digits = String::new();
    let _ = write!(digits, "{sum}");
    let page = String::from_utf8_lossy(page).to_ascii_lowercase();
    if !page.contains('&') && !page.contains(&digits) {
        panic!("{digits} is not on the page");
    }
}

/// Versions, line by line, are in one order; links lead to what can be asked for.
#[expect(clippy::panic, reason = "a fuzzer's finding")]
fn ordered(data: &[u8], place: &Url<'_>) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(index) = index_of(text)
        && (index.is_empty() || index.contains('\n') || !text.contains("[global]"))
    {
        panic!("{index:?} of {text:?}");
    }
    let mut versions: Vec<_> = text.lines().take(8).filter_map(Version::parse).collect();
    for (one, other) in versions.iter().flat_map(|one| versions.iter().map(move |other| (one, other))) {
        if one.cmp(other) != other.cmp(one).reverse() || one == other && !one.means(other) {
            panic!("{one:?} and {other:?}");
        }
    }
    versions.sort();
    for (at, one) in versions.iter().enumerate() {
        if versions.iter().skip(at).any(|later| later < one) {
            panic!("{versions:?}");
        }
    }
    for link in text.lines().take(8) {
        // What it leads to is as short as it can be, and leads to itself.
        if let Ok(url) = join(place, link)
            && (url.contains('#') || join(place, &url).as_ref() != Ok(&url))
        {
            panic!("{link} leads to {url}");
        }
    }
}

/// A page of links, three bytes each: two numbers of a version, and what is odd about it.
#[expect(clippy::panic, reason = "a fuzzer's finding")]
fn made(data: &[u8], place: &Url<'_>) {
    let (mut page, mut best) = (String::new(), None);
    for (index, link) in data.chunks_exact(LINK).take(64).enumerate() {
        let [major, minor, odd] = [0, 1, 2].map(|at| link.get(at).copied().unwrap_or(0));
        let (tag, early) =
            (if odd & 1 == 0 { "py3" } else { "cp313" }, if odd & 2 == 0 { "" } else { "rc1" });
        let withdrawn = if odd & 4 == 0 { "" } else { " data-yanked" };
        let (quote, name) = (if odd & 8 == 0 { '"' } else { '\'' }, if odd & 16 == 0 { "A" } else { "b" });
        let sum = Sum::of(&index.to_le_bytes());
        let _ = write!(
            page,
            "<a{withdrawn} href={quote}{name}-{major}.{minor}{early}-{tag}-none-any.whl#sha256={sum}{quote}>x</a>"
        );
        // The first of the newest.
        if odd & 0b10111 == 0 && best.is_none_or(|(newest, _)| (major, minor) > newest) {
            best = Some(((major, minor), sum));
        }
    }
    let Ok(wanted) = Wanted::parse("a") else { panic!("'a' is refused") };
    let chosen = choose(page.as_bytes(), place, &wanted).map(|chosen| chosen.sum);
    if chosen.clone().ok() != best.map(|(_, sum)| sum) {
        panic!("{chosen:?} in place of {best:?} of {page}");
    }
}
