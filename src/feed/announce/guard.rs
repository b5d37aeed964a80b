//! What nodes have to show: a token of their cluster, or a certificate that stands for it.

use crate::base::token::{self, NodeToken, ShownToken, Tokens};
use crate::config::address::Address;
use crate::config::files::NamedFiles;
use crate::config::model::{Cluster, Config, JoinToken};
use crate::control::members::SenderProof;
use crate::serve::problem::Problem;
use crate::serve::{Caller, TokenFileError, host_of, is_plain};
use crate::wire::identity::ClientName;
use http::{HeaderMap, StatusCode, header};
use std::collections::HashMap;
use std::rc::Rc;
use tracing::warn;

/// What each cluster asks for, and whether the list is read without it.
pub struct AnnounceGuard {
    clusters: HashMap<String, Wants>,
    /// All tokens, those that clusters share once.
    known: Vec<Rc<Tokens>>,
    /// Only this machine gets here.
    local: bool,
}

/// What a cluster asks for.
struct Wants {
    tokens: Rc<Tokens>,
    /// Whose tokens speak for a node.
    whose: JoinToken,
    /// Which certificates stand for a token; all if none is named.
    names: Vec<String>,
}

/// What a sender shows that is good for one cluster at least.
pub struct Credentials {
    token: Option<ShownToken>,
    /// A node's own, which is good.
    node: Option<NodeToken>,
    names: Option<Rc<[String]>>,
}

impl AnnounceGuard {
    /// For this conf, with the tokens that were read with it.
    pub fn new(config: &Config, binds: &[Address], files: &NamedFiles) -> Result<Self, TokenFileError> {
        let mut common = None;
        let (mut clusters, mut known) = (HashMap::new(), Vec::new());
        for (name, cluster) in &config.cluster {
            let file = cluster.join.as_ref().and_then(|join| join.token_file.as_ref());
            let own = match file {
                Some(file) => {
                    let path = files.path(file);
                    let tokens = files.tokens(&path);
                    let of = |why| TokenFileError {
                        key: format!("cluster.{name}.join.token-file"),
                        file: path,
                        why,
                    };
                    let own = Rc::new(tokens.map_err(of)?);
                    known.push(own.clone());
                    own
                }
                None => common.get_or_insert_with(|| Rc::new(common_tokens(config, files))).clone(),
            };
            let names = cluster.join.as_ref().map(|join| join.client_names.clone()).unwrap_or_default();
            let whose = cluster.join.as_ref().map(|join| join.token).unwrap_or_default();
            clusters.insert(name.clone(), Wants { tokens: own, whose, names });
        }
        known.extend(common);
        Ok(Self { clusters, known, local: binds.iter().all(Address::is_local) })
    }

    /// What a request shows, if there is a cluster that it is good for, or may be.
    pub fn credentials(&self, caller: &Caller, headers: &HeaderMap) -> Option<Credentials> {
        let known = |shown: &ShownToken| self.known.iter().any(|tokens| tokens.admit(shown));
        let good = |token: &NodeToken| {
            self.clusters.get(token.cluster()).is_some_and(|wants| wants.tokens.admit_node(token))
        };
        let (token, node) = (ShownToken::by(headers).filter(known), NodeToken::by(headers).filter(good));
        let shown = Credentials { token, node, names: caller.names.clone() };
        (shown.token.is_some() || shown.node.is_some() || shown.names.is_some()).then_some(shown)
    }

    /// What lets its bearer speak for this node of a cluster, or read of all. A cluster that is not there
    /// asks for nothing.
    pub fn admit(
        &self,
        cluster: &str,
        node: Option<&str>,
        shown: &Credentials,
    ) -> Result<SenderProof<'static>, Problem> {
        let Some(wants) = self.clusters.get(cluster) else { return Ok(SenderProof::Token) };
        if let Some(token) = shown.node.as_ref().filter(|token| token.cluster() == cluster) {
            return match node.is_none_or(|node| node == token.node()) {
                true => Ok(SenderProof::NodeToken),
                false => Err(not_its_token(cluster, node, token)),
            };
        }
        if shown.token.as_ref().is_some_and(|token| wants.tokens.admit(token)) {
            return match node.filter(|_| wants.whose == JoinToken::Node) {
                None => Ok(SenderProof::Token),
                Some(node) => Err(asks_for_its_own(cluster, node)),
            };
        }
        let Some(names) = &shown.names else { return Err(unauthorized()) };
        let fits = |pattern: &String| names.iter().any(|name| ClientName(pattern).fits(name, node));
        match wants.names.is_empty() || wants.names.iter().any(fits) {
            true => Ok(SenderProof::Certificate),
            false => Err(not_its_name(cluster, node, names, &wants.names)),
        }
    }

    /// Whether a request may read the list: with the cluster's token, or on this machine where only this
    /// machine gets here. By address or as localhost, then: a web page whose own name was made to point here
    /// reads nothing.
    pub fn admit_reader(&self, cluster: &str, caller: &Caller, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(header::HOST).map(|host| host_of(host.to_str().unwrap_or("?")));
        let near =
            self.local && host.is_none_or(|host| is_plain(&host)) && !headers.contains_key(header::ORIGIN);
        if near {
            return Ok(());
        }
        let shown = self.credentials(caller, headers).ok_or_else(unauthorized)?;
        self.admit(cluster, None, &shown).map(|_| ())
    }
}

/// Reads the tokens of the state folder along with the files that the conf names, where some cluster has none
/// of its own; they are made if need be. A folder that cannot be used is no reason not to serve.
pub fn read_common_tokens(config: &Config, files: &mut NamedFiles) {
    let has_own = |cluster: &Cluster| cluster.join.as_ref().is_some_and(|join| join.token_file.is_some());
    if config.server.announce.is_none() || config.cluster.values().all(has_own) {
        return;
    }
    let path = files.path(&config.server.join_token());
    if let Err(why) = token::first_or_made(&path).and_then(|_| files.read_tokens(&path)) {
        warn!(
            "{} {why}: no node can announce itself to a cluster without join.token-file: mend it and reload",
            path.display()
        );
    }
}

/// The tokens of the state folder; nobody has one where they could not be read.
fn common_tokens(config: &Config, files: &NamedFiles) -> Tokens {
    files.tokens(&files.path(&config.server.join_token())).unwrap_or(Tokens::none())
}

/// The refusal of a certificate that does not stand for the token.
fn not_its_name(cluster: &str, node: Option<&str>, names: &[String], wanted: &[String]) -> Problem {
    let whom = node.map_or_else(|| format!("cluster {cluster}"), |node| format!("{cluster}/{node}"));
    let (shown, wanted) = (names.join(", "), wanted.join(", "));
    let detail = format!(
        "The certificate is for {shown} and does not speak for {whom}: cluster.{cluster}.join.client-names asks for {wanted}. Show another, or the token."
    );
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// The refusal of a node's token for another node.
fn not_its_token(cluster: &str, node: Option<&str>, token: &NodeToken) -> Problem {
    let (node, own) = (node.unwrap_or_default(), token.node());
    let detail = format!("The token is that of {cluster}/{own} and does not speak for {cluster}/{node}.");
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// The refusal of the cluster's token where each node has one of its own.
fn asks_for_its_own(cluster: &str, node: &str) -> Problem {
    let detail = format!(
        "Each node of {cluster} shows a token of its own, as `homing token {cluster}/{node}` prints it."
    );
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// The refusal of a request that shows nothing.
pub fn unauthorized() -> Problem {
    let detail = "The token of the cluster is needed: Authorization: Bearer TOKEN, as `homing token CLUSTER` prints it.";
    Problem::new(StatusCode::UNAUTHORIZED, detail).header("www-authenticate", "Bearer realm=\"homing\"")
}
