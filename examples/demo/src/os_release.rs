//! Which distribution this is, and its line that installs QEMU.
//!
//! Source: os-release(5).

use std::fs;

/// Where distributions keep the file, the first that exists.
const PLACES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The commands, by the identifier of the distribution or of one that it is like.
const INSTALL: [(&[&str], &str); 9] = [
    (&["debian", "ubuntu"], "sudo apt-get install qemu-system-x86"),
    (&["fedora", "rhel", "centos"], "sudo dnf install qemu-system-x86-core"),
    (&["arch"], "sudo pacman -S qemu-system-x86"),
    (&["alpine"], "sudo apk add qemu-system-x86_64"),
    (&["opensuse", "suse", "opensuse-leap", "opensuse-tumbleweed"], "sudo zypper install qemu-x86"),
    (&["gentoo"], "sudo emerge app-emulation/qemu"),
    (&["nixos"], "nix-shell -p qemu"),
    (&["void"], "sudo xbps-install qemu-system-amd64"),
    (&["guix"], "guix install qemu"),
];

/// The line that installs QEMU here; a general hint where the distribution is not known.
#[must_use]
pub fn install_line() -> &'static str {
    let text = PLACES.iter().find_map(|place| fs::read_to_string(place).ok()).unwrap_or_default();
    install_line_for(&text)
}

/// The line for the distribution that this os-release file describes.
#[must_use]
pub fn install_line_for(os_release: &str) -> &'static str {
    let own = value(os_release, "ID").into_iter();
    let like = value(os_release, "ID_LIKE").unwrap_or_default().split_ascii_whitespace();
    own.chain(like)
        .find_map(|id| INSTALL.iter().find(|(ids, _)| ids.contains(&id)))
        .map_or("install qemu-system-x86_64 (https://www.qemu.org/download/)", |(_, line)| *line)
}

fn value<'a>(os_release: &'a str, key: &str) -> Option<&'a str> {
    let line = os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches(|quote| quote == '"' || quote == '\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_identifier_wins() {
        let text = "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=42\n";
        assert_eq!(install_line_for(text), "sudo dnf install qemu-system-x86-core");
    }

    #[test]
    fn derived_distribution_takes_the_line_of_its_parent() {
        assert_eq!(
            install_line_for("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            "sudo apt-get install qemu-system-x86"
        );
        assert_eq!(install_line_for("ID=manjaro\nID_LIKE='arch'\n"), "sudo pacman -S qemu-system-x86");
    }

    #[test]
    fn unknown_or_broken_file_gives_the_general_hint() {
        for text in ["", "ID=", "ID=plan9\n", "ID_LIKE\nVERSION_ID=debian", "\u{0}=\u{0}"] {
            assert!(install_line_for(text).contains("qemu.org"), "{text:?}");
        }
    }
}
