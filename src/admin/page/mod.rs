//! The page at `/`: the snapshot as people look at it. All of it is rendered here; its script only puts what
//! this renders into the page that is open, so that it is the same with and without.

mod attention;
mod bulk;
mod changes;
mod cluster;
mod find;
mod fleet;
mod lists;
mod node;
mod parts;
mod routes;
mod spark;
mod view;

use super::guard::{Credential, Visitor};
use super::history::MetricHistory;
use super::status::{Moves, ShownRule, Status};
use crate::admin::form::Form;
use crate::base::words;
use crate::config::model::AdminLevel;
use crate::control::audit::AuditEntry;
use crate::serve::problem::Problem;
use lists::ListContext;
use maud::{DOCTYPE, Markup, html};
use parts::{clock, number};
use std::sync::Arc;

pub use bulk::{BulkOutcome, BulkQuestion, BulkRefusal, BulkReport, VERBS};
pub use find::nodes as find_nodes;
pub use node::FIELD;
pub use parts::anchor;
pub use view::{ListName, View};

/// Its looks.
pub const STYLE: &str = include_str!("page.css");
/// What keeps it live.
pub const SCRIPT: &str = include_str!("page.js");
/// Its sign in the browser's tab.
pub const ICON: &str = include_str!("icon.svg");

/// What the page shows.
pub struct PageContext<'s> {
    /// The snapshot.
    pub status: &'s Status,
    /// What of it is looked at.
    pub view: &'s View,
    /// Sessions that were moved, if that list is open.
    pub moves: Option<&'s Moves>,
    /// What leads where.
    pub rules: &'s [ShownRule],
    /// Who changed what, the latest first.
    pub changes: &'s [Arc<AuditEntry>],
    /// The last hour.
    pub history: &'s MetricHistory,
    /// What is said on top, if this answers a form.
    pub notice: Option<&'s Notice<'s>>,
    /// Who looks at it.
    pub visitor: &'s Visitor,
}

/// What answers a form.
pub enum Notice<'n> {
    /// A change was refused.
    Refused {
        /// Why.
        problem: &'n Problem,
        /// Where it was asked for.
        path: &'n str,
        /// How.
        form: &'n Form,
    },
    /// Whether a change of several nodes is meant.
    Question(&'n BulkQuestion),
    /// What became of it.
    Report(&'n BulkReport),
}

/// The whole page.
pub fn whole(sight: &PageContext<'_>) -> String {
    let PageContext { status, view, moves, rules, changes, history, notice, visitor } = *sight;
    let view = &view.offering(visitor.level < AdminLevel::Operate);
    let lacking: Vec<&str> = status
        .clusters
        .iter()
        .filter(|cluster| fleet::is_lacking(cluster))
        .map(|cluster| &*cluster.cluster)
        .collect();
    let title = match &lacking[..] {
        [] => "Homing".to_owned(),
        few if few.len() <= 3 => format!("! {} · Homing", few.join(", ")),
        many => format!("! {} clusters · Homing", many.len()),
    };
    let body = html! {
        a.skip href="#main" { "To the clusters" }
        header.top {
            h1 { "Homing " small { (status.version) } }
            p {
                "up " (words::span(status.uptime)) ", table " (status.revision) ", "
                (number(status.connections.open)) " of " (words::count(status.connections.limit, "client connection"))
                @if status.stopping { ", " strong { "stopping" } }
                @if view.only_reads { "; " (visitor.name) " may look and change nothing" }
            }
            @if visitor.level == AdminLevel::Admin { form method="post" action="/api/reload" { button { "Reload the conf" } } }
            @if visitor.by == Credential::Cookie { form method="post" action="/logout" { button { "Log out" span.unseen { " " (visitor.name) } } } }
        }
        p #link role="status" data-keep {}
        p #said .unseen role="status" aria-live="polite" data-keep {}
        main #main tabindex="-1" {
            @match notice {
                Some(Notice::Refused { problem, path, form }) => (refused(problem, path, form, view)),
                Some(Notice::Question(question)) => (bulk::question(question, view)),
                Some(Notice::Report(report)) => (bulk::report(report, view)),
                None => {}
            }
            (attention::section(status, view))
            (fleet::section(status, rules, history, view))
            (lists::all(&ListContext { status, view, moves, rules, changes }))
        }
        footer {
            p { "As of " time datetime=(status.time) { (clock(&status.time)) } " UTC, snapshot " (status.snapshot) ". The same as data: " a href="/api/status" { "/api/status" } ", " a href="/metrics" { "/metrics" } "." }
        }
    };
    document(&title, true, &body)
}

/// Asks for the token.
pub fn login(wrong: Option<&str>) -> String {
    let body = html! {
        main.login {
            h1 { "Homing" }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form method="post" action="/login" {
                label for="token" { "Token" }
                input #token name="token" type="password" autocomplete="current-password" required autofocus;
                button.main { "Log in" }
            }
            p { "It is in a file that " code { "server.admin-token-file" } " or " code { "server.admin.tokens" } " of the conf names." }
        }
    };
    document("Log in · Homing", false, &body)
}

fn document(title: &str, live: bool, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="/icon.svg";
                link rel="stylesheet" href="/page.css";
                @if live { script src="/page.js" defer {} }
            }
            body { (body) }
        }
    };
    document.into_string()
}

fn refused(problem: &Problem, path: &str, form: &Form, back: &View) -> Markup {
    html! {
        section #notice role="alert" tabindex="-1" {
            h2 { "Not done" }
            p { (problem.detail()) }
            @if problem.offers_force() {
                form method="post" action=(back.form(path)) {
                    @for (name, value) in form.fields() { input type="hidden" name=(name) value=(value); }
                    input type="hidden" name="force" value="true";
                    button.grave { "Do it all the same" }
                }
            }
            a.button data-leave href=(back.href()) { "Leave it as it is" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn what_others_wrote_is_text_and_not_markup() {
        let form = Form::read(&bytes::Bytes::from_static(b"deadline=%22%3E%3Cscript%3E"));
        let problem = Problem::new(StatusCode::CONFLICT, "<script>").with("force", true);
        let notice = Notice::Refused { problem: &problem, path: "/api/\"><script>", form: &form };
        let (status, history) = (crate::admin::status::nothing(), MetricHistory::default());
        let page = whole(&PageContext {
            status: &status,
            view: &View::default(),
            moves: None,
            rules: &[],
            changes: &[],
            history: &history,
            notice: Some(&notice),
            visitor: &Visitor { name: "<script>".into(), level: AdminLevel::Read, by: Credential::Cookie },
        });
        assert!(page.contains("&lt;script&gt;") && page.contains("Do it all the same"), "{page}");
        assert!(!page.contains("<script>") && !page.contains("style="), "{page}");
        assert!(
            !page.contains("/bulk") && !page.contains("/api/reload"),
            "whoever only reads is offered nothing: {page}"
        );
        assert!(!login(Some("<b>")).contains("<b>"));
    }
}
