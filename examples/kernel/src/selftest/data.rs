//! Files that are open: positions, holes, sizes, what outlives its name.

use kos_vfs::fs::RenameFlags;
use kos_vfs::{
    At, AtFlags, Call, Ctx, DirError, FileError, FsError, How, Mode, MountFlags, OpenFlags, SeekFrom,
};

use super::lines::in_scratch;
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// What a test does as user 0 in an empty directory.
type Work<P> = for<'v> fn(&Call<'_, 'v, FilesEnv<P>>) -> Result<(), Failure>;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "data::each_open_file_has_its_position", run: |kernel| with(kernel, positions) },
        Test { name: "data::a_position_is_not_needed", run: |kernel| with(kernel, placed) },
        Test { name: "data::a_hole_reads_as_zeros", run: |kernel| with(kernel, hole) },
        Test { name: "data::what_is_appended_comes_last", run: |kernel| with(kernel, append) },
        Test { name: "data::a_file_that_was_cut_grows_with_zeros", run: |kernel| with(kernel, cut) },
        Test { name: "data::what_is_open_outlives_its_name", run: |kernel| with(kernel, nameless) },
        Test { name: "data::what_was_not_asked_for_is_refused", run: |kernel| with(kernel, access) },
        Test { name: "data::who_comes_first_makes_it", run: |kernel| with(kernel, exclusive) },
        Test { name: "data::opening_can_empty_a_file", run: |kernel| with(kernel, emptied) },
        Test { name: "data::a_seek_before_the_start_is_refused", run: |kernel| with(kernel, seeks) },
        Test { name: "data::a_large_file_keeps_each_byte", run: |kernel| with(kernel, large) },
        Test { name: "data::a_thousand_names_are_found_and_gone", run: |kernel| with(kernel, names) },
        Test { name: "data::a_directory_is_listed_once_each", run: |kernel| with(kernel, listed) },
        Test { name: "data::a_rename_need_not_replace", run: |kernel| with(kernel, rename) },
        Test { name: "data::two_names_change_places", run: |kernel| with(kernel, exchange) },
        Test { name: "data::a_way_out_is_refused_to_who_is_confined", run: |kernel| with(kernel, confined) },
        Test { name: "data::a_link_is_read_as_it_is", run: |kernel| with(kernel, link) },
        Test { name: "data::times_go_on", run: |kernel| with(kernel, times) },
        Test { name: "data::a_full_file_system_says_so_and_heals", run: full },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// Where the tests stand.
const PLACE: &[u8] = b"/mnt";
const CREATE: How = How::create(OpenFlags::READ_WRITE.union(OpenFlags::CREATE), Mode::of(0o644));

fn with<P: Platform>(kernel: &Kernel<P>, work: Work<P>) -> Result<(), Failure> {
    in_scratch(kernel, |kernel| {
        let files = kernel.files().ok_or_else(|| Failure::skip(format_args!("no files")))?;
        let ctx = Ctx::root();
        let view = files.view().ok_or_else(|| Failure::new(format_args!("nothing is mounted")))?;
        let view = view.call(&ctx).chdir(At::Cwd, PLACE)?;
        work(&view.call(&ctx))
    })
}

/// Whether reading from `offset` gives just that.
fn holds<P: Platform>(
    file: &kos_vfs::OpenFile<'_, FilesEnv<P>>,
    offset: u64,
    expected: &[u8],
) -> Result<(), Failure> {
    let mut have = [0xaa; 64];
    let count = file.pread(&mut have, offset)?;
    let have = have.get(..count).unwrap_or_default();
    ensure!(have == expected, "{have:?} at {offset}, not {expected:?}");
    Ok(())
}

fn positions<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let (one, other) = (call.open(At::Cwd, b"f", &CREATE)?, call.open(At::Cwd, b"f", &CREATE)?);
    ensure!(call.write(&one, b"abc")? == 3 && call.write(&other, b"X")? == 1);
    ensure!(one.seek(SeekFrom::Current(0))? == 3 && other.seek(SeekFrom::Current(0))? == 1);
    let again = other.clone();
    let mut byte = [0];
    ensure!(again.read(&mut byte)? == 1 && byte == *b"b");
    ensure!(other.seek(SeekFrom::Current(0))? == 2, "a descriptor's copy has a position of its own");
    holds(&one, 0, b"Xbc")
}

fn placed<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    ensure!(call.pwrite(&file, b"world", 6)? == 5 && call.pwrite(&file, b"hello ", 0)? == 6);
    ensure!(file.seek(SeekFrom::Current(0))? == 0, "a write to a place moved the position");
    holds(&file, 0, b"hello world")?;
    holds(&file, 11, b"")
}

fn hole<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    call.pwrite(&file, b"end", 1 << 20)?;
    holds(&file, (1 << 20) - 4, b"\0\0\0\0end")?;
    holds(&file, 4094, &[0; 64])?;
    let stat = call.stat(file.place())?.attr;
    ensure!(stat.size == (1 << 20) + 3 && stat.blocks * 512 < 1 << 20, "{stat:?}");
    ensure!(file.seek(SeekFrom::Data(0))? > 4096, "the hole is taken for data");
    Ok(())
}

fn append<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let how = How::create(OpenFlags::WRITE_ONLY | OpenFlags::CREATE | OpenFlags::APPEND, Mode::of(0o600));
    let (one, other) = (call.open(At::Cwd, b"f", &how)?, call.open(At::Cwd, b"f", &how)?);
    for _ in 0..3 {
        call.write(&one, b"a")?;
        call.write(&other, b"b")?;
    }
    one.seek(SeekFrom::Start(0))?;
    call.write(&one, b"!")?;
    holds(&call.open(At::Cwd, b"f", &CREATE)?, 0, b"ababab!")
}

fn cut<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    call.write(&file, b"secret words")?;
    call.set_size(&file, 3)?;
    call.set_size(&file, 8)?;
    holds(&file, 0, b"sec\0\0\0\0\0")?;
    let refused = call.set_size(&file, u64::MAX);
    ensure!(refused.is_err(), "a file has {:?} bytes", u64::MAX);
    holds(&file, 0, b"sec\0\0\0\0\0")
}

fn nameless<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    call.write(&file, b"still here")?;
    call.unlink(At::Cwd, b"f")?;
    ensure!(call.open(At::Cwd, b"f", &How::flags(OpenFlags::empty())).is_err(), "the name is still there");
    ensure!(call.stat(file.place())?.attr.links == 0);
    call.write(&file, b".")?;
    holds(&file, 0, b"still here.")
}

fn access<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let writer =
        call.open(At::Cwd, b"f", &How::create(OpenFlags::WRITE_ONLY | OpenFlags::CREATE, Mode::of(0o600)))?;
    let reader = call.open(At::Cwd, b"f", &How::flags(OpenFlags::empty()))?;
    let (read, written) = (writer.read(&mut [0]), call.write(&reader, b"a"));
    ensure!(
        read == Err(FileError::BadDescriptor) && written == Err(FileError::BadDescriptor),
        "{read:?} {written:?}"
    );
    let size = call.stat(reader.place())?.attr.size;
    ensure!(size == 0, "{size} bytes were written");
    let directory = call.open(At::Cwd, b".", &How::flags(OpenFlags::READ_WRITE)).map(drop);
    ensure!(directory == Err(FileError::IsDirectory), "{directory:?}");
    Ok(())
}

fn exclusive<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let flags = OpenFlags::READ_WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    let first = call.open(At::Cwd, b"f", &How::create(flags, Mode::of(0o600)))?;
    let second = call.open(At::Cwd, b"f", &How::create(flags, Mode::of(0o600))).map(drop);
    ensure!(second == Err(FileError::Create(DirError::Exists)), "{second:?}");
    call.symlink(b"nowhere", At::Cwd, b"s")?;
    let through = call.open(At::Cwd, b"s", &How::create(flags, Mode::of(0o600))).map(drop);
    ensure!(through == Err(FileError::Create(DirError::Exists)), "a symlink was followed: {through:?}");
    drop(first);
    Ok(())
}

fn emptied<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    call.write(&file, b"abc")?;
    drop(call.open(At::Cwd, b"f", &How::flags(OpenFlags::WRITE_ONLY | OpenFlags::TRUNCATE))?);
    holds(&file, 0, b"")?;
    call.write(&file, b"d")?;
    holds(&file, 0, b"\0\0\0d")
}

fn seeks<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    call.write(&file, b"abc")?;
    for wrong in [SeekFrom::Current(-4), SeekFrom::End(-4), SeekFrom::Current(i64::MAX)] {
        let refused = file.seek(wrong);
        ensure!(refused == Err(FileError::Invalid), "{wrong:?}: {refused:?}");
    }
    ensure!(
        file.seek(SeekFrom::End(-3))? == 0 && file.seek(SeekFrom::Data(3)) == Err(FileError::NothingThere)
    );
    Ok(())
}

fn large<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    const PIECE: usize = 500;
    const PIECES: u64 = 400;
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    let piece = |number: u64| -> [u8; PIECE] { [(number % 251).to_le_bytes()[0]; PIECE] };
    for number in 0..PIECES {
        ensure!(call.write(&file, &piece(number))? == PIECE);
    }
    let mut have = [0; PIECE];
    for number in (0..PIECES).rev() {
        ensure!(
            file.pread(&mut have, number * PIECE as u64)? == PIECE && have == piece(number),
            "piece {number}"
        );
    }
    Ok(())
}

fn number(buffer: &mut heapless::String<16>, number: u32) -> &[u8] {
    use core::fmt::Write;
    buffer.clear();
    // A number and a letter have room.
    let _ = write!(buffer, "n{number}");
    buffer.as_bytes()
}

fn names<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    const COUNT: u32 = 1000;
    let mut name = heapless::String::new();
    for each in 0..COUNT {
        call.open(At::Cwd, number(&mut name, each), &CREATE)?;
    }
    for each in 0..COUNT {
        call.stat_at(At::Cwd, number(&mut name, each), AtFlags::empty())?;
    }
    for each in 0..COUNT {
        call.unlink(At::Cwd, number(&mut name, each))?;
    }
    let left = list(call)?;
    ensure!(left == 0, "{left} names are left");
    Ok(())
}

/// How many names the directory has, but for `.` and `..`.
fn list<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<u32, Failure> {
    let mut count = 0;
    let flags = OpenFlags::DIRECTORY;
    call.open(At::Cwd, b".", &How::flags(flags))?.list(|entry| {
        count += u32::from(!matches!(entry.name, b"." | b".."));
        true
    })?;
    Ok(count)
}

fn listed<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let mut name = heapless::String::new();
    for each in 0..60 {
        call.mkdir(At::Cwd, number(&mut name, each), Mode::of(0o755))?;
    }
    let directory = call.open(At::Cwd, b".", &How::flags(OpenFlags::DIRECTORY))?;
    // One at a time, while names come that were not there: those that were come once each.
    let (mut seen, mut added) = ([0_u8; 60], 60);
    loop {
        let mut one: Option<usize> = None;
        directory.list(|entry| {
            let number =
                core::str::from_utf8(entry.name).ok().and_then(|name| name.strip_prefix('n')?.parse().ok());
            let first = one.is_none();
            one = one.or(number);
            // What is refused comes again.
            first
        })?;
        let Some(one) = one else { break };
        if let Some(count) = seen.get_mut(one) {
            *count += 1;
        }
        if added < 80 {
            call.mkdir(At::Cwd, number(&mut name, added), Mode::of(0o755))?;
            added += 1;
        }
    }
    ensure!(seen.iter().all(|&count| count == 1), "{seen:?}");
    Ok(())
}

fn rename<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    call.open(At::Cwd, b"a", &CREATE)?;
    call.open(At::Cwd, b"b", &CREATE)?;
    let refused = call.rename(At::Cwd, b"a", At::Cwd, b"b", RenameFlags::NO_REPLACE);
    ensure!(refused == Err(DirError::Exists), "{refused:?}");
    call.rename(At::Cwd, b"a", At::Cwd, b"c", RenameFlags::NO_REPLACE)?;
    call.mkdir(At::Cwd, b"d", Mode::of(0o755))?;
    let over = call.rename(At::Cwd, b"b", At::Cwd, b"d", RenameFlags::empty());
    ensure!(over.is_err(), "a file replaced a directory");
    let count = list(call)?;
    ensure!(count == 3, "{count} names");
    Ok(())
}

fn exchange<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"a", &CREATE)?;
    call.write(&file, b"1")?;
    call.mkdir(At::Cwd, b"b", Mode::of(0o755))?;
    call.rename(At::Cwd, b"a", At::Cwd, b"b", RenameFlags::EXCHANGE)?;
    holds(&call.open(At::Cwd, b"b", &CREATE)?, 0, b"1")?;
    call.rmdir(At::Cwd, b"a")?;
    Ok(())
}

fn confined<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    use kos_vfs::ResolveFlags;
    call.mkdir(At::Cwd, b"d", Mode::of(0o755))?;
    call.symlink(b"/etc", At::Cwd, b"d/out")?;
    call.symlink(b"../d", At::Cwd, b"d/up")?;
    let inside = call.chdir(At::Cwd, b"d")?;
    let ctx = Ctx::root();
    let inside = inside.call(&ctx);
    for way in [&b".."[..], b"/", b"out", b"up", b"nope/.."] {
        let place = inside.resolve_within(At::Cwd, way, true, ResolveFlags::BENEATH).map(drop);
        ensure!(place.is_err(), "{:?} leads out", core::str::from_utf8(way));
    }
    inside.resolve_within(At::Cwd, b".", true, ResolveFlags::BENEATH)?;
    Ok(())
}

fn link<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    call.symlink(b"any/thing", At::Cwd, b"s")?;
    let place = call.resolve(At::Cwd, b"s", AtFlags::NO_FOLLOW)?;
    let mut target = [0; 32];
    let length = call.readlink(&place, &mut target)?;
    ensure!(target.get(..length) == Some(b"any/thing"), "{target:?}");
    let opened = call.open(At::Cwd, b"s", &How::flags(OpenFlags::NO_FOLLOW)).map(drop);
    ensure!(opened == Err(FileError::IsLink), "{opened:?}");
    Ok(())
}

fn times<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"f", &CREATE)?;
    let made = call.stat(file.place())?.attr;
    call.write(&file, b"a")?;
    let written = call.stat(file.place())?.attr;
    ensure!(written.modified >= made.modified && written.changed >= written.modified, "{written:?}");
    call.chmod(file.place(), Mode::of(0o600))?;
    let changed = call.stat(file.place())?.attr;
    ensure!(changed.modified == written.modified && changed.changed >= written.changed, "{changed:?}");
    Ok(())
}

/// A file system of 64 KiB takes no more, says so, loses nothing, and takes again what was given back.
fn full<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    in_scratch(kernel, |kernel| {
        let files = kernel.files().ok_or_else(|| Failure::skip(format_args!("no files")))?;
        let ctx = Ctx::root();
        let view = files.view().ok_or_else(|| Failure::new(format_args!("nothing is mounted")))?;
        let call = view.call(&ctx);
        let small = files.tmpfs(32, Mode::of(0o755))?;
        call.mount(small, At::Cwd, PLACE, MountFlags::empty())?;
        let result = fill(&call);
        call.unmount(At::Cwd, PLACE, false)?;
        result
    })
}

fn fill<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Failure> {
    let file = call.open(At::Cwd, b"/mnt/f", &CREATE)?;
    let mut written = 0;
    let end = loop {
        match call.write(&file, &[7; 1000]) {
            Ok(count) if written < 1 << 20 => written += count as u64,
            end => break end,
        }
    };
    ensure!(end == Err(FileError::Fs(FsError::NoSpace)), "{end:?} after {written} bytes");
    ensure!((32 << 10..=64 << 10).contains(&written), "{written} bytes of 64 KiB");
    ensure!(call.stat(file.place())?.attr.size == written);
    call.set_size(&file, 0)?;
    ensure!(call.write(&file, &[8; 1000])? == 1000, "what was given back is not taken again");
    Ok(())
}
