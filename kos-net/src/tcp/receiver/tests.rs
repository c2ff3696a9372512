//! The receiver against a set of bytes.
