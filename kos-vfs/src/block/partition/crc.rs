//! The checksum of a GPT: [`crc32`].
//!
//! Source: ISO 3309, the polynomial 0x04c11db7 reflected.

/// One step for each value of a byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, where it cannot fail unseen")]
        {
            table[byte as usize] = value;
        }
        byte += 1;
    }
    table
};

/// Continues the CRC-32 `sum` (0 at first) over `bytes`.
pub fn crc32(sum: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!sum, |sum, &byte| {
        let index = usize::from(sum.to_le_bytes()[0] ^ byte);
        TABLE.get(index).copied().unwrap_or(0) ^ (sum >> 8)
    })
}
