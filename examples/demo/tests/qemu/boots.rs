//! Boots of the real kernel.
