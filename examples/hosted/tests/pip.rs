//! `pip install NAME`: from an index that this very kernel serves over its loopback, and from what was kept.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panic")]

use kos_demo_kernel::net::testing::serving;
use kos_demo_kernel::wheel::index::testing::page;
use kos_demo_kernel::wheel::testing::{needing, wheel};
use kos_hosted::{Machine, MachineConfig, Output};
use kos_vfs::testing::CpioWriter;

const PORT: u16 = 8000;
const INDEX: &str = "--index http://127.0.0.1:8000/simple";
const SITE: &str = "/usr/lib/python/site-packages";
const CACHE: &str = "/var/cache/pip";
const FILE: &str = "Some_Thing-1.10-py3-none-any.whl";

type Pages = Vec<(String, Vec<u8>)>;

/// A machine with these files, each a path without its first slash.
fn machine(files: &[(&str, &[u8])]) -> Machine {
    let folders = ["usr", "usr/lib", "usr/lib/python", "etc", "var", "var/cache", "var/cache/pip"];
    let archive = folders.iter().fold(CpioWriter::new(), |archive, name| archive.add(name, 0o040_755, b""));
    let archive =
        files.iter().fold(archive, |archive, (name, bytes)| archive.add(name, 0o100_644, bytes)).finish();
    Machine::boot(MachineConfig { archive: Some(archive), ..MachineConfig::with_memory(32 << 20) }).unwrap()
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn package(version: &str) -> Vec<u8> {
    wheel("Some_Thing", version, &[("some/__init__.py", b"y = 5\n"), ("some/x.py", b"")])
}

/// An index with two versions of one package, and a wheel of the newest that is not for here.
fn index() -> Pages {
    let (old, new) = (package("1.9"), package("1.10"));
    let files: [(&str, &[u8]); 3] = [
        (FILE, &new),
        ("Some_Thing-1.9-py3-none-any.whl", &old),
        ("Some_Thing-2.0-cp313-cp313-linux_x86_64.whl", b""),
    ];
    let mut pages = vec![("/simple/some-thing/".into(), http("200 OK", page(&files).as_bytes()))];
    pages.extend(files.map(|(name, bytes)| (format!("/files/{name}"), http("200 OK", bytes))));
    pages
}

/// Runs commands while the kernel serves `pages`: the status of the last of them, and what they said.
#[track_caller]
fn run(machine: &Machine, pages: &Pages, commands: &str) -> (u32, String) {
    let (pages, text) = (pages.clone(), commands.to_owned());
    let output = machine.on_first_cpu(move |kernel| {
        let pages: Vec<_> = pages.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        kernel.on_main_thread(|| {
            let mut output = Output::default();
            serving(kernel, PORT, &pages, || kernel.script(&text, &mut output)).unwrap();
            output
        })
    });
    let output = output.unwrap().unwrap();
    assert!(output.death.is_none(), "{:?}", output.death);
    (output.statuses.last().unwrap().1.0, output.text())
}

/// Frames in use, without what is kept for later.
fn frames(machine: &Machine) -> usize {
    machine.exec("gc; gc");
    machine.kernel().frames().stats().free
}

#[test]
fn the_newest_wheel_of_an_index_is_installed() {
    let machine = machine(&[]);
    let (status, text) =
        run(&machine, &index(), &format!("pip install {INDEX} some.THING; pip list; ls {CACHE}"));
    assert_eq!(status, 0, "{text}");
    let said = format!("{FILE}: 1 KiB from 127.0.0.1:8000\nSome_Thing 1.10 is installed\nSome_Thing 1.10\n");
    let (start, kept) = text.split_at_checked(said.len()).unwrap();
    assert_eq!(start, said);
    assert!(kept.len() == 64 + 1 + FILE.len() + 1 && kept.ends_with(&format!("-{FILE}\n")), "{kept}");
    let (status, text) =
        run(&machine, &index(), &format!("cat {SITE}/some/__init__.py {SITE}/installed.json"));
    assert!(
        status == 0 && text.starts_with("y = 5\n[\n  {\"name\": \"Some_Thing\", \"version\": \"1.10\""),
        "{text}"
    );
    let (status, text) = run(&machine, &index(), &format!("pip install {INDEX} some-thing==1.9"));
    assert_eq!((status, text.as_str()), (1, "pip: Some_Thing 1.10 is installed already\n"));
    let other = format!("pip uninstall some-thing; pip install {INDEX} some-thing==1.9.0; pip list");
    let (status, text) = run(&machine, &index(), &other);
    assert!(status == 0 && text.ends_with("Some_Thing 1.9 is installed\nSome_Thing 1.9\n"), "{text}");
    let (status, text) =
        run(&machine, &index(), &format!("pip uninstall some-thing; pip install {INDEX} some-thing==2"));
    assert!(
        status == 1 && text.ends_with("it is for cp313-cp313-linux_x86_64; only py3-none-any works here\n"),
        "{text}"
    );
}

#[test]
fn the_index_is_that_of_pip_conf() {
    let settings = b"[global]\nindex-url = http://127.0.0.1:8000/simple/\n";
    let machine = machine(&[("etc/pip.conf", settings)]);
    let (status, text) = run(&machine, &index(), "pip install some-thing");
    assert!(status == 0 && text.ends_with("Some_Thing 1.10 is installed\n"), "{text}");
    let (status, text) =
        run(&machine, &index(), "pip uninstall some-thing; echo index > /etc/pip.conf; pip install x");
    assert!(status == 1 && text.contains("pip: /etc/pip.conf: line 1: not '[global]'"), "{text}");
    let (status, text) = run(&machine, &index(), "rm /etc/pip.conf; pip install x");
    assert!(status == 1 && text.contains("which index? --index URL says it, or /etc/pip.conf"), "{text}");
}

#[test]
fn what_was_fetched_is_there_without_a_network() {
    let machine = machine(&[]);
    assert_eq!(
        run(&machine, &index(), &format!("pip install {INDEX} some-thing; pip uninstall some-thing")).0,
        0
    );
    // Nobody serves, and no index is named.
    let output = machine.exec("pip install some-thing==1.10; pip uninstall some-thing");
    assert_eq!(
        output.text(),
        format!("{FILE} is from the cache\nSome_Thing 1.10 is installed\nSome_Thing 1.10 is gone\n")
    );
    assert!(output.succeeded());
    let output = machine.exec("pip install some-thing==1.9");
    assert!(output.text().contains("which index?") && !output.succeeded(), "{}", output.text());
    // Who names an index has it asked; the file need not come again.
    let page_alone = index()[..1].to_vec();
    let (status, text) = run(&machine, &page_alone, &format!("pip install {INDEX} some-thing"));
    assert!(status == 0 && text.contains("is from the cache\n"), "{text}");
}

#[test]
fn a_damaged_file_of_the_cache_is_fetched_again() {
    let machine = machine(&[("etc/pip.conf", b"[global]\nindex-url = http://127.0.0.1:8000/simple\n")]);
    assert_eq!(run(&machine, &index(), "pip install some-thing==1.10; pip uninstall some-thing").0, 0);
    let name = machine.exec(&format!("ls {CACHE}")).text();
    let damage = format!("echo x >> {CACHE}/{}; pip install some-thing==1.10", name.trim());
    let output = machine.exec(&damage);
    let text = output.text();
    assert!(!output.succeeded() && text.contains("of the cache is damaged, and not used\n"), "{text}");
    let (status, text) = run(&machine, &index(), "pip install some-thing==1.10; pip uninstall some-thing");
    assert!(status == 0 && text.contains("of the cache is damaged, and not used\n"), "{text}");
    assert!(text.contains("1 KiB from 127.0.0.1:8000\n"), "{text}");
    let output = machine.exec("pip install some-thing==1.10");
    assert!(output.succeeded() && output.text().contains("is from the cache\n"), "{}", output.text());
}

#[test]
fn who_may_not_keep_files_does_without() {
    let machine = machine(&[]);
    let begin =
        "useradd alice; mkdir /w; chown 1000:1000 /w; su alice; cd /w; venv create v; venv activate v";
    let (status, text) =
        run(&machine, &index(), &format!("{begin}; pip install {INDEX} some-thing; pip list"));
    let said = format!(
        "{FILE} is not kept in {CACHE}: permission denied\nSome_Thing 1.10 is installed\nSome_Thing 1.10\n"
    );
    assert!(status == 0 && text.ends_with(&said), "{text}");
    assert_eq!(machine.exec(&format!("ls {CACHE}")).text(), "");
}

/// What an index may do wrong, and what is said of it.
fn wrongs() -> Vec<(&'static str, Pages, String)> {
    let (simple, file) = ("/simple/some-thing/".to_owned(), format!("/files/{FILE}"));
    let good = |body: &[u8]| vec![(simple.clone(), http("200 OK", page(&[(FILE, body)]).as_bytes()))];
    let with = |answer: Vec<u8>| [good(&package("1.10")), vec![(file.clone(), answer)]].concat();
    let alone = |answer: Vec<u8>| vec![(simple.clone(), answer)];
    let whole = http("200 OK", &package("1.10"));
    let url = "http://127.0.0.1:8000";
    let site = format!("{url}/simple/some-thing/");
    let place = format!("{url}{file}");
    let large = |most: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {most}\r\n\r\n").into_bytes();
    vec![
        ("no page", alone(http("404 Not Found", b"?")), "the index has no some-thing (404)".into()),
        (
            "moved",
            alone(http("302 Found", b"")),
            format!("{site}: the server sends elsewhere (302); that is not followed"),
        ),
        ("ill", alone(http("500 Oops", b"")), format!("{site}: the server answers 500")),
        ("silent", vec![], format!("{site}: the connection ended in the response")),
        ("no HTTP", alone(b"hello\r\n\r\n".to_vec()), format!("{site}: this is no response of HTTP")),
        ("large page", alone(large((256 << 10) + 1)), format!("{site}: the body is too long")),
        ("cut page", alone(large(9)), format!("{site}: the connection ended in the response")),
        ("no HTML", alone(http("200 OK", b"<a href='")), "the index: a quote without an end at 9".into()),
        ("no file", good(b""), format!("{place}: the connection ended in the response")),
        ("gone", with(http("410 Gone", b"")), format!("{place}: the server answers 410")),
        (
            "other",
            with(http("200 OK", b"x")),
            format!("{FILE}: what came has another SHA-256 than the index says"),
        ),
        (
            "cut",
            with(whole[..whole.len() - 1].to_vec()),
            format!("{place}: the connection ended in the response"),
        ),
        ("large", with(large((4 << 20) + 1)), format!("{place}: the body is too long")),
        (
            "no wheel",
            [good(b"x"), vec![(file.clone(), http("200 OK", b"x"))]].concat(),
            format!("{FILE}: no zip archive: no end at 1"),
        ),
    ]
}

#[test]
fn what_goes_wrong_is_named_and_leaves_nothing() {
    let machine = machine(&[]);
    let install = format!("pip install {INDEX} some-thing");
    let (look, clear) = (format!("ls -a {CACHE} {SITE}"), format!("rm -r {CACHE}; mkdir {CACHE}"));
    // What is kept from the first time on is kept before.
    run(&machine, &index(), &format!("{install}; pip uninstall some-thing; {clear}"));
    let (empty, before) = (machine.exec(&look).text(), frames(&machine));
    for (what, pages, said) in wrongs() {
        let (status, text) = run(&machine, &pages, &install);
        assert_eq!(
            (status, text.lines().last().unwrap_or_default()),
            (1, format!("pip: {said}").as_str()),
            "{what}"
        );
        if what == "no wheel" {
            // It is what the index says, so it is kept.
            machine.exec(&clear);
        }
        assert_eq!(machine.exec(&look).text(), empty, "{what}");
        assert_eq!(frames(&machine), before, "{what}");
    }
    let output = machine.exec(&install);
    assert!(
        output.text().starts_with("pip: http://127.0.0.1:8000/simple/some-thing/: "),
        "{}",
        output.text()
    );
}

#[test]
fn what_a_package_needs_and_is_not_there_is_named() {
    let needs = ["some-thing", "b >=1", "c; python_version < '3'", "d; extra == 'x'"];
    let package = needing("a", "1", &needs, &[("a.py", b"")]);
    let name = "a-1-py3-none-any.whl";
    let mut pages = index();
    pages.push(("/simple/a/".into(), http("200 OK", page(&[(name, &package)]).as_bytes())));
    pages.push((format!("/files/{name}"), http("200 OK", &package)));
    let machine = machine(&[]);
    let (status, text) =
        run(&machine, &pages, &format!("pip install {INDEX} some-thing; pip install {INDEX} a"));
    let said = "a 1 is installed\nit needs b >=1, which is not installed\n\
        it needs c where python_version < '3'; it is not installed\n";
    assert!(status == 0 && text.ends_with(said), "{text}");
}

#[test]
fn failing_memory_leaves_no_half_of_a_kept_package() {
    let first = machine(&[]);
    assert_eq!(run(&first, &index(), &format!("pip install {INDEX} some-thing")).0, 0);
    let name = first.exec(&format!("ls {CACHE}")).text();
    let path = format!("{}/{}", CACHE.trim_start_matches('/'), name.trim());
    let package = package("1.10");
    let mut installed = 0;
    for k in (1..120).step_by(7) {
        let machine = machine(&[(&path, &package)]);
        let output = machine.exec(&format!("inject oom {k}; pip install some-thing==1.10; inject off"));
        let good = output.statuses.get(1).is_some_and(|(_, status)| status.0 == 0);
        installed += usize::from(good);
        let list = machine.exec("pip list").text();
        assert_eq!(list, if good { "Some_Thing 1.10\n" } else { "" }, "k = {k}: {}", output.text());
        let again = machine.exec("pip install some-thing==1.10; pip list").text();
        assert!(again.ends_with("Some_Thing 1.10\n"), "k = {k}: {again}");
    }
    assert!((1..18).contains(&installed), "{installed} of 18 were installed");
}
