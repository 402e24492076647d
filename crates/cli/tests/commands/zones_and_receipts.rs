//! Zones, plans, receipts: what only Cofferdam has.

use crate::Test;
use crate::home::Home;

pub const TESTS: &[Test] = &[
    ("zones_come_and_go", zones_come_and_go),
    ("a_zone_is_a_floor", a_zone_is_a_floor),
    ("verify_and_receipts", verify_and_receipts),
];

const ZONE: &str = "zone = \"web\"\nabout = \"a test\"\nbase = \"host-tools\"\n";

fn zones_come_and_go() {
    let home = Home::new();
    std::fs::write(home.path().join("web.toml"), ZONE).unwrap();
    std::fs::write(home.path().join("bad.toml"), "zone = \"web\"\nabuot = \"x\"\n").unwrap();
    std::fs::write(home.path().join("strict.toml"), ZONE.replace("\"web\"", "\"strict\"")).unwrap();
    let transcript = home.transcript(&[
        &["zone", "ls"],
        &["zone", "check", "web.toml", "bad.toml", "none.toml"],
        &["zone", "apply", "strict.toml"],
        &["zone", "apply", "web.toml"],
        &["zone", "ls", "-q"],
        &["zone", "verify", "web"],
        &["create", "--name", "one", "--zone", "web", "host", "true"],
        &["zone", "rm", "web"],
        &["rm", "one"],
        &["zone", "rm", "web", "default", "none"],
        &["zone", "show", "web"],
        &["run", "--zone", "web", "host", "true"],
    ]);
    insta::assert_snapshot!("zones_come_and_go", transcript);
}

fn a_zone_is_a_floor() {
    let home = Home::new();
    for (words, ceiling) in [
        (["--cap-add", "SYS_ADMIN"].as_slice(), "capabilities_max"),
        (&["--privileged"], "capabilities_max"),
        (&["--pid", "host"], "host-tools.toml:"),
        (&["--security-opt", "seccomp=unconfined"], "syscalls"),
        (&["--network", "host"], "host-tools"),
    ] {
        let said = home.run(&[&["run", "--rm"], words, &["host", "true"]].concat());
        assert_eq!(said.code, 125, "{words:?} {said:?}");
        assert!(said.err.contains(ceiling), "{words:?} {said:?}");
    }
}

fn verify_and_receipts() {
    let home = Home::new();
    let id = home.ok(&["run", "-d", "--name", "it", "host", "sleep", "60"]);
    let table = home.ok(&["verify", "it"]);
    assert!(table.contains("controls hold: holds") && !table.contains("differs"), "{table}");
    assert_eq!(home.run(&["verify", "--all"]).code, 0);
    assert_eq!(home.run(&["zone", "verify", "host-tools"]).code, 0);
    let statement: serde_json::Value =
        serde_json::from_str(&home.ok(&["verify", "--format", "json", "it"])).unwrap();
    assert_eq!(statement["container"], id.as_str());
    let receipt = home.ok(&["inspect", "-f", "{{.ReceiptPath}}", "it"]);
    assert!(home.ok(&["receipt", "check", &receipt]).contains("controls hold: holds"));
    let text = std::fs::read_to_string(&receipt).unwrap();
    let mut envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
    envelope["signatures"][0]["sig"] = "AAAA".into();
    std::fs::write(home.path().join("forged"), envelope.to_string()).unwrap();
    let said = home.run(&["receipt", "check", "forged"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("cannot trust the receipt"), "{said:?}");
    home.ok(&["stop", "-t", "0", "it"]);
    assert_eq!(home.run(&["verify", "it"]).code, 1, "what does not run is not verified");
}
