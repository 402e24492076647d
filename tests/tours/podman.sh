# Debian's podman with the runtime under test.
. "${0%/*}/begin.sh"
# crun, which this tour is checked with, refuses a v2 mount that holds controllers beside v1.
umount /sys/fs/cgroup/unified 2> /dev/null || true

step "set up a store"
busybox_tar
# Podman's defaults for these are above the hard limits of the test machine.
printf '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n' > "$WORK/containers.conf"
export CONTAINERS_CONF="$WORK/containers.conf"
podman=(podman --root "$WORK/podman" --runroot /run/tour-podman --storage-driver overlay --cgroup-manager cgroupfs
    --events-backend file --runtime "$RUNTIME")
"${podman[@]}" import "$WORK/busybox.tar" busybox > /dev/null 2>&1

FORCE=(-t 0)
tour_like_docker "${podman[@]}"

step "a pod"
# Its infra container would need an image that podman downloads or builds.
"${podman[@]}" pod create --infra=false --name pod > /dev/null
"${podman[@]}" run --rm --pod pod --network none busybox true
"${podman[@]}" pod rm -f pod > /dev/null
step "end"
