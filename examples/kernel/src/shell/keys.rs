//! Keys from terminal bytes: control characters and the escape sequences of the common terminals.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Character(char),
    Enter,
    Interrupt,
    DeleteOrEnd,
    Backspace,
    Delete,
    Left,
    Right,
    Home,
    End,
    Up,
    Down,
    KillToEnd,
    KillToStart,
    KillWord,
    Clear,
    Complete,
    Unknown,
}

/// How far an escape sequence was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// After a carriage return: a line feed belongs to it.
    Return,
    Escape,
    /// After `ESC [` or `ESC O`, with the number read so far.
    Control(u8),
}

/// The reader of escape sequences.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self { state: State::Text }
    }

    /// The key that `byte` completes.
    pub(super) fn feed(&mut self, byte: u8) -> Option<Key> {
        let state = core::mem::replace(&mut self.state, State::Text);
        match (state, byte) {
            (State::Return, b'\n') => None,
            (State::Text | State::Return, _) => self.plain(byte),
            (State::Escape, b'[' | b'O') => self.go(State::Control(0)),
            (State::Escape, _) => Some(Key::Unknown),
            (State::Control(number), b'0'..=b'9') => {
                self.go(State::Control(number.saturating_mul(10).saturating_add(byte - b'0')))
            }
            // Modifiers (`1;5C` is ctrl-right): the key counts, not the modifier.
            (State::Control(_), b';') => self.go(State::Control(0)),
            (State::Control(number), _) => Some(sequence(number, byte)),
        }
    }

    fn go(&mut self, state: State) -> Option<Key> {
        self.state = state;
        None
    }

    fn plain(&mut self, byte: u8) -> Option<Key> {
        match byte {
            0x1b => return self.go(State::Escape),
            b'\r' => self.state = State::Return,
            _ => {}
        }
        Some(control(byte))
    }
}

/// The key of one byte outside a sequence. `ctrl-x` is the letter's number in the alphabet.
const fn control(byte: u8) -> Key {
    match byte {
        b'\r' | b'\n' => Key::Enter,
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::DeleteOrEnd,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Complete,
        0x0b => Key::KillToEnd,
        0x0c => Key::Clear,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::KillToStart,
        0x17 => Key::KillWord,
        b' '..=b'~' => Key::Character(byte as char),
        _ => Key::Unknown,
    }
}

/// The key of `ESC [ number last` or `ESC O last`.
const fn sequence(number: u8, last: u8) -> Key {
    match (number, last) {
        (_, b'A') => Key::Up,
        (_, b'B') => Key::Down,
        (_, b'C') => Key::Right,
        (_, b'D') => Key::Left,
        (_, b'H') | (1 | 7, b'~') => Key::Home,
        (_, b'F') | (4 | 8, b'~') => Key::End,
        (3, b'~') => Key::Delete,
        _ => Key::Unknown,
    }
}
