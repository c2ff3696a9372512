//! `cargo hosted fsck`: checks a volume, says what is wrong, and mends it if asked to.

use core::error::Error;
use core::fmt;
use std::path::PathBuf;

use kos_vfs::block::BlockDevice;
use kos_vfs::fs::fat;
use kos_vfs::fs::kosfs::{self, FsckOptions};
use parking_lot::RawRwLock;

use super::FileDisk;
use super::volume::{self, VolumeKind};

/// Exit status: mended, problems left, could not be done.
pub(super) const REPAIRED: u8 = 1;
pub(super) const LEFT: u8 = 4;
pub(super) const OPERATIONAL: u8 = 8;

/// Arguments of `cargo hosted fsck`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Mend what is wrong.
    #[arg(long)]
    pub(super) repair: bool,
    /// Read all data, too, and compare it with its checksums, where there are any.
    #[arg(long)]
    pub(super) scrub: bool,
    /// Say it as JSON, on standard output: one object.
    #[arg(long)]
    pub(super) json: bool,
    /// The file.
    pub(super) image: PathBuf,
}

/// What was found on a volume.
#[derive(Debug)]
struct Findings {
    kind: VolumeKind,
    /// Each problem, and whether it was mended.
    problems: Vec<(String, bool)>,
    /// What was counted: what, how many.
    counts: Vec<(&'static str, u64)>,
    /// Problems that are still there.
    left: u64,
}

/// Checks a volume. The exit status: 0 clean, 1 mended, 4 problems left, 8 could not be done.
pub(super) fn run(arguments: &Arguments) -> u8 {
    match check(arguments) {
        Ok(findings) => {
            findings.tell(arguments.json);
            findings.status()
        }
        Err(error) => {
            eprintln!("{}: {error}", arguments.image.display());
            OPERATIONAL
        }
    }
}

fn check(arguments: &Arguments) -> Result<Findings, Box<dyn Error>> {
    let disk = FileDisk::open(&arguments.image, !arguments.repair)?;
    match volume::detect(&disk) {
        None => Err("neither kosfs nor FAT".into()),
        Some(VolumeKind::Fat) => check_fat(&disk, arguments.repair),
        Some(VolumeKind::KosFs) => check_kosfs(&disk, arguments),
    }
}

fn check_fat(disk: &dyn BlockDevice, repair: bool) -> Result<Findings, Box<dyn Error>> {
    let mut problems = Vec::new();
    let report =
        fat::fsck(disk, repair, &mut |problem, mended| problems.push((problem.to_string(), mended)))?;
    let counts = vec![
        ("files", report.files.into()),
        ("directories", report.directories.into()),
        ("free clusters", report.free.into()),
    ];
    Ok(Findings { kind: VolumeKind::Fat, problems, counts, left: report.left().into() })
}

fn check_kosfs(disk: &dyn BlockDevice, arguments: &Arguments) -> Result<Findings, Box<dyn Error>> {
    let options = FsckOptions { repair: arguments.repair, data: arguments.scrub, ..FsckOptions::default() };
    let mut problems = Vec::new();
    let report = kosfs::fsck::<_, RawRwLock>(disk, &options, &mut |problem, mended| {
        problems.push((problem.to_string(), mended));
    })?;
    let counts = vec![
        ("files", report.files),
        ("directories", report.directories),
        ("free blocks", report.free),
        ("generation", report.generation),
    ];
    Ok(Findings { kind: VolumeKind::KosFs, problems, counts, left: report.left() })
}

impl Findings {
    fn status(&self) -> u8 {
        match self.problems.len() {
            0 => 0,
            _ if self.left == 0 => REPAIRED,
            _ => LEFT,
        }
    }

    fn tell(&self, json: bool) {
        if json {
            super::command::print(&format!("{}\n", Json(self)));
        } else {
            eprint!("{self}");
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (problem, mended) in &self.problems {
            writeln!(f, "{problem}{}", if *mended { ": mended" } else { "" })?;
        }
        write!(f, "{}: ", self.kind)?;
        for (what, count) in &self.counts {
            write!(f, "{count} {what}, ")?;
        }
        let problems = self.problems.len() as u64;
        writeln!(f, "{problems} problems, {} mended", problems.saturating_sub(self.left))
    }
}

/// The findings as one JSON object.
struct Json<'a>(&'a Findings);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = self.0;
        write!(f, "{{\"type\":{}", Quoted(&findings.kind.to_string()))?;
        for (what, count) in &findings.counts {
            write!(f, ",{}:{count}", Quoted(&what.replace(' ', "_")))?;
        }
        f.write_str(",\"problems\":[")?;
        for (index, (problem, mended)) in findings.problems.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{{\"what\":{},\"mended\":{mended}}}", Quoted(problem))?;
        }
        f.write_str("]}")
    }
}

/// A JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_as_text_and_as_json() {
        let problems = vec![("a \"b\"\n".to_owned(), true), ("c".to_owned(), false)];
        let findings =
            Findings { kind: VolumeKind::Fat, problems, counts: vec![("free clusters", 7)], left: 1 };
        assert_eq!(findings.status(), LEFT);
        assert_eq!(
            findings.to_string(),
            "a \"b\"\n: mended\nc\nFAT: 7 free clusters, 2 problems, 1 mended\n"
        );
        let json = r#"{"type":"FAT","free_clusters":7,"problems":[{"what":"a \"b\"\u000a","mended":true},{"what":"c","mended":false}]}"#;
        assert_eq!(Json(&findings).to_string(), json);
    }
}
