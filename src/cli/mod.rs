//! The command line.

pub mod check;
//! The command line: one thin file a verb.

pub mod demo;
