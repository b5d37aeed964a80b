//! What is done to several nodes at once: chosen, asked once more, and told node by node.

use super::node::{FIELD, FORM, deadline_fields, reason};
use super::parts::{BAD, GOOD, number, sign, state};
use super::view::View;
use crate::admin::form::Form;
use crate::admin::operate::NodeAction;
use crate::admin::status::Node;
use crate::base::words;
use maud::{Markup, html};

/// What can be done to several.
pub const VERBS: [NodeAction; 3] = [NodeAction::Drain, NodeAction::Enable, NodeAction::Disable];

/// Asks whether it is meant.
pub struct BulkQuestion {
    /// What is to be done.
    pub verb: NodeAction,
    /// To these: each with its cluster, and as it is.
    pub nodes: Vec<(String, Node)>,
}

/// What became of it.
pub struct BulkReport {
    /// What was to be done.
    pub verb: NodeAction,
    /// To each.
    pub outcomes: Vec<BulkOutcome>,
    /// What was filled in.
    pub form: Form,
}

/// What became of one node.
pub struct BulkOutcome {
    /// The node, as `cluster/node`.
    pub node: String,
    /// What changed, or why nothing did.
    pub result: Result<Vec<String>, BulkRefusal>,
}

/// Why nothing was done to a node.
pub struct BulkRefusal {
    /// In a sentence.
    pub why: String,
    /// It can be done all the same.
    pub can_be_forced: bool,
}

fn word(verb: NodeAction) -> &'static str {
    match verb {
        NodeAction::Drain => "Drain",
        NodeAction::Enable => "Enable",
        _ => "Maintenance",
    }
}

/// Where it is asked for: for those that are ticked, else for all that are found.
pub fn bar(view: &View, found: usize) -> Markup {
    if view.only_reads {
        return html! {};
    }
    html! {
        form.bulk id=(FORM) method="post" action=(view.form("/bulk")) {
            @if found > 0 {
                input type="hidden" name="q" value=(view.search);
                @if view.attention { input type="hidden" name="only" value="not-ready"; }
            }
            label #tick-all data-keep hidden { input type="checkbox"; " All shown" }
            span #ticked data-keep {}
            span.whom { @match found {
                0 => "The ticked nodes:",
                1 => "The one found:",
                _ => { "The ticked nodes, or all " (number(found as u64)) " found:" }
            } }
            @for verb in VERBS { button name="verb" value=(verb.word()) { (word(verb)) "…" } }
        }
    }
}

/// Lists them, and asks.
pub fn question(question: &BulkQuestion, back: &View) -> Markup {
    let BulkQuestion { verb, nodes } = question;
    let sessions: u64 = nodes.iter().map(|(_, node)| node.sessions).sum();
    let count = words::count(nodes.len() as u64, "node");
    html! {
        section #notice .ask tabindex="-1" aria-labelledby="notice-title" {
            h2 #notice-title { (word(*verb)) ": " (count) }
            p { @match verb {
                NodeAction::Drain => "Their sessions stay, new ones go elsewhere.",
                NodeAction::Enable => "They take everything again, whatever took them out.",
                _ => "Nobody is sent there any more.",
            } " " (words::count(sessions, "session")) " on them now." }
            form.sure method="post" action=(back.form("/bulk")) {
                input type="hidden" name="verb" value=(verb.word());
                input type="hidden" name="confirmed" value="true";
                ul.chosen { @for (cluster, node) in nodes {
                    li { label {
                        input type="checkbox" name=(FIELD) value=(format!("{cluster}/{}", node.node)) checked;
                        span { (cluster) "/" wbr; (node.node) } " " (state(&node.state))
                        span.of { (words::count(node.sessions, "session")) }
                    } }
                } }
                div.fields {
                    (reason())
                    @if *verb == NodeAction::Drain { (deadline_fields()) }
                    button.main { (word(*verb)) " " (count) }
                    a.button data-leave href=(back.href()) { "Leave them as they are" }
                }
            }
        }
    }
}

/// Tells node by node.
pub fn report(report: &BulkReport, back: &View) -> Markup {
    let BulkReport { verb, outcomes, form } = report;
    let done = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count();
    let forced: Vec<&BulkOutcome> =
        outcomes.iter().filter(|one| one.result.as_ref().is_err_and(|why| why.can_be_forced)).collect();
    html! {
        section #notice .quiet[done == outcomes.len()] tabindex="-1" aria-labelledby="notice-title" {
            h2 #notice-title { (word(*verb)) ": done for " (number(done as u64)) " of " (words::count(outcomes.len() as u64, "node")) }
            ul.chosen { @for BulkOutcome { node, result } in outcomes { li {
                @match result {
                    Ok(changes) => { (sign(GOOD, "done")) " " (node) span.of { @if changes.is_empty() { "it was so already" } @else { (changes.join("; ")) } } }
                    Err(refusal) => { (sign(BAD, "refused")) " " (node) span.of { (refusal.why) } }
                }
            } } }
            div.fields {
                @if !forced.is_empty() {
                    form method="post" action=(back.form("/bulk")) {
                        @for (name, value) in form.fields().iter().filter(|(name, _)| name != FIELD && name != "force") { input type="hidden" name=(name) value=(value); }
                        @for one in &forced { input type="hidden" name=(FIELD) value=(one.node); }
                        input type="hidden" name="force" value="true";
                        button.grave { "Do it all the same to " (words::count(forced.len() as u64, "node")) }
                    }
                }
                a.button data-leave href=(back.href()) { "Close" }
            }
        }
    }
}
