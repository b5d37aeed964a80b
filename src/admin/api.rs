//! What is found where. GET reads and changes nothing; POST changes.

use super::api_path::ApiPath;
use super::bulk::{self, BulkAnswer};
use super::change::ChangeRequest;
use super::explain::Question;
use super::form::{self, Form};
use super::found::{find, find_node, of_table};
use super::guard::{self, AdminGuard, Visitor};
use super::page::{self, ListName, Notice, PageContext, View};
use super::refusals::AdminRefusal;
use super::status::{ClusterState, Status};
use super::{Admin, explain, metrics, open, openapi, rules, sessions, snapshot};
use crate::config::model::AdminLevel;
use crate::control::asker::Asker;
use crate::control::op::Change;
use crate::control::pattern::NodePattern;
use crate::serve::problem::Problem;
use crate::serve::{Body, Caller, ControlBody, LARGEST, body_of, json, kind, text};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;
use std::rc::Rc;

/// Answers a request. A form is answered by the page.
pub async fn answer(
    admin: Rc<Admin>,
    guard: Rc<AdminGuard>,
    request: Request<ControlBody>,
    caller: Caller,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    if !form::is_form(&head.headers) {
        return respond(&admin, &guard, &caller, &head, body).await.unwrap_or_else(Problem::into_response);
    }
    let done = by_form(&admin, &guard, &caller, &head, body).await;
    match done {
        Ok(answer) => answer,
        Err((problem, form)) => {
            let notice = Notice::Refused { problem: &problem, path: head.uri.path(), form: &form };
            let text = match guard.visitor(&caller, &head.headers) {
                Ok(Some(visitor)) => answered(&admin, &head, &notice, &visitor).await,
                _ => page::login(Some(problem.detail())),
            };
            html(problem.status(), text)
        }
    }
}

/// Who asks, and from where.
fn asker(caller: &Caller, visitor: Option<&Visitor>) -> Asker {
    let from = caller.peer.address().map_or_else(|| "unix".to_owned(), |address| address.ip().to_string());
    let who = visitor.map_or_else(|| "operator".to_owned(), |visitor| visitor.name.clone());
    Asker { who, from: Some(from), reason: None }
}

/// The page.
async fn shown(
    admin: &Admin,
    status: &Status,
    view: &View,
    notice: Option<&Notice<'_>>,
    visitor: &Visitor,
) -> String {
    let moves = match view.lists(ListName::Moves) {
        true => Some(explain::moves(admin).await),
        false => None,
    };
    let rules = rules::list(&admin.current.load().config);
    let (moves, changes) = (moves.as_ref(), &admin.audit.newest());
    let (rules, history) = (&rules, &admin.history.borrow());
    page::whole(&PageContext { status, view, moves, rules, changes, history, notice, visitor })
}

/// The page as it was, with what is said to a form on top.
async fn answered(admin: &Admin, head: &Parts, notice: &Notice<'_>, visitor: &Visitor) -> String {
    shown(admin, &snapshot::take(admin), &View::before(head), Some(notice), visitor).await
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

/// Who asks, if he may ask for what is at a place.
fn admit<'a>(
    admin: &Admin,
    guard: &AdminGuard,
    caller: &Caller,
    head: &'a Parts,
) -> Result<(ApiPath<'a>, Option<Visitor>), Problem> {
    let refused = |refusal| admin.refused.note(refusal, caller.peer);
    guard.admit(caller.peer, &head.headers).map_err(refused)?;
    let path = head.uri.path();
    let place = ApiPath::find(path);
    let level = place.map_or(Some(AdminLevel::Read), ApiPath::level);
    let visitor = match (guard.visitor(caller, &head.headers), level) {
        // what needs nothing needs no good token either
        (Err(_), None) => None,
        (visitor, _) => visitor.map_err(refused)?,
    };
    match (&visitor, level) {
        (None, Some(_)) => return Err(refused(AdminRefusal::Missing.with(guard::unauthorized()))),
        (Some(visitor), Some(level)) if visitor.level < level => {
            return Err(refused(guard::not_allowed(visitor, level)));
        }
        _ => {}
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
        let by = visitor.as_ref().map(|visitor| visitor.by);
        guard.admit_change(by, &head.headers).map_err(refused)?;
    }
    Ok((place, visitor))
}

async fn respond(
    admin: &Admin,
    guard: &AdminGuard,
    caller: &Caller,
    head: &Parts,
    body: ControlBody,
) -> Result<Response<Body>, Problem> {
    let (place, visitor) = admit(admin, guard, caller, head)?;
    let ask = async |body| {
        ChangeRequest::read(admin, asker(caller, visitor.as_ref()), body_of(body, LARGEST).await?)
    };
    match place {
        ApiPath::Ping if admin.stopping.get() => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The proxy is stopping."))
        }
        ApiPath::Ping => Ok(text(StatusCode::OK, "ok\n")),
        ApiPath::Ready => ready(&snapshot::take(admin), visitor.is_some()),
        ApiPath::Page => Ok(match &visitor {
            Some(visitor) => {
                let view = View::read(head.uri.query().unwrap_or_default());
                html(StatusCode::OK, shown(admin, &*asked_for(admin, head)?, &view, None, visitor).await)
            }
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
            let table = admin.current.load_full();
            let (cluster, node) = of_table(&table, cluster, node)?;
            Ok(json(&sessions::of_node(admin, cluster, node).await))
        }
        ApiPath::Session(session) => Ok(json(&sessions::find(admin, session).await?)),
        ApiPath::EndSession(session) => ask(body).await?.end_session(session).await,
        ApiPath::MoveSession(session) => ask(body).await?.move_session(session).await,
        ApiPath::Bypass(cluster, node) => ask(body).await?.bypass(cluster, node),
        ApiPath::Config => Ok(json(&open::config(&admin.current.load().config))),
        ApiPath::Events => events(admin),
        ApiPath::Explain => {
            Ok(json(&explain::explain(admin, Question::read(head.uri.query().unwrap_or_default())?).await?))
        }
        ApiPath::Moves => Ok(json(&explain::moves(admin).await)),
        ApiPath::History => {
            let entries = admin.audit.newest();
            Ok(json(&entries.iter().map(|entry| &**entry).collect::<Vec<_>>()))
        }
        ApiPath::Rules => Ok(json(&rules::list(&admin.current.load().config))),
        ApiPath::Document => Ok(json(&openapi::document())),
        ApiPath::Reload => ask(body).await?.reload().await,
        ApiPath::SwitchCluster(cluster, to) => {
            let change = Change::Cluster { cluster: cluster.to_owned(), change: to };
            ask(body).await?.switch(change, to).await
        }
        ApiPath::SwitchRule(rule, to) => ask(body).await?.switch(Change::Rule { rule, change: to }, to).await,
        ApiPath::Operate(cluster, node, verb) => {
            if NodePattern::of(node).is_none() {
                find_node(&snapshot::take(admin), cluster, node)?;
            }
            ask(body).await?.operate(cluster, node, verb).await
        }
        ApiPath::Login | ApiPath::Logout | ApiPath::Bulk => {
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is for the form of the page."))
        }
    }
}

/// Does what a form asks for and leads back to the page; a refusal comes with what was filled in.
async fn by_form(
    admin: &Admin,
    guard: &AdminGuard,
    caller: &Caller,
    head: &Parts,
    body: ControlBody,
) -> Result<Response<Body>, (Problem, Form)> {
    let nothing = |problem: Problem| (problem, Form::read(&Bytes::new()));
    let (place, visitor) = admit(admin, guard, caller, head).map_err(nothing)?;
    let view = View::before(head);
    let form = Form::read(&body_of(body, LARGEST).await.map_err(nothing)?);
    let by = asker(caller, visitor.as_ref());
    let ask = |form: &Form| ChangeRequest::read(admin, by.clone(), form.to_json());
    match place {
        ApiPath::Operate(..) | ApiPath::SwitchCluster(..) | ApiPath::SwitchRule(..) => {
            let done = match ask(&form) {
                Ok(asked) => change(asked, place, view).await,
                Err(problem) => Err(problem),
            };
            match done {
                Ok(to) => Ok(back(&to, None)),
                Err(problem) => Err((problem, form)),
            }
        }
        ApiPath::Bulk => {
            // without a visitor nobody came here
            let Some(visitor) = visitor else { return Err(nothing(guard::unauthorized())) };
            let answer = bulk::answer(admin, by, form).await.map_err(nothing)?;
            let notice = match &answer {
                BulkAnswer::Question(question) => Notice::Question(question),
                BulkAnswer::Report(report) => Notice::Report(report),
            };
            Ok(html(StatusCode::OK, answered(admin, head, &notice, &visitor).await))
        }
        // whether it is applied or refused, the page shows it
        ApiPath::Reload => {
            if let Ok(asked) = ask(&form) {
                drop(asked.reload().await);
            }
            Ok(back(&format!("{}#reloads", view.href()), None))
        }
        ApiPath::Login => match guard.let_in(form.get("token").unwrap_or_default(), caller) {
            Ok(cookie) => Ok(back("/", Some(&cookie))),
            Err(refusal) => Err(nothing(admin.refused.note(refusal, caller.peer))),
        },
        ApiPath::Logout => Ok(back("/", Some(&guard.let_out(caller, &head.headers)))),
        _ => Err(nothing(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This takes no form."))),
    }
}

/// Makes a change that a form asks for; where it leads then.
async fn change(asked: ChangeRequest<'_>, place: ApiPath<'_>, view: View) -> Result<String, Problem> {
    match place {
        ApiPath::Operate(cluster, node, verb) => {
            asked.operate(cluster, node, verb).await?;
            let view = if view.narrows() { view } else { view.with_open(cluster) };
            Ok(format!("{}#{}", view.href(), page::anchor(cluster, node)))
        }
        ApiPath::SwitchCluster(cluster, to) => {
            asked.switch(Change::Cluster { cluster: cluster.to_owned(), change: to }, to).await?;
            Ok(format!("{}#cluster-{cluster}", view.href()))
        }
        ApiPath::SwitchRule(rule, to) => {
            asked.switch(Change::Rule { rule, change: to }, to).await?;
            Ok(format!("{}#rule-{rule}", view.href()))
        }
        _ => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This takes no form.")),
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
