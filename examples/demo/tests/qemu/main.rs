//! Boots in QEMU, through the command itself, as a user starts it: what counts is its exit status and what it prints.
//!
//! `reds` proves that the command can fail; without it a green run of `boots` proves nothing. `guests` uses kernels of a few
//! bytes that do what a real one must never do. `children` is about what is left behind: nothing.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panic"
)]

mod bench;
mod boots;
mod children;
mod debugger;
mod files;
mod guests;
mod linux;
mod net;
mod programs;
mod python;
mod readme;
mod reds;
mod slow;
mod smp;
mod support;
mod tiny;
mod typed;
