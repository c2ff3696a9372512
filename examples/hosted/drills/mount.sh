#!/usr/bin/env bash
# Real programs on a mounted volume: git, cargo, sqlite and fio; then the server is killed while files are synced, and the
# volume mounted again. Needs root and /dev/fuse; git, sqlite3 and fio are skipped, and counted, where they are missing.
#
# Usage: drills/mount.sh [TYPE [SIZE]], from anywhere in the repository; TYPE is what mkfs takes (kosfs), SIZE 1G.
set -euo pipefail

if [ "${DRILL_NAMESPACE:-}" != own ]; then # mounts that nobody else sees, and that go with this shell
    exec env DRILL_NAMESPACE=own unshare --mount --propagation private bash "$0" "$@"
fi
type=${1:-kosfs} size=${2:-1G}
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
target=${CARGO_TARGET_DIR:-$repository/target}
cargo build --quiet --manifest-path "$repository/Cargo.toml" -p kos-hosted
hosted=$target/debug/kos-hosted

work=$(mktemp -d) mnt=$work/mnt image=$work/image server='' skipped=0
mkdir "$mnt"
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
    "$hosted" mount "$image" "$mnt" >"$work/served" &
    server=$!
    until grep -qs ' on ' "$work/served"; do
        kill -0 "$server" # else it could not mount, and has said why
        sleep 0.05
    done
}
leave() { umount "$mnt"; wait "$server"; server=''; }
check() {
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
use_fio() {
    have fio || return 0
    for pattern in write randwrite; do
        fio --name="$pattern" --directory="$mnt" --rw="$pattern" --bs=4k-64k --size=32M --verify=crc32c --fsync=64 \
            --do_verify=1 --verify_fatal=1 --minimal >"$work/fio" 2>&1 || { cat "$work/fio"; exit 1; }
    done
    fio --name=mmap --directory="$mnt" --ioengine=mmap --rw=randwrite --bs=4k --size=8M --verify=crc32c \
        --do_verify=1 --verify_fatal=1 --minimal >"$work/fio" 2>&1 || { cat "$work/fio"; exit 1; }
    say "fio: written in order, at random and mapped; verified"
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

"$hosted" mkfs --type "$type" --size "$size" "$image"
serve
say "$(cat "$work/served")"
use_git
[ "$type" != kosfs ] || use_cargo
use_sqlite
use_fio
leave
check
serve
for after in 0.4 1 1.7; do kill_server "$after"; done
git -C "$mnt/clone" fsck --full --strict >"$work/git" 2>&1 || { cat "$work/git"; exit 1; }
say "git fsck again"
rm -rf "$mnt"/*
use_git
use_sqlite
leave
check
say "done, $skipped skipped"
