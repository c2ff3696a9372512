//! The parts of the `cargo demo` command, shared by the binary and its tests.
//!
//! The way of a run: [`args`] says what is wanted; [`build`] makes the kernel image and [`image`] looks into it; [`qemu`]
//! finds (or installs) the emulator; [`machine`] writes its command line; [`guest`] starts it, listens, and never leaves it
//! behind; [`records`] and [`ktap`] read what the kernel says, [`verdict`] judges it, and [`fail`] keeps the evidence. [`budgets`] holds instruction
//! counts, and the bytes that [`code`] counts, against what they were.
//! [`transfer`] takes files into the guest and out of it; [`wheels`] serves packages of Python to it. [`report`] is the only place that prints. [`readme`] reads the README, whose commands are tests.
//!
//! Environment: `KOS_QEMU` (the emulator), `KOS_IMAGE` (an image built elsewhere), `CARGO` and `RUSTC` (the compiler),
//! `CARGO_TARGET_DIR` (instead of `target`).
#![deny(unsafe_code)]

extern crate alloc;

pub mod args;
pub mod budgets;
pub mod build;
pub mod code;
pub mod commands;
pub mod disk;
pub mod error;
pub mod fail;
pub mod faults;
pub mod guest;
pub mod image;
pub mod interrupt;
pub mod ktap;
pub mod log;
pub mod machine;
pub mod monitor;
pub mod os_release;
pub mod power;
pub mod process;
pub mod python;
pub mod qemu;
pub mod readme;
pub mod records;
pub mod report;
pub mod status;
pub mod terminal;
pub mod tour;
pub mod transfer;
pub mod verdict;
pub mod wheels;
