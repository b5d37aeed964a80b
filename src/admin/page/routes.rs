//! Where requests come in, and where they are led.

use super::parts::{GOOD, OUT, address, cluster_state, number, sign};
use super::view::View;
use crate::admin::status::{ShownRule, Status};
use crate::base::words;
use crate::control::op::Switch;
use maud::{Markup, html};

/// Rules that are shown at most.
const RULES: usize = 100;
/// Of those that lead to one cluster.
const OF_CLUSTER: usize = 5;

/// The rules in their order, each with where it leads and its switch; where something is searched for, those
/// that say it.
pub fn rules(rules: &[ShownRule], status: &Status, view: &View) -> Markup {
    let terms: Vec<String> = view.search.split_whitespace().map(str::to_lowercase).collect();
    let says = |rule: &&ShownRule| {
        let text = format!("{} {} {}", rule.when, rule.leads_to, rule.edits).to_lowercase();
        terms.iter().all(|term| text.contains(term.as_str()))
    };
    let found: Vec<&ShownRule> = rules.iter().filter(says).collect();
    let more = found.len().saturating_sub(RULES);
    html! {
        @if rules.is_empty() { p { "None: every request is answered 404." } }
        @else if found.is_empty() { p { "None of them says what is searched for." } }
        @else {
            p { "The first that fits counts." }
            div.scroll tabindex="0" role="group" aria-labelledby="rules-title" { table.rules {
                caption.unseen { "Rules in the order of the file" }
                thead { tr { @for title in ["Rule", "Requests", "Lead to", "Switch"] { th scope="col" { (title) } } } }
                tbody { @for rule in found.into_iter().take(RULES) { (row(rule, status, view)) } }
            } }
            @if more > 0 { p { (words::count(more as u64, "more")) ": " a href="/api/rules" { "/api/rules" } } }
        }
    }
}

/// Those that lead to a cluster, in a line.
pub fn leading_to(cluster: &str, rules: &[ShownRule]) -> Markup {
    let here = || rules.iter().filter(|rule| rule.cluster.as_deref() == Some(cluster));
    let more = here().count().saturating_sub(OF_CLUSTER);
    html! {
        @if here().next().is_none() { "no rule leads here" }
        @else {
            "led here by "
            @for (at, rule) in here().take(OF_CLUSTER).enumerate() {
                @if at > 0 { "; " }
                "rule " (rule.rule) ": " (rule.when) @if rule.disabled { " " (sign(OUT, "off")) }
            }
            @if more > 0 { "; " (words::count(more as u64, "more rule")) }
        }
    }
}

fn row(rule: &ShownRule, status: &Status, view: &View) -> Markup {
    let to = if rule.disabled { Switch::Enable } else { Switch::Disable };
    let cluster = rule.cluster.as_deref().and_then(|name| status.cluster(name));
    html! {
        tr id=(format!("rule-{}", rule.rule)) {
            th scope="row" { (rule.rule) }
            td { (rule.when) @if !rule.edits.is_empty() { small { (rule.edits) } } }
            td { (rule.leads_to) @if let Some(cluster) = cluster { " " (cluster_state(&cluster.state)) } }
            td.switch {
                (if rule.disabled { sign(OUT, "off") } else { sign(GOOD, "on") }) " "
                @if !view.only_reads { form method="post" action=(format!("/api/rules/{}/{}", rule.rule, to.word())) {
                    button { (if rule.disabled { "Enable" } else { "Switch off" }) span.unseen { " rule " (rule.rule) } }
                } }
            }
        }
    }
}

/// Where clients and heartbeats come in.
pub fn listeners(status: &Status) -> Markup {
    let beats: Vec<String> = status
        .heartbeats
        .iter()
        .filter(|(_, results)| !results.is_empty())
        .map(|(dialect, results)| {
            format!(
                "{dialect}: {}",
                results
                    .iter()
                    .map(|(word, n)| format!("{} {word}", number(*n)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        })
        .collect();
    html! {
            ul { @for listener in &status.listeners {
                li { strong { (listener.listener) } " " @for (at, bind) in listener.bind.iter().enumerate() { @if at > 0 { ", " } (address(bind)) } @if listener.tls { " with TLS" } }
            } }
            @if !beats.is_empty() { p { "Heartbeats: " (beats.join("; ")) } }
    }
}
