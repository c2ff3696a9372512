//! Why a request failed: [`Failed`].

/// Why a request failed: an errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(pub u64);

impl Failed {
    /// ENOENT.
    pub const NOT_FOUND: Self = Self(2);
    /// EFAULT: what was lent is not there.
    pub const FAULT: Self = Self(14);
    /// EEXIST.
    pub const EXISTS: Self = Self(17);
    /// ENOTDIR.
    pub const NOT_DIRECTORY: Self = Self(20);
    /// EISDIR.
    pub const IS_DIRECTORY: Self = Self(21);
    /// ENOSPC.
    pub const NO_SPACE: Self = Self(28);
    /// EILSEQ: a name that cannot be held.
    pub const BAD_NAME: Self = Self(84);
    /// ENOTEMPTY.
    pub const NOT_EMPTY: Self = Self(39);
    /// EOPNOTSUPP.
    pub const UNSUPPORTED: Self = Self(95);
    /// ESTALE: no such file any more.
    pub const STALE: Self = Self(116);
}
