//! A change of several nodes at once: asked for by the page, asked back, and made node by node.

use super::form::Form;
use super::operate::{self, NodeAction};
use super::page::{self, BulkOutcome, BulkQuestion, BulkRefusal, BulkReport, View};
use super::{Admin, snapshot};
use crate::control::asker::Asker;
use crate::control::op::Op;
use crate::serve::problem::Problem;
use http::StatusCode;

/// Nodes of one change at most.
const MOST: usize = 200;
/// Fields that say how, and not which.
const HOW: [&str; 4] = ["deadline", "then", "force", "reason"];

/// What a form about several nodes is answered with.
pub enum BulkAnswer {
    /// Whether it is meant.
    Question(BulkQuestion),
    /// What became of it.
    Report(BulkReport),
}

/// Asks, or does what was asked for.
pub async fn answer(admin: &Admin, by: Asker, form: Form) -> Result<BulkAnswer, Problem> {
    let verb = form.get("verb").and_then(NodeAction::of_word).filter(|verb| page::VERBS.contains(verb));
    let verb = verb.ok_or_else(|| bad("It is not said what is to be done: drain, enable or disable."))?;
    match form.get("confirmed") {
        Some(_) => report(admin, by, verb, form).await.map(BulkAnswer::Report),
        None => question(admin, verb, &form).map(BulkAnswer::Question),
    }
}

fn bad(why: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why)
}

/// The nodes that are ticked, else all that a search finds.
fn question(admin: &Admin, verb: NodeAction, form: &Form) -> Result<BulkQuestion, Problem> {
    let status = snapshot::take(admin);
    let ticked = names(form)?;
    let view = View::default().searching(
        form.get("q").unwrap_or_default(),
        form.get("only").is_some_and(|only| only == "not-ready"),
    );
    let nodes = if !ticked.is_empty() {
        let known = |(cluster, node): &(&str, &str)| {
            let found = status.cluster(cluster).and_then(|cluster| cluster.node(node)).cloned();
            let gone = || {
                Problem::new(StatusCode::NOT_FOUND, format!("There is no node {cluster}/{node} any more."))
            };
            Ok(((*cluster).to_owned(), found.ok_or_else(gone)?))
        };
        ticked.iter().map(known).collect::<Result<Vec<_>, Problem>>()?
    } else if view.narrows() {
        let found = page::find_nodes(&status, &view);
        limited(found.len())?;
        found.iter().map(|found| (found.cluster.cluster.clone(), found.node.clone())).collect()
    } else {
        return Err(bad("No node is ticked: tick some, or search for them first."));
    };
    if nodes.is_empty() {
        return Err(bad("No node is found any more."));
    }
    Ok(BulkQuestion { verb, nodes })
}

fn names(form: &Form) -> Result<Vec<(&str, &str)>, Problem> {
    let ticked: Vec<&str> = form.all(page::FIELD).collect();
    limited(ticked.len())?;
    let names = ticked.iter().map(|name| {
        name.split_once('/').ok_or_else(|| bad(format!("{name:?} is no node: write CLUSTER/NODE.")))
    });
    names.collect()
}

fn limited(count: usize) -> Result<(), Problem> {
    match count {
        0..=MOST => Ok(()),
        _ => {
            Err(bad(format!("These are {count} nodes, and {MOST} can be changed at once: search for fewer.")))
        }
    }
}

/// Makes the change, one node after another: each is looked at as the ones before left its cluster.
async fn report(admin: &Admin, by: Asker, verb: NodeAction, form: Form) -> Result<BulkReport, Problem> {
    let names = names(&form)?;
    if names.is_empty() {
        return Err(bad("No node is ticked."));
    }
    let (reason, how) = operate::reason_of(form.only(&HOW).to_json())?;
    let by = Asker { reason, ..by };
    let (change, force) = verb.read(&how)?;
    let mut made = Vec::new();
    for (cluster, node) in names {
        let op = Op { force, ..Op::of_node(cluster, node, change.clone(), by.clone()) };
        made.push((format!("{cluster}/{node}"), admin.registry.apply(op).await));
    }
    // what was made last is written with all that was made before it
    let last = made.iter().rev().find_map(|(_, result)| result.as_ref().ok()).cloned();
    let unsaved = match last {
        Some(applied) => applied.once_saved().await.1,
        None => None,
    };
    let mut outcomes = Vec::new();
    for (node, result) in made {
        let result = match result {
            Ok(applied) => {
                let mut lines = applied.changes;
                lines.extend(unsaved.as_ref().map(ToString::to_string));
                Ok(lines)
            }
            Err(error) => {
                let problem = Problem::from(error);
                Err(BulkRefusal { why: problem.detail().to_owned(), can_be_forced: problem.offers_force() })
            }
        };
        outcomes.push(BulkOutcome { node, result });
    }
    Ok(BulkReport { verb, outcomes, form })
}
