# Debian's docker with the runtime under test as its default runtime.
. "${0%/*}/begin.sh"

step "start dockerd"
busybox_tar
dockerd --host unix:///run/tour-docker.sock --data-root "$WORK/docker" --exec-root /run/tour-docker \
    --pidfile /run/tour-docker.pid --bridge none --iptables=false --ip-forward=false --ip-masq=false \
    --storage-driver overlay2 --add-runtime "tested=$RUNTIME" --default-runtime tested > "$WORK/dockerd.log" 2>&1 &
# Another program of this name may come first on a developer's PATH.
docker=(/usr/bin/docker --host unix:///run/tour-docker.sock)
until_true "${docker[@]}" version > "$WORK/version" 2>&1
"${docker[@]}" import "$WORK/busybox.tar" busybox > /dev/null

FORCE=()
tour_like_docker "${docker[@]}"

step "top"
"${docker[@]}" run -d --network none --name box busybox sleep 1000 > /dev/null
shows 'sleep 1000' "${docker[@]}" top box

step "update"
"${docker[@]}" update --memory 128m --memory-swap 128m box > /dev/null
same 134217728 "$("${docker[@]}" exec box sh -c \
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max')"
"${docker[@]}" rm -f box > /dev/null
step "end"
