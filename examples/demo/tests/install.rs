//! Finding and installing QEMU, with a script for apt-get and nothing else in `PATH`.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic")]

use core::time::Duration;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kos_demo::error::Error;
use kos_demo::interrupt::Interrupt;
use kos_demo::qemu::{Missing, PROGRAM, Search};
use kos_demo::report::Report;

/// Makes the program appear, as a package would.
const INSTALL: &str = ": > \"$0.done\"; : > \"${0%apt-get}qemu-system-x86_64\"; /bin/chmod +x \"${0%apt-get}qemu-system-x86_64\"";

/// A system with this apt-get; the script notes how it was called.
fn system(name: &str, apt_get: Option<&str>) -> (PathBuf, Search) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    if let Some(script) = apt_get {
        let program = folder.join("apt-get");
        fs::write(&program, format!("#!/bin/sh\necho \"$*\" >> \"$0.calls\"\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }
    let path = folder.clone().into_os_string();
    (folder, Search { given: None, path, root: true, may_install: true, limit: Duration::from_secs(60) })
}

fn find(search: &Search) -> Result<PathBuf, Missing> {
    search.find(&mut Report::new(false), &Interrupt::default()).map_err(|error| match error {
        Error::Qemu(missing) => missing,
        other => panic!("{other}"),
    })
}

fn calls(folder: &Path) -> Vec<String> {
    let calls = fs::read_to_string(folder.join("apt-get.calls")).unwrap_or_default();
    calls.lines().map(|line| line.rsplit("=600 ").next().unwrap_or_default().into()).collect()
}

#[test]
fn root_with_apt_get_installs() {
    let (folder, search) = system("installs", Some(INSTALL));
    assert_eq!(find(&search), Ok(folder.join(PROGRAM)));
    assert_eq!(calls(&folder), ["install -y --no-install-recommends qemu-system-x86"]);
    assert_eq!(find(&search), Ok(folder.join(PROGRAM)), "found without another call");
    assert_eq!(calls(&folder).len(), 1);
}

#[test]
fn old_package_lists_are_fetched_once() {
    let script = format!(
        "case \"$*\" in *update) : > \"$0.fresh\";; *) [ -e \"$0.fresh\" ] || exit 100; {INSTALL};; esac"
    );
    let (folder, search) = system("updates", Some(&script));
    assert_eq!(find(&search), Ok(folder.join(PROGRAM)));
    assert_eq!(calls(&folder).len(), 3);
    assert_eq!(calls(&folder)[1], "update");
}

#[test]
fn failure_of_apt_get_is_told_in_its_own_words() {
    let (folder, search) = system("fails", Some("echo 'E: no network' >&2; exit 100"));
    assert_eq!(find(&search), Err(Missing::InstallFailed("E: no network\n".into())));
    assert_eq!(calls(&folder).len(), 3, "one retry, no more");
}

#[test]
fn installation_has_a_time_limit() {
    let (_, search) = system("hangs", Some("exec /bin/sleep 3600"));
    assert_eq!(find(&Search { limit: Duration::from_millis(200), ..search }), Err(Missing::InstallTimedOut));
}

#[test]
fn package_without_the_program_is_named() {
    let (_, search) = system("empty", Some("exit 0"));
    assert_eq!(find(&search), Err(Missing::StillMissing));
}

#[test]
fn nothing_is_installed_without_leave() {
    let (folder, search) = system("forbidden", Some(INSTALL));
    assert_eq!(find(&Search { may_install: false, ..search.clone() }), Err(Missing::Forbidden));
    assert_eq!(find(&Search { root: false, ..search }), Err(Missing::NotPermitted));
    let (_, bare) = system("bare", None);
    assert_eq!(find(&bare), Err(Missing::NotPermitted));
    assert!(calls(&folder).is_empty());
}

#[test]
fn given_path_is_the_only_one_that_counts() {
    let (folder, search) = system("given", Some(INSTALL));
    find(&search).unwrap();
    let given = |path: &Path| find(&Search { given: Some(path.into()), ..search.clone() });
    assert_eq!(given(&folder.join(PROGRAM)), Ok(folder.join(PROGRAM)));
    assert_eq!(given(Path::new(PROGRAM)), Ok(folder.join(PROGRAM)), "a bare name is looked up");
    for wrong in ["other", "absent"] {
        fs::write(folder.join("other"), "not executable").unwrap();
        assert_eq!(given(&folder.join(wrong)), Err(Missing::Given(folder.join(wrong))));
    }
}
