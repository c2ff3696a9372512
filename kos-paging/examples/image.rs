//! Writes page tables of each format as files, with questions and their answers; `walk` reads them.
//!
//! `cargo run -p kos-paging --example image -- DIRECTORY [HOW_MANY_A_FORMAT]`
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::path::Path;
use std::{env, fs};

use kos_paging::testing::machine::image;
use kos_paging::testing::{Rig, noise};
use kos_paging::{A64, Format, Riscv};

type Outcome = Result<(), Box<dyn core::error::Error>>;

fn main() -> Outcome {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().ok_or("which directory?")?;
    let count = arguments.next().map_or(Ok(1), |count| count.parse())?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    write(folder, "x86-two-level", count, Rig::two_level())?;
    write(folder, "x86-pae", count, Rig::pae())?;
    write(folder, "x86-four-level", count, Rig::long())?;
    write(folder, "x86-five-level", count, Rig::five_levels())?;
    write(folder, "a64-4k", count, Rig::<A64<12>>::a64_low())?;
    write(folder, "a64-16k", count, Rig::<A64<14>>::a64_low())?;
    write(folder, "a64-64k", count, Rig::<A64<16>>::a64_low())?;
    write(folder, "riscv-sv39", count, Rig::<Riscv<3>>::riscv())?;
    write(folder, "riscv-sv48", count, Rig::<Riscv<4>>::riscv())?;
    write(folder, "riscv-sv57", count, Rig::<Riscv<5>>::riscv())
}

/// Twenty random operations for each image; the number of the image is the seed.
fn write<F: Format>(folder: &Path, name: &str, count: u64, rig: Rig<F>) -> Outcome {
    for seed in 0..count {
        let operations: Vec<u8> = noise(seed, 160).collect();
        fs::write(folder.join(format!("{name}-{seed}.mmu")), image(rig, &operations)?)?;
    }
    println!("{count} of {name}");
    Ok(())
}
