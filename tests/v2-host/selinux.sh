#!/bin/sh
# Runs in the virtual machine of run.sh that has SELinux, with the policy of selinux.cil: labels are given, kept and read back.
. /checks.sh
mount -t selinuxfs selinuxfs /sys/fs/selinux
cat /policy.bin > /sys/fs/selinux/load
echo 1 > /sys/fs/selinux/enforce
label=u:r:container_t:s0:c1,c2

check "an image is imported" cofferdam image import /image bb
printf 'zone = "labelled"\n[process]\nlsm = "selinux:%s"\n' $label > /labelled.toml
check "a zone with a label" cofferdam zone apply /labelled.toml
run="cofferdam run --network none --rm"
says "the label is in force" $label $run --zone labelled bb cat /proc/self/attr/current
says "and what it denies is denied" "Permission denied" $run --zone labelled bb sh -c 'ulimit -n 10'
exits "which is allowed without it" 0 $run bb sh -c 'ulimit -n 10'
check "a labelled container" cofferdam run --network none -d --name labelled --zone labelled bb sleep 1000
says "its label is read back" $label cofferdam verify labelled
check "as planned" cofferdam verify labelled
says "exec has the label" $label cofferdam exec labelled cat /proc/self/attr/current
check "rm of it" cofferdam rm -f labelled
printf 'zone = "unknown"\n[process]\nlsm = "selinux:u:r:nosuch_t:s0"\n' > /unknown.toml
check "a zone with a label that the policy does not know" cofferdam zone apply /unknown.toml
exits "starts nothing" 125 $run --zone unknown bb true
finish
