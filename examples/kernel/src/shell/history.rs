//! The lines typed before: the newest sixteen, recalled with up and down; the line under edit comes back at the end.

use heapless::Deque;

use super::line::Line;

/// Lines that are remembered.
const DEPTH: usize = 16;

/// Old lines, and how far back the user has gone.
#[derive(Debug)]
pub(super) struct History {
    /// Oldest first.
    lines: Deque<Line, DEPTH>,
    /// Steps back from the line under edit; 0 is the line itself.
    back: usize,
    /// The line under edit while an old one is shown.
    draft: Line,
}

impl History {
    pub(super) const fn new() -> Self {
        Self { lines: Deque::new(), back: 0, draft: Line::new() }
    }

    /// Adds a line, unless it is blank or the same as the newest; forgets the oldest at need.
    pub(super) fn remember(&mut self, line: &Line) {
        self.leave();
        if line.trim().is_empty() || self.lines.back() == Some(line) {
            return;
        }
        if self.lines.is_full() {
            self.lines.pop_front();
        }
        // There is room: one was taken out.
        let _ = self.lines.push_back(line.clone());
    }

    /// Back to the line under edit.
    pub(super) fn leave(&mut self) {
        self.back = 0;
        self.draft.clear();
    }

    /// The next older line; `current` is kept if it is the line under edit. `None` at the oldest.
    pub(super) fn older(&mut self, current: &Line) -> Option<Line> {
        if self.back == self.lines.len() {
            return None;
        }
        if self.back == 0 {
            self.draft = current.clone();
        }
        self.back += 1;
        self.at_back()
    }

    /// The next newer line, at last the line under edit. `None` there.
    pub(super) fn newer(&mut self, _current: &Line) -> Option<Line> {
        self.back = self.back.checked_sub(1)?;
        if self.back == 0 { Some(core::mem::take(&mut self.draft)) } else { self.at_back() }
    }

    fn at_back(&self) -> Option<Line> {
        self.lines.iter().rev().nth(self.back.checked_sub(1)?).cloned()
    }
}
