//! What `FUTEX_WAKE_OP` does to a word: [`WakeOp`].
//!
//! Source: Linux, futex(2), FUTEX_WAKE_OP.

/// A change to a word, and what it must have been for its waiters to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeOp {
    /// The change.
    pub change: Change,
    /// What it is done with.
    pub with: u32,
    /// How the old value is compared.
    pub compare: Compare,
    /// With what.
    pub against: i32,
}

/// A change to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It becomes the operand.
    Set,
    /// The operand is added.
    Add,
    /// Bits are set.
    Or,
    /// Bits are cleared.
    AndNot,
    /// Bits are turned over.
    Xor,
}

/// How signed numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl WakeOp {
    /// Of the word that programs give: comparison, change and operands of 12 bits. `None` if there is no such change or comparison
    /// (ENOSYS).
    #[must_use]
    pub const fn decode(word: u32) -> Option<Self> {
        let change = match word >> 28 & 7 {
            0 => Change::Set,
            1 => Change::Add,
            2 => Change::Or,
            3 => Change::AndNot,
            4 => Change::Xor,
            _ => return None,
        };
        let compare = match word >> 24 & 15 {
            0 => Compare::Eq,
            1 => Compare::Ne,
            2 => Compare::Lt,
            3 => Compare::Le,
            4 => Compare::Gt,
            5 => Compare::Ge,
            _ => return None,
        };
        let (operand, against) = (signed(word >> 12), signed(word));
        let with = if word >> 31 == 0 { operand.cast_unsigned() } else { 1 << (operand & 31) };
        Some(Self { change, with, compare, against })
    }

    /// The word after the change.
    #[must_use]
    pub const fn apply(self, old: u32) -> u32 {
        match self.change {
            Change::Set => self.with,
            Change::Add => old.wrapping_add(self.with),
            Change::Or => old | self.with,
            Change::AndNot => old & !self.with,
            Change::Xor => old ^ self.with,
        }
    }

    /// Whether those who wait at the word are woken.
    #[must_use]
    pub const fn holds(self, old: u32) -> bool {
        let old = old.cast_signed();
        match self.compare {
            Compare::Eq => old == self.against,
            Compare::Ne => old != self.against,
            Compare::Lt => old < self.against,
            Compare::Le => old <= self.against,
            Compare::Gt => old > self.against,
            Compare::Ge => old >= self.against,
        }
    }
}

/// The low 12 bits as a signed number.
const fn signed(word: u32) -> i32 {
    (word << 20).cast_signed() >> 20
}
