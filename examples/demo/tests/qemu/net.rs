//! The network of the emulated machine: the card, curl through a forwarded port, two machines on a cable.

use std::process::Command;

use crate::support::demo;

#[test]
fn the_card_interrupts_and_an_address_is_leased() {
    let commands = "dhcp; ping 10.0.2.2 2; ping 127.0.0.1 1; cat /proc/net/dev; arp; irq; selftest net::";
    let answer = demo(&["run", "--net", "--exec", commands]).expect(0);
    for words in
        ["10.0.2.15/24 of 10.0.2.2\n", "2 sent, 2 received\n", "inet  127.0.0.1/8\n", "inet  10.0.2.15/24\n"]
    {
        assert!(answer.stdout.contains(words), "{words}: {}", answer.stdout);
    }
    let taken = answer.stdout.lines().find(|line| line.ends_with("  network")).expect("the card interrupts");
    let taken: u64 = taken.split_whitespace().nth(1).unwrap().replace(',', "").parse().unwrap();
    assert!(taken > 3, "{}", answer.stdout);
}

#[test]
fn a_kernel_leases_resolves_fetches_and_serves_and_two_exchange() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: no curl");
        return;
    }
    let answer = demo(&["net", "--count", "3", "--exchange", "2"]).expect(0);
    for words in [
        "kos.test 60 A 10.0.2.2\n",
        "1,048,576 bytes, hash ",
        "curl: 3 x 1 MiB",
        "kernel 2 fetched 2,097,152 bytes",
    ] {
        assert!(answer.stdout.contains(words), "{words}: {}", answer.stdout);
    }
}
