//! What can be done without waiting: [`Readiness`].

bitflags::bitflags! {
    /// What something can do now, as poll(2) says it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Readiness: u8 {
        /// Something is there to be taken.
        const READABLE = 1;
        /// There is room: in a pipe for a whole page, in an event counter for one.
        const WRITABLE = 1 << 1;
        /// The other side is gone, or the object closed. Something may be there all the same.
        const HUNG_UP = 1 << 2;
        /// Of a pipe: nobody reads.
        const BROKEN = 1 << 3;
    }
}
