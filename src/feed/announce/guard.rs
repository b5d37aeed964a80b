//! Whom nodes have to show what: the tokens of each cluster.

use crate::base::token::{self, Shown, Tokens};
use crate::config::address::Bind;
use crate::config::model::Config;
use crate::serve::problem::Problem;
use crate::serve::{host_of, is_plain};
use http::{HeaderMap, StatusCode, header};
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use tracing::warn;

/// The tokens of each cluster, and whether the list is read without one.
pub struct Guard {
    tokens: HashMap<String, Rc<Tokens>>,
    /// Only this machine gets here.
    local: bool,
}

impl Guard {
    /// For this conf: reads the tokens' files. The one in the state folder is made if need be.
    pub fn new(config: &Config, bind: &Bind, folder: &Path) -> Result<Self, String> {
        let mut common = None;
        let mut tokens = HashMap::new();
        for (name, cluster) in &config.cluster {
            let file = cluster.join.as_ref().and_then(|join| join.token_file.as_ref());
            let own = match file {
                Some(file) => {
                    let path = folder.join(file);
                    let at = |why| format!("cluster.{name}.join.token-file: {} {why}", path.display());
                    Rc::new(Tokens::read(&path).map_err(at)?)
                }
                None => common.get_or_insert_with(|| Rc::new(made(&folder.join(config.server.join_token())))).clone(),
            };
            tokens.insert(name.clone(), own);
        }
        Ok(Self { tokens, local: bind.is_local() })
    }

    /// Whether this is the token of any cluster.
    pub fn knows(&self, shown: &Shown) -> bool {
        self.tokens.values().any(|tokens| tokens.admit(shown))
    }

    /// Whether the cluster is there and this is not its token.
    pub fn is_shut_to(&self, cluster: &str, shown: &Shown) -> bool {
        self.tokens.get(cluster).is_some_and(|tokens| !tokens.admit(shown))
    }

    /// Whether a request may read the list: with the cluster's token, or on this machine where only this machine gets here. By
    /// address or as localhost, then: a web page whose own name was made to point here reads nothing.
    pub fn admit_reader(&self, cluster: &str, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(header::HOST).map(|host| host_of(host.to_str().unwrap_or("?")));
        let near = self.local && host.is_none_or(|host| is_plain(&host)) && !headers.contains_key(header::ORIGIN);
        let shown = || Shown::by(headers).filter(|shown| self.knows(shown));
        match near || shown().is_some_and(|shown| !self.is_shut_to(cluster, &shown)) {
            true => Ok(()),
            false => Err(unauthorized()),
        }
    }
}

/// The tokens of the state folder. A folder that cannot be used is no reason not to serve.
fn made(path: &Path) -> Tokens {
    token::first_or_made(path).and_then(|_| Tokens::read(path)).unwrap_or_else(|why| {
        warn!("{} {why}: no node can announce itself to a cluster without join.token-file: mend it and reload", path.display());
        Tokens::none()
    })
}

/// The refusal of a request without the token of its cluster.
pub fn unauthorized() -> Problem {
    let detail = "The token of the cluster is needed: Authorization: Bearer TOKEN, as `homing token CLUSTER` prints it.";
    Problem::new(StatusCode::UNAUTHORIZED, detail).header("www-authenticate", "Bearer realm=\"homing\"")
}
