//! Expressions as CEL has them, and rules over facts.

use serde_json::json;

use super::*;
use crate::control::Outcome;
use crate::host::Source;

fn value(text: &str) -> Result<bool, String> {
    let facts = json!({
        "n": 3, "text": "abc", "list": [1, 2, 3], "none": null, "gap": { "unknown": "no permission" },
        "map": { "a": 1, "b": 2 }, "rows": [{ "name": "x", "uid": 0 }, { "name": "y", "uid": 7 }],
    });
    let expression: Expression = text.parse().map_err(|error: ExpressionError| error.to_string())?;
    match expression.value(&facts) {
        Ok(Value::Bool(value)) => Ok(value),
        Ok(other) => Err(format!("{other:?}")),
        Err(Unknown(reason)) => Err(reason),
    }
}

#[test]
fn expressions_are_those_of_cel() {
    for text in [
        "1 + 2 * 3 == 7 && -1 < 0",
        "(1 + 2) * 3 == 9 && 7 % 4 == 3 && 7 / 2 == 3",
        "facts.n >= 3 ? true : false",
        "facts.text == 'abc' && facts['text'].startsWith(\"a\") && facts.text.endsWith('c') && facts.text.contains('b')",
        "2 in facts.list && !(9 in facts.list) && 'a' in facts.map",
        "size(facts.list) == 3 && size(facts.text) == 3 && facts.list[1] == 2",
        "facts.list.all(x, x > 0) && facts.list.exists(x, x == 2) && !facts.list.exists(x, x > 5)",
        "facts.rows.filter(row, row.uid == 0).map(row, row.name) == ['x']",
        "facts.map.all(key, key != 'c') && has(facts.map) && !has(facts.map.z)",
        "facts.none == null && int('4') == 4 && string(4) == '4' && 1.5 > 1",
        "'a\\n' != 'a' && 0x10 == 16 && [1, 2] == [1, 2]",
        // What is not known does not matter where the rest decides.
        "facts.gap == 1 || true",
        "true || facts.gap == 1",
        "!(facts.gap == 1 && false)",
    ] {
        assert_eq!(value(text), Ok(true), "{text}");
    }
}

#[test]
fn what_is_not_known_is_never_true_or_false() {
    for (text, reason) in [
        ("facts.gap == 1", "no permission"),
        ("!(facts.gap == 1)", "no permission"),
        ("facts.gap.deeper == 1 && true", "no permission"),
        ("facts.nothing == 1", "there is no field nothing"),
        ("other", "there is nothing called other"),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 > 0", "too large"),
        ("'a' < 1", "have no order"),
        ("facts.text.shout() == 'x'", "is not known here"),
        ("facts.list.all(x, x.y == 1)", "a number has no field y"),
    ] {
        let found = value(text).unwrap_err();
        assert!(found.contains(reason), "{text}: {found}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (text, place) in [
        ("1 +", "byte 3"),
        ("(1", "byte 2"),
        ("'a", "byte 0"),
        ("1 1", "byte 2"),
        ("a.(b)", "byte 2"),
        ("#", "byte 0"),
        ("", "byte 0"),
    ] {
        let error = text.parse::<Expression>().unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
    let deep = "(".repeat(5000) + "1" + &")".repeat(5000);
    assert!(deep.parse::<Expression>().is_err());
    assert!("!".repeat(5000).parse::<Expression>().is_err());
}

#[test]
fn an_evaluation_ends() {
    let list = (0..120).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let text = format!("[{list}].all(a, [{list}].all(b, [{list}].all(c, a + b + c >= 0)))");
    assert!(value(&text).unwrap_err().contains("too many steps"));
}

#[test]
fn rules_are_judged_over_the_facts_of_a_host() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    std::fs::write(folder.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n")
        .unwrap();
    let facts = HostFacts::of(&Source::at_rest(folder.path()).unwrap());
    let rule = |pass: &str, more: &str| {
        let text = format!(
            "[[rule]]\nid = \"own.x\"\ntitle = \"t\"\nwhy = \"w.\"\nseverity = \"high\"\npass = '''{pass}'''\n{more}"
        );
        parse(&text).unwrap().remove(0).judge(&facts)
    };
    let one_root = "facts.accounts.users.filter(user, user.uid == 0).all(user, user.name == 'root')";
    assert_eq!(rule(one_root, "").outcome, Outcome::Fail);
    assert_eq!(rule("size(facts.accounts.users) == 2", "").outcome, Outcome::Pass);
    assert_eq!(rule("facts.security.modules.exists(name, name == 'selinux')", "").outcome, Outcome::Unknown);
    assert_eq!(rule("true", "when = 'facts.view == \"running\"'").outcome, Outcome::NotApplicable);
    assert!(rule("size(facts.accounts.users) == 2", "").summary().contains("facts.accounts.users is"));
}

#[test]
fn a_file_that_is_none_is_refused() {
    let rule = |id: &str, pass: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\ntitle = \"t\"\nwhy = \"w\"\nseverity = \"low\"\npass = \"{pass}\"\n"
        )
    };
    for text in [
        rule("kernel.kptr_restrict", "true"),
        rule("own.a b", "true"),
        rule("own.a", "true") + &rule("own.a", "true"),
        rule("own.a", "1 +"),
        "[[rule]]\nid = \"own.a\"\n".to_owned(),
        "[[rule]]\nrun = \"rm\"\n".to_owned(),
    ] {
        assert!(parse(&text).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9'\"()\\[\\].,!<>=&|?: +*/%-]{0,60}") {
        let _ = value(&text);
    }
}
