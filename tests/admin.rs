//! The operator's window, with the real binary over sockets: what it shows, what it refuses, and the command
//! line that uses it.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "admin/agree.rs"]
mod agree;
#[path = "admin/api.rs"]
mod api;
#[path = "admin/changes.rs"]
mod changes;
#[path = "admin/crowd.rs"]
mod crowd;
#[path = "admin/document.rs"]
mod document;
#[path = "admin/events.rs"]
mod events;
#[path = "admin/fake.rs"]
mod fake;
#[path = "admin/guard.rs"]
mod guard;
#[path = "admin/history.rs"]
mod history;
#[path = "admin/levels.rs"]
mod levels;
#[path = "admin/lost_lines.rs"]
mod lost_lines;
#[path = "admin/metrics.rs"]
mod metrics;
#[path = "admin/page.rs"]
mod page;
#[path = "admin/saves.rs"]
mod saves;
#[path = "admin/sessions.rs"]
mod sessions;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "admin/terminal.rs"]
mod terminal;
#[path = "admin/unsaved.rs"]
mod unsaved;
#[path = "admin/unwritable.rs"]
mod unwritable;
#[path = "admin/verbs.rs"]
mod verbs;
#[allow(dead_code, reason = "each test binary uses its own part of it")]
#[path = "admin/window.rs"]
mod window;
