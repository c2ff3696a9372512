//! What Tab puts into a line: the rest of a command's name, or of a path.

use kos_vfs::{At, How, OpenFlags};

use super::Session;
use crate::cmds;
use crate::platform::Platform;

/// Longest name that is completed.
const NAME: usize = 64;

/// What all that fit have in common, and how many fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Common {
    text: heapless::String<NAME>,
    count: usize,
}

impl Common {
    /// One more that fits; of a name that is too long as much as is kept.
    fn add(&mut self, name: &str) {
        if self.count == 0 {
            // What is too long is cut.
            let _ = name.chars().try_for_each(|character| self.text.push(character));
        } else {
            let same = self.text.chars().zip(name.chars()).take_while(|(a, b)| a == b);
            let same = same.map(|(character, _)| character.len_utf8()).sum();
            self.text.truncate(same);
        }
        self.count += 1;
    }
}

/// What goes behind the cursor, at whose left is `before`; nothing if nothing fits, or more than that is not known.
pub(super) fn complete<P: Platform>(session: &mut Session<'_, P>, before: &str) -> heapless::String<NAME> {
    let start = before.rfind([' ', '|', ';', '&', '<', '>', '=']).map_or(0, |at| at + 1);
    let word = before.get(start..).unwrap_or("");
    let ahead = before.get(..start).unwrap_or("").trim_end();
    let names_command = ahead.is_empty() || ahead.ends_with(['|', ';', '&']);
    let mut common = Common::default();
    let (typed, end) = if names_command && !word.contains('/') {
        cmds::all::<P>()
            .iter()
            .filter(|known| known.name.starts_with(word))
            .for_each(|known| common.add(known.name));
        (word, " ")
    } else {
        let slash = word.rfind('/').map_or(0, |at| at + 1);
        let (folder, name) = word.split_at_checked(slash).unwrap_or(("", word));
        (name, paths(session, if folder.is_empty() { "." } else { folder }, name, &mut common))
    };
    let mut rest = heapless::String::new();
    let more = common.text.get(typed.len()..).unwrap_or("");
    // It fits: it is a part of what does.
    let _ = rest.push_str(more);
    if common.count == 1 {
        let _ = rest.push_str(end);
    }
    rest
}

/// The names in a folder that begin so; what goes behind the only one.
fn paths<P: Platform>(
    session: &mut Session<'_, P>,
    folder: &str,
    begins: &str,
    common: &mut Common,
) -> &'static str {
    let Ok(call) = session.call() else { return "" };
    let how = How::flags(OpenFlags::DIRECTORY);
    let Ok(dir) = call.open(At::Cwd, folder.as_bytes(), &how) else { return "" };
    let mut is_folder = false;
    // What cannot be read does not fit.
    let _ = dir.list(|entry| {
        let name = core::str::from_utf8(entry.name).unwrap_or("");
        let hidden = begins.is_empty() && name.starts_with('.');
        // A line holds printable ASCII only.
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"\\$|&;<>()`#".contains(&byte));
        if name.starts_with(begins) && plain && !hidden && !matches!(name, "" | "." | "..") {
            common.add(name);
            is_folder = entry.kind == kos_vfs::FileType::Directory;
        }
        true
    });
    if is_folder { "/" } else { " " }
}

#[cfg(test)]
mod tests {
    use super::Common;

    #[test]
    fn what_several_names_have_in_common_is_kept() {
        let mut common = Common::default();
        for (name, text) in [("selftest", "selftest"), ("sleep", "s"), ("sync", "s"), ("", "")] {
            common.add(name);
            assert_eq!(common.text, text);
        }
        assert_eq!(common.count, 4);
    }
}
