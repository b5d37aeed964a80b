//! How a demo node shows itself: the page and the JSON it refreshes from.

use super::control::{DemoControl, DemoNode};
use serde_json::{Value, json};
use std::fmt::Write;

const TOP: &str = include_str!("page_top.html");
const BOTTOM: &str = include_str!("page_bottom.html");

/// Node, visits and all nodes' states.
pub fn json(control: &DemoControl, here: &DemoNode, visits: u64) -> Value {
    let nodes: Vec<Value> = control
        .nodes()
        .iter()
        .map(|node| json!({ "node": node.name(), "alive": node.wanted(), "sessions": node.sessions().len() }))
        .collect();
    json!({ "node": here.name(), "visits": visits, "nodes": nodes })
}

/// The page. Whole without scripts; with them it refreshes its figures in place.
pub fn html(control: &DemoControl, here: &DemoNode, visits: u64) -> String {
    let mut page = String::with_capacity(TOP.len() + BOTTOM.len() + 2048);
    page.push_str(TOP);
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "<main>\n<p>Your session lives on</p>\n<h1 id=\"node\">{}</h1>\n<p>visit <b id=\"visits\">{visits}</b></p>\n<p id=\"news\" role=\"status\"></p>\n<table>\n\
         <thead><tr><th>node</th><th>state</th><th>sessions</th><th></th></tr></thead>\n<tbody>\n",
        here.name()
    );
    for node in control.nodes() {
        let (state, verb) = if node.wanted() { ("alive", "kill") } else { ("dead", "revive") };
        let mine = if node.name() == here.name() { " mine" } else { "" };
        let _ = writeln!(
            page,
            "<tr data-node=\"{name}\" class=\"{state}{mine}\"><th>{name}</th><td class=\"state\">{state}</td><td class=\"sessions\">{sessions}</td>\
             <td><form method=\"post\" action=\"/demo/{verb}?node={name}\"><button>{verb}</button></form></td></tr>",
            name = node.name(),
            sessions = node.sessions().len(),
        );
    }
    page.push_str("</tbody>\n</table>\n");
    page.push_str(BOTTOM);
    page
}
