//! Text in JSON: [`Quoted`] (RFC 8259, section 7).

use core::fmt::{self, Write};

/// Bytes as a string of JSON; what is no UTF-8 becomes U+FFFD.
pub(super) struct Quoted<'a>(pub(super) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|character| escaped(character, f))?;
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        f.write_char('"')
    }
}

fn escaped(character: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match character {
        '"' | '\\' => write!(f, "\\{character}"),
        // Of the others only those below the space must be; line ends of JavaScript and DEL are, too.
        '\0'..' ' | '\x7f' | '\u{2028}' | '\u{2029}' => write!(f, "\\u{:04x}", u32::from(character)),
        other => f.write_char(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn what_would_end_a_string_is_escaped() {
        let said = |bytes: &[u8]| Quoted(bytes).to_string();
        assert_eq!(said(b"plain"), r#""plain""#);
        assert_eq!(said(b"a\"b\\c\nd\0"), r#""a\"b\\c\u000ad\u0000""#);
        assert_eq!(said(b"\xff\xc3\xa9"), "\"\u{fffd}é\"");
        assert_eq!(said("\u{2028}".as_bytes()), r#""\u2028""#);
    }

    /// A naive reader of the strings that RFC 8259 allows.
    fn read(text: &str) -> Option<String> {
        let inside: Vec<char> = text.strip_prefix('"')?.strip_suffix('"')?.chars().collect();
        let (mut out, mut at) = (String::new(), 0);
        while at < inside.len() {
            match (inside[at], inside.get(at + 1)) {
                ('\\', Some('u')) => {
                    let digits: String = inside.get(at + 2..at + 6)?.iter().collect();
                    out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    at += 6;
                }
                ('\\', Some(&plain @ ('"' | '\\'))) => {
                    out.push(plain);
                    at += 2;
                }
                ('\\' | '"' | '\0'..'\u{20}', _) => return None,
                (other, _) => {
                    out.push(other);
                    at += 1;
                }
            }
        }
        Some(out)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = Quoted(&bytes).to_string();
            prop_assert_eq!(read(&text), Some(String::from_utf8_lossy(&bytes).into_owned()), "{}", text);
        }
    }
}
