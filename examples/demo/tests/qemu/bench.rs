//! Instruction counts: exact, within their budgets, and red where they are not.

use crate::support::{demo, folder};

#[test]
fn instruction_counts_are_within_budget_and_the_same_in_each_run() {
    let first = demo(&["bench"]).expect(0);
    assert!(first.stdout.contains("  shell: a command that does nothing\n"), "{}", first.stdout);
    let second = demo(&["bench"]).expect(0);
    assert_eq!(counted(&second.stdout), counted(&first.stdout));
}

/// What is counted, without what is met by chance: a longest time is as long as what the timer hit, and has a limit; a timer fires
/// between two instructions (2,621 or 2,622); a program is seen from outside, with the interrupts that come meanwhile (594,751 or
/// 594,794 for a child).
fn counted(table: &str) -> Vec<&str> {
    let chance = ["  longest masked: ", "  timer to the task ", "  program: "];
    table.lines().filter(|line| !chance.iter().any(|part| line.contains(part))).collect()
}

#[test]
fn a_path_over_its_budget_is_red() {
    let file = folder("budgets").join("tight.toml");
    let path = file.to_str().expect("UTF-8");
    std::fs::write(&file, "# Tight.\n\n[\"limits\"]\n\"frame allocated and freed\" = 1\n")
        .expect("a file can be written");
    let limited = demo(&["bench", "--budgets", path]).expect(1);
    assert!(limited.stdout.contains("  frame allocated and freed  OVER ITS LIMIT\n"), "{}", limited.stdout);
    assert!(limited.stderr.contains("over budget: frame allocated and freed\n"), "{}", limited.stderr);
    std::fs::write(&file, "").expect("a file can be written");
    demo(&["bench", "--budgets", path, "--update"]).expect(0);
    let tight = std::fs::read_to_string(&file).expect("the file was written");
    let (start, number) = tight.trim_end().rsplit_once(" = ").expect("an entry");
    let less: u64 = number.parse().expect("a number");
    std::fs::write(&file, format!("{start} = {}\n", less - less / 50 - 1)).expect("a file can be written");
    let over = demo(&["bench", "--budgets", path]).expect(1);
    assert!(over.stdout.contains("  OVER ITS BUDGET\n"), "{}", over.stdout);
}

#[test]
fn instructions_are_counted_on_one_processor() {
    demo(&["bench", "--cpus", "2"]).expect(2);
}
