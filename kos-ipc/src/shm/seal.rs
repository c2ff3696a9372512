//! What is given up for good about a segment: [`Seals`].

bitflags::bitflags! {
    /// What can no longer be done to a segment, by anybody. Seals are added and never taken off, as those of Linux's
    /// [memfd](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Seals: u8 {
        /// It becomes no larger.
        const GROW = 1;
        /// It becomes no smaller: who maps it need not fear for the end of it.
        const SHRINK = 1 << 1;
        /// It is not mapped to be written to. Refused while somebody has it so mapped.
        const WRITE = 1 << 2;
    }
}
