//! The real programs in front and behind: Tomcat, Socket.IO, Express, PHP; curl, h2load, wrk. Where one of
//! them is missing its tests fail: `scripts/test` installs them.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "real/apps.rs"]
mod apps;
#[path = "real/browser.rs"]
mod browser;
#[path = "real/change_over.rs"]
mod change_over;
#[path = "real/chat.rs"]
mod chat;
#[path = "real/clients.rs"]
mod clients;
#[path = "real/fronts.rs"]
mod fronts;
#[path = "real/h2_nodes.rs"]
mod h2_nodes;
#[path = "real/notebooks.rs"]
mod notebooks;
#[path = "real/programs.rs"]
mod programs;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "real/told.rs"]
mod told;
#[path = "real/tomcat.rs"]
mod tomcat;
#[path = "real/tomcat_beats.rs"]
mod tomcat_beats;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "admin/window.rs"]
mod window;
