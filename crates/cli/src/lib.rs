//! The command line face: parses, calls the engine, prints.
#![allow(dead_code, reason = "until the commands are wired to the engine")]

mod suggest;
mod template;
