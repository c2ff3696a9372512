//! Which imports are denied: [`Rules`], a file with the name of a module a line; `#` begins a comment. Who may not import a
//! package gets no part of it, so a name has no dots.

use alloc::vec::Vec;

/// Where they stand.
pub(crate) const FILE: &[u8] = b"/etc/python.deny";
/// Most bytes of the file.
pub(crate) const MOST: usize = 4096;

/// The names of modules that nobody may import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules(Vec<u8>);

impl Rules {
    /// The rules in `text`, a whole file.
    pub(crate) const fn new(text: Vec<u8>) -> Self {
        Self(text)
    }

    /// Whether `module`, perhaps one in a package, may be imported.
    pub(crate) fn allows(&self, module: &[u8]) -> bool {
        let package = module.split(|&byte| byte == b'.').next().unwrap_or_default();
        !self.names().any(|name| name == package)
    }

    fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'\n').filter_map(|line| {
            let name = line.split(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii();
            Some(name).filter(|name| !name.is_empty())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;

    #[test]
    fn denied_packages_are_denied_whole() {
        let rules = Rules::new(b"# none of these\n  socket  # no\n\nos\nab\r\n".to_vec());
        let denied = ["socket", "os", "os.path", "socket.x.y", "ab", "ab.c"];
        assert_eq!(denied.map(|name| rules.allows(name.as_bytes())), [false; 6]);
        let allowed = ["sockets", "so", "a", "a.b", "json", ""];
        assert_eq!(allowed.map(|name| rules.allows(name.as_bytes())), [true; 6]);
        assert!(Rules::default().allows(b"os"));
    }
}
