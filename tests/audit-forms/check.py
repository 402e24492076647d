# Reads what check.sh made with other people's schemas and readers; exit status 1 where one of them finds something wrong.
import json
import pathlib
import shutil
import sys

import jsonschema
import xmlschema
from junitparser import JUnitXml
from trestle.oscal.assessment_results import AssessmentResults

schema = json.load(open("sarif.json"))
sarif = jsonschema.validators.validator_for(schema)(schema)
junit = xmlschema.XMLSchema("junit-10.xsd")
failed = False
# `two` is two files in one document.
for name, source, times in [("host", "host", 1), ("compose", "compose", 1), ("two", "compose", 2)]:
    counts = json.load(open(f"{source}.json"))["counts"]
    counts = {outcome: times * count for outcome, count in counts.items()}
    all_tests = sum(counts[outcome] for outcome in ["pass", "fail", "not_applicable", "unknown"])
    wrong = [error.message[:200] for error in sarif.iter_errors(json.load(open(f"{name}.sarif")))]
    print(f"{name}: SARIF: {len(wrong)} errors {wrong[:3]}")
    failed |= bool(wrong)

    wrong = [error.reason for error in junit.iter_errors(f"{name}.junit")]
    print(f"{name}: JUnit: {len(wrong)} errors {wrong[:3]}")
    failed |= bool(wrong)

    read = JUnitXml.fromfile(f"{name}.junit")
    suites = list(read)
    tests = sum(suite.tests for suite in suites)
    failures = sum(suite.failures for suite in suites)
    print(f"{name}: junitparser: {tests} tests, {failures} failures; ours: {counts}")
    # The host may change between two looks at it by a process or two: counts are compared loosely.
    failed |= tests != all_tests or abs(failures - counts["fail"]) > 3

    shutil.copy(f"{name}.oscal", f"{name}.oscal.json")
    results = AssessmentResults.oscal_read(pathlib.Path(f"{name}.oscal.json"))
    findings = sum(len(result.findings or []) for result in results.results)
    print(f"{name}: OSCAL: {findings} findings")
    failed |= findings == 0
sys.exit(failed)
