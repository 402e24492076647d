#!/bin/bash
# A docker daemon in namespaces of its own with two containers, one with the host's /etc and the daemon's socket and one that is
# tidy; docker-bench-security and the audit look at both, and what they say is compared (compare.py).
# Usage: docker.sh PROGRAM FOLDER DOCKER_BENCH_FOLDER (a copy of its repository: it is in no registry). Needs root and docker.io.
set -euo pipefail
if [ -z "${INSIDE:-}" ]; then
  export INSIDE=yes PROGRAM FOLDER BENCH
  PROGRAM=$(realpath "$1")
  mkdir -p "$2"
  FOLDER=$(realpath "$2")
  BENCH=$(realpath "$3")
  there=$([ -d /var/lib/docker ] && echo yes || true)
  status=0
  timeout 300 unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private bash "$(realpath "$0")" || status=$?
  # The folder that the daemon's own is mounted on goes again where it was not there before.
  [ -n "$there" ] || rmdir /var/lib/docker
  exit "$status"
fi
here=$(dirname "$0")
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
rm -rf "$FOLDER/docker" "$FOLDER/root"
mkdir -p /run/lock /var/lib/docker "$FOLDER/docker" "$FOLDER/root/bin"
mount --bind "$FOLDER/docker" /var/lib/docker
cp /bin/busybox "$FOLDER/root/bin"
dockerd --bridge none --iptables=false --ip-forward=false --ip-masq=false --storage-driver overlay2 > "$FOLDER/dockerd.log" 2>&1 &
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
tar -C "$FOLDER/root" -c . | docker import - busybox >/dev/null
docker run -d --network none --name open -v /etc:/host -v /run/docker.sock:/s busybox /bin/busybox sleep 1000 >/dev/null
docker run -d --network none --name tidy --read-only --memory 64m --cpu-shares 512 --pids-limit 50 --user 1000:1000 \
  --cap-drop ALL --security-opt no-new-privileges --restart on-failure:5 busybox /bin/busybox sleep 1000 >/dev/null
rm -f "$FOLDER"/bench.log*
begin=$(date +%s%N)
(cd "$BENCH" && bash docker-bench-security.sh -b -l "$FOLDER/bench.log" > "$FOLDER/bench.out" 2>&1) || true
middle=$(date +%s%N)
"$PROGRAM" audit host --all --format json > "$FOLDER/docker.json"
end=$(date +%s%N)
echo "docker-bench-security took $(((middle - begin) / 1000000)) ms, the audit $(((end - middle) / 1000000)) ms"
docker rm -f open tidy >/dev/null
python3 "$here/compare.py" "$here/../../docs/audit-parity.md" "$FOLDER/docker.json" docker-bench "$FOLDER/bench.log.json"
