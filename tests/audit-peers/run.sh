#!/bin/bash
# Runs the audit beside kernel-hardening-checker, docker-bench-security and Lynis on this host, and beside Lynis on the two trees of
# bin/cofferdam/tests/audit_debian.rs (a Debian with sixty weaknesses, and the same in order), and compares them check by check.
# Exit status 1 where a disagreement is not in docs/audit-parity.md, which says who is right and why.
# Usage: run.sh PROGRAM FOLDER [KERNEL_HARDENING_CHECKER [DOCKER_BENCH]]
# FOLDER is outside of the repository. Lynis is Debian's; the other two are in no registry: the third argument is a folder with a
# copy of github.com/a13xp0p0v/kernel-hardening-checker, the fourth one with github.com/docker/docker-bench-security, which looks at a
# docker daemon in namespaces of its own (docker.sh). Needs root, mmdebstrap, python3, lynis and docker.io; some five minutes.
set -uo pipefail
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
checker=${3:+$(realpath "$3")}
bench=${4:+$(realpath "$4")}
mkdir -p "$2"
cd "$2" || exit
folder=$PWD
failed=0

compare() {
  python3 "$here/compare.py" "$here/../../docs/audit-parity.md" "$@" || failed=1
}

run_lynis() { # REPORT, and the words before the program
  local report=$1
  shift
  "$@" lynis audit system --quick --no-colors --logfile /dev/null --report-file "$report" >/dev/null 2>&1
}

echo "== this host"
"$program" audit host --all --format json > host.json || exit
theirs=()
if [ -n "$checker" ]; then
  "$checker/bin/kernel-hardening-checker" -a -m json > khc.json 2>/dev/null
  theirs+=(khc khc.json)
else
  echo "SKIP kernel-hardening-checker: no copy of it was named"
fi
rm -f host.dat
run_lynis "$folder/host.dat" env
compare host.json "${theirs[@]}" lynis host.dat

echo "== beside a docker daemon"
if [ -n "$bench" ]; then
  bash "$here/docker.sh" "$program" "$folder/beside" "$bench" || failed=1
else
  echo "SKIP docker-bench-security: no copy of it was named"
fi

rm -rf strong weak
(cd "$here/../.." && COFFERDAM_KEEP_TREES=$folder cargo test --quiet --package cofferdam --test audit_debian) || exit
for tree in strong weak; do
  echo "== the $tree tree"
  "$program" audit host --all --format json --root "$tree" > "$tree.json" || exit
  # Lynis has no mode for a tree that does not run: it is put into the tree, and runs in a change of root without any network.
  mkdir -p "$tree/etc/lynis" "$tree/usr/share/lynis"
  cp -a /etc/lynis/. "$tree/etc/lynis"
  cp -a /usr/share/lynis/. "$tree/usr/share/lynis"
  cp -a /usr/sbin/lynis "$tree/usr/sbin/lynis"
  run_lynis /lynis.dat unshare --mount --net --pid --fork --kill-child chroot "$tree"
  compare "$tree.json" lynis "$tree/lynis.dat"
done
echo "== what Lynis says of the weak tree alone"
spoken() { sed -n 's/^\(suggestion\|warning\)\[\]=\([^|]*\).*/\2/p' "$1/lynis.dat" | sort -u; }
comm -13 <(spoken strong) <(spoken weak) | tr '\n' ' '
echo
exit "$failed"
