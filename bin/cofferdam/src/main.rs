//! The one program: it plays its parts by its name and its first argument.

use std::process::ExitCode;

fn main() -> ExitCode {
    cofferdam_cli::main()
}
