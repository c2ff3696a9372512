//! The commands of the README do what it says: each line of `cargo demo run` succeeds, pictures show something, and each other line
//! is run by a test that has a name.

use std::fs;

use kos_demo::{build, readme};

use crate::support::{demo, folder};

/// Commands that are not run from here, by how they begin, and what runs them: a test, or a script.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo demo  ", "interactive_shell_reboots_and_leaves_the_terminal_as_it_was"),
    // What this is a part of.
    ("cargo test --workspace", "every_command_is_run_by_something"),
    ("cargo demo crash --errors", "a_disk_that_fails_is_named_and_keeps_what_was_durable"),
    ("cargo demo crash --points", "power_cuts_between_any_two_writes_lose_nothing_durable"),
    ("cargo demo crash", "what_was_durable_survives_kills"),
    ("cargo demo net", "a_kernel_leases_resolves_fetches_and_serves_and_two_exchange"),
    ("cargo demo py", "python_runs_from_files_within_its_quotas"),
    ("cargo demo test", "in_kernel_tests_pass"),
    ("cargo demo bench", "instruction_counts_are_within_budget_and_the_same_in_each_run"),
    ("cargo demo smp", "threads_move_and_wake_across_sixty_four_processors"),
    ("cargo demo shot", "pictures_show_text"),
    ("cargo demo --forward", "a_kernel_leases_resolves_fetches_and_serves_and_two_exchange"),
    ("cargo demo gdb", "a_debugger_stops_the_kernel_at_a_function"),
    ("cargo demo --login", "who_cannot_log_in_gets_no_prompt"),
    (
        "cargo demo run --cpus 4 --timeout 900 --exec \"fpu-demo",
        "registers_survive_ten_thousand_preemptions_a_second",
    ),
    (
        "cargo demo run --icount --timeout 3600 --exec \"fpu-demo",
        "registers_survive_ten_thousand_preemptions_a_second",
    ),
    ("cargo hosted shell --disk", "commands_of_the_readme_succeed"),
    ("cargo hosted shell --python", "python_runs_without_std"),
    ("cargo hosted shell --cpus 4", "control_c_ends_what_runs_and_the_shell_goes_on"),
    ("cargo hosted sim --seed 7", "commands_of_the_readme_succeed"),
    ("cargo hosted sim --seeds", "a_planted_race_is_found_and_its_seed_repeats_it"),
    ("cargo hosted mkfs", "a_volume_made_from_a_directory_is_equal_to_it_each_time"),
    ("mkdir /tmp/kos", "examples/hosted/drills/mount.sh"),
    ("git clone", "examples/hosted/drills/mount.sh"),
    ("umount /tmp/kos", "examples/hosted/drills/mount.sh"),
    ("examples/hosted/drills/mount.sh", "examples/hosted/drills/mount.sh"),
    ("examples/hosted/drills/net.sh", "examples/hosted/drills/net.sh"),
];

/// Whether a line is run from here: it boots a kernel for some commands, and does not say itself that it takes long.
fn is_ours(line: &str) -> bool {
    line.starts_with("cargo demo run ") && !line.contains("--timeout")
}

/// The text of all tests of the examples.
fn tests() -> String {
    let examples = build::workspace().join("examples");
    let folders = ["demo/tests/qemu", "demo/tests", "hosted/tests"].map(|folder| examples.join(folder));
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_command_is_run_by_something() {
    let (lines, tests) = (readme::commands().unwrap(), tests());
    assert!(lines.len() > 40, "{lines:?}");
    for line in lines.iter().filter(|line| !is_ours(line)) {
        let by = ELSEWHERE.iter().find(|(start, _)| line.starts_with(start)).map(|(_, by)| by);
        let by = by.unwrap_or_else(|| panic!("what runs '{line}'?"));
        let exists = tests.contains(&format!("fn {by}()")) || build::workspace().join(by).is_file();
        assert!(exists, "'{line}' is to be run by {by}, which is not there");
    }
    for (start, by) in ELSEWHERE {
        assert!(lines.iter().any(|line| line.starts_with(start)), "the README has no '{start}' for {by}");
    }
}

#[test]
fn each_command_of_the_readme_succeeds() {
    let disk = folder("readme").join("d.img");
    let _ = fs::remove_file(&disk);
    let lines: Vec<_> = readme::commands().unwrap().into_iter().filter(|line| is_ours(line)).collect();
    assert!(lines.len() > 15, "{lines:?}");
    for line in lines {
        let mut words = readme::words(&line).unwrap_or_else(|| panic!("{line}")).split_off(2);
        for word in &mut words {
            *word = word.replace("/tmp/d.img", disk.to_str().unwrap());
        }
        words.extend(["--timeout".into(), "600".into()]);
        demo(&words.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    }
}

#[test]
fn pictures_show_text() {
    let folder = folder("shots");
    let answer = demo(&["shot", "--out", folder.to_str().unwrap(), "--timeout", "300"]).expect(0);
    for name in ["boot", "memory", "threads", "shell"] {
        let png = fs::read(folder.join(name).with_extension("png")).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
        // Width and height: PNG specification, section 11.2.2.
        assert_eq!(png[16..24], [0, 0, 4, 0, 0, 0, 3, 0], "{name} is not 1024x768");
        assert!(answer.stdout.contains(&format!("{name}.png: ")), "{}", answer.stdout);
    }
}
