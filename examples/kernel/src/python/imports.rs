//! Each import of the module suspends it: [`linker`], and what it [asked](Asked).

use wasmi::{Caller, Error, ExternType, Linker, Module, StoreLimits, Val};

use super::asks::{Ask, WORDS, ask};
use super::stop::Stop;
use crate::text::Text;

/// The question with which the module was suspended.
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) name: Text,
    pub(super) words: [i64; WORDS],
    pub(super) limits: StoreLimits,
}

/// Makes each import of the module suspend it.
pub(super) fn linker(engine: &wasmi::Engine, module: &Module) -> Result<Linker<Asked>, Stop> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let ExternType::Func(kind) = import.ty() else {
            return Err(Stop::Module(Text::new(format_args!("it imports '{}', no function", import.name()))));
        };
        let (ask, name) = (ask(import.name()), Text::new(format_args!("{}", import.name())));
        let suspend = move |mut caller: Caller<'_, Asked>, inputs: &[Val], _: &mut [Val]| {
            let asked = caller.data_mut();
            (asked.ask, asked.name) = (ask, name.clone());
            asked.words = [0; WORDS];
            for (word, input) in asked.words.iter_mut().zip(inputs) {
                *word = match input {
                    Val::I32(word) => i64::from(*word),
                    Val::I64(word) => *word,
                    _ => 0,
                };
            }
            Err(Error::i32_exit(0))
        };
        let defined = linker.func_new(import.module(), import.name(), kind.clone(), suspend);
        defined.map_err(|error| Stop::Module(Text::new(format_args!("{error}"))))?;
    }
    Ok(linker)
}
