//! Paths and queries: [`decode`], [`query`].

/// Writes `text` to `out` with its `%XX` resolved, and returns what was written. `None` if a `%` is not followed by two digits,
/// stands for a zero byte, or it does not fit.
pub fn decode<'o>(text: &str, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let (mut bytes, mut written) = (text.bytes(), 0);
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high << 4 | low).ok().filter(|&byte| byte != 0)?
        } else {
            byte
        };
        *out.get_mut(written)? = byte;
        written += 1;
    }
    out.get(..written)
}

/// The pairs of a query, not decoded; of `a&b=1` they are `("a", "")` and `("b", "1")`.
pub fn query(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}
