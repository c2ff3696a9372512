//! In-kernel tests: one list an area, run by the command `selftest` and in mode `test`.
//!
//! A test is a plain function on the running kernel. It ends with `Ok` or with a [`Failure`], made by [`ensure!`](crate::ensure)
//! or by `?` on any error that displays. Around each test the frames and heap blocks in use are counted: a leak is a failure.

use core::fmt::{self, Write};

use crate::Kernel;

/// One in-kernel test.
pub struct Test<P: 'static> {
    /// `area::what_holds`, unique.
    pub name: &'static str,
    /// The test; it gives back whatever it allocates.
    pub run: fn(&Kernel<P>) -> Result<(), Failure>,
}

impl<P> fmt::Debug for Test<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a test failed: what was seen, and where. Cut at 160 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: heapless::String<160>,
    file: &'static str,
    line: u32,
}

impl Failure {
    /// A failure at the caller's line.
    #[must_use]
    #[track_caller]
    pub fn new(what: fmt::Arguments<'_>) -> Self {
        let place = core::panic::Location::caller();
        let mut text = heapless::String::new();
        // A text that does not fit is cut: that is the meaning of the field.
        let _ = text.write_fmt(what);
        Self { text, file: place.file(), line: place.line() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.text, self.file, self.line)
    }
}

impl<E: core::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(format_args!("{error}"))
    }
}

/// Ends the test with a [`Failure`] unless the condition holds: `ensure!(a == b, "a is {a}")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr) => {
        $crate::ensure!($condition, "{}", stringify!($condition))
    };
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::selftest::Failure::new(format_args!($($what)+)));
        }
    };
}
