#!/usr/bin/env bash
# Real programs on a mounted volume: git, cargo, sqlite and fio; then the server is killed while files are synced, the volume
# mounted again, what is there looked at, and all of it done once more. What is in memory only (tmpfs) is not killed.
# Needs root and /dev/fuse; git, sqlite3 and fio are skipped, and counted, where they are missing.
#
# Usage: drills/mount.sh [TYPE [SIZE [CACHE]]], from anywhere in the repository; TYPE is what mkfs takes, or tmpfs (kosfs), SIZE 1G;
# CACHE is what `mount --cache` takes (32M).
set -euo pipefail

if [ "${DRILL_NAMESPACE:-}" != own ]; then # mounts that nobody else sees, and that go with this shell
    exec env DRILL_NAMESPACE=own unshare --mount --propagation private bash "$0" "$@"
fi
type=${1:-kosfs} size=${2:-1G} cache=${3:-32M}
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
target=${CARGO_TARGET_DIR:-$repository/target}
cargo build --quiet --release --manifest-path "$repository/Cargo.toml" -p kos-hosted
hosted=$target/release/kos-hosted

work=$(mktemp -d) mnt=$work/mnt image=$work/image server='' skipped=0
mkdir "$mnt"
[ "$type" != tmpfs ] || image=tmpfs:
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    umount --lazy "$mnt" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

say() { printf '%6.1f s  %s\n' "$(bc <<<"$(date +%s.%N) - $begin")" "$*"; }
begin=$(date +%s.%N)

serve() {
    rm -f "$work/served"
    "$hosted" mount --cache "$cache" "$image" "$mnt" >"$work/served" &
    server=$!
    until grep -qs ' on ' "$work/served"; do
        kill -0 "$server" # else it could not mount, and has said why
        sleep 0.05
    done
}
leave() { umount "$mnt"; wait "$server"; server=''; }
check() {
    [ "$type" != tmpfs ] || return 0
    "$hosted" fsck --scrub "$image" 2>"$work/fsck" || { cat "$work/fsck"; exit 1; }
    say "fsck: $(tail -1 "$work/fsck")"
}
have() { command -v "$1" >/dev/null || { say "SKIP $1 is missing"; skipped=$((skipped + 1)); false; }; }

use_git() {
    have git || return 0
    git clone --quiet --no-hardlinks "$repository" "$mnt/clone"
    git -C "$mnt/clone" fsck --full --strict >"$work/git" 2>&1 || { cat "$work/git"; exit 1; }
    [ -z "$(git -C "$mnt/clone" status --porcelain)" ]
    say "git: clone, fsck, status"
}
use_cargo() {
    CARGO_TARGET_DIR=$mnt/target cargo build --quiet --offline --manifest-path "$mnt/clone/Cargo.toml" -p kos-alloc
    CARGO_TARGET_DIR=$mnt/target cargo build --offline --manifest-path "$mnt/clone/Cargo.toml" -p kos-alloc 2>&1 |
        grep -q '^ *Finished' # nothing is built twice
    say "cargo: built kos-alloc, and found nothing to do again"
}
use_sqlite() {
    have sqlite3 || return 0
    for mode in delete wal; do
        {
            echo "pragma journal_mode=$mode; create table t(a integer primary key, b text);"
            for i in $(seq 50); do
                echo "insert into t(b) select hex(randomblob(200)) from (values(1),(2),(3),(4),(5),(6),(7),(8));"
            done
            echo "delete from t where a % 3 = 0; vacuum;"
        } | sqlite3 "$mnt/$mode.db" >/dev/null
        [ "$(sqlite3 "$mnt/$mode.db" 'pragma quick_check; select count(*) from t')" = "ok
267" ]
    done
    say "sqlite: 53 commits with each of two journals, quick_check"
}
run_fio() { # further options
    local common=(--directory="$mnt" --verify=crc32c --do_verify=1 --verify_fatal=1 --verify_state_save=0 --minimal "$@")
    {
        fio --name=write --rw=write --bs=4k-64k --size=32M --fsync=64 "${common[@]}" &&
            fio --name=randwrite --rw=randwrite --bs=4k-64k --size=32M --fsync=64 "${common[@]}" &&
            fio --name=mmap --ioengine=mmap --rw=randwrite --bs=4k --size=8M --end_fsync=1 "${common[@]}"
    } >"$work/fio" 2>&1 || { cat "$work/fio"; exit 1; }
}
use_fio() {
    have fio || return 0
    run_fio
    say "fio: written in order, at random and mapped; verified"
}
use_all() {
    use_git
    case $type in kosfs | tmpfs) use_cargo ;; esac # FAT has no modes for cargo
    use_sqlite
    use_fio
}
look_again() { # at what was left
    git -C "$mnt/clone" fsck --full --strict >"$work/git" 2>&1 || { cat "$work/git"; exit 1; }
    [ -z "$(git -C "$mnt/clone" status --porcelain)" ]
    for mode in delete wal; do
        ! have sqlite3 || [ "$(sqlite3 "$mnt/$mode.db" 'pragma quick_check')" = ok ]
    done
    ! have fio || run_fio --verify_only=1
    say "what git, sqlite and fio left is as they left it"
}

# Writes records until it is stopped. What was synced is told outside of the volume.
records() {
    python3 - "$mnt/records" "$work/synced" <<'P'
import os, sys
volume, told = open(sys.argv[1], "wb", 0), open(sys.argv[2], "wb", 0)
for number in range(1 << 30):
    volume.write(b"%015d\n" % number)
    os.fsync(volume.fileno())
    told.seek(0)
    told.write(b"%015d\n" % (number + 1))
P
}
kill_server() { # $1: so many seconds after the first record is synced
    rm -f "$work/synced"
    records 2>/dev/null &
    local writer=$!
    until [ -s "$work/synced" ]; do sleep 0.05; done
    sleep "$1"
    kill -KILL "$server"
    wait "$server" "$writer" 2>/dev/null || true
    umount --lazy "$mnt"
    check
    serve
    local synced
    synced=$(cat "$work/synced")
    # Every record that was synced is there, in order; one more may be.
    head -c $((10#$synced * 16)) "$mnt/records" | cmp - <(seq -f %015.0f 0 $((10#$synced - 1)))
    say "killed after $1 s: all of $((10#$synced)) synced records are there"
}

[ "$type" = tmpfs ] || "$hosted" mkfs --type "$type" --size "$size" "$image"
serve
say "$(cat "$work/served")"
use_all
if [ "$type" != tmpfs ]; then
    leave
    check
    serve
    for after in 0.4 1 1.7; do kill_server "$after"; done
fi
look_again
rm -rf "${mnt:?}"/*
use_all
leave
check
say "done, $skipped skipped"
