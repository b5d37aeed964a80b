//! Switches clusters and rules off and on. What the conf file says already needs no decision.

use super::error::Error;
use super::harm::Harm;
use super::op::Switch;
use super::runtime_value::{Actor, FileValue, RuntimeValue};
use super::switched::{ClusterOverride, RuleOverride, Switched, fingerprint};
use crate::config::model::Config;
use crate::table::Cluster;

/// Switches a cluster that runs.
pub fn cluster(
    cluster: &Cluster,
    to: Switch,
    switched: &mut Switched,
    file: &Config,
    (by, force): (Actor, bool),
) -> Result<(), Error> {
    let name = &*cluster.name;
    let sessions = cluster.nodes().map(|node| u64::from(node.live.all_sessions())).sum();
    if to == Switch::Disable && !force && sessions > 0 && !cluster.conf.disabled {
        return Err(Error::Harm(Harm::Disables { cluster: name.to_owned(), sessions }));
    }
    match value(to, file.cluster.get(name).is_some_and(|cluster| cluster.disabled), by) {
        Some(disabled) => drop(switched.clusters.insert(name.to_owned(), ClusterOverride { disabled })),
        None => drop(switched.clusters.remove(name)),
    }
    Ok(())
}

/// Switches a rule, by its place in the file from 1.
pub fn rule(number: u32, to: Switch, switched: &mut Switched, file: &Config, by: Actor) -> Result<(), Error> {
    let found = (number as usize).checked_sub(1).and_then(|at| file.rule.get(at));
    let written = found.ok_or(Error::NoRule { rule: number, known: file.rule.len() })?;
    let rule = fingerprint(written);
    match value(to, written.disabled, by) {
        Some(disabled) => drop(switched.rules.insert(number, RuleOverride { disabled, rule })),
        None => drop(switched.rules.remove(&number)),
    }
    Ok(())
}

fn value(to: Switch, written: bool, by: Actor) -> Option<RuntimeValue<bool>> {
    let to = to == Switch::Disable;
    (to != written).then_some(RuntimeValue { to, over: FileValue::Value(written), by })
}
