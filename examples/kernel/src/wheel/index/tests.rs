//! What is chosen of a page, and what is refused by name.

use super::choose::Chosen;
use super::testing::{fuzz, page};
use super::{IndexError, Wanted, choose, index_of};
use crate::net::url::{Url, UrlError};
use crate::wheel::sum::Sum;
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const ANY: &str = "py3-none-any.whl";

fn chosen(page: &str, wanted: &str) -> Result<Chosen, IndexError> {
    choose(page.as_bytes(), &Url::parse("http://h:8/simple/a/").unwrap(), &Wanted::parse(wanted).unwrap())
}

/// A page of wheels with these ends; the file that is chosen, or what is said.
fn of(ends: &[&str], wanted: &str) -> String {
    let page = ends.iter().fold(String::new(), |page, end| {
        let (end, more) = end.split_once(' ').unwrap_or((end, ""));
        page + &format!("<a {more} href='/p/{end}#sha256={}'>x</a>", Sum::of(b""))
    });
    match chosen(&page, wanted) {
        Ok(chosen) => chosen.file.as_str().into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_are_compared_in_their_normal_form() {
    for (asked, name) in [
        ("a", "a"),
        ("Friendly-Bard", "friendly-bard"),
        ("FRIENDLY..--_.BARD", "friendly-bard"),
        ("A1", "a1"),
    ] {
        let wanted = Wanted::parse(asked).unwrap();
        assert_eq!(wanted.name, name);
        assert!(wanted.has_name(asked) && wanted.has_name(&name.replace('-', "_")), "{asked}");
    }
    let wanted = Wanted::parse("a-b").unwrap();
    assert!(["ab", "a-bc", "a", "", "a--", "-a-b", "a-b-"].iter().all(|other| !wanted.has_name(other)));
    for wrong in [
        "",
        "a>=1",
        "a==",
        "a==x",
        "a==1.*",
        "-a",
        "a-",
        "a b",
        "a/b",
        "ä",
        "a[x]",
        "a===1",
        "==1",
        &"a".repeat(101),
    ] {
        assert!(matches!(Wanted::parse(wrong), Err(IndexError::Wanted(_))), "{wrong}");
    }
}

#[test]
fn the_newest_release_is_chosen() {
    let all = ["a-1.9-", "a-1.10-", "a-1.10rc1-", "a-2.0.dev1-", "a-1.2-", "a-2.0b3-"]
        .map(|start| start.to_owned() + ANY);
    let all = all.each_ref().map(String::as_str);
    assert_eq!(of(&all, "a"), "a-1.10-py3-none-any.whl");
    assert_eq!(of(&all, "A==1.9.0"), "a-1.9-py3-none-any.whl");
    assert_eq!(of(&all, "a==2.0b3"), "a-2.0b3-py3-none-any.whl");
    assert_eq!(of(&all, "a==3"), "the index has other versions, but not a==3");
    assert_eq!(of(&["a-1-py2.py3-none-any.whl", "a-2-py2-none-any.whl"], "a"), "a-1-py2.py3-none-any.whl");
    // Of the same version the first.
    assert_eq!(of(&["a-1-py3-none-any.whl", "a-1.0-py3-none-any.whl"], "a"), "a-1-py3-none-any.whl");
    // Another package's are passed over, and what is no version.
    assert_eq!(
        of(&["b-9-py3-none-any.whl", "a-x-py3-none-any.whl", "a-1-py3-none-any.whl"], "a"),
        "a-1-py3-none-any.whl"
    );
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let tag = "it is for cp313-cp313-linux_x86_64; only py3-none-any works here";
    assert_eq!(of(&["a-2-cp313-cp313-linux_x86_64.whl", "a-1.tar.gz"], "a"), tag);
    assert_eq!(of(&["a-2-cp313-cp313-linux_x86_64.whl", "a-1-py3-none-any.whl"], "a==2"), tag);
    assert_eq!(of(&["a-1.tar.gz"], "a"), "a-1.tar.gz: sources; only wheels are installed here");
    assert_eq!(of(&[], "a"), "the index has no file of a");
    assert_eq!(
        of(&["a-1rc1-py3-none-any.whl"], "a"),
        "a-1rc1-py3-none-any.whl comes before a release; name its version to have it"
    );
    let withdrawn = ["a-2-py3-none-any.whl data-yanked='broken'", "a-1-py3-none-any.whl DATA-YANKED"];
    assert_eq!(of(&withdrawn, "a"), "a-1-py3-none-any.whl was withdrawn; name its version to have it");
    assert_eq!(of(&withdrawn, "a==2"), "a-2-py3-none-any.whl");
}

#[test]
fn a_file_without_a_sum_is_not_passed_over() {
    let sum = Sum::of(b"").to_string();
    let old = format!("<a href=a-1-py3-none-any.whl#sha256={sum}>");
    for end in [
        "",
        "#",
        "#md5=d41d8cd98f00b204e9800998ecf8427e",
        "#sha256=",
        "#sha256=12",
        &format!("#sha512={sum}"),
    ] {
        let page = format!("{old}<a href=\"a-2-py3-none-any.whl{end}\">");
        let error = chosen(&page, "a").unwrap_err();
        assert_eq!(error.to_string(), "a-2-py3-none-any.whl: the index gives no SHA-256 for it", "{end}");
        assert!(chosen(&page, "a==1").is_ok());
    }
}

#[test]
fn links_are_followed_as_they_are_written() {
    let sum = Sum::of(b"x");
    for (href, url) in [
        (format!("../../f/a-1-{ANY}#sha256={sum}"), "http://h:8/f/a-1-py3-none-any.whl"),
        (
            format!("http://o/a-1-{ANY}?k=v&amp;l=w#egg=a&amp;sha256={sum}"),
            "http://o/a-1-py3-none-any.whl?k=v&l=w",
        ),
        (format!("/%61-1-{ANY}#sha256={sum}"), "http://h:8/%61-1-py3-none-any.whl"),
        (format!("/a-1-{ANY}&#35;sha256&#x3d;{sum}"), "http://h:8/a-1-py3-none-any.whl"),
    ] {
        let chosen = chosen(&format!("<A\n x HREF = \"{href}\" y=z>"), "a").unwrap();
        assert_eq!(
            (chosen.url.as_str(), chosen.file.as_str(), chosen.sum),
            (url, "a-1-py3-none-any.whl", sum)
        );
    }
    let tls = chosen(&format!("<a href='https://o/a-1-{ANY}#sha256={sum}'>"), "a").unwrap_err();
    assert!(matches!(tls, IndexError::Link(_, UrlError::Tls)), "{tls}");
    let local = chosen(&format!("<a href='a-1%2Bx-{ANY}#sha256={sum}'>"), "a").unwrap();
    assert_eq!(
        (local.file.as_str(), local.url.as_str()),
        ("a-1+x-py3-none-any.whl", "http://h:8/simple/a/a-1%2Bx-py3-none-any.whl")
    );
    // What is not escaped is as it is.
    let plain = chosen(&format!("<a href='a-1-{ANY}?x=&amp;y&z=&nope;&amp#sha256={sum}'>"), "a").unwrap();
    assert_eq!(plain.url.as_str(), "http://h:8/simple/a/a-1-py3-none-any.whl?x=&y&z=&nope;&amp");
    // A name that leads elsewhere is no name of a wheel.
    for href in ["..%2Fa-1-", "a-1-%0a", "a-1-\u{e4}", "%zz"] {
        assert_eq!(
            chosen(&format!("<a href='{href}{ANY}#sha256={sum}'>"), "a").unwrap_err().to_string(),
            "the index has no file of a"
        );
    }
}

#[test]
fn a_page_that_is_none_is_refused_with_its_place() {
    let good = page(&[("a-1-py3-none-any.whl", b"x")]);
    assert!(chosen(&good, "a").is_ok());
    for (bad, what, at) in [
        ("<!-- ", "a comment without an end", 1),
        ("<!doctype", "a declaration without an end", 1),
        ("a < b", "a '<' that begins no tag", 3),
        ("<a href=\"x", "a quote without an end", 9),
        ("<a href='x", "a quote without an end", 9),
        ("<a href=>", "an attribute without a value", 8),
        ("<a href", "a tag without an end", 7),
        ("<a =x>", "a tag without an end", 3),
        ("<a <b>", "a tag without an end", 3),
        ("<a href=x href=y>", "a second href", 16),
        ("<1>", "a '<' that begins no tag", 2),
    ] {
        let error = chosen(&(good.clone() + bad), "a").unwrap_err();
        assert_eq!(error, IndexError::NoPage(what, good.len() + at), "{bad}");
    }
    let place = Url::parse("http://h/").unwrap();
    let bytes = [good.as_bytes(), &[0xff]].concat();
    assert_eq!(choose(&bytes, &place, &Wanted::parse("a").unwrap()), Err(IndexError::NoText(good.len())));
    // A comment and an end tag hold no links.
    assert_eq!(
        of(&[], "a"),
        chosen("<!-- <a href='a-1-py3-none-any.whl'> --></a href='x'><b href=y>", "a")
            .unwrap_err()
            .to_string()
    );
}

#[test]
fn settings_name_one_index() {
    let good = "# mine\n\n[global]\n  index-url =  http://h:8/simple/ \n; end\n";
    assert_eq!(index_of(good), Ok("http://h:8/simple/"));
    for (text, line) in [
        ("index-url = http://h/", 1),
        ("[global]\nx = y", 2),
        ("[global]\nindex-url =", 2),
        ("[global]\nindex-url = a\nindex-url = b", 3),
        ("[install]\n", 1),
        ("x", 1),
    ] {
        assert_eq!(index_of(text), Err(IndexError::Setting(line)), "{text}");
    }
    assert_eq!(index_of("[global]\n"), Err(IndexError::NoSetting));
}

#[test]
fn the_corpus_of_pip_index_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/pip_index");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz(&std::fs::read(path).unwrap()));
}
