//! What is taken for a wheel, and what is not.

use super::testing::{fuzz, wheel, zip};
use super::{FileName, Wheel, WheelError, check_path, field, normal, record};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const NAME: &str = "a-1-py3-none-any.whl";

fn good() -> Vec<u8> {
    wheel("a", "1", &[("a/__init__.py", b"x = 1\n"), ("b.py", b"")])
}

fn refused(name: &str, files: &[(&str, &[u8])]) -> WheelError {
    let bytes = wheel("a", "1", files);
    Wheel::read(name, &bytes).unwrap_err()
}

#[test]
fn sound_wheels_are_read() {
    let bytes = good();
    let wheel = Wheel::read(NAME, &bytes).unwrap();
    assert_eq!(wheel.tops().unwrap(), ["a-1.dist-info", "a", "b.py"]);
    assert_eq!(wheel.files[0], ("a/__init__.py", b"x = 1\n".to_vec()));
    assert_eq!(wheel.files.len(), 5);
}

#[test]
fn sums_are_those_of_the_field() {
    // From "Recording installed projects" and `openssl dgst`.
    assert_eq!(&record::sum(b""), b"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    assert_eq!(&record::sum(b"abc"), b"ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    assert_eq!(super::zip::crc(b"123456789"), 0xcbf4_3926);
}

#[test]
fn only_pure_wheels_are_taken() {
    let tag = |name| match FileName::parse(name) {
        Err(WheelError::Tag(tag)) => tag.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(tag("numpy-2.0-cp313-cp313-manylinux_2_17_x86_64.whl"), "cp313-cp313-manylinux_2_17_x86_64");
    assert_eq!(tag("a-1-py2-none-any.whl"), "py2-none-any");
    assert_eq!(tag("a-1-py3-none-win32.whl"), "py3-none-win32");
    for good in ["a-1-py2.py3-none-any.whl", "a-1-2b-py3-none-any.whl"] {
        assert_eq!(FileName::parse(good), Ok(FileName { name: "a", version: "1" }));
    }
    for wrong in [
        "a.whl",
        "a-1.whl",
        "a-1-py3-none-any.zip",
        "a-1-x-py3-none-any.whl",
        "../a-1-py3-none-any.whl",
        "-1-py3-none-any.whl",
    ] {
        assert!(matches!(FileName::parse(wrong), Err(WheelError::FileName(_))), "{wrong}");
    }
}

#[test]
fn pip_names_what_cannot_run() {
    let error = FileName::parse("numpy-2.0-cp313-cp313-linux_x86_64.whl").unwrap_err();
    assert_eq!(error.to_string(), "it is for cp313-cp313-linux_x86_64; only py3-none-any works here");
}

#[test]
fn paths_stay_below() {
    for path in
        ["../x", "a/../../x", "/etc/x", "a//b", "a/./b", "..", "", "a\\..\\b", "C:x", "a\0b", ".pip/x"]
    {
        assert!(matches!(check_path(path), Err(WheelError::Path(_))), "{path:?}");
    }
    assert_eq!(check_path("a/b.c/..d/e"), Ok(()));
    assert_eq!(check_path("a/"), Ok(()));
    assert!(matches!(refused(NAME, &[("../../etc/passwd", b"x")]), WheelError::Path(_)));
}

#[test]
fn every_changed_byte_is_seen_or_means_nothing() {
    let bytes = good();
    let files = Wheel::read(NAME, &bytes).unwrap().files;
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            if let Ok(wheel) = Wheel::read(NAME, &changed) {
                let info = |path: &str| path.starts_with("a-1.dist-info/");
                let mut pairs = files.iter().zip(&wheel.files);
                assert!(pairs.all(|(a, b)| a == b || info(a.0)), "byte {at}");
            }
        }
    }
}

#[test]
fn cut_wheels_are_refused() {
    let bytes = good();
    for end in 0..bytes.len() {
        assert!(Wheel::read(NAME, &bytes[..end]).is_err(), "cut at {end}");
        fuzz(&bytes[..end]);
    }
}

/// The entries of a sound wheel, changed by `change`.
fn changed(change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> WheelError {
    let bytes = good();
    let files = Wheel::read(NAME, &bytes).unwrap().files;
    let mut files = files.into_iter().map(|(path, bytes)| (String::from(path), bytes)).collect();
    change(&mut files);
    let bytes = zip(&files);
    Wheel::read(NAME, &bytes).unwrap_err()
}

#[test]
fn files_are_what_the_record_says() {
    assert!(matches!(changed(|files| files[0].1.push(b'!')), WheelError::OtherSum(_)));
    assert!(matches!(changed(|files| files.push(("extra.py".into(), Vec::new()))), WheelError::NotListed(_)));
    assert!(matches!(changed(|files| drop(files.remove(1))), WheelError::Lacks(_)));
    let twice = |files: &mut Vec<(String, Vec<u8>)>| {
        let line = files[4].1.split(|&byte| byte == b'\n').next().unwrap().to_vec();
        files[4].1.extend(line);
    };
    assert!(matches!(changed(twice), WheelError::NotListed(_)));
    assert!(matches!(changed(|files| files[4].1 = b"nonsense".to_vec()), WheelError::Record(_)));
    assert!(matches!(changed(|files| drop(files.remove(4))), WheelError::Lacks(_)));
}

#[test]
fn names_agree() {
    assert!(matches!(refused("b-1-py3-none-any.whl", &[]), WheelError::Lacks(_)));
    assert_eq!(normal("A._-b.C").unwrap(), "a-b-c");
    let about = |text: &'static [u8]| changed(move |files| files[2].1 = text.to_vec());
    assert!(matches!(about(b"Name: other\nVersion: 1\n"), WheelError::OtherName(_)));
    assert_eq!(field(b"A: b\nName:  x \n\nVersion: 2", "Name"), Some("x"));
    assert_eq!(field(b"A: b\n\nVersion: 2", "Version"), None);
}

#[test]
fn impure_wheels_are_refused() {
    let format = |text: &'static [u8]| changed(move |files| files[3].1 = text.to_vec());
    assert!(matches!(format(b"Wheel-Version: 2.0\n"), WheelError::Format(_)));
    assert_eq!(format(b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"), WheelError::NotPure);
}

#[test]
fn bombs_are_refused() {
    let mut bytes = good();
    let at = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[at + 24..at + 28].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Wheel::read(NAME, &bytes).unwrap_err(), WheelError::TooLarge);
}
