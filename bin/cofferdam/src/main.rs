//! The one program: it plays its parts by subcommand.

fn main() {}
