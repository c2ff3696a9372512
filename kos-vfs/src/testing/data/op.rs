//! [`DataOp`]: an operation in eight bytes.

/// The longest write.
const LENGTH_MAX: u64 = 40_000;

/// Something to do, in numbers that the model makes sense of: every value is an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataOp {
    /// Which operation.
    pub code: u8,
    /// Which file, in the low bits; then where: see [`offset`](Self::offset).
    pub file: u8,
    /// Which kind of it.
    pub how: u8,
    /// What is written.
    pub fill: u8,
    /// Where in the file.
    pub at: u16,
    /// How many bytes.
    pub length: u16,
}

impl DataOp {
    /// Eight bytes as an operation.
    #[must_use]
    pub const fn from_bytes([code, file, how, fill, a0, a1, l0, l1]: [u8; 8]) -> Self {
        let (at, length) = (u16::from_le_bytes([a0, a1]), u16::from_le_bytes([l0, l1]));
        Self { code, file, how, fill, at, length }
    }

    /// Where in a file of `size` bytes: mostly near its beginning, often at the border of a page, at times about its end, behind
    /// 4 GiB, or far out.
    #[must_use]
    pub fn offset(&self, size: u64) -> u64 {
        let at = u64::from(self.at);
        match self.file >> 3 {
            0..14 => at * 3,
            14..20 => (at * 3) & !4095,
            20..24 => at % 9000,
            24..28 => (size + at % 64).saturating_sub(u64::from(self.fill)).min(i64::MAX.cast_unsigned()),
            28 => size.saturating_sub(at % 10_000),
            29 => (1 << 32) - (1 << 15) + at,
            30 => (1 << 40) + at,
            _ => (i64::MAX.cast_unsigned() - 70_000) + at,
        }
    }

    /// How many bytes: few, some, many, or whole pages.
    #[must_use]
    pub fn length(&self) -> u64 {
        let length = u64::from(self.length >> 2);
        match self.length & 3 {
            0 => 1 + length % 64,
            1 => 1 + length % 5000,
            2 => 1 + length * 3 % LENGTH_MAX,
            _ => 4096 * (1 + length % 9),
        }
    }

    /// The bytes of a write: different in each page and for each operation.
    #[must_use]
    pub fn bytes(&self) -> alloc::vec::Vec<u8> {
        let fill = self.fill ^ self.how;
        (0..self.length()).map(|at| (at / 7) as u8 ^ (at >> 8) as u8 ^ fill).collect()
    }
}
