//! The command line: one thin file a verb.

pub mod demo;
