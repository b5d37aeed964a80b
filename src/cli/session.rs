//! `homing session`: one session is ended, or moved to another node.

use super::operate::print_changes;
use super::window::{AdminClient, ChangeArgs, VerbFailure};
use crate::admin::operate::MoveTo;
use crate::table::session_names::ShownSession;
use clap::Subcommand;

/// What is done with one session.
#[derive(Subcommand)]
pub enum SessionVerb {
    /// It is over: who shows its pin begins anew, and its WebSockets are closed.
    End {
        /// The session's id.
        session: ShownSession,
        #[command(flatten)]
        ask: ChangeArgs,
    },
    /// Its next request goes to another node, and its WebSockets are closed to come back there.
    Move {
        /// The session's id.
        session: ShownSession,
        /// To this node; else where a new session would go.
        #[arg(long, value_name = "NODE")]
        to: Option<String>,
        #[command(flatten)]
        ask: ChangeArgs,
    },
}

/// Does it, by the proxy that the arguments name.
pub fn run(
    verb: SessionVerb,
    open: impl Fn(&ChangeArgs) -> Result<AdminClient, VerbFailure>,
) -> Result<(), VerbFailure> {
    match verb {
        SessionVerb::End { session, ask } => end_session(&open(&ask)?, session, ask.json()),
        SessionVerb::Move { session, to, ask } => move_session(&open(&ask)?, session, to, ask.json()),
    }
}

/// A session is over.
fn end_session(window: &AdminClient, session: ShownSession, json: bool) -> Result<(), VerbFailure> {
    let (body, done) = window.post(&format!("/api/sessions/{session}/end"), None)?;
    print_changes(&body, &done, json)
}

/// A session goes to another node.
fn move_session(
    window: &AdminClient,
    session: ShownSession,
    to: Option<String>,
    json: bool,
) -> Result<(), VerbFailure> {
    let how = serde_json::to_value(MoveTo { to }).map_err(|error| VerbFailure::Failed(error.to_string()))?;
    let (body, done) = window.post(&format!("/api/sessions/{session}/move"), Some(&how))?;
    print_changes(&body, &done, json)
}
