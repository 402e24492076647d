# What every tour starts with. Sourced by the tours in this folder, which run in a mount, pid and network namespace of
# their own. RUNTIME is the OCI runtime under test, WORK an empty folder on a file system that overlay can write to.
set -euo pipefail
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
trap 'status=$?; [ $status = 0 ] || echo "the tour ended at: ${STEP:-start} (status $status)" >&2' EXIT

# Names the step that follows, so that a failure says where it was.
step() { STEP="$*"; echo "-- $*"; }

# Fails unless the second word is the first.
same() { [ "$1" = "$2" ] || { echo "expected '$1', got '$2'" >&2; exit 1; }; }

# Fails unless what a command prints matches a pattern. (A pipe into grep would fail by the pipe that grep closes.)
shows() { local out; out=$("${@:2}"); grep -Eqi -- "$1" <<< "$out" || { echo "no '$1' in: $out" >&2; exit 1; }; }

# Waits up to ten seconds until a command succeeds.
until_true() { for _ in $(seq 100); do "$@" && return 0; sleep 0.1; done; echo "never true: $*" >&2; exit 1; }

# The smallest root filesystem, as a tar.
busybox_tar() {
    mkdir -p "$WORK/root"/{bin,dev,etc,proc,sys,tmp}
    cp /bin/busybox "$WORK/root/bin/busybox"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln "$WORK/root/bin/busybox" "$WORK/root/bin/$applet"
    done
    echo 'root:x:0:0:root:/:/bin/sh' > "$WORK/root/etc/passwd"
    echo 'root:x:0:' > "$WORK/root/etc/group"
    tar -C "$WORK/root" -cf "$WORK/busybox.tar" .
}

# The part of a tour that docker and podman share, given their command.
tour_like_docker() {
    local engine=("$@") out
    engine() { "${engine[@]}" "$@"; }

    step run
    out=$(engine run --rm --network none busybox echo "boxed in")
    same "boxed in" "$out"

    step "the exit status of a container"
    local status=0
    engine run --rm --network none busybox sh -c 'exit 42' || status=$?
    same 42 "$status"

    step "a detached container and its log"
    engine run -d --network none --name box busybox sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
    until_true sh -c "$(printf '%q ' "${engine[@]}") logs box 2>&1 | grep -q ready"

    step exec
    out=$(engine exec box sh -c 'echo $((6 * 7))')
    same 42 "$out"
    out=$(engine exec -u 65534:65534 -w /tmp -e SAID=yes box sh -c 'echo $(id -u) $(pwd) $SAID')
    same "65534 /tmp yes" "$out"
    status=0
    engine exec box sh -c 'exit 9' || status=$?
    same 9 "$status"

    step "pause and unpause"
    engine pause box >/dev/null
    same paused "$(engine inspect --format '{{.State.Status}}' box)"
    engine unpause box >/dev/null
    same running "$(engine inspect --format '{{.State.Status}}' box)"

    step stats
    shows '^[1-9]' engine stats --no-stream --format '{{.PIDs}}' box

    step "stop with the container's own signal handler"
    engine stop -t 10 box >/dev/null
    same 7 "$(engine inspect --format '{{.State.ExitCode}}' box)"

    step restart
    engine restart -t 1 box >/dev/null
    same running "$(engine inspect --format '{{.State.Status}}' box)"
    out=$(engine exec box echo again)
    same again "$out"

    step kill
    engine kill box >/dev/null
    until_true sh -c "[ \"\$($(printf '%q ' "${engine[@]}") inspect --format '{{.State.ExitCode}}' box)\" = 137 ]"

    step "rm, of a stopped container and by force of a running one"
    engine rm box >/dev/null
    engine run -d --network none --name box busybox sleep 1000 >/dev/null
    engine rm -f "${FORCE[@]}" box >/dev/null
    same "" "$(engine ps -a -q)"

    step "limits reach the container"
    out=$(engine run --rm --network none --memory 64m --pids-limit 50 busybox sh -c \
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max')
    same 67108864 "$out"

    step "a read-only root, a tmpfs and a mounted folder"
    mkdir -p "$WORK/share"
    echo from-the-host > "$WORK/share/file"
    out=$(engine run --rm --network none --read-only --tmpfs /scratch -v "$WORK/share:/share:ro" busybox sh -c \
        'touch /x 2>/dev/null && echo writable; touch /scratch/x && cat /share/file; touch /share/x 2>/dev/null && echo writable; true')
    same from-the-host "$out"

    step "capabilities and a user"
    out=$(engine run --rm --network none --cap-drop ALL busybox grep CapEff /proc/self/status)
    same 0000000000000000 "$(echo "$out" | awk '{print $2}')"
    out=$(engine run --rm --network none --user 1234:1234 busybox id -u)
    same 1234 "$out"

    step "a terminal"
    out=$(script -qec "$(printf '%q ' "${engine[@]}") run --rm -t --network none busybox tty" /dev/null < <(sleep 20) | tr -d '\r\n')
    same /dev/pts/0 "$out"
}
