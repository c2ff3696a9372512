#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

pub mod abi;
#[cfg(target_arch = "x86_64")]
pub mod io;
#[cfg(target_arch = "x86_64")]
pub mod ipc;
#[cfg(target_arch = "x86_64")]
pub mod programs;
pub mod ramfs;
#[cfg(target_arch = "x86_64")]
pub mod sys;
