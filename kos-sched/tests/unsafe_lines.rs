//! How much unsafe code there is outside `arch`: at most 300 lines. `cargo test -p kos-sched --test unsafe_lines -- --nocapture`
//! names the files.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that counts")]

use std::fs;
use std::path::Path;

/// Lines of `text` that are in an unsafe block, or declare something unsafe. Comments and attributes do not count.
fn unsafe_lines(text: &str) -> usize {
    let (mut count, mut depth) = (0, 0_usize);
    for line in text.lines().map(|line| line.trim_start()).filter(|line| !line.starts_with("//")) {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let code = line.split("//").next().unwrap_or("");
        let opens = code.matches('{').count();
        let closes = code.matches('}').count();
        let begins = code.contains("unsafe ") && !code.starts_with('#') && !code.starts_with("reason");
        count += usize::from(begins || depth > 0);
        if depth > 0 || (begins && code.contains("unsafe {")) {
            depth = (depth + opens).saturating_sub(closes);
        }
    }
    count
}

fn walk(folder: &Path, sum: &mut usize) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["arch", "testing", "models", "tests"].contains(&name.as_str()) {
            walk(&path, sum);
        } else if path.extension().is_some_and(|kind| kind == "rs") && name != "tests" {
            let lines = unsafe_lines(&fs::read_to_string(&path).unwrap());
            if lines > 0 {
                println!("{lines:4} {}", path.display());
            }
            *sum += lines;
        }
    }
}

#[test]
fn at_most_three_hundred_lines_are_unsafe() {
    assert_eq!(unsafe_lines("let a = 1;\n// unsafe {\nunsafe { f() };\n"), 1);
    assert_eq!(unsafe_lines("unsafe {\n    f();\n}\nunsafe impl Sync for A {}\nfn g() {\n}\n"), 4);
    let mut sum = 0;
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sum);
    println!("{sum} lines");
    assert!((20..=300).contains(&sum), "{sum} lines");
}
