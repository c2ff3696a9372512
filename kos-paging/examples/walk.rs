//! Reads files of page tables, as `image` writes them, and has the software MMU answer their questions.
//!
//! `cargo run -p kos-paging --example walk -- FILE...`
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, fs};

use kos_paging::testing::image::judge;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut wrong = 0;
    for file in env::args().skip(1) {
        match judge(&fs::read(&file)?) {
            Ok(questions) => println!("{file}: {questions} answers are right"),
            Err(told) => {
                wrong += 1;
                println!("{file}: {told}");
            }
        }
    }
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} images are wrong").into()) }
}
