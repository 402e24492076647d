#!/bin/sh
# Runs the cgroup tests, and then the whole program (program.sh), on kernels where cgroup v2 is all there is and AppArmor is
# active: virtual machines (TCG, no KVM needed) with Debian's cloud kernels. For build machines that still mount v1, and for
# the kernels that Debian's users have: 12's own, which cannot map the ids of a tmpfs, and the newest of its backports. Then
# once more with SELinux in AppArmor's place (selinux.sh).
#
#   tests/v2-host/run.sh [SERIES...]     about two minutes each (6.1 and 6.12), after a download of about 80 MB the first time
#
# Wants apt-get, dpkg and busybox-static. Nothing is installed: the packages are unpacked below target/v2-host.
set -eu

repository=$(cd "$(dirname "$0")/../.." && pwd)
work=$repository/target/v2-host
[ $# -gt 0 ] || set -- 6.1 6.12
mkdir -p "$work/packages" "$work/root"

# Debian 12's qemu: newer ones from backports would pull in libraries that clash with what is installed.
if [ ! -x "$work/root/usr/bin/qemu-system-x86_64" ] || [ ! -x "$work/root/usr/bin/secilc" ]; then
    cd "$work/packages"
    export TMPDIR="$work"
    qemu=$(apt-cache madison qemu-system-x86 | awk '$6 ~ /bookworm\/main/ { print $3; exit }')
    needed=$(apt-get install --print-uris -y --no-install-recommends "qemu-system-x86${qemu:+=$qemu}" | awk -F"'" '/^'\''/ { print $3 }' |
        awk '{ sub(/_.*/, "", $1); print $1 }')
    # shellcheck disable=SC2086 # a list of package names
    apt-get download $needed apparmor cpio kmod libsepol2 secilc
    for package in *.deb; do dpkg -x "$package" "$work/root"; done
fi
for series in "$@"; do
    kernel=$work/kernel-$series
    if [ ! -e "$kernel/lib/modules/"*/modules.dep ]; then
        mkdir -p "$kernel"
        cd "$kernel"
        name=$(apt-cache search "^linux-image-$series[.][0-9].*-cloud-amd64-unsigned$" | awk '{ print $1 }' | sort -V | tail -n 1)
        apt-get download "$name"
        dpkg -x ./*.deb .
        # It plays its part by its name.
        ln -sf "$work/root/bin/kmod" depmod
        LD_LIBRARY_PATH=$work/root/lib/x86_64-linux-gnu ./depmod -b . "$(ls lib/modules)"
    fi
done

cd "$repository"
program=$(cargo test -p cofferdam-runtime --test cgroup --no-run --message-format=json |
    sed -n 's/.*"name":"cgroup".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$program" ] || { echo "v2-host: the test program was not built" >&2; exit 1; }

cargo build -p cofferdam
cofferdam=$(cargo build -p cofferdam --message-format=json | sed -n 's/.*"executable":"\([^"]*cofferdam\)".*/\1/p' | tail -n 1)

# The machine's whole file system: busybox, the (static) test program, and an init that runs it.
init=$work/init
rm -rf "$init"
mkdir -p "$init/bin" "$init/dev" "$init/etc" "$init/proc" "$init/sys" "$init/tmp"
cp "$(command -v busybox)" "$init/bin/busybox"
for applet in sh cat head tail mknod seq sleep mount mkdir chown chmod cp dd find insmod mke2fs su switch_root poweroff ls; do ln -s busybox "$init/bin/$applet"; done
cp "$program" "$init/tests"
cp "$cofferdam" "$init/bin/cofferdam"
strip "$init/tests" "$init/bin/cofferdam"
cp "$repository/tests/v2-host/program.sh" "$repository/tests/v2-host/selinux.sh" "$repository/tests/v2-host/checks.sh" "$init"
chmod +x "$init"/*.sh
# A profile in the kernel's own form: its compiler is not needed in the machine.
"$work/root/sbin/apparmor_parser" --skip-kernel-load --skip-cache --stdout --config-file /dev/null \
    --features-file "$work/root/etc/apparmor.d/abi/3.0" --kernel-features "$work/root/etc/apparmor.d/abi/3.0" \
    "$repository/tests/v2-host/profile" > "$init/profile.bin"
LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu "$work/root/usr/bin/secilc" -c 33 -o "$init/policy.bin" -f /dev/null \
    "$repository/tests/v2-host/selinux.cil"
# The image of the program's containers.
mkdir -p "$init/image/bin" "$init/image/proc" "$init/image/sys" "$init/image/dev" "$init/image/etc" "$init/image/tmp"
cp "$(command -v busybox)" "$init/image/bin/busybox"
for applet in sh cat id ip mknod sleep true; do ln -s busybox "$init/image/bin/$applet"; done
echo 'root:x:0:0::/:/bin/sh' > "$init/image/etc/passwd"
echo hidden > "$init/image/secret"
echo 'root:x:0:0::/:/bin/sh' > "$init/etc/passwd"
echo 'user:x:1000:1000::/tmp:/bin/sh' >> "$init/etc/passwd"
cat > "$init/init" <<'INIT'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cat /proc/version
export RUST_BACKTRACE=0
program=/program.sh
if grep -q selinux=1 /proc/cmdline; then program=/selinux.sh; else
/tests --test-threads=1 2>&1
echo "v2-host: exit status $?"
# The same as an ordinary user, in a part of the hierarchy that was handed over as systemd does it.
chmod 1777 /tmp
part=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service
mkdir -p $part/app.scope
for group in /sys/fs/cgroup /sys/fs/cgroup/user.slice /sys/fs/cgroup/user.slice/user-1000.slice; do
    echo '+memory +pids +cpu' > $group/cgroup.subtree_control
done
for group in $part $part/app.scope; do
    chown 1000:1000 $group $group/cgroup.procs $group/cgroup.subtree_control $group/cgroup.threads
done
echo $$ > $part/app.scope/cgroup.procs
su user -c '/tests delegated --test-threads=1' 2>&1
echo "v2-host: user exit status $?"
echo $$ > /sys/fs/cgroup/cgroup.procs
# The tests leave nothing behind but the user's part.
ls -d /sys/fs/cgroup/*/ 2>/dev/null
fi
for module in /modules/*; do insmod "$module"; done
# The program needs a root that pivot_root(2) can leave, which an initial ramdisk is not.
mount -t securityfs securityfs /sys/kernel/security
mkdir /new
dd if=/dev/zero of=/disk bs=1M count=0 seek=600 2> /dev/null
mke2fs -F /disk > /dev/null
mount -t ext4 -o loop /disk /new
chmod 755 /new
cp -a /bin /etc /image /*.bin /*.sh /new/
mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/run /new/var /new/root
chmod 1777 /new/tmp
for name in proc sys dev; do mount --move /$name /new/$name; done
exec switch_root /new $program
INIT
chmod +x "$init/init"

# What the program needs of the kernel is modules, and the machine has no modprobe: they are numbered in the order in which
# each finds what it needs.
modules() { # KERNEL
    rm -rf "$init/modules"
    mkdir "$init/modules"
    folder=$(echo "$1"/lib/modules/*)
    for wanted in loop overlay erofs veth nft_chain_nat nft_ct nft_nat nft_masq nft_limit nft_connlimit nft_log nft_reject_inet \
        nft_fib_inet nft_numgen nfnetlink_log nf_log_syslog nf_conntrack_netlink; do
        awk -F: -v name="/$wanted.ko" 'index($1, name) { print $1; print $2 }' "$folder/modules.dep" | tr ' ' '\n' | tac | grep . || true
    done | awk '!seen[$0]++' | {
        number=100
        while read -r module; do
            number=$((number + 1))
            target=$init/modules/$number-$(basename "${module%.xz}")
            case $module in *.xz) xz -dc "$folder/$module" > "$target" ;; *) cp "$folder/$module" "$target" ;; esac
        done
    }
}

boot() { # KERNEL LOG PARAMETERS: true where the last program passed
    modules "$1"
    (cd "$init" && find . | "$work/root/bin/cpio" -o -H newc --quiet | gzip -1) > "$work/initrd.gz"
    LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu timeout 600 "$work/root/usr/bin/qemu-system-x86_64" \
        -L "$work/root/usr/share/qemu" -L "$work/root/usr/share/seabios" -L "$work/root/usr/lib/ipxe/qemu" \
        -M q35 -accel tcg -cpu max -m 2G -smp 1 -nic none -nographic -no-reboot \
        -kernel "$(echo "$1"/boot/vmlinuz-*)" -initrd "$work/initrd.gz" \
        -append "console=ttyS0 quiet loglevel=1 no_timer_check cryptomgr.notests panic=-1 cgroup_no_v1=all $3" < /dev/null | tee "$2"
    tr -d '\r' < "$2" | tail -n 20 | grep -q '^test result: ok. [1-9][0-9]* passed; 0 failed'
}

for series in "$@"; do
    log=$work/log-$series
    boot "$work/kernel-$series" "$log" "apparmor=1 lsm=landlock,capability,apparmor"
    grep -q '^v2-host: exit status 0' "$log"
    grep -q '^v2-host: user exit status 0' "$log"
done
boot "$work/kernel-$series" "$work/log-selinux" "selinux=1 lsm=landlock,capability,selinux"
