//! [`join`]: where the links of a page lead.
//!
//! Source: RFC 3986, section 5.

use crate::net::url::{MOST, Url, UrlError};

/// How each URL begins here.
const HTTP: &str = "http://";

/// Where `link` leads on the page `from`, without a fragment: a URL that can be taken apart.
///
/// # Errors
/// Nowhere, or not by plain HTTP.
pub(super) fn join(from: &Url<'_>, link: &str) -> Result<heapless::String<MOST>, UrlError> {
    let link = link.split('#').next().unwrap_or(link);
    let scheme = link.find(':').filter(|&colon| link.find(['/', '?']).is_none_or(|other| colon < other));
    let (place, dir, link) = match (scheme, link.strip_prefix("//")) {
        (Some(_), _) => {
            let url = Url::parse(link)?;
            (url.place, "", url.path)
        }
        (None, Some(rest)) => {
            let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (place, "", path)
        }
        (None, None) if link.starts_with('/') => (from.place, "", link),
        (None, None) => {
            let path = from.path.split('?').next().unwrap_or(from.path);
            (from.place, path.get(..=path.rfind('/').unwrap_or(0)).unwrap_or("/"), link)
        }
    };
    let mut out = heapless::String::new();
    for part in [HTTP, place] {
        out.push_str(part).map_err(|_| UrlError::Long)?;
    }
    let root = out.len();
    let (link, query) = link.split_at(link.find('?').unwrap_or(link.len()));
    add(&mut out, root, dir)?;
    add(&mut out, root, link)?;
    let path = if out.len() == root { "/" } else { "" };
    for part in [path, query] {
        out.push_str(part).map_err(|_| UrlError::Long)?;
    }
    Url::parse(&out).map(drop)?;
    Ok(out)
}

/// Adds a path to a URL, whose path begins at `root`, and resolves `.` and `..`.
fn add(out: &mut heapless::String<MOST>, root: usize, path: &str) -> Result<(), UrlError> {
    for part in path.split_inclusive('/') {
        let up = matches!(part, ".." | "../");
        if up {
            // Behind a slash: the directory is left, but not the root.
            let dir = out.get(root..).unwrap_or_default();
            let dir = dir.strip_suffix('/').unwrap_or(dir);
            out.truncate(root + dir.rfind('/').map_or(0, |slash| slash + 1));
        }
        let part = if up || matches!(part, "." | "./") { "" } else { part };
        let slash = if out.len() == root && !part.starts_with('/') { "/" } else { "" };
        for part in [slash, part] {
            out.push_str(part).map_err(|_| UrlError::Long)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::join;
    use crate::net::url::{MOST, Url, UrlError};
    use alloc::format;

    #[test]
    fn links_lead_where_they_lead_in_browsers() {
        let page = Url::parse("http://h:8/simple/a/").unwrap();
        for (link, leads) in [
            ("f.whl", "http://h:8/simple/a/f.whl"),
            ("../../packages/f.whl#sha256=1", "http://h:8/packages/f.whl"),
            ("../../../../f", "http://h:8/f"),
            ("..", "http://h:8/simple/"),
            ("x//../f", "http://h:8/simple/a/x/f"),
            ("//o///x/../f", "http://o///f"),
            ("./../b/./f", "http://h:8/simple/b/f"),
            ("/f", "http://h:8/f"),
            ("/", "http://h:8/"),
            ("", "http://h:8/simple/a/"),
            ("//o/f", "http://o/f"),
            ("//o", "http://o/"),
            ("http://o:9/x/../f", "http://o:9/f"),
            ("f?a=../b:c", "http://h:8/simple/a/f?a=../b:c"),
        ] {
            assert_eq!(join(&page, link).as_deref(), Ok(leads), "{link}");
        }
        let page = Url::parse("http://h/x/page?q=/y/").unwrap();
        assert_eq!(join(&page, "f").as_deref(), Ok("http://h/x/f"));
        assert_eq!(join(&page, "https://o/f"), Err(UrlError::Tls));
        for wrong in ["ftp://o/f", "javascript:x", "//", "///x", "a b", "http:///f", "http://u@o/"] {
            assert_eq!(join(&page, wrong), Err(UrlError::Form), "{wrong}");
        }
        assert_eq!(join(&page, &format!("/{}", "x".repeat(MOST))), Err(UrlError::Long));
    }
}
