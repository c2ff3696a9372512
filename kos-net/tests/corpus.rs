//! What the fuzzers start from, once through their targets.

use std::{fs, path::Path};

use kos_net::testing::fuzz;

fn replay(target: &str, body: fn(&[u8])) -> std::io::Result<usize> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        body(&fs::read(entry?.path())?);
        files += 1;
    }
    Ok(files)
}

#[test]
fn each_corpus_passes() {
    let targets = [
        ("wire", fuzz::wire as fn(&[u8])),
        ("dns", fuzz::dns),
        ("dhcp", fuzz::dhcp),
        ("http", fuzz::http),
        ("reassembly", fuzz::reassembly),
        ("scoreboard", fuzz::scoreboard),
        ("stack_rx", fuzz::stack_rx),
        ("two_stacks", fuzz::two_stacks),
    ];
    for (target, body) in targets {
        let files = replay(target, body).unwrap();
        assert!(files >= 10, "{target}: {files} files");
    }
}
