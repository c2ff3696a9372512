//! [`Url`]: where a page is, by plain HTTP.
//!
//! Source: RFC 3986, section 3, without what is not needed to fetch.

use core::fmt;

/// Most bytes of a URL.
pub(crate) const MOST: usize = 512;
const HTTP: &str = "http://";
const PORT: u16 = 80;

/// `http://10.0.2.2:8000/x`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Url<'u> {
    /// The host, as it is written: in brackets if its address has colons.
    pub(crate) host: &'u str,
    pub(crate) port: u16,
    /// Host and port, as they are written.
    pub(crate) place: &'u str,
    /// What is asked of it, which begins with a slash.
    pub(crate) path: &'u str,
}

/// Why something is no URL that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlError {
    /// It is not like `http://10.0.2.2:8000/page`.
    Form,
    /// It is for HTTPS; there is no TLS here.
    Tls,
    /// It has more than [`MOST`] bytes.
    Long,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("not like http://10.0.2.2:8000/page"),
            Self::Tls => f.write_str("https: only plain HTTP is spoken here"),
            Self::Long => write!(f, "a URL of more than {MOST} bytes"),
        }
    }
}

impl core::error::Error for UrlError {}

impl<'u> Url<'u> {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// It is none, or not one of plain HTTP.
    pub(crate) fn parse(url: &'u str) -> Result<Self, UrlError> {
        if url.starts_with("https:") {
            return Err(UrlError::Tls);
        }
        if url.len() > MOST {
            return Err(UrlError::Long);
        }
        let rest = url.strip_prefix(HTTP).filter(|rest| rest.chars().all(|c| c.is_ascii_graphic()));
        let rest = rest.ok_or(UrlError::Form)?;
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // A colon in brackets is one of an address.
        let colon = place.rfind(':').filter(|&colon| place.rfind(']').is_none_or(|bracket| bracket < colon));
        let (host, port) = place.split_at(colon.unwrap_or(place.len()));
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| UrlError::Form)?,
            None => PORT,
        };
        let path = if path.is_empty() { "/" } else { path };
        if host.is_empty() || host.contains(['@', '?', '#', '\\']) {
            return Err(UrlError::Form);
        }
        Ok(Self { host, port, place, path })
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Url, UrlError};
    use alloc::format;

    #[test]
    fn urls_are_taken_apart() {
        let url = |host, port, place, path| Ok(Url { host, port, place, path });
        for (text, parts) in [
            ("http://h", url("h", 80, "h", "/")),
            ("http://10.0.2.2:8000/a/b?c", url("10.0.2.2", 8000, "10.0.2.2:8000", "/a/b?c")),
            ("http://[::1]/x", url("[::1]", 80, "[::1]", "/x")),
            ("http://[::1]:81", url("[::1]", 81, "[::1]:81", "/")),
            ("https://h/", Err(UrlError::Tls)),
            (&format!("http://h/{}", "x".repeat(MOST)), Err(UrlError::Long)),
        ] {
            assert_eq!(Url::parse(text), parts, "{text}");
        }
        for wrong in [
            "",
            "h",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://:80/",
            "http://h:x/",
            "http://h:65536/",
            "http://u@h/",
            "http://h/a b",
            "http://h/\r\n",
            "http://h?x",
            "http://h/ä",
            "http://h#x",
        ] {
            assert_eq!(Url::parse(wrong), Err(UrlError::Form), "{wrong:?}");
        }
    }
}
