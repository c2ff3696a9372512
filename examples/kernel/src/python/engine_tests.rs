//! Fuel and interruption, of a module by hand.

use alloc::vec::Vec;

use super::asks::{Ask, WORDS};
use super::engine::{Answer, Engine, Quota, Told, World};
use super::stop::Stop;

/// Bytes behind how many they are.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    // LEB128 of one byte, or of two.
    let mut all = if length < 128 { Vec::from([length]) } else { Vec::from([length, 1]) };
    all.extend(bytes);
    all
}

/// Things one behind the other, behind how many they are.
fn list<const N: usize>(items: [Vec<u8>; N]) -> Vec<u8> {
    let mut all = Vec::from([u8::try_from(N).unwrap()]);
    all.extend(items.into_iter().flatten());
    all
}

/// A module with what each has, `spin`, which goes on for ever, and `obey`, which does until it is interrupted.
fn module() -> Vec<u8> {
    const NONE: &[u8] = &[0x0b];
    let code: [&[u8]; 6] = [
        // i32.const 1024
        &[0x41, 0x80, 0x08, 0x0b],
        NONE,
        NONE,
        // i32.const 0; i32.const 1; i32.store
        &[0x41, 0, 0x41, 1, 0x36, 2, 0, 0x0b],
        // loop; br 0; end
        &[0x03, 0x40, 0x0c, 0, 0x0b, 0x0b],
        // loop; i32.const 0; i32.load; i32.eqz; br_if 0; end
        &[0x03, 0x40, 0x41, 0, 0x28, 2, 0, 0x45, 0x0d, 0, 0x0b, 0x0b],
    ];
    let name = |name: &str, kind: u8, index: u8| [&counted(name.as_bytes())[..], &[kind, index]].concat();
    let exports = [
        name("memory", 2, 0),
        name("__indirect_function_table", 1, 0),
        name("emscripten_stack_get_current", 0, 0),
        name("_emscripten_stack_restore", 0, 1),
        name("setThrew", 0, 2),
        name("mp_sched_keyboard_interrupt", 0, 3),
        name("spin", 0, 4),
        name("obey", 0, 5),
    ];
    let types = [&[0x60, 0, 0][..], &[0x60, 0, 1, 0x7f], &[0x60, 1, 0x7f, 0], &[0x60, 2, 0x7f, 0x7f, 0]];
    let sections = [
        (1, list(types.map(<[u8]>::to_vec))),
        (3, list([1, 2, 3, 0, 0, 0].map(|index| Vec::from([index])))),
        (4, list([Vec::from([0x70, 0, 0])])),
        (5, list([Vec::from([0, 1])])),
        (7, list(exports)),
        (10, list(code.map(|body| counted(&[&[0], body].concat())))),
    ];
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (number, body) in sections {
        module.push(number);
        module.extend(counted(&body));
    }
    module
}

/// Says something when it is asked the `after`th time.
struct Says {
    after: u32,
    what: Told,
}

impl World for Says {
    fn answer(&mut self, _: Ask, _: &[i64; WORDS], _: &mut [u8]) -> Result<Answer, Stop> {
        Ok(Answer::Nothing)
    }

    fn told(&mut self) -> Told {
        self.after = self.after.saturating_sub(1);
        if self.after == 0 { self.what } else { Told::GoOn }
    }
}

/// Who says nothing.
const fn nothing() -> Says {
    Says { after: u32::MAX, what: Told::GoOn }
}

/// Three slices.
const QUOTA: Quota = Quota { fuel: 40_000_000, memory: 1 << 16 };
/// Fuel of a turn of either loop, and of the way there.
const TURN: u64 = 100;

fn engine() -> Engine {
    Engine::new(&module(), &QUOTA).unwrap()
}

#[test]
fn a_loop_without_end_gets_its_fuel_to_the_turn() {
    let mut engine = engine();
    assert_eq!(engine.run("spin", &[], &mut nothing()), Err(Stop::Fuel(QUOTA.fuel)));
    assert!(engine.unused() < TURN, "{}", engine.unused());
}

#[test]
fn a_line_that_uses_up_its_fuel_is_interrupted_and_the_next_one_is_not() {
    let mut engine = engine();
    for _ in 0..2 {
        engine.begin_line(&QUOTA).unwrap();
        engine.memory().fill(0);
        assert_eq!(engine.run("obey", &[], &mut nothing()), Ok(0));
        assert!(engine.is_late() && engine.unused() > QUOTA.fuel / 10 - TURN, "{}", engine.unused());
    }
    engine.begin_line(&QUOTA).unwrap();
    assert_eq!(engine.run("obey", &[], &mut nothing()), Ok(0));
    assert!(!engine.is_late());
}

#[test]
fn a_line_that_does_not_end_gets_a_tenth_more_than_its_fuel() {
    let mut engine = engine();
    engine.begin_line(&QUOTA).unwrap();
    assert_eq!(engine.run("spin", &[], &mut nothing()), Err(Stop::Fuel(QUOTA.fuel)));
    assert!(engine.is_late() && engine.unused() < TURN, "{}", engine.unused());
}

#[test]
fn who_is_told_to_end_is_interrupted_or_ends() {
    let mut told = engine();
    assert_eq!(told.run("obey", &[], &mut Says { after: 2, what: Told::Interrupt }), Ok(0));
    let used = QUOTA.fuel - told.unused();
    assert!(0 < used && used < QUOTA.fuel / 2, "{used}");
    let ended = engine().run("obey", &[], &mut Says { after: 2, what: Told::End });
    assert_eq!(ended, Err(Stop::Interrupted));
}
