//! What one source file must look like.

use std::path::Path;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Finding;

/// The packages that may hold `unsafe` (ARCHITECTURE.md, invariant 1).
const UNSAFE_HOMES: [&str; 1] = ["cofferdam-kernel"];
/// The package that may let a process at the gate run, and the function that does (ARCHITECTURE.md).
const PERMIT_HOME: &str = "cofferdam-proof";
const PERMIT_MAKER: &str = "after_reading_back";
/// Names that say nothing about what a module holds.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "shared", "stuff"];
const FILE_LIMIT: usize = 600;
const FILE_SMELL: usize = 400;
const FUNCTION_SMELL: usize = 60;

/// Everything wrong with the file at `path` of `package`.
pub(super) fn check(package: &str, path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shown = path.display();
    let lines = text.lines().count();
    if lines > FILE_LIMIT {
        findings.push(Finding::Fault(format!("{shown}: {lines} lines, over {FILE_LIMIT}")));
    } else if lines > FILE_SMELL {
        findings.push(Finding::Warning(format!("{shown}: {lines} lines, over {FILE_SMELL}")));
    }
    if !text.trim_start().starts_with("//!") {
        findings.push(Finding::Fault(format!("{shown}: does not open with `//!`: say what it is")));
    }
    let empty = path.iter().filter_map(|part| Path::new(part).file_stem()?.to_str());
    for name in empty.filter(|name| EMPTY_NAMES.contains(name)) {
        findings.push(Finding::Fault(format!("{shown}: `{name}` says nothing about what it holds")));
    }
    match syn::parse_file(text) {
        Ok(file) => {
            let mut rules = Rules {
                shown: shown.to_string(),
                may_be_unsafe: UNSAFE_HOMES.contains(&package),
                may_permit: package == PERMIT_HOME,
                findings,
            };
            rules.visit_file(&file);
            rules.findings
        }
        Err(error) => {
            findings.push(Finding::Fault(format!("{shown}: does not parse: {error}")));
            findings
        }
    }
}

/// The rules that need the syntax tree.
struct Rules {
    shown: String,
    may_be_unsafe: bool,
    may_permit: bool,
    findings: Vec<Finding>,
}

impl Rules {
    fn fault(&mut self, at: Span, text: &str) {
        self.findings.push(Finding::Fault(format!("{}:{}: {text}", self.shown, at.start().line)));
    }

    fn refuse_unsafe(&mut self, at: Span) {
        if !self.may_be_unsafe {
            self.fault(at, "`unsafe` outside its home");
        }
    }

    fn measure(&mut self, name: &syn::Ident, body: Span) {
        let lines = body.end().line.saturating_sub(body.start().line) + 1;
        if lines > FUNCTION_SMELL {
            let line = name.span().start().line;
            self.findings
                .push(Finding::Warning(format!("{}:{line}: `{name}` has {lines} lines", self.shown)));
        }
    }
}

impl<'ast> Visit<'ast> for Rules {
    fn visit_expr_unsafe(&mut self, node: &'ast syn::ExprUnsafe) {
        self.refuse_unsafe(node.span());
        visit::visit_expr_unsafe(self, node);
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        if let Some(token) = &node.unsafety {
            self.refuse_unsafe(token.span());
        }
        visit::visit_item_impl(self, node);
    }

    fn visit_signature(&mut self, node: &'ast syn::Signature) {
        if let Some(token) = &node.unsafety {
            self.refuse_unsafe(token.span());
        }
        visit::visit_signature(self, node);
    }

    fn visit_item_foreign_mod(&mut self, node: &'ast syn::ItemForeignMod) {
        self.refuse_unsafe(node.span());
        visit::visit_item_foreign_mod(self, node);
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.measure(&node.sig.ident, node.block.span());
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.measure(&node.sig.ident, node.block.span());
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_path(&mut self, node: &'ast syn::Path) {
        let makes_permit = node.segments.last().is_some_and(|last| last.ident == PERMIT_MAKER);
        if makes_permit && !self.may_permit {
            self.fault(node.span(), "only the proof may give a process leave to run");
        }
        visit::visit_path(self, node);
    }

    fn visit_attribute(&mut self, node: &'ast syn::Attribute) {
        if node.path().is_ident("ignore") {
            self.fault(node.span(), "an ignored test: print `SKIP name: reason` and return instead");
        }
    }

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        if node.path.is_ident("todo") || node.path.is_ident("unimplemented") {
            self.fault(node.span(), "unfinished: an error, or no code at all");
        }
        visit::visit_macro(self, node);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Finding, check};

    fn faults(package: &str, path: &str, text: &str) -> usize {
        let findings = check(package, Path::new(path), text);
        findings.iter().filter(|finding| matches!(finding, Finding::Fault(_))).count()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert_eq!(check("p", Path::new("crates/p/src/lib.rs"), "//! Says what it is.\nfn f() {}\n"), []);
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let head = "//! Head.\n";
        assert_eq!(faults("p", "a.rs", "fn f() {}"), 1, "no head");
        assert_eq!(faults("p", "utils.rs", head), 1, "an empty name");
        assert_eq!(faults("p", "src/helpers/a.rs", head), 1, "an empty folder name");
        assert_eq!(
            faults("p", "a.rs", &format!("{head}fn f() {{ unsafe {{ g() }} }}")),
            1,
            "an unsafe block"
        );
        assert_eq!(faults("p", "a.rs", &format!("{head}unsafe impl Send for T {{}}")), 1, "an unsafe impl");
        assert_eq!(faults("p", "a.rs", &format!("{head}unsafe fn f() {{}}")), 1, "an unsafe function");
        assert_eq!(faults("cofferdam-kernel", "a.rs", &format!("{head}unsafe fn f() {{}}")), 0, "at home");
        assert_eq!(
            faults("p", "a.rs", &format!("{head}#[test]\n#[ignore]\nfn f() {{}}")),
            1,
            "an ignored test"
        );
        assert_eq!(faults("p", "a.rs", &format!("{head}fn f() {{ todo!() }}")), 1, "unfinished");
        let permit = format!("{head}fn f() {{ Permit::after_reading_back(g) }}");
        assert_eq!(faults("p", "a.rs", &permit), 1, "a permit without a proof");
        assert_eq!(faults("cofferdam-proof", "a.rs", &permit), 0, "the proof's own");
        assert_eq!(faults("p", "a.rs", &format!("{head}{}", "\n".repeat(600))), 1, "too long");
    }

    #[test]
    fn a_long_function_is_a_warning() {
        let text = format!("//! Head.\nfn f() {{\n{}}}\n", "    g();\n".repeat(70));
        assert!(matches!(check("p", Path::new("a.rs"), &text)[..], [Finding::Warning(_)]));
    }
}
