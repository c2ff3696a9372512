//! A picture as QEMU writes it without compression, looked at for text.

/// Pixels of three bytes.
pub(super) struct Picture<'b>(&'b [[u8; 3]]);

impl<'b> Picture<'b> {
    /// Reads a binary PPM of 8 bits a colour; `None` for anything else. Source: netpbm, ppm(5).
    pub(super) fn parse(bytes: &'b [u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut word = || {
            let end = rest.iter().position(u8::is_ascii_whitespace)?;
            let (word, behind) = rest.split_at(end);
            rest = behind.get(1..)?;
            core::str::from_utf8(word).ok()
        };
        let header = [word()?, word()?, word()?, word()?];
        let ["P6", width, height, "255"] = header else { return None };
        let pixels = width.parse::<usize>().ok()?.checked_mul(height.parse().ok()?)?;
        let (all, []) = rest.as_chunks() else { return None };
        (all.len() == pixels && pixels > 0).then_some(Self(all))
    }

    /// How much of it is not as its first pixel, the background, is: in thousandths.
    pub(super) fn text(&self) -> usize {
        let background = self.0.first();
        let other = self.0.iter().filter(|&pixel| Some(pixel) != background).count();
        other.saturating_mul(1000) / self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Picture;

    #[test]
    fn text_is_what_is_not_background() {
        let picture = [b"P6\n2 2\n255\n".as_slice(), &[0; 9], &[170; 3]].concat();
        assert_eq!(Picture::parse(&picture).unwrap().text(), 250);
        assert_eq!(Picture::parse(&[b"P6\n1 2\n255\n".as_slice(), &[7; 6]].concat()).unwrap().text(), 0);
    }

    #[test]
    fn what_is_cut_off_or_another_format_is_no_picture() {
        for bytes in [
            &b"P6\n2 2\n255\n\0\0\0"[..],
            b"P5\n1 1\n255\n\0\0\0",
            b"P6\n1 1\n65535\n",
            b"P6\n1",
            b"",
            b"P6\n0 0\n255\n",
        ] {
            assert!(Picture::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
