#!/bin/bash
# Checks the audit's SARIF, OSCAL and JUnit with other people's schemas and readers, and takes pictures of its page in HTML.
# Usage: run.sh PROGRAM FOLDER (the program to ask, and a folder outside of the repository for what is installed and made).
# Needs python3 with venv, npm, and for the pictures Debian's chromium, which gets no network. The schemas stay in that folder.
set -euo pipefail
program=$(realpath "$1")
mkdir -p "$2"
cd "$2"
if [ ! -d package ]; then
  npm pack --silent @microsoft/jest-sarif@1.0.0-beta.0 >/dev/null
  tar -xzf microsoft-jest-sarif-*.tgz
fi
if [ ! -d venv ]; then
  python3 -m venv venv
  venv/bin/pip install -q jsonschema compliance-trestle junitparser
fi
for form in sarif oscal junit html json; do
  "$program" audit host --format "$form" > "host.$form"
done
mv host.oscal host.oscal.json
venv/bin/python - <<'PY'
import json, pathlib, sys
import jsonschema
from junitparser import JUnitXml
from trestle.oscal.assessment_results import AssessmentResults

schema = json.load(open("package/lib/schemas/sarif-2.1.0-rtm.5.json"))
wrong = list(jsonschema.validators.validator_for(schema)(schema).iter_errors(json.load(open("host.sarif"))))
print("SARIF: %d errors" % len(wrong))
results = AssessmentResults.oscal_read(pathlib.Path("host.oscal.json"))
print("OSCAL: %d findings" % len(results.results[0].findings or []))
counts = json.load(open("host.json"))["counts"]
junit = JUnitXml.fromfile("host.junit")
print("JUnit: %d tests, %d failures" % (junit.tests, junit.failures))
# The host may change between two looks at it by a process or two: counts are compared loosely.
if wrong or abs(junit.failures - counts["fail"]) > 3:
    sys.exit(wrong[:3])
PY
if command -v chromium >/dev/null; then
  quiet=(--headless --no-sandbox --disable-gpu --disable-background-networking --host-resolver-rules='MAP * ~NOTFOUND')
  page="file://$PWD/host.html"
  chromium "${quiet[@]}" --blink-settings=preferredColorScheme=1 --window-size=1200,1400 --screenshot="$PWD/light.png" "$page" 2>>chromium.log
  chromium "${quiet[@]}" --blink-settings=preferredColorScheme=0 --window-size=1200,1400 --screenshot="$PWD/dark.png" "$page" 2>>chromium.log
  chromium "${quiet[@]}" --print-to-pdf="$PWD/print.pdf" "$page" 2>>chromium.log
else
  echo "SKIP pictures: chromium is not installed"
fi
