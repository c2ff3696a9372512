#!/usr/bin/env bash
# The stack behind a TAP device, against Linux, in network namespaces that go with this script: ping of each size class, curl, wrk,
# bytes and iperf3 both ways, a lease and a name from dnsmasq; tshark reads what was recorded. Needs root and /dev/net/tun; what needs a
# program that is missing is skipped, and counted.
#
# Usage: drills/net.sh [TIMES], from anywhere in the repository; TIMES is how often curl fetches 1 MiB (1000).
set -euo pipefail

if [ "${DRILL_NAMESPACE:-}" != own ]; then
    exec env DRILL_NAMESPACE=own unshare --net --mount --propagation private bash "$0" "$@"
fi
times=${1:-1000}
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
target=${CARGO_TARGET_DIR:-$repository/target}
[ -n "${DRILL_BUILT:-}" ] || cargo build --quiet --release --manifest-path "$repository/Cargo.toml" -p kos-hosted
hosted=${DRILL_BUILT:-$target/release/kos-hosted}

work=$(mktemp -d) host='' server='' skipped=0 failed=0
finish() {
    for pid in $host $server; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
say() { printf '%6.1f s  %s\n' "$(bc <<<"$(date +%s.%N) - $begin")" "$*"; }
fault() { failed=$((failed + 1)); say "FAILED: $*"; }
have() { command -v "$1" >/dev/null || { skipped=$((skipped + 1)); say "skipped: no $1"; return 1; }; }
begin=$(date +%s.%N)

# start ARGUMENTS...: a host behind tap0, and this side of the link.
start() {
    rm -f "$work/out"
    "$hosted" net --tap tap0 "$@" >"$work/out" 2>"$work/err" &
    host=$!
    until grep -qs 'is up' "$work/out"; do kill -0 "$host"; sleep 0.05; done
    ip link set lo up
    ip addr add 192.0.2.1/24 dev tap0
    ip addr add 2001:db8::1/64 dev tap0 nodad
    ip link set tap0 up
}
stop() {
    kill "$host"; wait "$host" || fault "the host ended with $?"
    host=''
    cat "$work/err"
}

mkdir "$work/files"
head -c 1048576 /dev/urandom >"$work/files/mib"
echo hello >"$work/files/index.html"
sum=$(sha256sum <"$work/files/mib")
ours='eth.src == 02:6b:6f:73:00:01'
services=(--ip 192.0.2.2/24 --ip 2001:db8::2/64 --echo --discard --chargen --iperf3 --http "$work/files")

pings() {
    have ping || return 0
    for to in 192.0.2.2 2001:db8::2; do
        lost=0
        for size in 0 1 7 8 56 1000 1452 1472 1473 2000 4096 9000 32768 65000 65499 65507; do
            ping -q -n -c 2 -i 0.05 -W 2 -s "$size" "$to" >"$work/ping" 2>&1 || { lost=$((lost + 1)); say "$to: $size bytes lost"; }
        done
        [ "$lost" = 0 ] && say "ping $to: all sizes" || fault "ping $to: $lost sizes"
    done
}

# streams SECONDS CURLS BYTES [all]: what a server of each kind is for; with `all`, no stream is longer than BYTES, as each frame of it
# is recorded, and read again at the pace of tshark.
streams() {
    local amount=(-t "$1") reader=cat clients=64
    if [ "${4:-}" = all ]; then amount=(-n "$3") reader="head -c $3" clients=8; fi
    if have curl; then
        for url in http://192.0.2.2 'http://[2001:db8::2]'; do
            good=0
            for _ in $(seq "$2"); do
                [ "$(curl -sg --max-time 20 "$url/mib" | sha256sum)" = "$sum" ] && good=$((good + 1))
            done
            [ "$good" = "$2" ] && say "curl $url: $good of 1 MiB" || fault "curl $url: $good of $2"
        done
        [ "$(curl -s -o /dev/null -w '%{http_code}' http://192.0.2.2/../etc/passwd%00)" = 404 ] || fault "a path that leads out"
    fi
    if have wrk; then
        wrk -c"$clients" -t2 -d"$1s" http://192.0.2.2/index.html >"$work/wrk"
        grep -q 'Socket errors\|Non-2xx' "$work/wrk" && fault "wrk: $(grep 'Socket errors\|Non-2xx' "$work/wrk")"
        say "wrk: $(grep Requests/sec "$work/wrk")"
    fi
    for to in 192.0.2.2 2001:db8::2; do
        bytes=$(timeout "$1" bash -c "$reader </dev/tcp/$to/19" | wc -c || true)
        [ "$bytes" -gt 1000000 ] && say "chargen $to: $bytes bytes" || fault "chargen $to: $bytes bytes"
        bytes=$(timeout 60 bash -c "head -c $3 /dev/zero | tee >(cat >/dev/tcp/$to/9) | wc -c" || true)
        [ "$bytes" = "$3" ] && say "discard $to: $bytes bytes" || fault "discard $to: $bytes bytes"
    done
    have iperf3 || return 0
    for to in 192.0.2.2 2001:db8::2; do
        for way in '' -R; do
            # shellcheck disable=SC2086
            if timeout "$((60 + $1))" iperf3 -c "$to" $way "${amount[@]}" -J >"$work/iperf3" 2>"$work/err"; then
                rate=$(awk '/"sum_received"/ { on = 1 } on && /"bits_per_second"/ { printf "%.0f Mbit/s", $2 / 1e6; exit }' "$work/iperf3")
                say "iperf3 $to $way: $rate"
            else
                fault "iperf3 $to $way: $(grep '"error"' "$work/iperf3")"
            fi
        done
    done
}

# Packets that Linux found damaged or malformed in this namespace, one counter a line.
damaged() {
    awk '$1 ~ /:$/ { if (names[$1]) { for (i = 2; i <= NF; i++) if (name[$1, i] ~ /CsumErrors|InHdrErrors|InErrs/ && $i > 0) print $1 name[$1, i] "=" $i }
        else { names[$1] = 1; for (i = 2; i <= NF; i++) name[$1, i] = $i } }' /proc/net/snmp
    awk '$1 ~ /CsumErrors|Ip6InHdrErrors|Icmp6InErrors/ && $2 > 0 { print $1 "=" $2 }' /proc/net/snmp6
}

# A little of everything, each frame of it recorded and read by tshark.
start "${services[@]}" --pcap "$work/pcap"
pings
streams 1 2 10000000 all
stop
if have tshark; then
    wrong="_ws.malformed || ((ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0) && $ours)"
    if timeout 300 tshark -n -r "$work/pcap" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
        -Y "$wrong || (tcp.flags.reset == 1 && $ours)" >"$work/read" 2>"$work/tshark"; then
        resets=$(grep -c RST "$work/read" || true)
        bad=$(($(wc -l <"$work/read") - resets))
        [ "$bad" = 0 ] && say "tshark: no malformed frame" || fault "tshark: $bad malformed frames: $(grep -vm1 RST "$work/read")"
        [ "$resets" = 0 ] && say "tshark: no reset of ours" || fault "tshark: $resets resets of ours: $(grep -m1 RST "$work/read")"
    else
        fault "tshark: $(tail -1 "$work/tshark")"
    fi
fi

# All of it at length: Linux counts what is damaged, tshark keeps our resets only.
start "${services[@]}"
watch=''
if have tshark; then
    tshark -q -i tap0 -f 'ether src 02:6b:6f:73:00:01 and (tcp[13] & 4 != 0 or (ip6[6] == 6 and ip6[53] & 4 != 0))' -w "$work/live" 2>"$work/tshark" &
    watch=$!
    sleep 2
fi
streams "${DRILL_SECONDS:-10}" "$((times / 2))" 200000000
if [ -n "$watch" ]; then
    kill -INT "$watch"
    wait "$watch" || true
    resets=$(tshark -r "$work/live" 2>/dev/null | tee "$work/resets" | wc -l)
    [ "$resets" = 0 ] && say "no reset of ours" || fault "$resets resets of ours, the first: $(head -1 "$work/resets")"
fi
stop

# The same with large segments, whose sums and cutting are the kernel's.
say 'with --gso'
start "${services[@]}" --gso
pings
streams "${DRILL_SECONDS:-10}" "$((times / 10 + 1))" 200000000
stop
wrong=$(damaged)
[ -z "$wrong" ] && say 'Linux found nothing damaged' || fault "Linux found: $wrong"

# A link that loses, doubles, swaps and damages frames of both directions: all of it arrives, as it was sent.
start "${services[@]}" --loss 1 --dup 1 --reorder 3 --corrupt 1 --seed 7
if have curl; then
    for url in http://192.0.2.2 'http://[2001:db8::2]'; do
        good=0
        for _ in $(seq $((times / 100 + 1))); do
            [ "$(curl -sg --max-time 60 "$url/mib" | sha256sum)" = "$sum" ] && good=$((good + 1))
        done
        [ "$good" = $((times / 100 + 1)) ] && say "rough link, curl $url: $good of 1 MiB" || fault "rough link, curl $url: $good"
    done
fi
stop
say "$(grep '^frames that came' "$work/out")"

if have dnsmasq; then
    start --dhcp --resolve drill.example --pcap "$work/pcap2"
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --interface=tap0 --bind-interfaces --user=root \
        --dhcp-range=192.0.2.50,192.0.2.60,2m --dhcp-leasefile="$work/leases" --address=/drill.example/198.51.100.7 \
        --pid-file="$work/dnsmasq.pid" >"$work/dnsmasq" 2>&1 &
    server=$!
    for _ in $(seq 200); do grep -qs '^\(no \)\?address' "$work/out" && break; sleep 0.1; done
    grep -q '^lease 192.0.2.5' "$work/out" && say "$(grep ^lease "$work/out")" || fault "no lease: $(cat "$work/err")"
    grep -q '^address 198.51.100.7' "$work/out" && say 'dnsmasq answers' || fault "no name: $(cat "$work/out")"
    for _ in $(seq 1000); do [ "$(grep -c ^lease "$work/out")" -ge 2 ] && break; sleep 0.1; done
    [ "$(grep -c ^lease "$work/out")" -ge 2 ] && say 'dnsmasq renews' || fault 'not renewed'
    stop
fi
say "$failed failed, $skipped skipped"
[ "$failed" = 0 ]
