//! Why a source has nothing to hand out: [`InitError`], [`InitFailed`].

use core::fmt;

use super::config::{Config, Storage};
use crate::error::FrameError;

/// Why a [`Growing`](super::Growing) was not initialised. It holds no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// It is initialised already.
    AlreadyInitialised,
    /// The step is 0, or more is initial than the limit allows.
    Config(Config),
    /// The storage has no room for the initial chunk.
    Storage,
    /// The initial frames could not be had.
    Frames(FrameError),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInitialised => f.write_str("the source is initialised already"),
            Self::Config(Config { initial, step, max }) => {
                write!(f, "{initial} to {max} frames in steps of {step} cannot be")
            }
            Self::Storage => f.write_str("the storage has no room for the initial chunk"),
            Self::Frames(error) => write!(f, "no initial frames: {error}"),
        }
    }
}

impl core::error::Error for InitError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Frames(error) => Some(error),
            _ => None,
        }
    }
}

/// A refused initialisation, with the storage for another try.
#[derive(Debug)]
pub struct InitFailed<'m> {
    /// Why.
    pub error: InitError,
    /// What was lent.
    pub storage: Storage<'m>,
}

impl fmt::Display for InitFailed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for InitFailed<'_> {}
