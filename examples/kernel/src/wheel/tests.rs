//! What is taken for a wheel, and what is not.

use super::testing::{Member, archive, deflated, fuzz, members, wheel};
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
    let members: Vec<_> = files.iter().map(|(path, bytes)| Member::stored(path, bytes)).collect();
    let bytes = archive(&members);
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
fn deflated_wheels_are_read() {
    let text = b"x = 1\n".repeat(500);
    let files: [(&str, &[u8]); 3] = [("a/__init__.py", &text), ("a/empty.py", b""), ("b.py", b"\x00\xff")];
    let bytes = deflated("a", "1", &files);
    assert!(bytes.len() < text.len() / 2, "{}", bytes.len());
    let read = Wheel::read(NAME, &bytes).unwrap().files;
    assert_eq!(read[..3], files.map(|(path, bytes)| (path, bytes.to_vec())));
    for end in 0..bytes.len() {
        assert!(Wheel::read(NAME, &bytes[..end]).is_err(), "cut at {end}");
    }
}

/// What a sound wheel, deflated, is refused for when its first entry is changed.
fn hostile(text: &[u8], change: fn(&mut Member)) -> WheelError {
    let mut members = members("a", "1", &[("a.py", text)], Member::deflated);
    change(&mut members[0]);
    let bytes = archive(&members);
    Wheel::read(NAME, &bytes).unwrap_err()
}

#[test]
fn entries_that_lie_are_refused() {
    let damaged = WheelError::Damaged(crate::text::Text::new(format_args!("a.py")));
    let lies: [fn(&mut Member); 9] = [
        |entry| entry.size += 1,
        |entry| entry.size -= 1,
        |entry| entry.size = 0,
        |entry| entry.sum ^= 1,
        |entry| entry.packed.push(0),
        |entry| entry.packed.truncate(entry.packed.len() - 1),
        |entry| entry.packed.clear(),
        |entry| entry.packed[0] |= 6,
        |entry| entry.method = 0,
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        assert_eq!(hostile(b"print(1, 2, 3)\n", lie), damaged, "lie {index}");
    }
    assert!(matches!(hostile(b"", |entry| entry.method = 9), WheelError::Method(9, _)));
    // Other bytes of the same size, with their own sum: only `RECORD` knows.
    let other = |entry: &mut Member| *entry = Member::deflated("a.py", b"evil");
    assert!(matches!(hostile(b"good", other), WheelError::OtherSum(_)));
}

#[test]
fn heads_say_what_the_directory_says() {
    let bytes = deflated("a", "1", &[("a.py", b"text")]);
    // Method, sum, both sizes of the first entry; an encrypted one.
    for (at, bit) in [(8, 8), (14, 1), (18, 1), (22, 1), (6, 1)] {
        let mut changed = bytes.clone();
        changed[at] ^= bit;
        let error = Wheel::read(NAME, &changed).unwrap_err();
        assert!(
            matches!(error, WheelError::NoZip("a bad entry", _) | WheelError::Method(..)),
            "{at}: {error}"
        );
    }
    // They may follow the data.
    let mut streamed = bytes;
    streamed[6] |= 8;
    streamed[14..26].fill(0);
    assert!(Wheel::read(NAME, &streamed).is_ok());
}

#[test]
fn entries_do_not_share_bytes() {
    let mut bytes = deflated("a", "1", &[("a.py", &b"0123456789abcdef".repeat(40)), ("b.py", b"")]);
    let end = bytes.len() - 22;
    let at = u32::from_le_bytes(bytes[end + 16..end + 20].try_into().unwrap()) as usize;
    // The first packed entry reaches to the directory: over all others.
    let size = u32::try_from(at - 34).unwrap().to_le_bytes();
    bytes[18..22].copy_from_slice(&size);
    bytes[at + 20..at + 24].copy_from_slice(&size);
    assert!(matches!(Wheel::read(NAME, &bytes), Err(WheelError::NoZip("entries over others", _))));
}

#[test]
fn bombs_are_refused() {
    let zeros = std::vec![0; 1 << 20];
    assert_eq!(Wheel::read(NAME, &deflated("a", "1", &[("a", &zeros)])).unwrap_err(), WheelError::Bomb);
    assert!(Wheel::read(NAME, &deflated("a", "1", &[("a", &zeros[..20_000])])).is_ok());
    let huge = |size| {
        let mut members = members("a", "1", &[("a", b"x")], Member::deflated);
        members[0].size = size;
        Wheel::read(NAME, &archive(&members)).unwrap_err()
    };
    assert_eq!(huge(u32::MAX as usize), WheelError::TooLarge);
    assert_eq!(huge((8 << 20) + 1), WheelError::TooLarge);
    assert_eq!(huge(4 << 20), WheelError::Bomb);
}

#[test]
fn the_corpus_of_wheel_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/wheel");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz(&std::fs::read(path).unwrap()));
}
