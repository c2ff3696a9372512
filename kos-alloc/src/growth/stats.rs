//! What a growing source counts: [`GrowthStats`].

/// A snapshot of one [`Growing`](super::Growing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrowthStats {
    /// The most frames that may be held.
    pub max: usize,
    /// Frames held: those of all chunks, and those on their way to or from the source below.
    pub held: usize,
    /// Frames of the chunks that are not handed out.
    pub free: usize,
    /// Chunks held.
    pub chunks: usize,
    /// Chunks taken after initialisation.
    pub grown: usize,
    /// Chunks given back.
    pub shrunk: usize,
    /// Requests that failed because of the limit.
    pub limited: usize,
    /// Frames that the source below refused to take back; always 0 with a sound one.
    pub lost: usize,
}
