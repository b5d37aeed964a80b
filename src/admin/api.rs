//! What is found where. GET reads and changes nothing; POST changes.

use super::api_path::ApiPath;
use super::explain::Question;
use super::form::{self, Form};
use super::guard::{self, AdminGuard, Credential};
use super::operate::{self, Bypass, NodeAction};
use super::page::{self, Notice, PageContext};
use super::status::{ClusterState, Status};
use super::{Admin, explain, metrics, open, openapi, snapshot};
use crate::base::clock;
use crate::control::Error;
use crate::control::op::{Change, Op, ProxyChange, Switch, Target};
use crate::serve::problem::Problem;
use crate::serve::{Body, LARGEST, body_of, json, kind, text};
use crate::table::{Cluster, Node, Table};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use std::rc::Rc;

/// Who asks for what is changed here.
const OPERATOR: &str = "operator";

/// Answers a request. A form is answered by the page.
pub async fn answer(admin: Rc<Admin>, guard: Rc<AdminGuard>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    if !form::is_form(&head.headers) {
        return respond(&admin, &guard, &head, body).await.unwrap_or_else(Problem::into_response);
    }
    let done = by_form(&admin, &guard, &head, body).await;
    match done {
        Ok(answer) => answer,
        Err((problem, form)) => {
            let notice = Notice { problem: &problem, path: head.uri.path(), form: &form };
            let text = match guard.proof(&head.headers) {
                Some(proof) => shown(&admin, &snapshot::take(&admin), Some(&notice), proof).await,
                None => page::login(Some(problem.detail())),
            };
            html(problem.status(), text)
        }
    }
}

/// The page.
async fn shown(admin: &Admin, status: &Status, notice: Option<&Notice<'_>>, proof: Credential) -> String {
    let moves = explain::moves(admin).await;
    page::whole(&PageContext { status, moves: &moves, history: &admin.history.borrow(), notice, proof })
}

/// The snapshot that `?snapshot=NUMBER` asks for; a new one if none is asked for.
fn asked_for(admin: &Admin, head: &Parts) -> Result<Rc<Status>, Problem> {
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let Some(wanted) = query.into_iter().find_map(|(name, value)| (name == "snapshot").then_some(value))
    else {
        return Ok(admin.shown.keep(snapshot::take(admin)));
    };
    let number = wanted.parse().map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, format!("{wanted:?} is not the number of a snapshot."))
    })?;
    let gone = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("Snapshot {number} is not kept any more; /api/status takes a new one."),
        )
    };
    admin.shown.find(number).ok_or_else(gone)
}

/// Whether a request may ask for what is at a place.
fn admit<'a>(guard: &AdminGuard, head: &'a Parts) -> Result<(ApiPath<'a>, Option<Credential>), Problem> {
    guard.admit(&head.headers)?;
    let path = head.uri.path();
    let (place, proof) = (ApiPath::find(path), guard.proof(&head.headers));
    if proof.is_none() && !place.is_some_and(ApiPath::is_open) {
        return Err(guard::unauthorized());
    }
    let place =
        place.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("There is nothing at {path}.")))?;
    let allowed = if place.changes() {
        head.method == Method::POST
    } else {
        matches!(head.method, Method::GET | Method::HEAD)
    };
    if !allowed {
        let (detail, allow) = if place.changes() {
            ("Changes are made by POST.", "POST")
        } else {
            ("This is read by GET.", "GET, HEAD")
        };
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header("allow", allow));
    }
    if place.changes() {
        guard.admit_change(proof, &head.headers)?;
    }
    Ok((place, proof))
}

async fn respond(
    admin: &Admin,
    guard: &AdminGuard,
    head: &Parts,
    body: Incoming,
) -> Result<Response<Body>, Problem> {
    let (place, proof) = admit(guard, head)?;
    match place {
        ApiPath::Ping if admin.stopping.get() => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The proxy is stopping."))
        }
        ApiPath::Ping => Ok(text(StatusCode::OK, "ok\n")),
        ApiPath::Ready => ready(&snapshot::take(admin), proof.is_some()),
        ApiPath::Page => Ok(match proof {
            Some(proof) => html(StatusCode::OK, shown(admin, &*asked_for(admin, head)?, None, proof).await),
            None => html(StatusCode::UNAUTHORIZED, page::login(None)),
        }),
        ApiPath::Style => Ok(kind(Response::new(Body::from(page::STYLE)), "text/css; charset=utf-8")),
        ApiPath::Script => {
            Ok(kind(Response::new(Body::from(page::SCRIPT)), "text/javascript; charset=utf-8"))
        }
        ApiPath::Icon => Ok(kind(Response::new(Body::from(page::ICON)), "image/svg+xml")),
        ApiPath::Metrics => Ok(kind(
            text(
                StatusCode::OK,
                metrics::text(&*asked_for(admin, head)?, admin.current.load().config.server.node_metrics),
            ),
            metrics::CONTENT_TYPE,
        )),
        ApiPath::Status => Ok(json(&*asked_for(admin, head)?)),
        ApiPath::Clusters => Ok(json(&asked_for(admin, head)?.clusters)),
        ApiPath::Cluster(cluster) => Ok(json(find(&*asked_for(admin, head)?, cluster)?)),
        ApiPath::Nodes(cluster) => Ok(json(&find(&*asked_for(admin, head)?, cluster)?.nodes)),
        ApiPath::Node(cluster, node) => Ok(json(find_node(&*asked_for(admin, head)?, cluster, node)?)),
        ApiPath::Sessions(cluster, node) => {
            let table = admin.current.load();
            let (cluster, node) = of_table(&table, cluster, node)?;
            Ok(json(&snapshot::sessions(cluster, node)))
        }
        ApiPath::Bypass(cluster, node) => bypass(admin, cluster, node, &body_of(body, LARGEST).await?).await,
        ApiPath::Config => Ok(json(&open::config(&admin.current.load().config))),
        ApiPath::Events => events(admin),
        ApiPath::Explain => {
            Ok(json(&explain::explain(admin, Question::read(head.uri.query().unwrap_or_default())?).await?))
        }
        ApiPath::Moves => Ok(json(&explain::moves(admin).await)),
        ApiPath::Document => Ok(json(&openapi::document())),
        ApiPath::Reload => reload(admin).await,
        ApiPath::SwitchCluster(cluster, to) => {
            switch(admin, Change::Cluster { cluster: cluster.to_owned(), change: to }, to, body).await
        }
        ApiPath::SwitchRule(rule, to) => switch(admin, Change::Rule { rule, change: to }, to, body).await,
        ApiPath::Operate(cluster, node, verb) => {
            find_node(&snapshot::take(admin), cluster, node)?;
            operate(admin, cluster, node, verb, &body_of(body, LARGEST).await?).await
        }
        ApiPath::Login | ApiPath::Logout => {
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is for the form of the page."))
        }
    }
}

/// Does what a form asks for and leads back to the page; a refusal comes with what was filled in.
async fn by_form(
    admin: &Admin,
    guard: &AdminGuard,
    head: &Parts,
    body: Incoming,
) -> Result<Response<Body>, (Problem, Form)> {
    let nothing = |problem: Problem| (problem, Form::read(&Bytes::new()));
    let (place, _) = admit(guard, head).map_err(nothing)?;
    let form = Form::read(&body_of(body, LARGEST).await.map_err(nothing)?);
    match place {
        ApiPath::Operate(cluster, node, verb) => {
            match operate(admin, cluster, node, verb, &form.to_json()).await {
                Ok(_) => Ok(back(&format!("/#{}", page::anchor(cluster, node)), None)),
                Err(problem) => Err((problem, form)),
            }
        }
        // whether it is applied or refused, the page shows it
        ApiPath::Reload => {
            drop(reload(admin).await);
            Ok(back("/#reloads", None))
        }
        ApiPath::Login => match guard.let_in(form.get("token").unwrap_or_default()) {
            Some(cookie) => Ok(back("/", Some(&cookie))),
            None => Err(nothing(Problem::new(
                StatusCode::UNAUTHORIZED,
                "This is not the token; it is in the file that server.admin-token-file names.",
            ))),
        },
        ApiPath::Logout => Ok(back("/", Some(guard::LEAVE))),
        _ => Err(nothing(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This takes no form."))),
    }
}

/// Leads a browser on, by GET.
fn back(to: &str, cookie: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::from(""));
    *response.status_mut() = StatusCode::SEE_OTHER;
    let lines = [(header::LOCATION, Some(to)), (header::SET_COOKIE, cookie)];
    for (name, value) in
        lines.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(value?).ok()?)))
    {
        response.headers_mut().insert(name, value);
    }
    response
}

fn html(status: StatusCode, text: String) -> Response<Body> {
    let mut response = kind(Response::new(Body::from(text)), "text/html; charset=utf-8");
    *response.status_mut() = status;
    response
}

fn find<'s>(status: &'s Status, cluster: &str) -> Result<&'s super::status::Cluster, Problem> {
    status.cluster(cluster).ok_or_else(|| {
        let known: Vec<&str> = status.clusters.iter().map(|cluster| &*cluster.cluster).collect();
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("There is no cluster {cluster:?}; there are: {}.", known.join(", ")),
        )
    })
}

fn find_node<'s>(status: &'s Status, cluster: &str, node: &str) -> Result<&'s super::status::Node, Problem> {
    let found = find(status, cluster)?;
    found.node(node).ok_or_else(|| {
        let known: Vec<&str> = found.nodes.iter().map(|node| &*node.node).collect();
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("There is no node {node:?} in cluster {cluster}; there are: {}.", known.join(", ")),
        )
    })
}

/// Whether clients can be served: 503 names the clusters that have no node, to those who may know.
fn ready(status: &Status, known: bool) -> Result<Response<Body>, Problem> {
    let lacking: Vec<&str> = status
        .clusters
        .iter()
        .filter(|cluster| cluster.serving == 0 && cluster.state != ClusterState::Disabled)
        .map(|cluster| &*cluster.cluster)
        .collect();
    let detail = match (status.stopping, &lacking[..]) {
        (true, _) => "The proxy is stopping.".to_owned(),
        (false, []) => return Ok(text(StatusCode::OK, "ready\n")),
        (false, _) if !known => "A cluster has no node that serves.".to_owned(),
        (false, lacking) => format!("No node serves in: {}.", lacking.join(", ")),
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .with("clusters", if known { lacking } else { Vec::new() }))
}

fn events(admin: &Admin) -> Result<Response<Body>, Problem> {
    let hello = json!({ "version": env!("CARGO_PKG_VERSION"), "revision": admin.current.load().revision });
    let full = || {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many follow the events already; try again, or ask /api/status.",
        )
    };
    let follower = admin.events.follow(&hello).ok_or_else(full)?;
    Ok(kind(Response::new(Body::Stream(follower)), "text/event-stream"))
}

async fn reload(admin: &Admin) -> Result<Response<Body>, Problem> {
    let gone = || {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The proxy is stopping: nothing is changed any more.")
    };
    let op = Op { change: Change::Proxy(ProxyChange::Reload), by: OPERATOR.into(), force: false };
    match admin.registry.apply(op).await {
        Ok(_) => Ok(json(&admin.reloads.borrow().front())),
        Err(Error::Stopping) => Err(gone()),
        Err(Error::Findings(findings)) => {
            let detail = "The conf file was refused. What ran before goes on.";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with("findings", findings))
        }
        Err(other) => Err(other.into()),
    }
}

fn of_table<'t>(table: &'t Table, cluster: &str, node: &str) -> Result<(&'t Cluster, &'t Node), Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("There is no node {cluster}/{node}."));
    let cluster = table.clusters.iter().find(|known| *known.name == *cluster).ok_or_else(unknown)?;
    cluster.named(node).map(|node| (&**cluster, &**node)).ok_or_else(unknown)
}

/// A value that leads to one node whatever its state.
async fn bypass(admin: &Admin, cluster: &str, node: &str, body: &Bytes) -> Result<Response<Body>, Problem> {
    let lasts = Bypass::read(body)?;
    let table = admin.current.load_full();
    let (cluster, node) = of_table(&table, cluster, node)?;
    let until = clock::unix_secs().saturating_add(lasts.as_secs());
    let value = cluster.bypass.issue(&node.spec.name, until);
    let value = value
        .ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The value could not be sealed."))?;
    tracing::info!(
        "cluster {} node {}: a bypass was given out, good for {lasts:?}",
        cluster.name,
        node.spec.name
    );
    Ok(json(&json!({ "value": value, "until": clock::rfc3339(until * 1000) })))
}

/// Switches a cluster or a rule.
async fn switch(
    admin: &Admin,
    change: Change,
    to: Switch,
    body: Incoming,
) -> Result<Response<Body>, Problem> {
    let force = operate::is_forced(to, &body_of(body, LARGEST).await?)?;
    let op = Op { change, by: OPERATOR.into(), force };
    let target = op.target();
    let changes = admin.registry.apply(op).await?.once_saved().await;
    let Target::Cluster(name) = target else { return Ok(json(&json!({ "changes": changes }))) };
    let now = snapshot::take(admin);
    Ok(json(&json!({ "changes": changes, "cluster": find(&now, &name).ok() })))
}

async fn operate(
    admin: &Admin,
    cluster: &str,
    node: &str,
    verb: NodeAction,
    body: &Bytes,
) -> Result<Response<Body>, Problem> {
    let (change, force) = verb.read(body)?;
    let op = Op { force, ..Op::of_node(cluster, node, change, OPERATOR) };
    let changes = admin.registry.apply(op).await?.once_saved().await;
    // a node that had only joined is not there any more once it is forgotten
    let now = snapshot::take(admin);
    Ok(json(&json!({ "changes": changes, "node": find_node(&now, cluster, node).ok() })))
}
