//! Environment blocks beside a list of pairs: the body of the fuzz target `env_block`.

use alloc::vec;
use alloc::vec::Vec;

use crate::process::{EnvError, Environment};

/// Parses `data` as a block; then takes it as operations on a small block and on a list of pairs, which must agree.
///
/// # Panics
/// If they do not.
pub fn env_block(data: &[u8]) {
    parse(data);
    let mut buffer = [0; 40];
    let mut env = Environment::new(&mut buffer);
    let mut model: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for op in data.chunks_exact(4) {
        let &[kind, key, value, length] = op else { return };
        // Few keys, so that they meet again; now and then one that is not allowed.
        let key = match key % 16 {
            0 => vec![],
            1 => vec![b'A', b'='],
            2 => vec![b'A', 0],
            short => vec![b'A' + short % 5; 1 + usize::from(short % 3)],
        };
        let value = vec![value; usize::from(length % 12)];
        match kind % 4 {
            0 => {
                let place = model.iter().position(|(name, _)| *name == key);
                assert_eq!(env.remove(&key), place.is_some());
                place.map(|place| model.remove(place));
            }
            _ => set(&mut env, &mut model, key, value),
        }
        let pairs: Vec<_> = env.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        assert_eq!(pairs, model);
        let mut copy = [0; 40];
        assert_eq!(Environment::parse(&mut copy, env.as_bytes()).map(|copy| copy.free()), Ok(env.free()));
    }
}

fn set(env: &mut Environment<'_>, model: &mut Vec<(Vec<u8>, Vec<u8>)>, key: Vec<u8>, value: Vec<u8>) {
    let length = |key: &[u8], value: &[u8]| key.len() + value.len() + 2;
    let place = model.iter().position(|(name, _)| *name == key);
    let used: usize = model.iter().map(|(key, value)| length(key, value)).sum();
    let old = place.and_then(|place| model.get(place)).map_or(0, |(key, value)| length(key, value));
    let (needed, free) = (length(&key, &value), 40 - used + old);
    let text: Vec<u8> = key.iter().chain(b"=").chain(&value).copied().collect();
    let must = match () {
        () if key.is_empty() => Err(EnvError::EmptyKey),
        () if key.contains(&b'=') => Err(EnvError::EqualsInKey { offset: 1 }),
        () if text.contains(&0) => {
            Err(EnvError::Nul { offset: text.iter().take_while(|&&byte| byte != 0).count() })
        }
        () if needed > free => Err(EnvError::NoSpace { needed, free }),
        () => Ok(()),
    };
    assert_eq!(env.set(&key, &value), must);
    if must.is_ok() {
        match place.and_then(|place| model.get_mut(place)) {
            Some(pair) => pair.1 = value,
            None => model.push((key, value)),
        }
    }
}

/// A block is what it was made of, or it is refused for a reason that is there.
fn parse(data: &[u8]) {
    let mut buffer = vec![0; data.len()];
    match Environment::parse(&mut buffer, data) {
        Ok(env) => assert_eq!(env.as_bytes(), data),
        Err(EnvError::Unterminated { offset }) => {
            assert!(data.get(offset..).is_some_and(|rest| !rest.is_empty() && !rest.contains(&0)));
        }
        Err(EnvError::NoEquals { offset }) => {
            assert!(
                data.get(offset..)
                    .is_some_and(|rest| rest.iter().take_while(|&&byte| byte != 0).all(|&b| b != b'='))
            );
        }
        Err(EnvError::Duplicate { offset }) => assert!(offset > 0),
        Err(error) => assert_eq!(error, EnvError::EmptyKey),
    }
}
