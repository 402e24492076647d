# Debian's containerd, driven with ctr, with the runtime under test under its runc shim.
. "${0%/*}/begin.sh"

step "start containerd"
busybox_tar
cat > "$WORK/config.toml" << CONFIG
version = 2
root = "$WORK/containerd"
state = "/run/tour-containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/tour-containerd.sock"
CONFIG
containerd --config "$WORK/config.toml" > "$WORK/containerd.log" 2>&1 &
ctr=(ctr --address /run/tour-containerd.sock)
until_true "${ctr[@]}" version > "$WORK/version" 2>&1

step "import an image"
digest=$(sha256sum "$WORK/busybox.tar" | cut -d' ' -f1)
mkdir -p "$WORK/image"
cp "$WORK/busybox.tar" "$WORK/image/layer.tar"
printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$digest" > "$WORK/image/config.json"
printf '[{"Config":"config.json","RepoTags":["docker.io/library/busybox:latest"],"Layers":["layer.tar"]}]' \
    > "$WORK/image/manifest.json"
tar -C "$WORK/image" -cf "$WORK/image.tar" .
"${ctr[@]}" images import "$WORK/image.tar" > /dev/null
image=docker.io/library/busybox:latest
run=("${ctr[@]}" run --runtime io.containerd.runc.v2 --runc-binary "$RUNTIME")

step run
same "boxed in" "$("${run[@]}" --rm "$image" one echo "boxed in")"

step "the exit status of a container"
status=0
"${run[@]}" --rm "$image" two sh -c 'exit 42' || status=$?
same 42 "$status"

step "a detached container"
"${run[@]}" -d "$image" box sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'
shows '^box .*RUNNING' "${ctr[@]}" task ls

step exec
same 42 "$("${ctr[@]}" task exec --exec-id first box sh -c 'echo $((6 * 7))')"
status=0
"${ctr[@]}" task exec --exec-id second box sh -c 'exit 9' || status=$?
same 9 "$status"

step "pause and resume"
"${ctr[@]}" task pause box
shows '^box .*PAUSED' "${ctr[@]}" task ls
"${ctr[@]}" task resume box
shows '^box .*RUNNING' "${ctr[@]}" task ls

step metrics
shows pids "${ctr[@]}" task metrics box

step "processes"
shows '^[0-9]' "${ctr[@]}" task ps box

step "kill with a signal that the container handles"
"${ctr[@]}" task kill --signal SIGTERM box
until_true sh -c '! '"${ctr[*]}"' task ls | grep -Eq "^box .*RUNNING"'
# ctr tells the status of what it deletes as a warning.
shows 'exit code 7' sh -c "${ctr[*]} task delete box 2>&1"
"${ctr[@]}" container delete box

step "delete by force"
"${run[@]}" -d "$image" box sleep 1000
"${ctr[@]}" task delete --force box > /dev/null 2>&1 || true
"${ctr[@]}" container delete box
same "" "$("${ctr[@]}" container ls -q)"
step "end"
