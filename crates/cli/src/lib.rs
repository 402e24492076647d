//! The command line face: parses, calls the engine, prints.

mod suggest;
mod template;
