//! A dependency that no source file names is weight without use.

use std::collections::HashSet;
use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};

use super::Finding;
use crate::workspace::Package;

/// The dependencies of `package` that none of its `files` names.
pub(super) fn check(package: &Package, files: &[(PathBuf, String)]) -> Vec<Finding> {
    let mut named = HashSet::new();
    for (_, text) in files {
        if let Ok(tokens) = text.parse::<TokenStream>() {
            collect(tokens, &mut named);
        }
    }
    let mut unused: Vec<&str> = package
        .dependencies
        .iter()
        .map(|dependency| dependency.rename.as_deref().unwrap_or(&dependency.name))
        .filter(|name| !named.contains(&name.replace('-', "_")))
        .collect();
    unused.dedup();
    unused
        .into_iter()
        .map(|name| Finding::Fault(format!("{}: depends on `{name}` and never names it", package.name)))
        .collect()
}

fn collect(tokens: TokenStream, named: &mut HashSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                named.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), named),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::workspace::{Dependency, Package};

    #[test]
    fn only_the_dependency_that_is_never_named_is_found() {
        let dependency = |name: &str| Dependency { name: name.to_owned(), rename: None };
        let package = Package {
            name: "p".to_owned(),
            manifest_path: "/p/Cargo.toml".into(),
            dependencies: vec![dependency("used-here"), dependency("unused")],
        };
        let files = [("a.rs".into(), "mod m { use used_here::x; }".to_owned())];
        let found = check(&package, &files);
        assert_eq!(found.len(), 1);
        assert!(format!("{found:?}").contains("`unused`"));
    }
}
