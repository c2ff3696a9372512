//! Tests of layouts against made-up machines, and of areas and units with the registers of this one.
#![expect(unsafe_code, reason = "tests of FPU registers")]

mod layout;
mod registers;
mod switch;
