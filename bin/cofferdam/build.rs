//! Asks the linker to put together what a container's start executes (`cargo xtask order` writes the list): the kernel maps a
//! program's file in pieces of 64 kB, and each piece that is touched costs a fault and its memory.

use std::path::Path;

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let list = Path::new(&folder).join("symbol-order.txt");
    println!("cargo::rerun-if-changed={}", list.display());
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // The linker of that target's compiler is LLD, whose option this is. Names that a program lacks are passed over: a list
    // that is behind costs speed and nothing else.
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && list.exists() {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
        println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", list.display());
    }
}
