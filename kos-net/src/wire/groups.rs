//! What IGMPv3 and MLDv2 share: who listens, and times as they write them.
//!
//! Source: RFC 3376 sections 4.1.1 and 4.2.12, RFC 3810 sections 5.1.3 and 5.2.12. A host asks for groups whole, whoever
//! sends, so the records that it writes name no sources.

/// How a host's wish for a group stands or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GroupChange {
    /// It listens: the answer to a query.
    Listens = 2,
    /// It left.
    Left = 3,
    /// It joined.
    Joined = 4,
}

impl GroupChange {
    pub(super) const fn of(kind: u8) -> Option<Self> {
        match kind {
            2 => Some(Self::Listens),
            3 => Some(Self::Left),
            4 => Some(Self::Joined),
            _ => None,
        }
    }
}

/// What a code of `bits` bits says: below half of its range the value itself, else a mantissa and an exponent of 3 bits.
pub(super) const fn scaled(code: u32, bits: u32) -> u32 {
    let half = 1 << (bits - 1);
    if code < half {
        return code;
    }
    let (mantissa_bits, low) = (bits - 4, code & (half - 1));
    let mantissa = low & ((1 << mantissa_bits) - 1) | 1 << mantissa_bits;
    mantissa << ((low >> mantissa_bits) + 3)
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn times_are_scaled_as_the_rfcs_say() {
        assert_eq!((scaled(127, 8), scaled(128, 8), scaled(255, 8)), (127, 128, 31 << 10));
        assert_eq!((scaled(32_767, 16), scaled(32_768, 16)), (32_767, 32_768));
        assert_eq!(scaled(0xffff, 16), 0x1fff << 10);
    }
}
