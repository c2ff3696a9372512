//! The scripts of `tests/scripts`, and that a script can fail.

use std::fs;

use kos_net::testing::script::run;

#[test]
fn every_script_is_fulfilled() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut cases, mut faults) = (0, Vec::new());
    for file in files {
        let (count, wrong) = run(&fs::read_to_string(&file).unwrap());
        let name = file.file_name().unwrap().display();
        cases += count;
        faults.extend(wrong.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(cases >= 80, "only {cases} cases");
}

#[test]
fn a_script_that_is_wrong_fails() {
    for (text, what) in [
        ("== a\nconnect\n> S 1", "it is"),
        ("== a\nconnect", "nothing expects"),
        ("== a\nconnect\n> S 0\n> S 0", "nothing came"),
        ("== a\nconnect\n> S 0\n+999\n> S 0", "nothing came"),
        ("== a\nconnect\n> S 0\n+1001", "too early"),
        ("== a\nconnect\n> S 0\nstate Established", "it is SynSent"),
        ("== a\nfly", "is no command"),
    ] {
        let (_, faults) = run(text);
        assert!(faults.len() == 1 && faults[0].what.contains(what), "{text:?}: {faults:?}");
    }
}
