//! What the linker is asked for.
//!
//! To put together what a container's start executes (`cargo xtask order` writes the list): the kernel maps a program's file in
//! pieces of 64 kB, and each piece that is touched costs a fault and its memory. And to write relocations in their short form, a
//! tenth of the 300 kB that each start of the program would go through otherwise.

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
    if is("TARGET", "x86_64-unknown-linux-gnu") && knows_short_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the C library that is linked in relocates itself by DT_RELR: glibc does from 2.36 on.
fn knows_short_relocations() -> bool {
    let Ok(output) = std::process::Command::new("getconf").arg("GNU_LIBC_VERSION").output() else {
        return false;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.trim().trim_start_matches("glibc ").split('.').map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (2, 36))
}
