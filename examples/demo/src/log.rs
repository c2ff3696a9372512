//! What the kernel wrote to COM1, kept for a verdict and for the files of a failure.

/// Most bytes kept; a guest that writes more loses the middle.
const HALF: usize = 4 << 20;

/// Texts that only a dead or dying kernel writes.
const DEATH: [&str; 4] = ["boot failed", "kernel panic", "kernel fault", "panicked at"];

/// The log of one run: its beginning and, if it grew too long, its end.
#[derive(Clone, Debug, Default)]
pub struct Log {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: usize,
}

impl Log {
    /// Appends what came.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = HALF.saturating_sub(self.head.len()).min(bytes.len());
        let (head, tail) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(tail);
        if self.tail.len() > 2 * HALF {
            let surplus = self.tail.len() - HALF;
            self.tail.drain(..surplus);
            self.dropped += surplus;
        }
    }

    /// Whether nothing came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// The log as text; a gap is named.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.dropped > 0 {
            text.push_str(&format!("\n[... {} bytes left out ...]\n", self.dropped));
        }
        text + &String::from_utf8_lossy(&self.tail)
    }

    /// The first line that tells of the kernel's death, with the next if it ends with a colon.
    #[must_use]
    pub fn death(&self) -> Option<String> {
        let text = self.text();
        let mut lines = text.lines().map(str::trim);
        let dying = lines.find(|line| {
            let line = line.to_ascii_lowercase();
            DEATH.iter().any(|sign| line.contains(sign))
        })?;
        let cause = lines.next().filter(|_| dying.ends_with(':')).unwrap_or_default();
        Some(format!("{dying} {cause}").trim_end().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_log_keeps_both_ends() {
        let mut log = Log::default();
        log.push(b"first\n");
        for _ in 0..2000 {
            log.push(&[b'x'; 16 << 10]);
        }
        log.push(b"\nlast");
        let text = log.text();
        assert!(text.starts_with("first\n") && text.ends_with("\nlast") && text.contains("bytes left out"));
        assert!(text.len() <= 3 * HALF + 64, "{}", text.len());
    }

    #[test]
    fn death_is_found_in_any_line() {
        let mut log = Log::default();
        assert_eq!(log.death(), None);
        log.push(b"ok 1 panic_is_survived\nok 2 foKERNEL PANIC: no\r\nmore");
        assert_eq!(log.death().as_deref(), Some("ok 2 foKERNEL PANIC: no"));
        let mut log = Log::default();
        log.push(b"kernel panicked at src/a.rs:7:5:\r\nindex 3 of 2\r\ncall chain");
        assert_eq!(log.death().as_deref(), Some("kernel panicked at src/a.rs:7:5: index 3 of 2"));
    }
}
