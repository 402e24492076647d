//! What the language does, one line of template at a time.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Template;

fn data() -> Value {
    json!({
        "Name": "web", "Id": "0123456789abcdef", "Count": 3, "Zero": 0, "Ratio": 1.5, "On": true, "Off": false,
        "Empty": "", "Gone": null, "Tags": ["a", "b", "c"], "None": [],
        "State": { "Status": "running", "Pid": 42, "Health": { "Log": [ { "Exit": 0 }, { "Exit": 1 } ] } },
        "Labels": { "com.example.tier": "front", "b": "2" },
    })
}

fn render(text: &str) -> String {
    match Template::parse(text).and_then(|template| template.render(&data())) {
        Ok(text) => text,
        Err(error) => format!("ERROR {error}"),
    }
}

#[test]
fn fields_and_text() {
    assert_eq!(render("plain"), "plain");
    assert_eq!(render("{{.Name}}"), "web");
    assert_eq!(render("a{{ .State.Status }}b"), "arunningb");
    assert_eq!(render("{{.Count}} {{.Ratio}} {{.On}}"), "3 1.5 true");
    assert_eq!(render("{{.Tags}}"), "[a b c]");
    assert_eq!(render("{{.Labels}}"), "map[b:2 com.example.tier:front]");
    assert_eq!(render("{{.Gone}}"), "<no value>");
    assert_eq!(render("{{$.State.Pid}}"), "42");
    assert_eq!(render("{{(index .State.Health.Log 1).Exit}}"), "1");
}

#[test]
fn white_space_trimming_and_comments() {
    assert_eq!(render("a  {{- .Name -}}  b"), "awebb");
    assert_eq!(render("a  {{- .Name }}  b"), "aweb  b");
    assert_eq!(render("a {{/* not here */}} b"), "a  b");
    assert_eq!(render("a {{- /* not here */ -}} b"), "ab");
    assert_eq!(render("{{ \"}}\" }}"), "}}");
    assert_eq!(render("{{-1}}"), "-1");
}

#[test]
fn conditions() {
    assert_eq!(render("{{if .On}}yes{{end}}"), "yes");
    assert_eq!(render("{{if .Off}}yes{{else}}no{{end}}"), "no");
    assert_eq!(render("{{if .Zero}}a{{else if .Empty}}b{{else if .Name}}c{{else}}d{{end}}"), "c");
    assert_eq!(render("{{if and .On (eq .Name \"web\")}}both{{end}}"), "both");
    assert_eq!(render("{{or .Empty .Gone \"last\"}}"), "last");
    assert_eq!(render("{{and .On .Zero .NotThere}}"), "0");
    assert_eq!(render("{{not .None}}"), "true");
    assert_eq!(
        render("{{eq .Count 1 2 3}} {{ne .Name \"web\"}} {{lt 1 2}} {{ge 2 3}}"),
        "true false true false"
    );
    assert_eq!(render("{{if gt .Count 2.5}}more{{end}}"), "more");
}

#[test]
fn loops_variables_and_with() {
    assert_eq!(render("{{range .Tags}}<{{.}}>{{end}}"), "<a><b><c>");
    assert_eq!(render("{{range $i, $t := .Tags}}{{$i}}={{$t}} {{end}}"), "0=a 1=b 2=c ");
    assert_eq!(render("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}"), "b=2;com.example.tier=front;");
    assert_eq!(render("{{range .None}}x{{else}}nothing{{end}}"), "nothing");
    assert_eq!(render("{{range .Gone}}x{{end}}"), "");
    assert_eq!(render("{{range .Tags}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}"), "a");
    assert_eq!(render("{{range .Tags}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}"), "ac");
    assert_eq!(render("{{with .State}}{{.Status}} of {{$.Name}}{{end}}"), "running of web");
    assert_eq!(render("{{with .Empty}}x{{else}}{{.Name}}{{end}}"), "web");
    assert_eq!(render("{{$n := .Count}}{{$n}}{{$n = 4}}{{$n}}"), "34");
    assert_eq!(render("{{range .State.Health.Log}}{{.Exit}}{{end}}"), "01");
    assert_eq!(render("{{range $.Tags}}{{$.Name}}{{end}}"), "webwebweb");
}

#[test]
fn functions() {
    assert_eq!(render("{{json .State.Health}}"), r#"{"Log":[{"Exit":0},{"Exit":1}]}"#);
    assert_eq!(render("{{json .}}"), data().to_string());
    assert_eq!(render("{{.Name | json}}"), "\"web\"");
    assert_eq!(render("{{.Name | upper | printf \"%s!\"}}"), "WEB!");
    assert_eq!(render("{{upper \"a\"}}{{lower \"B\"}}{{title \"two words\"}}"), "AbTwo Words");
    assert_eq!(render("{{join .Tags \", \"}}"), "a, b, c");
    assert_eq!(render("{{split \"a:b\" \":\"}}"), "[a b]");
    assert_eq!(render("{{index .Labels \"com.example.tier\"}}"), "front");
    assert_eq!(render("[{{index .Labels \"none\"}}]"), "[]");
    assert_eq!(render("{{index .Tags 2}}"), "c");
    assert_eq!(render("{{slice .Id 0 12}}"), "0123456789ab");
    assert_eq!(render("{{len .Tags}}{{len .Name}}{{len .Labels}}"), "332");
    assert_eq!(render("{{truncate .Id 4}}[{{pad .Name 1 2}}]"), "0123[ web  ]");
    assert_eq!(render("{{print .Count .Zero \"x\" 1}}"), "3 0x1");
    assert_eq!(render("{{println .Count \"x\"}}"), "3 x\n");
    assert_eq!(render("{{print `raw \\n`}}"), "raw \\n");
    assert_eq!(render(r#"{{print "a\tb\n"}}"#), "a\tb\n");
}

#[test]
fn printf_verbs() {
    assert_eq!(render(r#"{{printf "%5d|%-5d|%05d|%x" 42 42 -42 255}}"#), "   42|42   |-0042|ff");
    assert_eq!(
        render(r#"{{printf "%s %q %v %t %.2f %%" .Name .Name .Tags .On .Ratio}}"#),
        "web \"web\" [a b c] true 1.50 %"
    );
    assert_eq!(render(r#"{{printf "%.3s|%6s|%-6s|" .Id "ab" "ab"}}"#), "012|    ab|ab    |");
    assert_eq!(render(r#"{{printf "%d" "x"}}"#), "ERROR --format: printf: %d cannot print x (column 3)");
    assert_eq!(render(r#"{{printf "%s"}}"#), "ERROR --format: printf has no value for %s (column 3)");
    assert_eq!(
        render(r#"{{printf "%9999s" "x"}}"#),
        "ERROR --format: printf: a width is at most 1000 (column 3)"
    );
}

#[test]
fn errors_name_the_place() {
    assert_eq!(
        render("{{.Nmae}}"),
        "ERROR --format: there is no field .Nmae; did you mean .Name? (column 3)"
    );
    assert_eq!(render("{{.Name.X}}"), "ERROR --format: there is no field .X: this is a text (column 3)");
    assert_eq!(
        render("ab {{uper .Name}}"),
        "ERROR --format: there is no function uper; did you mean upper? (column 6)"
    );
    assert_eq!(render("{{.Name"), "ERROR --format: this {{ is never closed (column 1)");
    assert_eq!(render("{{if .On}}"), "ERROR --format: this {{if}} has no {{end}} (column 3)");
    assert_eq!(render("{{range .On}}{{end}}"), "ERROR --format: range cannot walk a boolean (column 9)");
    assert_eq!(
        render("{{end}}"),
        "ERROR --format: an {{end}} or {{else}} without a block before it (column 1)"
    );
    assert_eq!(render("{{$x}}"), "ERROR --format: variable $x is not declared (column 3)");
    assert_eq!(render("{{}}"), "ERROR --format: expected a field, a function or a value here (column 3)");
    assert_eq!(render("{{break}}"), "ERROR --format: {{break}} outside of a range (column 3)");
    assert_eq!(render("{{define \"x\"}}"), "ERROR --format: {{define}} is not supported here (column 3)");
    assert_eq!(
        render("{{index .Tags 7}}"),
        "ERROR --format: index 7 is out of range: the list has 3 (column 3)"
    );
    assert_eq!(render("{{lower .Count}}"), "ERROR --format: lower takes a text, not a number (column 3)");
    assert_eq!(render("{{lower}}"), "ERROR --format: lower takes one argument, not 0 (column 3)");
    assert_eq!(render("{{lower 1 2}}"), "ERROR --format: lower takes one argument, not 2 (column 3)");
    assert_eq!(
        render("{{.Name 1}}"),
        "ERROR --format: this is no function: it takes no arguments (column 3)"
    );
}

#[test]
fn methods_of_the_top_value() {
    let template = Template::parse("{{.Label \"tier\"}}-{{range .Tags}}{{$.Label .}}{{end}}").unwrap();
    let methods = |name: &str, arguments: &[Value]| {
        (name == "Label").then(|| Value::String(format!("<{}>", arguments[0].as_str().unwrap())))
    };
    assert_eq!(template.render_with(&data(), &methods).unwrap(), "<tier>-<a><b><c>");
}

#[test]
fn depth_has_an_end() {
    let text = "{{if true}}".repeat(5000);
    assert!(Template::parse(&text).unwrap_err().message.contains("nested too deeply"));
    let text = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(Template::parse(&text).unwrap_err().message.contains("nested too deeply"));
}

proptest! {
    #[test]
    fn never_panics(text in ".{0,60}") {
        let _ = Template::parse(&text).and_then(|template| template.render(&data()));
    }

    #[test]
    fn never_panics_on_its_own_words(words in proptest::collection::vec(prop_oneof![
        Just("{{"), Just("}}"), Just("{{-"), Just(" -}}"), Just("if"), Just("range"), Just("else"), Just("end"), Just(" "),
        Just("."), Just(".Tags"), Just("$"), Just("$x"), Just(":="), Just("="), Just("|"), Just("("), Just(")"), Just("\"a\""),
        Just("1"), Just("printf"), Just("\"%d\""), Just("index"), Just("slice"), Just("with"), Just("and"), Just(","), Just("text"),
    ], 0..25)) {
        let _ = Template::parse(&words.concat()).and_then(|template| template.render(&data()));
    }

    #[test]
    fn text_without_actions_is_itself(text in "[^{]{0,60}") {
        prop_assert_eq!(render(&text), text);
    }
}

#[test]
fn a_field_that_is_known_and_empty_is_no_error() {
    use super::{Empty, Template};
    const OPTIONAL: super::Optional = &[("Name", Empty::Text), ("Health", Empty::Nothing)];
    let data =
        serde_json::json!({ "Mounts": [{ "Type": "bind" }, { "Type": "volume", "Name": "v" }], "State": {} });
    let render = |text: &str| Template::parse(text).unwrap().render_sparse(&data, OPTIONAL);
    assert_eq!(render("{{range .Mounts}}[{{.Name}}]{{end}}").unwrap(), "[][v]");
    assert_eq!(render("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}").unwrap(), "none");
    assert_eq!(render("{{json .State.Health}}").unwrap(), "null");
    assert!(render("{{.State.Healthy}}").is_err());
}
