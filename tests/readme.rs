//! What README.md and the book in docs/src say, held against the program: commands are run as they stand,
//! links lead somewhere, confs are valid, and no word of the logs and metrics is missing.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "readme/commands.rs"]
mod commands;
#[path = "readme/links.rs"]
mod links;
#[path = "readme/pages.rs"]
mod pages;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "readme/told.rs"]
mod told;
#[path = "readme/words.rs"]
mod words;
