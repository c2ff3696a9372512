//! [`Stop`]: why a run is over before its end.

use core::fmt;

use wasmi::Error;

use crate::text::{Bytes, Grouped, Text};

/// Why a run is over before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// All fuel is used up; holds how much that was.
    Fuel(u64),
    /// The calling thread was told to end.
    Interrupted,
    /// The module wants JavaScript; holds the import.
    Script(Text),
    /// It gave up.
    Aborted,
    /// It is not the module that is known, or broken.
    Module(Text),
    /// It did what no module may.
    Trap(Text),
    /// The heap has no room.
    NoMemory,
    /// It has none for the module's memory, which lies in one piece.
    NoPiece,
    /// Nobody takes its output.
    Output,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fuel(quota) => write!(f, "its fuel of {} is used up", Grouped(*quota)),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Script(name) => write!(f, "there is no JavaScript here ({name})"),
            Self::Aborted => f.write_str("the interpreter gave up"),
            Self::Module(why) => write!(f, "not MicroPython as it is known: {why}"),
            Self::Trap(why) => write!(f, "the interpreter broke: {why}"),
            Self::NoMemory => f.write_str("no memory"),
            Self::NoPiece => {
                let piece = Bytes(super::program::MEMORY as u64);
                write!(
                    f,
                    "Python takes {piece} of memory in one piece, and there is none so large; --mem gives more"
                )
            }
            Self::Output => f.write_str("nobody takes its output"),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Trap(Text::new(format_args!("{error}")))
    }
}
