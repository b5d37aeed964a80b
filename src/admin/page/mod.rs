//! The page at `/`: the snapshot as people look at it. All of it is rendered here; its script only puts what
//! this renders into the page that is open, so that it is the same with and without.

mod cluster;
mod lists;
mod parts;
mod spark;

use super::guard::{Credential, Visitor};
use super::history::MetricHistory;
use super::status::{ClusterState, Moves, Status};
use crate::admin::form::Form;
use crate::base::words;
use crate::serve::problem::Problem;
use maud::{DOCTYPE, Markup, html};
use parts::{clock, number};

pub use parts::anchor;

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
    /// Sessions that were moved.
    pub moves: &'s Moves,
    /// The last hour.
    pub history: &'s MetricHistory,
    /// What was refused, if this answers a form.
    pub notice: Option<&'s Notice<'s>>,
    /// Who looks at it.
    pub visitor: &'s Visitor,
}

/// A change that was refused, and what was asked for.
pub struct Notice<'n> {
    /// Why.
    pub problem: &'n Problem,
    /// Where it was asked for.
    pub path: &'n str,
    /// How.
    pub form: &'n Form,
}

/// The whole page.
pub fn whole(sight: &PageContext<'_>) -> String {
    let PageContext { status, moves, history, notice, visitor } = *sight;
    let clusters = &status.clusters;
    let lacking: Vec<&str> = clusters
        .iter()
        .filter(|cluster| cluster.state != ClusterState::Ready && cluster.state != ClusterState::Disabled)
        .map(|cluster| &*cluster.cluster)
        .collect();
    let title =
        if lacking.is_empty() { "Homing".to_owned() } else { format!("! {} · Homing", lacking.join(", ")) };
    let body = html! {
        a.skip href="#main" { "To the clusters" }
        header.top {
            h1 { "Homing " small { (status.version) } }
            p {
                "up " (words::span(status.uptime)) ", table " (status.revision) ", "
                (number(status.connections.open)) " of " (words::count(status.connections.limit, "client connection"))
                @if status.stopping { ", " strong { "stopping" } }
            }
            form method="post" action="/api/reload" { button { "Reload the conf" } }
            @if visitor.by == Credential::Cookie { form method="post" action="/logout" { button { "Log out" span.unseen { " " (visitor.name) } } } }
        }
        p #link role="status" data-keep {}
        p #said .unseen role="status" aria-live="polite" data-keep {}
        main #main {
            @if let Some(notice) = notice { (refused(notice)) }
            (lists::attention(status))
            @for cluster in clusters { (cluster::section(cluster, history.cluster(&cluster.cluster), &status.time)) }
            div.lists {
                (lists::moves(moves))
                (lists::reloads(status))
                (lists::certificates(status))
                (lists::listeners(status))
            }
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

fn refused(notice: &Notice<'_>) -> Markup {
    let force = notice.problem.offers_force();
    html! {
        section #notice role="alert" tabindex="-1" {
            h2 { "Not done" }
            p { (notice.problem.detail()) }
            @if force {
                form method="post" action=(notice.path) {
                    @for (name, value) in notice.form.fields() { input type="hidden" name=(name) value=(value); }
                    input type="hidden" name="force" value="true";
                    button.grave { "Do it all the same" }
                }
            }
            a.button href="/" { "Leave it as it is" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::AdminLevel;
    use http::StatusCode;

    #[test]
    fn what_others_wrote_is_text_and_not_markup() {
        let form = Form::read(&bytes::Bytes::from_static(b"deadline=%22%3E%3Cscript%3E"));
        let problem = Problem::new(StatusCode::CONFLICT, "<script>").with("force", true);
        let notice = Notice { problem: &problem, path: "/api/\"><script>", form: &form };
        let (status, history) = (crate::admin::status::nothing(), MetricHistory::default());
        let moves = Moves { time: String::new(), clusters: Vec::new() };
        let page = whole(&PageContext {
            status: &status,
            moves: &moves,
            history: &history,
            notice: Some(&notice),
            visitor: &Visitor { name: "<script>".into(), level: AdminLevel::Read, by: Credential::Cookie },
        });
        assert!(page.contains("&lt;script&gt;") && page.contains("Do it all the same"), "{page}");
        assert!(!page.contains("<script>") && !page.contains("style="), "{page}");
        assert!(!login(Some("<b>")).contains("<b>"));
    }
}
