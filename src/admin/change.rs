//! What is changed through the window: who asks, why, and what comes of it.

use super::found::{find, find_node, of_table};
use super::operate::{self, Bypass, NodeAction};
use super::{Admin, sessions, snapshot, status};
use crate::base::clock;
use crate::base::units::span;
use crate::control::Error;
use crate::control::asker::Asker;
use crate::control::audit::AuditEntry;
use crate::control::op::{Change, Op, ProxyChange, SessionChange, Switch, Target};
use crate::control::pattern::NodePattern;
use crate::control::state::writer::NotSaved;
use crate::serve::problem::Problem;
use crate::serve::{Body, json};
use crate::table::session_names::ShownSession;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// What changed, beside what is there now, and whether a restart would undo it.
fn told((mut changes, unsaved): (Vec<String>, Option<NotSaved>), mut now: Value) -> Response<Body> {
    if let Some(why) = unsaved {
        changes.push(why.to_string());
        now["unsaved"] = json!(true);
    }
    now["changes"] = json!(changes);
    json(&now)
}

/// A change that is asked for.
pub struct ChangeRequest<'a> {
    admin: &'a Admin,
    by: Asker,
    /// What is said of it, the reason left out.
    body: Bytes,
}

impl<'a> ChangeRequest<'a> {
    /// By whoever asks, with a reason if the body says one.
    pub fn read(admin: &'a Admin, by: Asker, body: Bytes) -> Result<Self, Problem> {
        let (reason, body) = operate::reason_of(body)?;
        Ok(Self { admin, by: Asker { reason, ..by }, body })
    }

    /// The conf file is read again.
    pub async fn reload(self) -> Result<Response<Body>, Problem> {
        operate::nothing_else(&self.body)?;
        let op = Op { change: Change::Proxy(ProxyChange::Reload), by: self.by, force: false };
        match self.admin.registry.apply(op).await {
            Ok(_) => Ok(json(&self.admin.reloads.borrow().front())),
            Err(Error::Stopping) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The proxy is stopping: nothing is changed any more.",
            )),
            Err(Error::Findings(findings)) => {
                let detail = "The conf file was refused. What ran before goes on.";
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with("findings", findings))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// A cluster or a rule is switched.
    pub async fn switch(self, change: Change, to: Switch) -> Result<Response<Body>, Problem> {
        let force = operate::is_forced(to, &self.body)?;
        let op = Op { change, by: self.by, force };
        let target = op.target();
        let done = self.admin.registry.apply(op).await?.once_saved().await;
        let Target::Cluster(name) = target else { return Ok(told(done, json!({}))) };
        let now = snapshot::take(self.admin);
        Ok(told(done, json!({ "cluster": find(&now, &name).ok() })))
    }

    /// A node is changed.
    pub async fn operate(
        self,
        cluster: &str,
        node: &str,
        verb: NodeAction,
    ) -> Result<Response<Body>, Problem> {
        let (change, force) = verb.read(&self.body)?;
        let op = Op { force, ..Op::of_node(cluster, node, change, self.by) };
        let done = self.admin.registry.apply(op).await?.once_saved().await;
        // a node that had only joined is not there any more once it is forgotten
        let now = snapshot::take(self.admin);
        if let Some(pattern) = NodePattern::of(node) {
            let matching = |node: &&status::Node| pattern.matches(&node.node);
            let nodes: Vec<_> = find(&now, cluster)?.nodes.iter().filter(matching).collect();
            return Ok(told(done, json!({ "node": null, "nodes": nodes })));
        }
        Ok(told(done, json!({ "node": find_node(&now, cluster, node).ok() })))
    }

    /// A session is over.
    pub async fn end_session(self, session: ShownSession) -> Result<Response<Body>, Problem> {
        let change = operate::end(&self.body)?;
        self.order(session, change).await
    }

    /// A session goes to another node.
    pub async fn move_session(self, session: ShownSession) -> Result<Response<Body>, Problem> {
        let change = operate::send(&self.body)?;
        self.order(session, change).await
    }

    async fn order(self, session: ShownSession, change: SessionChange) -> Result<Response<Body>, Problem> {
        let change = sessions::change(&self.admin.current.load_full(), session, change)?;
        let op = Op { change, by: self.by, force: false };
        let done = self.admin.registry.apply(op).await?.once_saved().await;
        // one that was ended is not there any more
        let found = sessions::find(self.admin, session).await.ok();
        Ok(told(done, json!({ "session": found })))
    }

    /// A value is given out that leads to one node whatever its state.
    pub fn bypass(self, cluster: &str, node: &str) -> Result<Response<Body>, Problem> {
        let lasts = Bypass::read(&self.body)?;
        let table = self.admin.current.load_full();
        let (cluster, node) = of_table(&table, cluster, node)?;
        let until = clock::unix_secs().saturating_add(lasts.as_secs());
        let value = cluster.bypass.issue(&node.spec.name, until);
        let value = value.ok_or_else(|| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The value could not be sealed.")
        })?;
        let (of, lasts) = (Target::node(&cluster.name, &node.spec.name), span(lasts.as_secs()));
        tracing::info!("{of}: a bypass that is good for {lasts} was given to {}", self.by);
        let given = [format!("good for {lasts}")];
        self.admin.changed(AuditEntry::now(&self.by, "bypass", of.to_string(), Ok(&given)));
        Ok(json(&json!({ "value": value, "until": clock::rfc3339(until * 1000) })))
    }
}
