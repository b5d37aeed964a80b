//! The API as an OpenAPI document. Its schemas are made from the types that are sent and read, so that they
//! cannot differ.

use super::api_path::ApiPath;
use super::operate::{Bypass, Drain, Force, MoveTo, NodeAction, Nothing, SetLimits};
use super::status::{Cluster, Explanation, FoundSession, Moves, Node, Reload, Sessions, ShownRule, Status};
use crate::control::audit::AuditEntry;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for (path, summary, answer) in reads(&mut schemas) {
        let operation = operation(path, summary, answer, query_of(path));
        paths.insert(path.to_owned(), json!({ "get": operation }));
    }
    for (path, summary, body, answer) in changes(&mut schemas) {
        let mut operation = operation(path, summary, answer, Vec::new());
        if let Some(body) = body {
            // only for `set` there is something that must be said
            operation["requestBody"] = json!({ "required": path.ends_with("/set"), "content": { "application/json": { "schema": body } } });
        }
        paths.insert(path.to_owned(), json!({ "post": operation }));
    }
    let mut components = schemas.take_definitions(true);
    for body in ["Drain", "Force", "Set", "Bypass", "MoveTo", "Nothing"] {
        components[body]["properties"]["reason"] = reason();
    }
    components.insert("Problem".into(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Homing",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The operator's window: GET reads and changes nothing, POST changes. Errors are RFC 9457 problem documents.",
        },
        // without a token in the conf, whoever reaches the address needs none
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": { "schemas": components, "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
    })
}

type Read = (&'static str, &'static str, Value);
type Change = (&'static str, &'static str, Option<Value>, Value);

fn reads(schemas: &mut SchemaGenerator) -> Vec<Read> {
    let plain = || json!({ "text/plain": { "schema": { "type": "string" } } });
    let object = || json!({ "application/json": { "schema": { "type": "object" } } });
    vec![
        ("/ping", "Whether the process is alive and not stopping.", plain()),
        ("/ready", "Whether every cluster has a node that serves.", plain()),
        ("/metrics", "Everything that is counted, for Prometheus.", plain()),
        ("/api/status", "Everything, as it is at one moment.", of::<Status>(schemas)),
        ("/api/clusters", "The clusters, in the order of the file.", of::<Vec<Cluster>>(schemas)),
        ("/api/clusters/{cluster}", "A cluster.", of::<Cluster>(schemas)),
        ("/api/clusters/{cluster}/nodes", "Its nodes.", of::<Vec<Node>>(schemas)),
        ("/api/clusters/{cluster}/nodes/{node}", "A node.", of::<Node>(schemas)),
        (
            "/api/clusters/{cluster}/nodes/{node}/sessions",
            "Who is on a node: the sessions seen last.",
            of::<Sessions>(schemas),
        ),
        ("/api/sessions/{session}", "Where a session is, and whose.", of::<FoundSession>(schemas)),
        ("/api/config", "The conf as it runs, secrets hidden.", object()),
        (
            "/api/events",
            "What happens, as it happens.",
            json!({ "text/event-stream": { "schema": { "type": "string" } } }),
        ),
        (
            "/api/explain",
            "Why a request went where it went, or where one would go; the latest if none is named.",
            of::<Explanation>(schemas),
        ),
        (
            "/api/moves",
            "Requests that found their pin broken, by cause, and the latest of them.",
            of::<Moves>(schemas),
        ),
        (
            "/api/history",
            "Who changed what at run time, from where and why, the latest first.",
            of::<Vec<AuditEntry>>(schemas),
        ),
        (
            "/api/rules",
            "Which requests lead where, in the order of the file: the first that fits counts.",
            of::<Vec<ShownRule>>(schemas),
        ),
        ("/api/openapi.json", "This document.", object()),
    ]
}

fn changes(schemas: &mut SchemaGenerator) -> Vec<Change> {
    let node: Value = schemas.subschema_for::<Option<Node>>().into();
    let nodes: Value = schemas.subschema_for::<Vec<Node>>().into();
    let words = json!({ "type": "array", "items": { "type": "string" } });
    // all that match, where the path has a pattern
    let changed = json!({ "type": "object", "required": ["changes", "node"],
                          "properties": { "changes": words, "node": node, "nodes": nodes } });
    let changed = json!({ "application/json": { "schema": changed } });
    let nothing: Value = schemas.subschema_for::<Nothing>().into();
    let mut body = |verb: NodeAction| match verb {
        NodeAction::Drain => schemas.subschema_for::<Drain>().into(),
        NodeAction::Set => schemas.subschema_for::<SetLimits>().into(),
        NodeAction::Disable | NodeAction::Remove | NodeAction::Forget => {
            schemas.subschema_for::<Force>().into()
        }
        NodeAction::Enable | NodeAction::Accept => nothing.clone(),
    };
    let mut all: Vec<Change> = [
        (
            "/api/clusters/{cluster}/nodes/{node}/drain",
            "Its sessions stay, new ones go elsewhere.",
            NodeAction::Drain,
        ),
        (
            "/api/clusters/{cluster}/nodes/{node}/enable",
            "It takes everything again, whatever took it out.",
            NodeAction::Enable,
        ),
        ("/api/clusters/{cluster}/nodes/{node}/disable", "Nobody is sent there.", NodeAction::Disable),
        (
            "/api/clusters/{cluster}/nodes/{node}/accept",
            "A node that announced itself is let in.",
            NodeAction::Accept,
        ),
        ("/api/clusters/{cluster}/nodes/{node}/remove", "It leaves the cluster.", NodeAction::Remove),
        (
            "/api/clusters/{cluster}/nodes/{node}/forget",
            "It joined, or waits, and is no longer known.",
            NodeAction::Forget,
        ),
        ("/api/clusters/{cluster}/nodes/{node}/set", "Its weight and limits change.", NodeAction::Set),
    ]
    .into_iter()
    .map(|(path, summary, verb)| (path, summary, Some(body(verb)), changed.clone()))
    .collect();
    let text = json!({ "type": "string" });
    all.extend(switches(schemas, nothing.clone()));
    all.extend(session_changes(schemas, nothing.clone()));
    let value = json!({ "type": "object", "required": ["value", "until"], "properties": { "value": text, "until": text } });
    let value = json!({ "application/json": { "schema": value } });
    let path = "/api/clusters/{cluster}/nodes/{node}/bypass";
    all.push((
        path,
        "A value that leads past everything to this node.",
        Some(schemas.subschema_for::<Bypass>().into()),
        value,
    ));
    all.push((
        "/api/reload",
        "The conf file is read again and applied, or refused and nothing changes.",
        Some(nothing),
        of::<Reload>(schemas),
    ));
    all
}

/// Clusters and rules are switched.
fn switches(schemas: &mut SchemaGenerator, nothing: Value) -> [Change; 4] {
    let words = json!({ "type": "array", "items": { "type": "string" } });
    let cluster: Value = schemas.subschema_for::<Option<Cluster>>().into();
    let of_cluster = json!({ "type": "object", "required": ["changes", "cluster"], "properties": { "changes": words, "cluster": cluster } });
    let of_cluster = json!({ "application/json": { "schema": of_cluster } });
    let of_rule = json!({ "type": "object", "required": ["changes"], "properties": { "changes": words } });
    let of_rule = json!({ "application/json": { "schema": of_rule } });
    let force: Value = schemas.subschema_for::<Force>().into();
    [
        (
            "/api/clusters/{cluster}/disable",
            "Requests for it are answered 503; sessions are kept.",
            Some(force.clone()),
            of_cluster.clone(),
        ),
        ("/api/clusters/{cluster}/enable", "It serves again.", Some(nothing.clone()), of_cluster),
        (
            "/api/rules/{rule}/disable",
            "It is passed over, as if it were not written.",
            Some(force),
            of_rule.clone(),
        ),
        ("/api/rules/{rule}/enable", "It counts again.", Some(nothing), of_rule),
    ]
}

/// What can be done with one session.
fn session_changes(schemas: &mut SchemaGenerator, nothing: Value) -> Vec<Change> {
    let session: Value = schemas.subschema_for::<Option<FoundSession>>().into();
    let words = json!({ "type": "array", "items": { "type": "string" } });
    let of_session = json!({ "type": "object", "required": ["changes", "session"], "properties": { "changes": words, "session": session } });
    let of_session = json!({ "application/json": { "schema": of_session } });
    let end = (
        "/api/sessions/{session}/end",
        "It is over: who shows its pin begins anew.",
        Some(nothing),
        of_session.clone(),
    );
    let move_it = (
        "/api/sessions/{session}/move",
        "Its next request goes to another node.",
        Some(schemas.subschema_for::<MoveTo>().into()),
        of_session,
    );
    vec![end, move_it]
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    json!({ "application/json": { "schema": schemas.subschema_for::<T>() } })
}

fn operation(path: &str, summary: &str, answer: Value, query: Vec<Value>) -> Value {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = names.map(|name| {
        let schema = match name {
            "session" => json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }),
            _ => json!({ "type": "string" }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let parameters: Vec<Value> = in_path.chain(query).collect();
    let problem = |what: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        json!({ "description": what, "content": { "application/problem+json": { "schema": schema } } })
    };
    let mut operation = json!({
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done.", "content": answer },
            "default": problem("What is wrong, and what to do."),
        },
    });
    let place = path.replace("{rule}", "1").replace("{session}", "00000000000000ff");
    match ApiPath::find(&place).and_then(ApiPath::level) {
        Some(level) => {
            let level = level.word();
            operation["description"] =
                format!("Needs a token of the level \"{level}\", or a higher one.").into();
            operation["x-level"] = level.into();
        }
        None => operation["security"] = json!([{}]),
    }
    if ["/ping", "/ready"].contains(&path) {
        operation["responses"]["503"] = problem("It is not.");
    }
    operation
}

/// What can be said behind the path.
fn query_of(path: &str) -> Vec<Value> {
    let of_snapshot = ["/metrics", "/api/status"].contains(&path)
        || (path.starts_with("/api/clusters") && !path.ends_with("/sessions"));
    if of_snapshot {
        let number = json!({ "type": "integer", "minimum": 0, "maximum": (1_u64 << 53) - 1 });
        return vec![json!({
            "name": "snapshot", "in": "query", "schema": number,
            "description": "The number of a snapshot of the last seconds, to see the same in another form.",
        })];
    }
    if path != "/api/explain" {
        return Vec::new();
    }
    let one = |name: &str, what: &str, pattern: &str| json!({ "name": name, "in": "query", "description": what, "schema": { "type": "string", "pattern": pattern } });
    let many = |name: &str, what: &str, pattern: &str| {
        json!({ "name": name, "in": "query", "description": what,
                "schema": { "type": "array", "items": { "type": "string", "pattern": pattern } } })
    };
    let source =
        json!({ "anyOf": [{ "type": "string", "format": "ipv4" }, { "type": "string", "format": "ipv6" }] });
    vec![
        json!({ "name": "last", "in": "query", "description": "The latest request.", "allowEmptyValue": true, "schema": { "type": "boolean" } }),
        one(
            "id",
            "A request that was, or a session, of which the latest is told; it is asked before all else.",
            "^[A-Za-z0-9._:/+=@-]{1,128}$",
        ),
        one(
            "url",
            "A request that might come; / if not said.",
            "^(https?://[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?(:[0-9]{1,4})?)?/[A-Za-z0-9._~!$&'()*+,;=:@/?-]*$",
        ),
        many("cookie", "A cookie that it shows, NAME=VALUE.", "^[ -~]*$"),
        many("header", "A header that it has, NAME: VALUE.", "^[A-Za-z0-9-]{1,60}:[ -~]*$"),
        one("method", "Its method.", "^[A-Z]{1,20}$"),
        json!({ "name": "source", "in": "query", "description": "Who is at the other end: the client, or a trusted proxy that names it in a header.", "schema": source }),
        one("listener", "The listener it comes through.", "^[a-z0-9-]+$"),
    ]
}

/// What every change may say: why.
fn reason() -> Value {
    json!({
        "type": "string", "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$",
        "description": "Why, in a line of text: it stands in the log, in the history and beside who did it.",
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What happened, and what to do next." },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_may_say_why() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let bodies = paths.iter().filter_map(|(path, of)| Some((path, of["post"].get("requestBody")?)));
        let mut seen = 0;
        for (path, body) in bodies {
            let schema = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
            let schema = document.pointer(schema.trim_start_matches('#')).unwrap();
            assert_eq!(schema["properties"]["reason"], reason(), "{path}");
            seen += 1;
        }
        assert_eq!(seen, paths.values().filter(|of| of.get("post").is_some()).count());
    }
}
