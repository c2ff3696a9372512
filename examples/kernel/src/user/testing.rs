//! What tests and fuzzing ask of the files of users, whatever their bytes.

use alloc::format;

use super::accounts::Accounts;
use super::groups::Groups;
use super::lines::FileError;
use super::roles::Roles;

/// Reads any bytes as one of the files, which the first byte chooses; what is read is printed as it was, and an error is in the file.
///
/// # Panics
/// It is not so.
pub fn account_files(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 3 {
        0 => judge(bytes, Accounts::parse(bytes).map(|read| format!("{read}"))),
        1 => judge(bytes, Groups::parse(bytes).map(|read| format!("{read}"))),
        _ => match Roles::parse(bytes) {
            // They come out in another order, and without those that nobody has.
            Ok(read) => assert_eq!(Roles::parse(format!("{read}").as_bytes()), Ok(read)),
            Err(error) => judge(bytes, Err(error)),
        },
    }
}

fn judge(bytes: &[u8], read: Result<alloc::string::String, FileError>) {
    match read {
        Ok(printed) => assert_eq!(printed.as_bytes(), bytes),
        Err(FileError { line, problem }) => {
            let lines = bytes.split_inclusive(|&byte| byte == b'\n').count();
            assert!((1..=lines).contains(&(line as usize)), "line {line} of {lines}: {problem}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::accounts::{Account, Password};
    use super::super::lines::{self, LINES_MAX, MEMBERS_MAX, Problem};
    use super::super::roles::Role;
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const HASH: &str = "$argon2id$v=19$m=16,t=1,p=1$AQEBAQEBAQEBAQEBAQEBAQ$c29tZXNhbHRzb21lc2FsdA";

    fn problem(line: u32, problem: Problem) -> FileError {
        FileError { line, problem }
    }

    #[test]
    fn accounts_are_read_and_printed() {
        let text = format!("root:!:0:0:/\nalice:{HASH}:1000:100:/home/alice\n");
        let all = Accounts::parse(text.as_bytes()).unwrap();
        let alice = all.named("alice").unwrap();
        assert_eq!((alice.uid, alice.gid, alice.home.as_str()), (1000, 100, "/home/alice"));
        assert!(matches!(&alice.password, Password::Hashed(hash) if hash == HASH));
        assert_eq!(all.numbered(0).unwrap().password, Password::Locked);
        assert_eq!((all.to_string(), all.free_uid()), (text, 1001));
        assert_eq!(Accounts::initial().unwrap().to_string(), "root:!:0:0:/\n");
    }

    #[test]
    fn what_is_wrong_with_accounts_is_named_with_its_line() {
        for (text, wanted) in [
            ("root:!:0:0:/", problem(1, Problem::NoEnd)),
            ("root:!:0:0:/\n\n", problem(2, Problem::Fields { wanted: 5 })),
            ("root:!:0:0\n", problem(1, Problem::Fields { wanted: 5 })),
            ("root:!:0:0:/:/bin/sh\n", problem(1, Problem::Fields { wanted: 5 })),
            ("Root:!:0:0:/\n", problem(1, Problem::BadName)),
            ("1st:!:0:0:/\n", problem(1, Problem::BadName)),
            (":!:0:0:/\n", problem(1, Problem::BadName)),
            ("root::0:0:/\n", problem(1, Problem::BadPassword)),
            ("root:x:0:0:/\n", problem(1, Problem::BadPassword)),
            ("root:!:00:0:/\n", problem(1, Problem::BadNumber)),
            ("root:!:0:+0:/\n", problem(1, Problem::BadNumber)),
            ("root:!:4294967295:0:/\n", problem(1, Problem::BadNumber)),
            ("root:!:0:0:home\n", problem(1, Problem::BadHome)),
            ("root:!:0:0:/a b\n", problem(1, Problem::BadHome)),
            ("a:!:1:1:/\nb:!:2:1:/\na:!:3:1:/\n", problem(3, Problem::NameTwice)),
            ("a:!:1:1:/\nb:!:1:1:/\n", problem(2, Problem::NumberTwice)),
        ] {
            assert_eq!(Accounts::parse(text.as_bytes()), Err(wanted), "{text:?}");
        }
        assert_eq!(Accounts::parse(b"a\xff\n"), Err(problem(1, Problem::NotText)));
        let many: String = (0..=LINES_MAX).map(|number| format!("u{number}:!:{number}:1:/\n")).collect();
        assert_eq!(Accounts::parse(many.as_bytes()), Err(problem(65, Problem::TooManyLines)));
        let long = format!("a:!:1:1:/{}\n", "x".repeat(lines::FILE_MAX));
        assert_eq!(Accounts::parse(long.as_bytes()), Err(problem(1, Problem::FileTooLong)));
    }

    #[test]
    fn groups_of_a_user_are_in_order() {
        let text = "users:100:\ndev:50:bob,alice\nwheel:10:alice\n";
        let all = Groups::parse(text.as_bytes()).unwrap();
        assert_eq!(all.of("alice").unwrap(), [10, 50]);
        assert_eq!((all.of("bob").unwrap().as_slice(), all.of("eve").unwrap().len()), (&[50][..], 0));
        assert_eq!(all.to_string(), text);
        for (text, wanted) in [
            ("a:1:x,x\n", Problem::NameTwice),
            ("a:1:x,\n", Problem::BadName),
            ("a:1:,x\n", Problem::BadName),
            ("a:1:\nb:1:\n", Problem::NumberTwice),
            ("a:1:\na:2:\n", Problem::NameTwice),
        ] {
            assert_eq!(Groups::parse(text.as_bytes()).unwrap_err().problem, wanted, "{text}");
        }
        let names: Vec<_> = (0..=MEMBERS_MAX).map(|number| format!("u{number}")).collect();
        let text = format!("a:1:{}\n", names.join(","));
        assert_eq!(Groups::parse(text.as_bytes()), Err(problem(1, Problem::TooManyMembers)));
    }

    #[test]
    fn a_user_in_more_groups_than_there_is_room_for_has_no_set() {
        let text: String = (0..17).map(|number| format!("g{number}:{number}:u\n")).collect();
        assert_eq!(Groups::parse(text.as_bytes()).unwrap().of("u"), None);
    }

    #[test]
    fn roles_come_and_go() {
        let mut all = Roles::parse(b"kill:alice,bob\npower:bob\n").unwrap();
        assert!(all.has(Role::Kill, "alice") && !all.has(Role::Power, "alice"));
        let alice = lines::name("alice").unwrap();
        assert_eq!((all.grant(Role::Power, &alice), all.grant(Role::Power, &alice)), (Ok(true), Ok(false)));
        assert!(all.revoke(Role::Kill, "alice") && !all.revoke(Role::Kill, "alice"));
        assert_eq!(all.to_string(), "power:bob,alice\nkill:bob\n");
        assert!(all.forget("bob") && !all.forget("bob"));
        assert_eq!(all.to_string(), "power:alice\n");
        for (text, wanted) in [
            ("fly:a\n", Problem::UnknownRole),
            ("kill:a\nkill:b\n", Problem::NameTwice),
            ("kill a\n", Problem::Fields { wanted: 2 }),
        ] {
            assert_eq!(Roles::parse(text.as_bytes()).unwrap_err().problem, wanted, "{text}");
        }
    }

    /// What is added and taken away, beside a list of names.
    #[test]
    fn accounts_come_and_go_once_each() {
        let mut all = Accounts::initial().unwrap();
        let account = |name: &str, uid| Account {
            name: lines::name(name).unwrap(),
            password: Password::Locked,
            uid,
            gid: 100,
            home: "/".try_into().unwrap(),
        };
        for number in 0..LINES_MAX - 1 {
            let uid = all.free_uid();
            assert_eq!(uid as usize, 1000 + number);
            all.add(account(&format!("u{number}"), uid)).unwrap();
        }
        assert_eq!(all.add(account("more", 7)), Err(Problem::TooManyLines));
        assert_eq!(all.add(account("u1", 7)), Err(Problem::NameTwice));
        assert!(all.remove("u1") && !all.remove("u1"));
        assert_eq!(all.add(account("other", 1002)), Err(Problem::NumberTwice));
        assert_eq!((all.free_uid(), all.all().len()), (1001, LINES_MAX - 1));
        assert!(all.set_password("u2", Password::Hashed(HASH.try_into().unwrap())));
        assert!(!all.set_password("u1", Password::Locked));
        account_files(format!("\0{all}").as_bytes());
    }

    #[test]
    fn whole_files_are_read() {
        for (place, seed) in [
            include_bytes!("../../../../fuzz/corpus/account_files/accounts").as_slice(),
            include_bytes!("../../../../fuzz/corpus/account_files/groups"),
            include_bytes!("../../../../fuzz/corpus/account_files/roles"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(usize::from(seed[0] % 3), place);
            let good = match place {
                0 => Accounts::parse(&seed[1..]).is_ok_and(|all| all.all().len() == 3),
                1 => Groups::parse(&seed[1..]).is_ok_and(|all| all.of("alice").unwrap().len() == 2),
                _ => Roles::parse(&seed[1..]).is_ok_and(|all| all.has(Role::Power, "alice")),
            };
            assert!(good, "{place}");
            account_files(seed);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            account_files(&bytes);
        }

        #[test]
        fn any_lines_are_read_or_refused(
            which in 0..3_u8,
            lines in prop::collection::vec(("[a-c]{0,2}", "(!|[0-9]{1,3})", "[0-9]{0,10}", "[a-c,0-9]{0,5}"), 0..8),
        ) {
            let mut text = String::from(char::from(which));
            for (name, second, third, fourth) in lines {
                text += &match which {
                    0 => format!("{name}:{second}:{third}:{third}:/{fourth}\n"),
                    1 => format!("{name}:{third}:{fourth}\n"),
                    _ => format!("{}:{fourth}\n", Role::ALL[usize::from(second.len().to_le_bytes()[0]) % Role::ALL.len()]),
                };
            }
            account_files(text.as_bytes());
        }
    }
}
