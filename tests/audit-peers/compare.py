# Compares what the audit said of a host, check by check, with what others said of the same one; joined by the references of its
# checks. Every disagreement must be named in docs/audit-parity.md, which says who is right and why: exit status 1 where one is not.
# Usage: compare.py PARITY OURS [khc FILE] [lynis FILE] [docker-bench FILE]  (reports of ours in JSON, and theirs)
import json
import re
import sys

parity, ours, *peers = sys.argv[1:]
page = open(parity).read()
findings = json.load(open(ours))["findings"]


def named_on_the_page():
    """Ids on the page, with `AUTH-9204, 9208` and `7.2 to 7.9` told in full."""
    names = set(re.findall(r"`([^`]+)`", page)) | set(re.findall(r"\b[A-Z]{3,4}-\d{4}\b", page))
    for first, rest in re.findall(r"\b([A-Z]{3,4})-\d{4}((?:, \d{4})+)", page):
        names |= {f"{first}-{number}" for number in re.findall(r"\d{4}", rest)}
    for row in re.findall(r"^\| (\d[\d., to]*\d) ?[^|]*\|", page, re.M):
        names |= set(re.findall(r"\d[\d.]*\d", row))
        for section, first, last in re.findall(r"(\d+)\.(\d+) to \1\.(\d+)", row):
            names |= {f"{section}.{number}" for number in range(int(first), int(last) + 1)}
    return names


def asked(body, name):
    """The checks of ours that refer to it."""
    return [one for one in findings if {"body": body, "id": name} in one["references"]]


def outcome(checks):
    """What ours come to together: the first of these that one of them is."""
    outcomes = {check["outcome"] for check in checks}
    return next((word for word in ["fail", "unknown", "pass", "not-applicable"] if word in outcomes), "not asked for")


def khc(path):
    for check in json.load(open(path)):
        yield check["option_name"], "pass" if check["check_result_bool"] else "fail"


def lynis(path):
    spoken, ran = set(), set()
    for line in open(path, errors="replace"):
        name, _, value = line.strip().partition("=")
        if name in ["warning[]", "suggestion[]"]:
            spoken.add(value.split("|")[0])
        elif name == "tests_executed":
            ran = set(re.findall(r"[A-Z]{3,4}-\d{4}", value))
    for test in sorted(ran | spoken):
        if re.fullmatch(r"[A-Z]{3,4}-\d{4}", test):
            yield test, "fail" if test in spoken else "pass"


def docker_bench(path):
    words = {"PASS": "pass", "WARN": "fail"}
    for section in json.load(open(path))["tests"]:
        for check in section["results"]:
            if check["result"] in words:
                yield check["id"], words[check["result"]]


PEERS = {
    "khc": ("kernel-hardening-checker", khc),
    "lynis": ("lynis", lynis),
    "docker-bench": ("cis-docker", docker_bench),
}
known = named_on_the_page()
unnamed = 0
for peer, path in zip(peers[::2], peers[1::2]):
    body, read = PEERS[peer]
    verdicts = {}
    for name, theirs in read(path):
        # A name that is asked about twice fails where one of them does.
        verdicts[name] = "fail" if "fail" in [theirs, verdicts.get(name)] else theirs
    same, different = {"pass": 0, "fail": 0}, []
    for name, theirs in sorted(verdicts.items()):
        checks = asked(body, name)
        own = outcome(checks)
        if own == theirs:
            same[theirs] += 1
        elif peer == "lynis" and theirs == "pass" and own != "fail":
            # Lynis is silent on what it only looks at.
            continue
        else:
            different.append((name, theirs, own, [check["id"] for check in checks if check["outcome"] == own]))
    print(f"{peer}: {len(verdicts)} checks; {same['pass']} pass and {same['fail']} fail with both; {len(different)} differ")
    for name, theirs, own, ids in different:
        # Where they are silent, the page may name ours alone.
        is_known = name in known or theirs == "pass" and any(one in known for one in ids)
        unnamed += not is_known
        print(f"  {name}: theirs {theirs}, ours {own} {' '.join(ids[:4])}{'' if is_known else '  <- NOT ON THE PAGE'}")
print(f"{unnamed} disagreements are not on the page")
sys.exit(1 if unnamed else 0)
