//! A supervisor against a model that remembers everything.

use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Instant {
    Instant::from_ticks(ms * 1_000_000)
}

/// Starts it whenever it may, lets it live so long each time; when it was started.
fn starts(restart: Restart, lives: &[u64], how: Ending) -> (Vec<u64>, State) {
    let mut supervisor = Supervisor::new(Rules::new(restart, false));
    let (mut now, mut seen) = (0, Vec::new());
    assert!(supervisor.start(at(now)) && !supervisor.start(at(now)));
    for life in lives {
        now = match supervisor.next(at(now)) {
            Action::Wait(Some(until)) => until.as_ticks() / 1_000_000,
            _ => now,
        };
        if seen.is_empty() || supervisor.state() != State::Up {
            let next = supervisor.next(at(now));
            if next == Action::Leave {
                break;
            }
        }
        seen.push(now);
        now += life;
        supervisor.ended(how, at(now));
    }
    (seen, supervisor.state())
}

#[test]
fn who_dies_at_once_is_started_five_times() {
    let (seen, state) = starts(Restart::OnFailure, &[0; 9], Ending::Bad);
    assert_eq!((seen.as_slice(), state), ([0, 100, 300, 700, 1500].as_slice(), State::Failed));
}

#[test]
fn waits_double_up_to_five_seconds_and_begin_anew_after_a_long_life() {
    let (seen, _) =
        starts(Restart::Always, &[2600, 2600, 2600, 2600, 2600, 2600, 2600, 10_000, 0], Ending::Good);
    let waits: Vec<u64> = seen.windows(2).take(7).map(|pair| pair[1] - pair[0] - 2600).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000][..waits.len()]);
    assert_eq!(seen.len(), 9);
    assert_eq!(seen[8] - seen[7], 10_100);
}

#[test]
fn a_policy_says_who_is_started_again() {
    for (restart, how, count, state) in [
        (Restart::No, Ending::Bad, 1, State::Failed),
        (Restart::No, Ending::Good, 1, State::Done),
        (Restart::OnFailure, Ending::Good, 1, State::Done),
        (Restart::Always, Ending::Good, 5, State::Failed),
    ] {
        let (seen, ended) = starts(restart, &[0; 9], how);
        assert_eq!((seen.len(), ended), (count, state), "{restart:?} {how:?}");
    }
}

#[test]
fn who_is_stopped_stays_so() {
    let mut supervisor = Supervisor::new(Rules::new(Restart::Always, true));
    assert!(supervisor.start(at(0)));
    assert_eq!((supervisor.next(at(0)), supervisor.state()), (Action::Launch, State::Starting));
    assert!(supervisor.ready() && !supervisor.ready());
    assert!(supervisor.stop());
    assert!(!supervisor.start(at(1)), "it has not ended yet");
    supervisor.ended(Ending::Bad, at(2));
    assert_eq!((supervisor.state(), supervisor.next(at(9))), (State::Stopped, Action::Leave));
    assert!(supervisor.start(at(10)) && !supervisor.stop());
    assert_eq!(supervisor.next(at(20)), Action::Leave);
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    Start,
    Stop,
    Ready,
    Ended(bool),
    Look,
}

/// The same by all that ever happened, in milliseconds.
#[derive(Default)]
struct Model {
    wanted: bool,
    runs: bool,
    ready: bool,
    /// Since it was last wanted.
    starts: Vec<u64>,
    /// Ends in a row that a wait followed, none of a long life.
    waits: u32,
    again: Option<u64>,
    end: Option<bool>,
}

impl Model {
    fn step(&mut self, rules: &Rules, event: Event, now: u64) -> bool {
        match event {
            Event::Start if !self.wanted && !self.runs => {
                *self = Self { wanted: true, again: Some(now), ..Self::default() };
                true
            }
            Event::Start => false,
            Event::Stop => {
                (self.wanted, self.again, self.end) = (false, None, None);
                self.runs
            }
            Event::Ready => {
                let news = self.runs && self.wanted && !self.ready && rules.tells;
                self.ready |= news;
                news
            }
            Event::Ended(good) if self.runs => {
                self.end(rules, good, now);
                false
            }
            Event::Look if self.again.is_some_and(|again| again <= now) => {
                (self.again, self.runs, self.ready) = (None, true, !rules.tells);
                self.starts.push(now);
                true
            }
            Event::Look | Event::Ended(_) => false,
        }
    }

    fn end(&mut self, rules: &Rules, good: bool, now: u64) {
        (self.runs, self.ready) = (false, false);
        if !self.wanted {
            return;
        }
        let again = rules.restart == Restart::Always || (rules.restart == Restart::OnFailure && !good);
        let recent = self.starts.iter().filter(|&&start| now - start < 10_000).count();
        if !again || recent >= 5 {
            (self.wanted, self.end) = (false, Some(good && !again));
            return;
        }
        if now - self.starts.last().unwrap() >= 10_000 {
            self.waits = 0;
        }
        self.again = Some(now + (100 << self.waits.min(10)).min(5000));
        self.waits += 1;
    }

    fn state(&self) -> State {
        match (self.runs, self.wanted, self.again, self.end) {
            (true, false, ..) => State::Stopping,
            (true, ..) if self.ready => State::Up,
            (true, ..) => State::Starting,
            (_, _, Some(again), _) => State::Waiting(at(again)),
            (_, _, _, Some(true)) => State::Done,
            (_, _, _, Some(false)) => State::Failed,
            _ => State::Stopped,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Start),
        1 => Just(Event::Stop),
        2 => Just(Event::Ready),
        4 => any::<bool>().prop_map(Event::Ended),
        6 => Just(Event::Look),
    ]
}

proptest! {
    #[test]
    fn a_supervisor_does_what_its_model_does(
        restart in prop_oneof![Just(Restart::No), Just(Restart::OnFailure), Just(Restart::Always)],
        tells: bool,
        events in prop::collection::vec((event(), prop_oneof![0..200_u64, 0..20_000_u64]), 0..80),
    ) {
        let rules = Rules::new(restart, tells);
        let (mut supervisor, mut model, mut now) = (Supervisor::new(rules), Model::default(), 0);
        for (event, pause) in events {
            now += pause;
            let runs = model.runs;
            let expected = model.step(&rules, event, now);
            let done = match event {
                Event::Start => supervisor.start(at(now)),
                Event::Stop => supervisor.stop(),
                Event::Ready => supervisor.ready(),
                Event::Ended(good) if runs => {
                    supervisor.ended(if good { Ending::Good } else { Ending::Bad }, at(now));
                    false
                }
                Event::Ended(_) => false,
                Event::Look => supervisor.next(at(now)) == Action::Launch,
            };
            prop_assert_eq!(done, expected, "{:?} at {}", event, now);
            prop_assert_eq!(supervisor.state(), model.state(), "{:?} at {}", event, now);
        }
    }
}
