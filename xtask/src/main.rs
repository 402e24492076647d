//! The project's own tools, run as `cargo xtask <tool>`.

fn main() {}
