//! [`Pid`], [`ThreadId`], [`DomainId`]: a slot and its generation, so that the id of what is gone never means its successor.

use core::fmt;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            pub(super) index: u32,
            pub(super) generation: u32,
        }

        impl $name {
            /// The `generation`-th owner of slot `index`.
            #[must_use]
            pub const fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }

            /// The number that people see: the slot, counted from 1.
            #[must_use]
            pub const fn number(self) -> u32 {
                self.index.saturating_add(1)
            }

            /// Which owner of the number it is.
            #[must_use]
            pub const fn generation(self) -> u32 {
                self.generation
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}.{}", self.number(), self.generation)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.number(), f)
            }
        }
    };
}

id! {
    /// A process, past, present or future. Also names the group and the session that the process founded, as long as somebody
    /// is in them.
    Pid
}
id! {
    /// A thread of a process.
    ThreadId
}
id! {
    /// A limit domain.
    DomainId
}
