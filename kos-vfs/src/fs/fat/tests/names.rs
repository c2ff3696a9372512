use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::alias::{Alias, exact};
use super::super::entry::Entry;
use super::super::layout::FatKind;
use super::super::lfn::{LongName, checksum, encode, slots_of};
use super::super::name::Units;
use crate::error::FsError;
use crate::name::{NAME_MAX, Name};

fn units(name: &str) -> Units {
    Units::of_name(Name::new(name.as_bytes()).unwrap()).unwrap()
}

fn shown(units: &Units) -> Vec<u8> {
    units.write(&mut [0; NAME_MAX]).unwrap().as_bytes().to_vec()
}

fn short(bytes: [u8; 11]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn names_come_back_from_units() {
    for name in ["a", "Grüße aus Köln.txt", "日本語", "𝄞 clef", "x".repeat(255).as_str()] {
        assert_eq!(shown(&units(name)), name.as_bytes());
    }
    let half = b"a\xed\xa0\x80b\xed\xb0\x80";
    let kept = Units::of_name(Name::new(half).unwrap()).unwrap();
    assert_eq!(kept.as_slice(), [0x61, 0xd800, 0x62, 0xdc00]);
    assert_eq!(shown(&kept), half, "halves of pairs are kept as three bytes");
}

#[test]
fn what_is_no_utf8_is_no_name() {
    for bytes in [&b"\xff"[..], b"\xc0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80", b"\xed\xa0\x80\xed\xb0\x80"] {
        let name = Name::new(bytes).unwrap();
        assert_eq!(Units::of_name(name).err(), Some(FsError::BadName), "{name:?}");
    }
}

/// What a reader makes of the slots of `name`.
fn long(name: &str) -> LongName {
    let name = units(name);
    let slots = slots_of(&name);
    let mut long = LongName::EMPTY;
    (1..=slots).rev().for_each(|number| long.take(&encode(&name, number, slots, 0)));
    long
}

#[test]
fn only_ascii_letters_are_folded() {
    for (name, same, spelling) in [
        ("ReadMe", true, "rEADmE"),
        ("Ä", false, "ä"),
        ("[", false, "{"),
        ("a", false, "ab"),
        ("ab", false, "a"),
    ] {
        assert_eq!(long(name).is(&units(spelling)), same, "{name} {spelling}");
    }
    for (name, same) in [("a.b", true), ("A.B", true), ("a", false), ("a.bc", false), ("a.b.", false)] {
        assert_eq!(units(name).is_short(b"A       B  "), same, "{name}");
    }
}

#[test]
fn other_systems_take_every_name_that_is_made() {
    for bad in ["a ", "a.", "a:b", "a*", "tab\t", "back\\slash", "<", "q?", "\"", "|"] {
        assert!(!units(bad).is_storable(), "{bad:?}");
    }
    for good in [".config", " a", "a b", "a+b=[c];,", "~", "ü"] {
        assert!(units(good).is_storable(), "{good:?}");
    }
}

#[test]
fn short_names_are_eight_and_three_capitals() {
    assert_eq!(exact(&units("README.TXT")).map(short), Some("README  TXT".to_string()));
    assert_eq!(exact(&units("A")).map(short), Some("A          ".to_string()));
    for long in ["readme.txt", "README.TEXT", "TOOLONGNAME", "A.B.C", ".A", "A B", "Ä", "A+B"] {
        assert_eq!(exact(&units(long)), None, "{long}");
    }
}

#[test]
fn aliases_keep_clear_of_each_other() {
    let name = units("The quick brown.fox.jpeg");
    let mut alias = Alias::new(&name);
    alias.begin(0);
    assert_eq!(alias.pick().map(short).as_deref(), Some("THEQUI~1JPE"));
    alias.mark(b"THEQUI~1JPE", &units("other"));
    alias.mark(b"X          ", &units("thequi~2.jpe"));
    assert_eq!(alias.pick().map(short).as_deref(), Some("THEQUI~3JPE"));
    for digit in b'1'..=b'9' {
        let mut taken = *b"THEQUI~0JPE";
        taken[7] = digit;
        alias.mark(&taken, &units("other"));
    }
    assert_eq!(alias.pick(), None);
    alias.begin(1);
    let hashed = alias.pick().map(short).unwrap();
    assert!(hashed.starts_with("TH") && hashed.ends_with("~1JPE"), "{hashed}");
    let mut strange = Alias::new(&units("日本語.語"));
    strange.begin(0);
    assert_eq!(strange.pick().map(short).as_deref(), Some("___~1   _  "));
}

#[test]
fn long_names_survive_their_slots() {
    for length in [1, 12, 13, 14, 26, 255] {
        let name = units(&"n".repeat(length));
        let slots = slots_of(&name);
        let sum = checksum(b"NNNNNN~1   ");
        let mut long = LongName::EMPTY;
        for number in (1..=slots).rev() {
            assert_eq!(long.slots(b"NNNNNN~1   "), None, "not all parts have come");
            long.take(&encode(&name, number, slots, sum));
        }
        assert_eq!(long.slots(b"NNNNNN~1   "), Some(slots));
        assert_eq!(long.slots(b"OTHER      "), None, "it belongs to another short name");
        assert!(long.is(&name));
        assert_eq!(long.units().unwrap().as_slice(), name.as_slice());
    }
}

#[test]
fn small_letters_of_short_names_are_shown() {
    let mut slot = [0; 32];
    slot[..11].copy_from_slice(b"\x05BC     TXT");
    slot[12] = 0x08;
    let entry = Entry::parse(&slot, FatKind::Fat16);
    assert_eq!(shown(&Units::of_short(&entry)), "σbc.TXT".as_bytes());
    let mut again = slot;
    entry.store(&mut again, FatKind::Fat16);
    assert_eq!(again, slot);
}
