//! `homing token`

use super::show::{complain, print};
use super::window::VerbFailure;
use crate::base::token::{self, NodeToken};
use crate::config;
use std::path::Path;

/// Prints a token that nobody has. The exit code.
pub fn fresh() -> i32 {
    print(&format!("{}\n", token::generate()));
    0
}

/// Prints the token of a cluster or of one of its nodes, or the one of all that have none of their own, which
/// is made if need be. The proxy reads the same file: it need not run.
pub fn token(conf: &Path, whose: Option<&str>) -> Result<(), VerbFailure> {
    let (cluster, node) = match whose
        .map(|whose| whose.split_once('/').map_or((whose, None), |(cluster, node)| (cluster, Some(node))))
    {
        None => (None, None),
        Some((cluster, node)) => (Some(cluster), node),
    };
    let loaded = config::load(conf).map_err(|found| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        VerbFailure::Failed(lines.join("\n"))
    })?;
    let config = &loaded.config;
    let own = match cluster {
        None => None,
        Some(name) => {
            let known = || config.cluster.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let unknown =
                || VerbFailure::Failed(format!("there is no cluster {name:?}; there are: {}", known()));
            config
                .cluster
                .get(name)
                .ok_or_else(unknown)?
                .join
                .as_ref()
                .and_then(|join| join.token_file.as_ref())
        }
    };
    let path = loaded.folder.join(own.unwrap_or(&config.server.join_token()));
    let token = token::first_or_made(&path)
        .map_err(|why| VerbFailure::Failed(format!("{} {why}", path.display())))?;
    if config.server.announce.is_none() {
        complain(&format!(
            "note: server.announce is not set in {}: there is nowhere to show it",
            conf.display()
        ));
    }
    match (cluster, node) {
        (Some(_), Some(node)) if !config::check::is_name(node) => {
            return Err(VerbFailure::Failed(format!("{node:?} cannot be the name of a node")));
        }
        (Some(cluster), Some(node)) => print(&format!("{}\n", NodeToken::make(&token, cluster, node))),
        _ => print(&format!("{token}\n")),
    }
    Ok(())
}
