//! Python: MicroPython, compiled to wasm by others, in an interpreter of wasm.
//!
//! | part | idea |
//! |---|---|
//! | [`engine`] | runs the module: each import suspends it, nothing recurses, fuel is handed out in slices |
//! | [`fuel`] | how much fuel a run gets, and who is told to end |
//! | [`imports`] | makes each import suspend the module |
//! | [`stop`] | why a run is over before its end |
//! | [`asks`] | the imports, by name, and what they ask for |
//! | [`world`] | what is answered: output, input, time, files |
//! | [`roots`] | the directories that a program was given, and which path leads into which of them |
//! | [`files`] | descriptors, and the system calls on files |
//! | [`ram`] | the module's memory, of which no address is believed |
//! | [`refused`] | why a call on files was refused, as its number |
//! | [`rules`] | which imports are denied |
//! | [`program`] | one run, from the module to the exit status |
//! | [`prompt`] | the module's own prompt, key by key |
//!
//! The module reaches nothing but its own memory and what it asks for, and asks for files below directories that it was given.
//! The interpreter allocates without asking whether it may, so a run begins only with much more free than was ever seen in use.

mod asks;
mod engine;
#[cfg(test)]
mod engine_tests;
mod files;
mod fuel;
mod imports;
pub(crate) mod program;
pub(crate) mod prompt;
mod ram;
mod refused;
mod roots;
pub(crate) mod rules;
mod stop;
mod world;
