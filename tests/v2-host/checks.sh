#!/bin/sh
# How the machine's programs check and tell: as cargo's tests tell theirs.
export PATH=/bin HOME=/root
passed=0 failed=0
pass() { echo "test program: $1 ... ok"; passed=$((passed + 1)); }
fail() { echo "test program: $1 ... FAILED"; echo "$2"; failed=$((failed + 1)); }
check() { # NAME COMMAND...: the command succeeds
    name=$1; shift
    if out=$("$@" 2>&1); then pass "$name"; else fail "$name" "$out"; fi
}
says() { # NAME TEXT COMMAND...: the command prints the text, whatever its exit status
    name=$1 text=$2; shift 2
    out=$("$@" 2>&1)
    case $out in *"$text"*) pass "$name" ;; *) fail "$name" "$out" ;; esac
}
exits() { # NAME CODE COMMAND...
    name=$1 code=$2; shift 2
    out=$("$@" 2>&1); got=$?
    if [ $got = "$code" ]; then pass "$name"; else fail "$name" "$got: $out"; fi
}
finish() {
    result=ok
    [ $failed = 0 ] || result=FAILED
    echo "test result: $result. $passed passed; $failed failed; 0 ignored"
    poweroff -f
}
