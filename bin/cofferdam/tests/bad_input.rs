//! Bad input through the whole program: a clear error, Docker's exit codes, nothing left.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::{Home, is_root};

/// Zone files that are wrong in one way each: the file, the place of the mistake, and what is said of it.
const BAD_ZONES: [(&str, &str, &str); 51] = [
    ("", "1:1", "a zone file names its zone: zone = \"NAME\""),
    ("zone = 5", "1:1", "zone: it is 1 to 63 of a-z, 0-9 and '-', not at either end"),
    ("zone = \"\"", "1:1", "zone: it is 1 to 63 of a-z, 0-9 and '-', not at either end"),
    ("zone = \"Web\"", "1:1", "zone: it is 1 to 63 of a-z, 0-9 and '-', not at either end"),
    ("zone = \"web_1\"", "1:1", "zone: it is 1 to 63 of a-z, 0-9 and '-', not at either end"),
    ("zone = \"-web\"", "1:1", "zone: it is 1 to 63 of a-z, 0-9 and '-', not at either end"),
    ("zone \"web\"", "1:6", "not TOML: key with no value, expected `=`"),
    ("zone = \"web", "1:12", "not TOML: invalid basic string, expected `\"`"),
    ("zone = \"web\"\nzone = \"other\"", "2:1", "not TOML: duplicate key"),
    ("zone = \"web\"\nzoen = \"x\"", "2:1", "unknown key \"zoen\"; did you mean \"zone\"?"),
    ("zone = \"web\"\nbase = \"defualt\"", "2:1", "base: it is one of build, default, host-tools, strict"),
    ("zone = \"web\"\nbase = 1", "2:1", "base: it is one of build, default, host-tools, strict"),
    (
        "zone = \"web\"\nisolation = \"vm\"",
        "2:1",
        "isolation: it is \"process\"; \"vm\" is not built yet, so nothing could",
    ),
    (
        "zone = \"web\"\nisolation = \"proces\"",
        "2:1",
        "isolation: it is \"process\"; \"vm\" is not built yet, so nothing could",
    ),
    ("zone = \"web\"\nabout = true", "2:1", "about: it is a text"),
    ("zone = \"web\"\n[proces]\nwritable = true", "2:2", "unknown key \"proces\"; did you mean \"process\"?"),
    ("zone = \"web\"\nprocess = 1", "2:1", "process: it is a table"),
    (
        "zone = \"web\"\n[process]\ncapabilites = []",
        "3:1",
        "unknown key \"process.capabilites\"; did you mean \"capabilities\"?",
    ),
    (
        "zone = \"web\"\n[process]\ncapabilities = [\"NET_BIND\"]",
        "3:17",
        "process.capabilities: \"NET_BIND\": it is a capability's name, such as",
    ),
    (
        "zone = \"web\"\n[process]\ncapabilities = [\"SYS_ADMIN\", 3]",
        "3:30",
        "process.capabilities: \"integer\": it is a capability's name, such as",
    ),
    (
        "zone = \"web\"\n[process]\ncapabilities = \"CHOWN\"",
        "3:1",
        "process.capabilities: it is a list; it is a capability's name, such",
    ),
    (
        "zone = \"web\"\n[process]\ncapabilities = [\"CHOWN\"]\ncapabilities_max = []",
        "3:1",
        "process.capabilities: {CAP_CHOWN} is not in capabilities_max",
    ),
    (
        "zone = \"web\"\n[process]\nsyscalls = \"none\"",
        "3:1",
        "process.syscalls: it is \"default\" or \"strict\"",
    ),
    (
        "zone = \"web\"\n[process]\nsyscalls = \"strct\"",
        "3:1",
        "process.syscalls: it is \"default\" or \"strict\"",
    ),
    ("zone = \"web\"\n[process]\nwritable = \"yes\"", "3:1", "process.writable: it is true or false"),
    ("zone = \"web\"\n[process]\nnew_privileges = 1", "3:1", "process.new_privileges: it is true or false"),
    (
        "zone = \"web\"\n[process]\nlsm = \"apparmour:x\"",
        "3:1",
        "process.lsm: it is \"none\", \"apparmor:PROFILE\" or",
    ),
    (
        "zone = \"web\"\n[identity]\nids = \"per-contaner\"",
        "3:1",
        "identity.ids: it is \"per-container\": one range for all of a zone is not built yet",
    ),
    ("zone = \"web\"\n[identity]\nrange = 1", "3:1", "unknown key \"identity.range\"; known here: ids"),
    (
        "zone = \"web\"\n[limits]\nmemory = \"1x\"",
        "3:1",
        "limits.memory: it is a size such as \"512m\", or \"unlimited\"",
    ),
    (
        "zone = \"web\"\n[limits]\nmemory = \"1k\"",
        "3:1",
        "limits.memory: it is a size such as \"512m\", or \"unlimited\"",
    ),
    (
        "zone = \"web\"\n[limits]\nmemory = -1",
        "3:1",
        "limits.memory: it is a size such as \"512m\", or \"unlimited\"",
    ),
    (
        "zone = \"web\"\n[limits]\nmemory = \"2g\"\nmemory_max = \"1g\"",
        "3:1",
        "limits.memory is above memory_max",
    ),
    (
        "zone = \"web\"\n[limits]\ncpus = 0",
        "3:1",
        "limits.cpus: it is a number of processors such as 1.5, or \"unlimited\"",
    ),
    (
        "zone = \"web\"\n[limits]\ncpus = \"two\"",
        "3:1",
        "limits.cpus: it is a number of processors such as 1.5, or \"unlimited\"",
    ),
    ("zone = \"web\"\n[limits]\npids = 0", "3:1", "limits.pids: it is a number above 0, or \"unlimited\""),
    ("zone = \"web\"\n[limits]\npids = 1.5", "3:1", "limits.pids: it is a number above 0, or \"unlimited\""),
    (
        "zone = \"web\"\n[limits]\noom_score_adj_min = -2000",
        "3:1",
        "limits.oom_score_adj_min: it is a number from -1000 to 1000",
    ),
    (
        "zone = \"web\"\n[limits]\nmemry = \"1g\"",
        "3:1",
        "unknown key \"limits.memry\"; did you mean \"memory\"?",
    ),
    (
        "zone = \"web\"\n[limits.ulimits]\nnofiles = 1",
        "3:1",
        "limits.ulimits.nofiles: its form is NAME = \"SOFT:HARD\" with a",
    ),
    (
        "zone = \"web\"\n[limits.ulimits]\nnofile = \"10:5\"",
        "3:1",
        "limits.ulimits.nofile: its form is NAME = \"SOFT:HARD\" with a resource",
    ),
    (
        "zone = \"web\"\n[limits.ulimits]\nnofile = \"a:b\"",
        "3:1",
        "limits.ulimits.nofile: its form is NAME = \"SOFT:HARD\" with a resource",
    ),
    (
        "zone = \"web\"\n[mounts.access]\n\"srv\" = \"read\"",
        "3:1",
        "mounts.access.srv: its form is \"/HOST/PATH\" = \"none\", \"read\" or",
    ),
    (
        "zone = \"web\"\n[mounts.access]\n\"/srv\" = \"raed\"",
        "3:1",
        "mounts.access./srv: its form is \"/HOST/PATH\" = \"none\", \"read\" or",
    ),
    (
        "zone = \"web\"\n[mounts.access]\n\"/srv/../etc\" = \"read\"",
        "3:1",
        "mounts.access./srv/../etc: its form is \"/HOST/PATH\" = \"none\", \"read\"",
    ),
    (
        "zone = \"web\"\n[mounts]\nreadonly_defualt = true",
        "3:1",
        "unknown key \"mounts.readonly_defualt\"; did you mean \"readonly_default\"?",
    ),
    (
        "zone = \"web\"\n[namespaces]\nhost = [\"pid\"]",
        "3:9",
        "namespaces.host: \"pid\": only \"uts\" can be shared with the host so far",
    ),
    ("zone = \"web\"\n[network]\nmode = \"brigde\"", "3:1", "network.mode: it is \"none\" or \"zone\""),
    (
        "zone = \"web\"\n[operators]\nallow = [\"me\"]",
        "2:2",
        "operators: enforcement of who may operate a zone (it needs `cofferdam",
    ),
    (
        "zone = \"web\"\n[placement]\nrequire = [\"\"]",
        "3:12",
        "placement.require: \"\": it is the id of a check of `cofferdam audit host`",
    ),
    (
        "zone = \"web\"\n\n\n[images]\n\n  alowed = []",
        "6:3",
        "unknown key \"images.alowed\"; did you mean \"allowed\"?",
    ),
];

#[test]
fn a_bad_zone_file_is_told_with_line_column_and_reason() {
    let home = Home::new();
    let file = home.path().join("web.toml");
    for (text, place, reason) in BAD_ZONES {
        std::fs::write(&file, text).unwrap();
        let expected = format!("{}:{place}: {reason}", file.display());
        for command in ["check", "apply"] {
            let ran = home.run(&["zone", command, file.to_str().unwrap()]);
            assert_eq!(ran.code, 1, "{command} {text:?}: {ran:?}");
            assert!(ran.err.contains(&expected), "{command} {text:?}: {}", ran.err);
        }
    }
    let left = std::fs::read_dir(home.path().join("state/zones"));
    assert_eq!(left.into_iter().flatten().count(), 0, "a bad zone was kept");
}

/// All that is wrong in a file is told at once.
#[test]
fn every_mistake_of_a_zone_file_is_told() {
    let home = Home::new();
    let file = home.path().join("web.toml");
    std::fs::write(&file, "zone = \"web\"\n[limit]\n[process]\nwritabel = 1\nsyscalls = 3\n").unwrap();
    let ran = home.run(&["zone", "check", file.to_str().unwrap()]);
    for place in [":2:2: ", ":4:1: ", ":5:1: "] {
        assert!(ran.err.contains(place), "{}", ran.err);
    }
}

/// Flags that cannot be meant: what is said, and Docker's code for an engine that did not start anything.
#[test]
fn bad_flags_are_refused_before_anything_is_made() {
    if !is_root("bad_flags_are_refused_before_anything_is_made") {
        return;
    }
    let home = Home::new();
    for (flags, told) in [
        (&["--memory", "64x"][..], "memory"),
        (&["--memory", "1k"], "memory"),
        (&["--cpus", "-1"], "cpus"),
        (&["--cpus", "lots"], "cpus"),
        (&["--pids-limit", "many"], "pids"),
        (&["--user", "no-such-user"], "no-such-user"),
        (&["--workdir", "relative"], "relative"),
        (&["--name", "a b"], "name"),
        (&["--name", "x"], "name"),
        (&["--env", "=x"], "env"),
        (&["--env-file", "/no/such/file"], "/no/such/file"),
        (&["--ulimit", "nofile"], "ulimit"),
        (&["--ulimit", "nofiles=1"], "nofiles"),
        (&["--cap-add", "CAP_NOTHING"], "NOTHING"),
        (&["--cap-drop", "CAP_NOTHING"], "NOTHING"),
        (&["--volume", "relative/path:/x"], "relative/path"),
        (&["--volume", "/no/such/folder:/x"], "/no/such/folder"),
        (&["--volume", "/usr:relative"], "relative"),
        (&["--mount", "type=nothing,target=/x"], "nothing"),
        (&["--mount", "type=bind,source=/usr"], "mount"),
        (&["--tmpfs", "relative"], "relative"),
        (&["--device", "/dev/no-such-device"], "/dev/no-such-device"),
        (&["--restart", "sometimes"], "sometimes"),
        (&["--restart", "always", "--rm"], "restart"),
        (&["--stop-signal", "SIGNOTHING"], "SIGNOTHING"),
        (&["--sysctl", "kernel.core_pattern=x"], "core_pattern"),
        (&["--sysctl", "no-value"], "no-value"),
        (&["--security-opt", "nothing=x"], "nothing"),
        (&["--security-opt", "seccomp=/no/such/file"], "/no/such/file"),
        (&["--network", "no-such-network"], "no-such-network"),
        (&["--zone", "no-such-zone"], "no-such-zone"),
        (&["--log-driver", "syslog"], "syslog"),
        (&["--log-opt", "max-size=x"], "max-size"),
        (&["--hostname", "not a name"], "not a name"),
        (&["--oom-score-adj", "-5000"], "oom"),
        (&["--memry", "1g"], "--memory"),
    ] {
        let args = [&["run", "--rm"], flags, &["host", "--", "true"]].concat();
        let ran = home.run(&args);
        assert_eq!(ran.code, 125, "{flags:?}: {ran:?}");
        assert!(ran.err.contains(told), "{flags:?} is not told: {}", ran.err);
        assert_eq!(ran.out, "", "{flags:?}");
    }
    assert_eq!(home.remains(), Vec::<String>::new());
}

/// A bad line of an environment file is told with its number.
#[test]
fn bad_environment_files_are_told() {
    if !is_root("bad_environment_files_are_told") {
        return;
    }
    let home = Home::new();
    let file = home.path().join("env");
    for (text, told) in
        [(&b"GOOD=1\n=bad\n"[..], "line 2"), (b"A=1\n\nB B=2\n", "line 3"), (b"A=\xff\xfe\n", "env")]
    {
        std::fs::write(&file, text).unwrap();
        let ran = home.run(&["run", "--rm", "--env-file", file.to_str().unwrap(), "host", "--", "true"]);
        assert_eq!(ran.code, 125, "{text:?}: {ran:?}");
        assert!(ran.err.contains(told), "{text:?}: {}", ran.err);
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(home.remains(), Vec::<String>::new());
}
