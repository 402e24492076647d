#!/bin/sh
# Runs in the virtual machines of run.sh, as root on an ext4: the whole program on a host with cgroup v2 alone and AppArmor.
# Most containers have no network, which takes long to make in such a machine.
. /checks.sh

groups=/sys/fs/cgroup/cofferdam

check "an image is imported" cofferdam image import /image bb
says "a program runs" "uid=0" cofferdam run --network none --rm bb id
check "limits are set" cofferdam run --network none -d --name box -m 64m --cpus 0.5 --pids-limit 50 bb sleep 1000
group=$groups/$(cofferdam inspect --format '{{.Id}}' box)
says "memory.max" 67108864 cat "$group/memory.max"
says "pids.max" 50 cat "$group/pids.max"
says "cpu.max" "50000 100000" cat "$group/cpu.max"
check "everything is as planned" cofferdam verify box
echo 60 > "$group/pids.max"
says "a limit changed by hand is named" pids cofferdam verify box
exits "and fails the verification" 1 cofferdam verify box
check "update" cofferdam update --pids-limit 40 -m 48m --memory-swap 48m box
says "update reaches the kernel" 50331648 cat "$group/memory.max"
check "after it everything is as planned" cofferdam verify box
check "pause" cofferdam pause box
says "frozen" 1 cat "$group/cgroup.freeze"
check "unpause" cofferdam unpause box
check "exec" cofferdam exec box true
says "stats" box cofferdam stats --no-stream box
check "rm" cofferdam rm -f box
exits "no memory is left" 137 cofferdam run --network none --rm -m 8m --memory-swap 8m bb sh -c 'x=x; while :; do x=$x$x; done'
says "no processes are left" "can't fork" \
    cofferdam run --network none --rm --pids-limit 5 bb sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'
says "a device that is not allowed" "not permitted" cofferdam run --network none --rm bb sh -c 'mknod /tmp/d b 254 0; cat /tmp/d'

# Links, addresses and rules; the machine itself is linked to nothing.
check "a container with a network" cofferdam run -d --name linked -p 127.0.0.1:8080:80 bb sleep 1000
check "its rules are as planned" cofferdam verify linked
says "it has an address" "inet " cofferdam exec linked ip address show scope global
says "a port is published" "127.0.0.1:8080" cofferdam port linked
check "another of the same zone" cofferdam run --rm bb true
check "rm takes the network away" cofferdam rm -f linked

# AppArmor: the profile denies /secret.
profile=/sys/kernel/security/apparmor
cat /profile.bin > $profile/.load
printf 'zone = "labelled"\n[process]\nlsm = "apparmor:cofferdam-test"\n' > /labelled.toml
check "a zone with a profile" cofferdam zone apply /labelled.toml
says "the profile is in force" "cofferdam-test (enforce)" cofferdam run --network none --rm --zone labelled bb cat /proc/self/attr/current
says "and denies what it denies" "Permission denied" cofferdam run --network none --rm --zone labelled bb cat /secret
says "without it the file can be read" hidden cofferdam run --network none --rm bb cat /secret
says "a profile by a flag" "cofferdam-test (enforce)" \
    cofferdam run --network none --rm --security-opt apparmor=cofferdam-test bb cat /proc/self/attr/current
exits "a profile that is not loaded" 125 cofferdam run --network none --rm --security-opt apparmor=nosuch bb true
exits "another than the zone's" 125 cofferdam run --network none --rm --zone labelled --security-opt apparmor=unconfined bb true
check "a labelled container" cofferdam run --network none -d --name labelled --zone labelled bb sleep 1000
says "its label is read back" "apparmor" cofferdam verify labelled
check "as planned" cofferdam verify labelled
says "exec has the label" "cofferdam-test (enforce)" cofferdam exec labelled cat /proc/self/attr/current
check "rm of it" cofferdam rm -f labelled

# As an ordinary user with a delegated part of the hierarchy.
echo $$ > /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.scope/cgroup.procs
user="su user -c"
says "a user's container has limits" 33554432 $user 'cofferdam image import /image bb >/dev/null; cofferdam run --network none --rm -m 32m bb true &&
    cofferdam run --network none -d --name mine -m 32m bb sleep 1000 >/dev/null && cat $(find /sys/fs/cgroup/user.slice -path "*cofferdam*" -name memory.max)'
check "as planned for the user" $user 'cofferdam verify mine'
check "rm by the user" $user 'cofferdam rm -f mine'

echo $$ > /sys/fs/cgroup/cgroup.procs
left=$(find /sys/fs/cgroup -path '*cofferdam/*' -type d)
if [ -z "$left" ]; then pass "nothing is left"; else fail "nothing is left" "$left"; fi
finish
