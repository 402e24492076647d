//! The command line face: parses, calls the engine, prints.
#![allow(dead_code, reason = "until the commands are wired to the engine")]

mod detach_keys;
mod duration;
mod size;
mod suggest;
mod table;
mod template;
mod timestamp;
