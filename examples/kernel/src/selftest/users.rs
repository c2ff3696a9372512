//! Tests of users: files that hold for the session, roles, passwords, the record. Each with an `/etc` and a `/var/log` of its own.

use kos_vfs::Errno;

use super::{Failure, Test};
use crate::Kernel;
use crate::audit::What;
use crate::ensure;
use crate::platform::Platform;
use crate::shell::Status;
use crate::text::Text;
use crate::user::accounts::{self, Password};
use crate::user::change::ChangeError;
use crate::user::lines;
use crate::user::login::LoginError;
use crate::user::password::{self, Cost, HashError, SALT, Secret};
use crate::user::roles::Role;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "users::the_file_of_another_user_is_refused", run: files },
        Test { name: "users::who_becomes_another_comes_back", run: back },
        Test { name: "users::a_wrong_password_does_not_log_in", run: wrong_password },
        Test { name: "users::three_failures_cost_two_seconds", run: failures },
        Test { name: "users::commands_need_their_roles", run: roles },
        Test { name: "users::what_is_of_another_is_not_killed", run: kill },
        Test { name: "users::who_is_gone_leaves_no_roles", run: gone },
        Test { name: "users::a_service_is_of_its_user", run: service },
        Test { name: "users::damaged_files_grant_nothing", run: damaged },
        Test { name: "users::each_failure_of_useradd_and_login_leaves_a_whole_file", run: no_memory },
        Test { name: "audit::what_was_done_is_in_the_file", run: recorded },
        Test { name: "audit::what_cannot_be_recorded_does_not_happen", run: closed },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// A hash that is quick.
const QUICK: Cost = Cost { kib: 8, passes: 1 };

fn secret(text: &str) -> Secret {
    Secret::from(text.as_bytes())
}

/// What a line says, and its status.
fn told<P: Platform>(kernel: &Kernel<P>, line: &str) -> (u32, Text) {
    let mut text = Text::default();
    let (status, _) = kernel.execute(line, &mut text);
    (status.0, text)
}

fn succeeds<P: Platform>(kernel: &Kernel<P>, line: &str) -> Result<Text, Failure> {
    let (status, text) = told(kernel, line);
    ensure!(status == 0, "'{line}': {status}, {text}");
    Ok(text)
}

fn fails<P: Platform>(kernel: &Kernel<P>, line: &str, status: Status, said: &str) -> Result<(), Failure> {
    let (ended, text) = told(kernel, line);
    ensure!(ended == status.0 && text.as_str().contains(said), "'{line}': {ended}, {text}");
    Ok(())
}

/// Does `work` with users alice, who has the password `sesame`, and bob, who has none; then all is as before.
fn with_users<P: Platform>(
    kernel: &Kernel<P>,
    work: impl FnOnce(&Kernel<P>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if kernel.files().is_none() {
        return Err(Failure::skip(format_args!("no files")));
    }
    let places = ["/etc", "/home", "/var/log"];
    succeeds(kernel, "mkdir -p /home /var/log")?;
    let mut mounted = 0;
    let result = places
        .iter()
        .try_for_each(|place| {
            let line = Text::new(format_args!("mount -t tmpfs none {place}"));
            succeeds(kernel, line.as_str())?;
            mounted += 1;
            Ok(())
        })
        .and_then(|()| furnish(kernel))
        .and_then(|()| work(kernel));
    for place in places.iter().take(mounted).rev() {
        succeeds(kernel, Text::new(format_args!("umount {place}")).as_str())?;
    }
    // Names that are remembered take memory.
    kernel.files().map(|files| files.vfs().shrink(0)).unwrap_or_default();
    result
}

/// Two users; the hash is a quick one, as no command makes them.
fn furnish<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    succeeds(kernel, "chmod 755 /etc /home /var/log; useradd alice; useradd bob")?;
    let hash = password::hash(&secret("sesame"), &[3; SALT], QUICK)?;
    Ok(kernel.put_password("alice", Password::Hashed(hash))?)
}

fn files<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        succeeds(kernel, "su alice; cd /home/alice; echo mine > f; chmod 600 f; cat f")?;
        fails(kernel, "su bob; cat /home/alice/f", Status::FAILED, Errno::EACCES.meaning())?;
        fails(kernel, "su bob cat /etc/passwd", Status::FAILED, Errno::EACCES.meaning())?;
        fails(kernel, "su bob; echo evil:!:0:0:/ >> /etc/passwd", Status::FAILED, Errno::EACCES.meaning())?;
        succeeds(kernel, "echo dev:50:alice,bob > /etc/group; echo ours > /home/g")?;
        succeeds(kernel, "chown 0:50 /home/g; chmod 640 /home/g; su bob cat /home/g").map(drop)?;
        let text = succeeds(kernel, "id bob")?;
        ensure!(text.as_str() == "uid=1001(bob) gid=100 groups=50(dev)\n", "{text}");
        if crate::process::Processes::are_possible(kernel) {
            succeeds(kernel, "cp /bin/hello /home/hello; chmod 700 /home/hello; run /home/hello")?;
            fails(kernel, "su bob run /home/hello", Status::FAILED, Errno::EACCES.meaning())?;
        }
        Ok(())
    })
}

fn back<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        let text = succeeds(kernel, "whoami; su alice; whoami; su bob whoami || whoami; exit; whoami")?;
        ensure!(text.as_str().starts_with("root\nalice\n") && text.as_str().ends_with("root\n"), "{text}");
        let text = succeeds(kernel, "su alice whoami | cat; whoami")?;
        ensure!(text.as_str() == "alice\nroot\n", "{text}");
        fails(kernel, "su alice; su 0", Status::FAILED, Errno::EPERM.meaning())?;
        fails(kernel, "su nobody", Status::FAILED, "there is no such user")?;
        let text = succeeds(kernel, "echo sesame > /home/s; su bob; login alice < /home/s; pwd; echo $USER")?;
        ensure!(text.as_str() == "/home/alice\nalice\n", "{text}");
        Ok(())
    })
}

fn wrong_password<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        let enter = |name: &str, word: &str| kernel.log_in((7, What::Login), name, &secret(word));
        ensure!(enter("alice", "sesame").is_ok_and(|identity| identity.cred.uid == 1000));
        for (name, word) in [("alice", "sesam"), ("alice", ""), ("bob", ""), ("nobody", "sesame")] {
            let entered = enter(name, word);
            if let Err(LoginError::Hash(HashError::NoMemory(kib))) = entered {
                return Err(Failure::skip(format_args!("no {kib} KiB of memory in a row")));
            }
            ensure!(entered.is_err_and(|why| why == LoginError::Wrong), "{name} by '{word}'");
        }
        // Those of before count no longer: nobody has to wait.
        ensure!(enter("alice", "sesame").is_ok());
        fails(kernel, "su bob; echo wrong | su alice", Status::FAILED, "name or password is wrong")?;
        fails(kernel, "su bob; su alice", Status::FAILED, "nobody is at a terminal")?;
        let text = succeeds(kernel, "su bob; echo sesame | su alice; whoami")?;
        ensure!(text.as_str() == "alice\n", "{text}");
        Ok(())
    })
}

fn failures<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        let enter = |word: &str| kernel.log_in((7, What::Login), "alice", &secret(word));
        let begin = kernel.threads.runtime().now();
        for _ in 0..crate::user::gate::TRIES {
            ensure!(enter("wrong").is_err());
        }
        let third = kernel.threads.runtime().now();
        ensure!(enter("sesame").is_ok());
        let after = kernel.threads.runtime().now();
        let waited = after.checked_duration_since(begin).map_or(0, |time| time.as_millis());
        // Reckoned from the third try, which began before it failed.
        ensure!(waited >= 2000, "{waited} ms, of which the last {after} after {third}");
        Ok(())
    })
}

fn roles<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        for (line, role) in [
            ("poweroff", "power"),
            ("reboot", "power"),
            ("inject oom 1", "inject"),
            ("selftest none", "inject"),
            ("mount -t tmpfs none /home/bob", "mount"),
            ("umount /etc", "mount"),
            ("nameserver 10.0.0.1", "net"),
            ("firewall flush", "net"),
            ("svc start none", "svc"),
            ("srv stop", "svc"),
            ("useradd eve", "users"),
            ("userdel alice", "users"),
            ("passwd -l alice", "users"),
            ("roles grant users bob", "users"),
            ("audit", "audit"),
            ("policy reset", "policy"),
        ] {
            let said = Text::new(format_args!("this needs the role '{role}'"));
            let line = Text::new(format_args!("su bob {line}"));
            fails(kernel, line.as_str(), Status::REFUSED, said.as_str())?;
        }
        for line in ["su bob inject", "su bob svc list", "su bob roles | wc", "su bob mount | wc"] {
            succeeds(kernel, line)?;
        }
        succeeds(
            kernel,
            "roles grant mount bob; mkdir /home/m; su bob; mount -t tmpfs none /home/m; umount /home/m",
        )?;
        fails(kernel, "roles revoke mount bob; su bob umount /etc", Status::REFUSED, "mount")?;
        fails(kernel, "roles revoke mount bob", Status::FAILED, "has not the role")?;
        succeeds(kernel, "roles grant users bob; su bob; useradd eve; userdel eve")?;
        fails(kernel, "su bob; echo x | passwd root", Status::FAILED, Errno::EPERM.meaning())
    })
}

fn kill<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        let thread = |line: &str| -> Result<Text, Failure> {
            let text = succeeds(kernel, line)?;
            Ok(Text::new(format_args!("{}", text.as_str().trim())))
        };
        let (alices, roots) = (thread("su alice spin")?, thread("spin")?);
        let line = |who: &str, what: &str, task: &Text| Text::new(format_args!("su {who} {what} {task}"));
        let checked = (|| {
            for task in [&alices, &roots] {
                fails(kernel, line("bob", "kill", task).as_str(), Status::REFUSED, "the role 'kill'")?;
            }
            let nice = Text::new(format_args!("su bob nice {alices} 5"));
            fails(kernel, nice.as_str(), Status::REFUSED, "the role 'kill'")?;
            fails(kernel, "sleep 1000 & su bob; kill %1", Status::REFUSED, "the role 'kill'")?;
            succeeds(kernel, line("alice", "kill", &alices).as_str())?;
            succeeds(kernel, "roles grant kill bob").map(drop)
        })();
        let ended = succeeds(kernel, line("bob", "kill", &roots).as_str());
        // Where that was refused nobody may be left all the same.
        if checked.is_err() {
            for task in [alices, roots] {
                told(kernel, Text::new(format_args!("kill {task}")).as_str());
            }
        }
        checked.and(ended.map(drop))
    })
}

fn gone<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        succeeds(kernel, "roles grant power bob; roles grant kill alice; echo dev:50:bob > /etc/group")?;
        succeeds(kernel, "userdel bob; useradd bob")?;
        ensure!(!kernel.roles()?.has(Role::Power, "bob") && kernel.roles()?.has(Role::Kill, "alice"));
        ensure!(kernel.identity("bob")?.cred.groups.is_empty());
        fails(kernel, "userdel root", Status::FAILED, "user 0 stays")?;
        fails(kernel, "useradd bob", Status::FAILED, "the name was there before")?;
        fails(kernel, "useradd eve 0", Status::FAILED, "user 0 stays")?;
        fails(kernel, "useradd eve 1000", Status::FAILED, "the number was there before")
    })
}

fn service<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        let unit = "mkdir /etc/svc; echo 'exec = whoami && id && sleep 1000' > /etc/svc/one.svc; echo 'user = alice' >> /etc/svc/one.svc";
        succeeds(kernel, unit)?;
        let result = succeeds(kernel, "svc start one").and_then(|_| {
            let said = || told(kernel, "svc log one | grep alice | wc").1;
            let there = (0..5000).any(|_| {
                let there = said().as_str().trim_start().starts_with("2 ");
                if !there {
                    let _ = kernel.threads.sleep(crate::time::Duration::from_millis(1));
                }
                there
            });
            ensure!(there, "{}", told(kernel, "svc log one").1);
            Ok(())
        });
        kernel.shut_services();
        result?;
        succeeds(kernel, "echo 'exec = true' > /etc/svc/two.svc; echo 'user = nobody' >> /etc/svc/two.svc")?;
        succeeds(kernel, "echo 'restart = no' >> /etc/svc/two.svc")?;
        told(kernel, "svc start two");
        let text = told(kernel, "svc log two | grep nobody").1;
        kernel.shut_services();
        ensure!(text.as_str().contains("nobody: there is no such user"), "{text}");
        Ok(())
    })
}

fn damaged<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        succeeds(kernel, "roles grant power bob; echo power:bob,bob > /etc/roles")?;
        fails(kernel, "su bob poweroff", Status::FAILED, "/etc/roles: line 1: the name was there before")?;
        succeeds(kernel, "rm /etc/roles; echo nonsense >> /etc/passwd")?;
        fails(kernel, "su alice", Status::FAILED, "/etc/passwd: line 4: not 5 fields")?;
        fails(kernel, "useradd eve", Status::FAILED, "line 4")?;
        let said = told(kernel, "su 1000 reboot").1;
        ensure!(said.as_str().contains("line 4"), "{said}");
        Ok(())
    })
}

/// The k-th allocation of a frame fails, and all after it: what is there then is what was there, or what was to be; never a part.
fn no_memory<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const FAILURES: usize = 24;
    with_users(kernel, |kernel| {
        let (name, home) = (lines::name("eve")?, accounts::home("/home/eve")?);
        let (mut made, mut entered) = (0, 0);
        for k in 0..FAILURES {
            kernel.injector().arm(k);
            let added = kernel.add_user(&name, &home, (None, None));
            let login = kernel.log_in((0, What::Login), "alice", &secret("sesame"));
            kernel.injector().disarm();
            let there = kernel.accounts_of_users()?.named("eve").is_some();
            ensure!(there == added.is_ok(), "failure {k}: {added:?}, and eve is there: {there}");
            ensure!(kernel.accounts_of_users()?.all().len() == 3 + usize::from(there), "failure {k}");
            let wrong = matches!(login, Err(LoginError::Wrong | LoginError::Unknown));
            ensure!(!wrong, "failure {k}: what could not be found out is no wrong password");
            made += u32::from(added.is_ok());
            entered += u32::from(login.is_ok());
            if there {
                kernel.remove_user("eve")?;
            }
            told(kernel, "rmdir /home/eve");
        }
        ensure!(made > 0 && entered > 0, "{made} users made, {entered} logged in");
        ensure!(kernel.remove_user("eve") == Err(ChangeError::Unknown));
        Ok(())
    })
}

fn recorded<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        told(kernel, "su bob poweroff; su alice; echo no | su bob");
        let text = succeeds(kernel, "cat /var/log/audit | grep -v useradd | grep -v allowed")?;
        for part in ["uid 1001 role power for poweroff: refused\n", "uid 1000 su bob: refused\n"] {
            ensure!(text.as_str().contains(part), "{part}: {text}");
        }
        let text = succeeds(kernel, "cat /var/log/audit | grep useradd | wc")?;
        ensure!(text.as_str().trim_start().starts_with("2 "), "{text}");
        let text = succeeds(kernel, "audit | grep 'su bob: refused' | head 1; ls -l /var/log/audit")?;
        ensure!(text.as_str().contains("su bob") && text.as_str().contains("-rw-------"), "{text}");
        fails(kernel, "su bob cat /var/log/audit", Status::FAILED, Errno::EACCES.meaning())
    })
}

fn closed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_users(kernel, |kernel| {
        let result =
            succeeds(kernel, "audit closed > /dev/null; mount -o remount,ro /var/log").and_then(|_| {
                let lost = kernel.audit.lost();
                fails(kernel, "useradd eve", Status::FAILED, "it cannot be recorded")?;
                fails(kernel, "su alice", Status::FAILED, "it cannot be recorded")?;
                let login = kernel.log_in((0, What::Login), "alice", &secret("sesame"));
                ensure!(matches!(login, Err(LoginError::NotRecorded(_))), "{login:?}");
                fails(kernel, "audit open > /dev/null", Status::FAILED, "it cannot be recorded")?;
                ensure!(kernel.audit.lost() == lost + 4, "{} lost", kernel.audit.lost());
                ensure!(kernel.accounts_of_users()?.named("eve").is_none());
                Ok(())
            });
        kernel.audit.close(false);
        let back = succeeds(kernel, "mount -o remount,rw /var/log; su alice true");
        result.and(back.map(drop))
    })
}
