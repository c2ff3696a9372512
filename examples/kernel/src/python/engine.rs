//! [`Engine`]: the module, running.
//!
//! Each import suspends the module, and [`Engine::call`] answers and goes on: so what answers may borrow whatever it needs, and
//! nothing recurses on the stack of the calling thread, however deep Python calls itself. That is also how C's `setjmp` works
//! here: an `invoke_…` suspends its caller in [`Frame`] and runs a function of the table beside it; when that one throws it is
//! dropped, the stack of C is put back, and the caller goes on with `setThrew(1, 0)`.
//!
//! Fuel is handed out in slices, between which somebody may end the run; never more than the quota in all, see [`Tank`]. wasmi takes
//! it for a block of code as a whole where that is entered, so the loop that executes Python's instructions, all of which are one
//! block, costs some 10,000 a turn, whatever it does.
//!
//! A run that is told to end is told so as Python has it, by a `KeyboardInterrupt`: where the module is suspended, its own function
//! for that is called beside it.

use alloc::vec::Vec;

use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{
    Config, CustomFuelCosts, Error, Func, Instance, Memory, Module, Ref, ResumableCall,
    ResumableCallHostTrap, Store, StoreLimitsBuilder, Table, Val,
};

use super::asks::{Ask, WORDS};
use super::fuel::Tank;
use super::imports::{Asked, linker};
use super::stop::Stop;
use crate::text::Text;

/// Calls of C in each other that can be unwound.
const DEPTH: usize = 1024;
/// Calls of wasm in each other between two of these.
const WASM_DEPTH: usize = 512;
/// Stacks that are kept for the next call.
const STACKS: usize = 64;
/// Fuel that suffices for each of the small functions for the stack of C.
const SMALL: u64 = 1000;
/// Bytes below the stack of C that a function may use which calls none.
const RED_ZONE: i32 = 128;
/// Bytes that are copied for one unit of fuel.
const COPIED: u32 = 64;
/// Bytes of a page of wasm.
const PAGE: u64 = 64 << 10;

/// How much a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Fuel, in wasmi's unit.
    pub(crate) fuel: u64,
    /// Bytes that the module's memory may grow to.
    pub(crate) memory: usize,
}

/// What an import answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Nothing,
    Word(i32),
    Float(f64),
}

/// Who answers.
pub(super) trait World {
    /// Answers a question; `memory` is the module's.
    fn answer(&mut self, ask: Ask, words: &[i64; WORDS], memory: &mut [u8]) -> Result<Answer, Stop>;

    /// Whether the run may go on. Who is told to interrupt it is told once.
    fn told(&mut self) -> Told;
}

/// What is to become of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It goes on.
    GoOn,
    /// It is to end, and may say so.
    Interrupt,
    /// It ends at once.
    End,
}

/// A caller that waits for a function which may throw.
struct Frame {
    suspended: ResumableCallHostTrap,
    /// The stack of C.
    stack: i32,
    /// Whether the caller's own call has a result.
    results: usize,
    /// Whether what it waits for has one.
    wants: usize,
}

/// The module, running.
pub(super) struct Engine {
    store: Store<Asked>,
    instance: Instance,
    memory: Memory,
    table: Table,
    /// The stack of C: where it is; puts it there; says that something was thrown. Last, what raises `KeyboardInterrupt`.
    small: [Func; 4],
    tank: Tank,
    /// Who uses up the quota is interrupted, and may go on later.
    by_lines: bool,
}

/// Which of the small functions.
const STACK: usize = 0;
const SET_STACK: usize = 1;
const THREW: usize = 2;
const INTERRUPT: usize = 3;

impl Engine {
    /// Makes an instance of the module `wasm`, whose parts are checked. Nothing of it has run.
    pub(super) fn new(wasm: &[u8], quota: &Quota) -> Result<Self, Stop> {
        let mut config = Config::default();
        config.consume_fuel(true).ignore_custom_sections(true);
        // What is translated costs nothing: a call that lacks fuel for that could not go on later.
        let costs = CustomFuelCosts {
            bytes_copied_per_fuel: COPIED,
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        };
        config.fuel_cost(costs);
        config.set_max_recursion_depth(WASM_DEPTH).set_max_cached_stacks(STACKS);
        let engine = wasmi::Engine::new(&config);
        let broken = |error: Error| Stop::Module(Text::new(format_args!("{error}")));
        let module = Module::new(&engine, wasm).map_err(broken)?;
        let limits = StoreLimitsBuilder::new().memory_size(quota.memory).memories(1).tables(1).instances(1);
        let asked =
            Asked { ask: Ask::Abort, name: Text::default(), words: [0; WORDS], limits: limits.build() };
        let mut store = Store::new(&engine, asked);
        store.limiter(|asked| &mut asked.limits);
        let linker = linker(&engine, &module)?;
        let instance =
            linker.instantiate_and_start(&mut store, &module).map_err(|error| match error.kind() {
                ErrorKind::Instantiation(InstantiationError::FailedToInstantiateMemory(_)) => Stop::NoPiece,
                ErrorKind::Instantiation(_) => broken(error),
                _ => Stop::NoMemory,
            })?;
        let lacks = |name: &str| Stop::Module(Text::new(format_args!("it has no '{name}'")));
        let function = |name: &str| instance.get_func(&store, name).ok_or_else(|| lacks(name));
        let small = [
            function("emscripten_stack_get_current")?,
            function("_emscripten_stack_restore")?,
            function("setThrew")?,
            function("mp_sched_keyboard_interrupt")?,
        ];
        let memory = instance.get_memory(&store, "memory").ok_or_else(|| lacks("memory"))?;
        let table = instance.get_table(&store, "__indirect_function_table").ok_or_else(|| lacks("table"))?;
        let tank = Tank::new(quota.fuel);
        Ok(Self { store, instance, memory, table, small, tank, by_lines: false })
    }

    /// A line begins, which has a quota of fuel of its own.
    pub(super) fn begin_line(&mut self, quota: &Quota) -> Result<(), Stop> {
        (self.tank, self.by_lines) = (Tank::new(quota.fuel), true);
        Ok(self.store.set_fuel(0)?)
    }

    /// Whether the line used up its quota.
    pub(super) const fn is_late(&self) -> bool {
        self.tank.is_late()
    }

    /// Bytes of its memory.
    pub(super) fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    /// Fuel that was not used.
    #[cfg(test)]
    pub(super) fn unused(&self) -> u64 {
        self.tank.left() + self.store.get_fuel().unwrap()
    }

    /// Calls what the module exports under `name`; the result, if it has one.
    pub(super) fn run(&mut self, name: &str, inputs: &[i32], world: &mut dyn World) -> Result<i32, Stop> {
        let function = self.instance.get_func(&self.store, name);
        let function = function.ok_or_else(|| Stop::Module(Text::new(format_args!("it has no '{name}'"))))?;
        let results = function.ty(&self.store).results().len();
        let (mut values, inputs) = ([const { Val::I32(0) }; WORDS], inputs.iter().copied());
        let count = inputs.len().min(WORDS);
        for (value, input) in values.iter_mut().zip(inputs) {
            *value = Val::I32(input);
        }
        self.call(function, values.get(..count).unwrap_or_default(), results, world)
    }

    fn call(
        &mut self,
        function: Func,
        inputs: &[Val],
        results: usize,
        world: &mut dyn World,
    ) -> Result<i32, Stop> {
        let mut run = Run { frames: Vec::new(), results, result: [Val::I32(0)] };
        let mut state = function.call_resumable(&mut self.store, inputs, run.out())?;
        loop {
            state = match state {
                ResumableCall::Finished => match run.frames.pop() {
                    None => return Ok(run.word()),
                    Some(frame) => {
                        let value = run.word();
                        self.go_on(frame, value, &mut run)?
                    }
                },
                ResumableCall::OutOfFuel(hungry) => {
                    self.heed(world)?;
                    self.feed(hungry.required_fuel())?;
                    hungry.resume(&mut self.store, run.out())?
                }
                ResumableCall::HostTrap(suspended) => self.asked(suspended, &mut run, world)?,
            };
        }
    }

    /// Answers what the module asks.
    fn asked(
        &mut self,
        suspended: ResumableCallHostTrap,
        run: &mut Run,
        world: &mut dyn World,
    ) -> Result<ResumableCall, Stop> {
        let Asked { ask, words, name, .. } = self.store.data();
        let (ask, words) = (*ask, *words);
        let answer = match ask {
            Ask::Invoke => return self.invoke(suspended, &words, run),
            Ask::Throw => {
                drop(suspended);
                let none = || Stop::Trap(Text::new(format_args!("nobody catches what is thrown")));
                let frame = run.frames.pop().ok_or_else(none)?;
                self.small(SET_STACK, &[Val::I32(frame.stack)])?;
                self.small(THREW, &[Val::I32(1), Val::I32(0)])?;
                return self.go_on(frame, 0, run);
            }
            Ask::Script => return Err(Stop::Script(name.clone())),
            Ask::Abort => return Err(Stop::Aborted),
            Ask::Grow => Answer::Word(self.grow(low(words[0]))),
            ask => {
                let answer = world.answer(ask, &words, self.memory.data_mut(&mut self.store))?;
                self.heed(world)?;
                answer
            }
        };
        let value = match answer {
            Answer::Nothing => None,
            Answer::Word(word) => Some(Val::I32(word)),
            Answer::Float(float) => Some(Val::F64(float.into())),
        };
        // `proxy_js_free_obj` and the like have no result.
        Ok(suspended.resume(&mut self.store, value.as_slice(), run.out())?)
    }

    /// Calls the function of the table that `words` begin with; the caller waits.
    fn invoke(
        &mut self,
        suspended: ResumableCallHostTrap,
        words: &[i64; WORDS],
        run: &mut Run,
    ) -> Result<ResumableCall, Stop> {
        if run.frames.len() == DEPTH || run.frames.try_reserve(1).is_err() {
            return Err(Stop::NoMemory);
        }
        let wrong = || Stop::Trap(Text::new(format_args!("the table has no function {}", words[0])));
        let index = u64::from(low(words[0]).cast_unsigned());
        let Some(Ref::Func(function)) = self.table.get(&self.store, index) else { return Err(wrong()) };
        let function = *function.val().ok_or_else(wrong)?;
        let mut inputs = [const { Val::I32(0) }; WORDS];
        for (input, &word) in inputs.iter_mut().zip(words.iter().skip(1)) {
            *input = Val::I32(low(word));
        }
        let import = suspended.host_func().ty(&self.store);
        let (count, wants) = (import.params().len().saturating_sub(1), import.results().len());
        let stack = self.small(STACK, &[])?;
        run.frames.push(Frame { suspended, stack, results: run.results, wants });
        run.results = wants;
        Ok(function.call_resumable(&mut self.store, inputs.get(..count).unwrap_or_default(), run.out())?)
    }

    /// The caller in `frame` goes on with `value`.
    fn go_on(&mut self, frame: Frame, value: i32, run: &mut Run) -> Result<ResumableCall, Stop> {
        run.results = frame.results;
        let value = [Val::I32(value)];
        Ok(frame.suspended.resume(
            &mut self.store,
            value.get(..frame.wants).unwrap_or_default(),
            run.out(),
        )?)
    }

    /// Does what somebody said about the run.
    fn heed(&mut self, world: &mut dyn World) -> Result<(), Stop> {
        match world.told() {
            Told::GoOn => Ok(()),
            Told::End => Err(Stop::Interrupted),
            Told::Interrupt => {
                self.interrupt()?;
                self.tank.tell();
                Ok(())
            }
        }
    }

    /// Makes the module raise `KeyboardInterrupt` at its next turn. What is suspended may use some bytes below the stack of C.
    fn interrupt(&mut self) -> Result<(), Stop> {
        let stack = self.small(STACK, &[])?;
        self.small(SET_STACK, &[Val::I32(stack - RED_ZONE)])?;
        self.small(INTERRUPT, &[])?;
        self.small(SET_STACK, &[Val::I32(stack)])?;
        Ok(())
    }

    /// Calls one of the small functions, for the fuel that there is; if there is too little, for nothing.
    fn small(&mut self, which: usize, inputs: &[Val]) -> Result<i32, Stop> {
        let Some(function) = self.small.get(which) else { return Ok(0) };
        let rest = self.store.get_fuel()?;
        self.store.set_fuel(rest.saturating_add(SMALL))?;
        let mut result = [Val::I32(0)];
        let results = usize::from(which == STACK);
        function.call(&mut self.store, inputs, result.get_mut(..results).unwrap_or_default())?;
        let after = self.store.get_fuel()?.saturating_sub(SMALL);
        self.store.set_fuel(after)?;
        Ok(word(&result))
    }

    /// Makes the memory hold `bytes`; 1 if it does.
    fn grow(&mut self, bytes: i32) -> i32 {
        let wanted = u64::from(bytes.cast_unsigned()).div_ceil(PAGE);
        let more = wanted.saturating_sub(self.memory.size(&self.store));
        if self.refuel(more * PAGE / u64::from(COPIED)).is_err() {
            return 0;
        }
        i32::from(more == 0 || self.memory.grow(&mut self.store, more).is_ok())
    }

    /// Hands out fuel, at least `required` in all; a line that has no more is interrupted first, once.
    fn feed(&mut self, required: u64) -> Result<(), Stop> {
        let fed = self.refuel(required);
        if fed.is_err() && self.by_lines && self.tank.be_late() {
            self.interrupt()?;
            return self.refuel(required);
        }
        fed
    }

    fn refuel(&mut self, required: u64) -> Result<(), Stop> {
        let rest = self.store.get_fuel()?;
        let grant = self.tank.take(rest, required)?;
        Ok(self.store.set_fuel(rest + grant)?)
    }
}

/// Calls that wait for each other, and the result of the innermost.
struct Run {
    frames: Vec<Frame>,
    results: usize,
    result: [Val; 1],
}

impl Run {
    /// Where the result of the innermost goes.
    fn out(&mut self) -> &mut [Val] {
        self.result.get_mut(..self.results).unwrap_or_default()
    }

    fn word(&self) -> i32 {
        if self.results == 0 { 0 } else { word(&self.result) }
    }
}

fn word(values: &[Val; 1]) -> i32 {
    match values {
        [Val::I32(word)] => *word,
        _ => 0,
    }
}

/// The word of C in an argument.
#[expect(clippy::cast_possible_truncation, reason = "an argument of 32 bits was widened before")]
pub(super) const fn low(word: i64) -> i32 {
    word as i32
}
