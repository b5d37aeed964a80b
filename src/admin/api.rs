//! What is found where. GET reads and changes nothing; POST changes.

use super::explain::Question;
use super::guard::{self, Guard};
use super::operate::{Action, VERBS};
use super::status::Status;
use super::{Admin, explain, metrics, snapshot};
use crate::config;
use crate::control::edit::Edit;
use crate::serve::problem::Problem;
use crate::serve::{Body, body_of, json, kind, text};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::rc::Rc;
use tokio::sync::oneshot;

/// A place in the API, with the names in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Ping,
    Ready,
    Metrics,
    Status,
    Clusters,
    Cluster(&'a str),
    Nodes(&'a str),
    Node(&'a str, &'a str),
    Operate(&'a str, &'a str, &'a str),
    Config,
    Events,
    Explain,
    Moves,
    Reload,
}

impl<'a> Place<'a> {
    fn find(path: &'a str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let parts: [Option<&str>; 7] = std::array::from_fn(|_| parts.next());
        Some(match parts {
            [Some("ping"), None, ..] => Self::Ping,
            [Some("ready"), None, ..] => Self::Ready,
            [Some("metrics"), None, ..] => Self::Metrics,
            [Some("api"), Some("status"), None, ..] => Self::Status,
            [Some("api"), Some("config"), None, ..] => Self::Config,
            [Some("api"), Some("events"), None, ..] => Self::Events,
            [Some("api"), Some("explain"), None, ..] => Self::Explain,
            [Some("api"), Some("moves"), None, ..] => Self::Moves,
            [Some("api"), Some("reload"), None, ..] => Self::Reload,
            [Some("api"), Some("clusters"), None, ..] => Self::Clusters,
            [Some("api"), Some("clusters"), Some(cluster), None, ..] => Self::Cluster(cluster),
            [Some("api"), Some("clusters"), Some(cluster), Some("nodes"), None, ..] => Self::Nodes(cluster),
            [Some("api"), Some("clusters"), Some(cluster), Some("nodes"), Some(node), None, _] => Self::Node(cluster, node),
            [Some("api"), Some("clusters"), Some(cluster), Some("nodes"), Some(node), Some(verb), None] if VERBS.contains(&verb) => {
                Self::Operate(cluster, node, verb)
            }
            _ => return None,
        })
    }

    fn changes(self) -> bool {
        matches!(self, Self::Reload | Self::Operate(..))
    }

    /// Tells so little that it needs no token: whether the process is there.
    fn is_open(self) -> bool {
        matches!(self, Self::Ping | Self::Ready)
    }
}

/// Answers a request.
pub async fn answer(admin: Rc<Admin>, guard: Rc<Guard>, request: Request<Incoming>) -> Response<Body> {
    respond(&admin, &guard, request).await.unwrap_or_else(Problem::into_response)
}

async fn respond(admin: &Admin, guard: &Guard, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    guard.admit(request.headers())?;
    let path = request.uri().path().to_owned();
    let place = Place::find(&path);
    let known = guard.knows(request.headers());
    if !known && !place.is_some_and(Place::is_open) {
        return Err(guard::unauthorized());
    }
    let place = place.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("There is nothing at {path}.")))?;
    let allowed = if place.changes() { request.method() == Method::POST } else { matches!(*request.method(), Method::GET | Method::HEAD) };
    if !allowed {
        let (detail, allow) = if place.changes() { ("Changes are made by POST.", "POST") } else { ("This is read by GET.", "GET, HEAD") };
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header("allow", allow));
    }
    guard.admit_change(request.method(), request.headers())?;
    match place {
        Place::Ping if admin.stopping.get() => Ok(text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")),
        Place::Ping => Ok(text(StatusCode::OK, "ok\n")),
        Place::Ready => ready(&snapshot::take(admin), known),
        Place::Metrics => Ok(kind(text(StatusCode::OK, metrics::text(&snapshot::take(admin))), metrics::CONTENT_TYPE)),
        Place::Status => Ok(json(&snapshot::take(admin))),
        Place::Clusters => Ok(json(&snapshot::take(admin).clusters)),
        Place::Cluster(cluster) => Ok(json(find(&snapshot::take(admin), cluster)?)),
        Place::Nodes(cluster) => Ok(json(&find(&snapshot::take(admin), cluster)?.nodes)),
        Place::Node(cluster, node) => Ok(json(find_node(&snapshot::take(admin), cluster, node)?)),
        Place::Config => Ok(json(&open_config(&admin.current.load().config))),
        Place::Events => events(admin),
        Place::Explain => Ok(json(&explain::explain(admin, Question::read(request.uri().query().unwrap_or_default())?).await?)),
        Place::Moves => Ok(json(&explain::moves(admin).await)),
        Place::Reload => reload(admin).await,
        Place::Operate(cluster, node, verb) => operate(admin, cluster, node, verb, request).await,
    }
}

fn find<'s>(status: &'s Status, cluster: &str) -> Result<&'s super::status::Cluster, Problem> {
    status.cluster(cluster).ok_or_else(|| {
        let known: Vec<&str> = status.clusters.iter().map(|cluster| &*cluster.cluster).collect();
        Problem::new(StatusCode::NOT_FOUND, format!("There is no cluster {cluster:?}; there are: {}.", known.join(", ")))
    })
}

fn find_node<'s>(status: &'s Status, cluster: &str, node: &str) -> Result<&'s super::status::Node, Problem> {
    let found = find(status, cluster)?;
    found.node(node).ok_or_else(|| {
        let known: Vec<&str> = found.nodes.iter().map(|node| &*node.node).collect();
        Problem::new(StatusCode::NOT_FOUND, format!("There is no node {node:?} in cluster {cluster}; there are: {}.", known.join(", ")))
    })
}

/// Whether clients can be served: 503 names the clusters that have no node, to those who may know.
fn ready(status: &Status, known: bool) -> Result<Response<Body>, Problem> {
    let lacking: Vec<&str> = status.clusters.iter().filter(|cluster| cluster.serving == 0).map(|cluster| &*cluster.cluster).collect();
    let detail = match (status.stopping, &lacking[..]) {
        (true, _) => "The proxy is stopping.".to_owned(),
        (false, []) => return Ok(text(StatusCode::OK, "ready\n")),
        (false, _) if !known => "A cluster has no node that serves.".to_owned(),
        (false, lacking) => format!("No node serves in: {}.", lacking.join(", ")),
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with("clusters", if known { lacking } else { Vec::new() }))
}

fn events(admin: &Admin) -> Result<Response<Body>, Problem> {
    let hello = json!({ "version": env!("CARGO_PKG_VERSION"), "revision": admin.current.load().revision });
    let full = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many follow the events already; try again, or ask /api/status.");
    let follower = admin.events.follow(&hello).ok_or_else(full)?;
    Ok(kind(Response::new(Body::Stream(follower)), "text/event-stream"))
}

async fn reload(admin: &Admin) -> Result<Response<Body>, Problem> {
    let gone = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The proxy is stopping: nothing is changed any more.");
    let (reply, answer) = oneshot::channel();
    admin.reloads.send(reply).await.map_err(|_| gone())?;
    let reload = answer.await.map_err(|_| gone())?;
    if reload.ok {
        return Ok(json(&reload));
    }
    let detail = "The conf file was refused. What ran before goes on.";
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with("findings", reload.findings))
}

async fn operate(admin: &Admin, cluster: &str, node: &str, verb: &str, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    find_node(&snapshot::take(admin), cluster, node)?;
    let body = body_of(request).await?;
    let action = Action::read(verb, &body)?;
    let force = action.force();
    let edit = Edit { cluster: cluster.to_owned(), node: node.to_owned(), action: action.into(), by: "operator".into(), force };
    let changes = admin.desk.edit(edit).await?;
    // a node that had only joined is not there any more once it is forgotten
    let now = snapshot::take(admin);
    Ok(json(&json!({ "changes": changes, "node": find_node(&now, cluster, node).ok() })))
}

/// The conf as it runs, without what must not be seen.
fn open_config(config: &config::model::Config) -> Value {
    let mut tree = config::to_value(config);
    hide(&mut tree, "");
    tree
}

/// Keys whose texts are secrets, or may well be: the conf's own, and headers that carry them.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let secret = ["authorization", "dynamic-key", "secret", "token", "password", "api-key", "apikey"].iter().any(|word| key.contains(word));
    (secret && !key.ends_with("-file")) || key == "set-cookie"
}

fn hide(value: &mut Value, key: &str) {
    match value {
        Value::String(text) if is_secret(key) => "(hidden)".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, key)),
        Value::Object(items) => items.iter_mut().for_each(|(key, value)| hide(value, key)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_their_whole_path() {
        for (path, place) in [
            ("/ping", Some(Place::Ping)),
            ("/api/status", Some(Place::Status)),
            ("/api/explain", Some(Place::Explain)),
            ("/api/moves", Some(Place::Moves)),
            ("/api/clusters", Some(Place::Clusters)),
            ("/api/clusters/app", Some(Place::Cluster("app"))),
            ("/api/clusters/app/nodes", Some(Place::Nodes("app"))),
            ("/api/clusters/app/nodes/n1", Some(Place::Node("app", "n1"))),
            ("/api/clusters/app/nodes/n1/drain", Some(Place::Operate("app", "n1", "drain"))),
            ("/api/clusters/app/nodes/n1/explode", None),
            ("/api/clusters/app/nodes/n1/drain/x", None),
            ("/api/clusters/app/n1", None),
            ("/api/status/", None),
            ("/api", None),
            ("/", None),
            ("*", None),
        ] {
            assert_eq!(Place::find(path), place, "{path}");
        }
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let conf = r#"
            server.admin-token-file = "admin.token"
            [[rule]]
            header = { X-Api-Key = "s3cret" }
            request-headers = { set = { Authorization = "Basic s3cret", X-Real-IP = "{client.ip}" } }
            [cluster.app]
            affinity = { cookie = "SRV", value = "dynamic", dynamic-key = "s3cret" }
        "#;
        let text = open_config(&toml::from_str(conf).unwrap()).to_string();
        assert!(!text.contains("s3cret"), "{text}");
        for open in ["admin.token", "SRV", "{client.ip}"] {
            assert!(text.contains(open), "{open} in {text}");
        }
    }
}
