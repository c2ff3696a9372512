//! Names, directories, links, rights and mounts, by the commands that show them.

use super::Test;
use super::lines::says;
use crate::platform::Platform;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        says!(
            "names::directories_are_made_one_in_the_other",
            ["mkdir -p a/b/c; ls -1 a a/b", 0, "a:\nb\n\na/b:\nc\n"],
            ["mkdir a", 1, "mkdir: a: file exists\n"],
            ["mkdir no/pe", 1, "mkdir: no/pe: no such file or directory\n"],
        ),
        says!("names::who_is_not_there_is_said", ["cat nope", 1, "cat: nope: no such file or directory\n"]),
        says!(
            "names::a_file_is_no_directory",
            ["echo > f; cat f/g", 1, "cat: f/g: not a directory\n"],
            ["mkdir d; cat d", 1, "cat: d: is a directory\n"],
            ["rm d", 1, "rm: d: is a directory\n"],
        ),
        says!(
            "names::a_name_moves_over_another",
            ["echo 1 > a; echo 2 > b; mv a b; cat b; ls -1", 0, "1\nb\n"],
            ["mkdir d; mv b d; ls -1 d", 0, "b\n"],
        ),
        says!(
            "names::a_directory_does_not_go_into_itself",
            ["mkdir -p a/b; mv a a/b", 1, "mv: a: invalid argument\n"],
        ),
        says!(
            "names::a_directory_with_names_stays",
            ["mkdir -p a/b; rmdir a", 1, "rmdir: a: directory not empty\n"],
            ["rmdir a/b a; ls -1", 0, ""],
        ),
        says!("names::a_tree_goes_with_all_in_it", ["mkdir -p a/b/c; echo > a/b/f; rm -r a; ls -1", 0, ""]),
        says!(
            "names::links_are_one_file",
            ["echo 1 > a; ln a b; echo 2 >> b; cat a", 0, "1\n2\n"],
            ["rm a; cat b", 0, "1\n2\n"],
        ),
        says!("names::a_directory_has_one_name", ["mkdir d; ln d e", 1, "ln: e: operation not permitted\n"],),
        says!(
            "names::symlinks_are_followed",
            ["echo 1 > a; ln -s a s; cat s", 0, "1\n"],
            ["mkdir -p d/e; ln -s d/e t; echo 2 > t/f; cat d/e/f", 0, "2\n"],
            ["rm s; cat a", 0, "1\n"],
        ),
        says!(
            "names::a_symlink_to_nothing_is_nothing",
            ["ln -s nope s; cat s", 1, "cat: s: no such file or directory\n"],
        ),
        says!(
            "names::symlinks_in_a_circle_end",
            ["ln -s b a; ln -s a b; cat a", 1, "cat: a: too many symbolic links\n"],
        ),
        says!(
            "names::a_name_has_255_bytes_at_most",
            [
                "A=0123456789012345678901234567890123456789012345678; echo > $A$A$A$A$A; ls -1 | wc",
                0,
                "      1       1     246\n"
            ],
            [
                "A=0123456789012345678901234567890123456789012345678; touch $A$A$A$A${A}0123456789a 2> /dev/null",
                1,
                ""
            ],
        ),
        says!(
            "names::whom_a_file_is_not_for_is_refused",
            ["echo 1 > f; chmod 600 f; su 1000 cat f", 1, "cat: f: permission denied\n"],
            ["chmod 644 f; su 1000 cat f", 0, "1\n"],
            ["su 1000 rm f", 1, "rm: f: operation not permitted\n"],
            ["su 1000 chmod 666 f", 1, "chmod: f: operation not permitted\n"],
        ),
        says!(
            "names::a_group_has_its_own_rights",
            ["echo 1 > f; chown 0:50 f; chmod 640 f; su 1000:50 cat f", 0, "1\n"],
            ["su 1000:51 cat f", 1, "cat: f: permission denied\n"],
        ),
        says!(
            "names::a_directory_without_x_is_not_entered",
            ["mkdir d; echo 1 > d/f; chmod 700 d; su 1000 cat d/f", 1, "cat: d/f: permission denied\n"],
            ["chmod 711 d; su 1000 cat d/f", 0, "1\n"],
            ["su 1000 ls d", 1, "ls: d: permission denied\n"],
        ),
        says!(
            "names::a_sticky_directory_keeps_files_of_others",
            ["mkdir d; chmod 1777 d; su 7 touch d/f", 0, ""],
            ["su 8 rm -f d/f", 1, "rm: d/f: operation not permitted\n"],
            ["su 7 rm d/f; ls d", 0, ""],
        ),
        says!(
            "names::a_mask_takes_bits_of_new_files",
            ["umask 077; touch f; chmod 777 .; su 9 cat f", 1, "cat: f: permission denied\n"],
        ),
        says!(
            "names::copies_are_equal_and_apart",
            ["mkdir -p a/b; echo 1 > a/b/f; cp -r a c; echo 2 > a/b/f; cat c/b/f", 0, "1\n"],
        ),
        says!(
            "names::what_moves_between_mounts_is_copied",
            ["mkdir m; mount -t tmpfs none m; echo 1 > f; mv f m/g; cat m/g; ls -1", 0, "1\nm\n"],
            ["umount m; ls m", 0, ""],
        ),
        says!(
            "names::a_mount_hides_what_is_below",
            ["mkdir m; echo 1 > m/f; mount -t tmpfs none m; ls m", 0, ""],
            ["umount m; cat m/f", 0, "1\n"],
        ),
        says!(
            "names::a_mount_in_use_stays",
            ["mkdir m; mount -t tmpfs none m; cd m; umount /mnt/m", 1, "umount: /mnt/m: busy\n"],
            ["umount m", 0, ""],
        ),
        says!(
            "names::a_way_up_leads_over_a_mount",
            ["mkdir m; mount -t tmpfs none m; cd m; cd ..; pwd; cd /mnt; umount m", 0, "/mnt\n"],
        ),
        says!("names::nothing_takes_all_and_gives_none", ["echo a > /dev/null; cat /dev/null", 0, ""]),
        says!(
            "names::a_full_device_says_so",
            ["echo a > /dev/full", 1, "echo: cannot write: no space left on device\n"]
        ),
        says!("names::the_kernel_tells_of_itself", ["cat /proc/uptime | wc | grep '^nothing'", 1, ""]),
        says!(
            "names::trees_are_searched",
            ["mkdir -p a/b; touch a/x.rs a/b/y.rs a/b/z; find a -name *.rs", 0, "a/b/y.rs\na/x.rs\n"],
            ["find a -type d", 0, "a\na/b\n"],
        ),
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}
