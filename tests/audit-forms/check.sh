#!/bin/bash
# Checks the audit's SARIF, OSCAL and JUnit with other people's schemas and readers. CI runs it (bin/cofferdam/tests/audit_forms.rs).
# Usage: check.sh PROGRAM FOLDER (the program to ask, and a folder outside of the repository for what is fetched and made).
# Needs python3 with venv, and cargo. Fetched once, into FOLDER: SARIF's schema, as the crate serde-sarif ships it; the schema of
# Jenkins for JUnit, as the source of pytest ships it; the readers themselves. Exit status 77: something could not be fetched.
set -euo pipefail
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
mkdir -p "$2"
cd "$2"

fetch() {
  python3 -m venv venv
  local pip=(venv/bin/pip --quiet --disable-pip-version-check --timeout 10)
  "${pip[@]}" download --no-deps --no-binary pytest --dest pytest pytest==9.2.0 &
  local download=$!
  "${pip[@]}" install --no-compile jsonschema==4.26.0 compliance-trestle==5.2.0 junitparser==5.0.3 xmlschema==4.3.1
  wait $download
  tar -xzf pytest/pytest-9.2.0.tar.gz --strip-components=3 --wildcards '*/junit-10.xsd'
  mkdir -p crate/src
  cat > crate/Cargo.toml <<'TOML'
[package]
name = "fetch"
version = "0.0.0"
[dependencies]
serde-sarif = { version = "=0.8.0", default-features = false }
[workspace]
TOML
  touch crate/src/lib.rs
  cargo fetch --quiet --manifest-path crate/Cargo.toml
  cp "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/serde-sarif-0.8.0/src/schema.json sarif.json
}

wanted=$(cksum < "$here/check.sh")
if [ "$(cat fetched 2>/dev/null)" != "$wanted" ]; then
  rm -rf venv pytest crate
  # Not `fetch || exit`: inside of a condition no failing step would end the function.
  (set -e; fetch) &
  wait $! || exit 77
  echo "$wanted" > fetched
fi

printf 'services:\n  web:\n    image: web\n    privileged: true\n    volumes: ["/run/docker.sock:/s"]\n' > compose.yaml
for form in sarif oscal junit json; do
  "$program" audit host --format "$form" > "host.$form"
  "$program" audit compose --format "$form" compose.yaml > "compose.$form"
  "$program" audit compose --format "$form" compose.yaml compose.yaml > "two.$form"
done
venv/bin/python "$here/check.py"
