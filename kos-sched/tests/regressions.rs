//! REGRESSIONS.md names every test that a fault of others has, and no other.
#![expect(clippy::unwrap_used, reason = "a test that reads files")]

use std::fs;
use std::path::Path;

/// The names after `before` in `text` that begin with `regress_`.
fn names(text: &str, before: &str, found: &mut Vec<String>) {
    for after in text.split(before).skip(1).filter(|after| after.starts_with("regress_")) {
        found.extend(after.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned));
    }
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            names(&fs::read_to_string(path).unwrap(), "fn ", found);
        }
    }
}

#[test]
fn every_regression_has_its_row_and_every_row_its_test() {
    let (mut tests, mut rows) = (Vec::new(), Vec::new());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    walk(&root.join("src"), &mut tests);
    names(&fs::read_to_string(root.join("REGRESSIONS.md")).unwrap(), "| `", &mut rows);
    [&mut tests, &mut rows].into_iter().for_each(|names| names.sort());
    assert!(tests.len() > 30, "{tests:?}");
    assert_eq!(tests, rows);
}
