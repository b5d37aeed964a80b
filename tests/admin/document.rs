//! The API keeps to its own OpenAPI document: every place in it answers what it promises, and refuses what it
//! does not describe. `scripts/api` runs schemathesis besides.

use crate::support::client::Answer;
use crate::support::{Client, Origin};
use crate::window::Window;
use serde_json::{Map, Value, json};

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What follows events never ends.
const ENDLESS: &str = "/api/events";

fn named(path: &str) -> String {
    path.replace("{cluster}", "app")
        .replace("{node}", "n1")
        .replace("{rule}", "1")
        .replace("{session}", "00000000000000ff")
}

/// The operations: path, method, what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        methods
            .as_object()
            .unwrap()
            .iter()
            .map(|(method, what)| (path.clone(), method.to_uppercase(), what.clone()))
    });
    all.collect()
}

/// Every refusal is a problem document, and says what to do.
fn is_problem(answer: &Answer, status: u16, at: &str) {
    assert_eq!(
        (answer.status, answer.head.get("content-type")),
        (status, Some("application/problem+json")),
        "{at}: {}",
        answer.text()
    );
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{at}: {problem}");
    assert!(
        problem["detail"].as_str().unwrap().len() > 10 && problem["title"].is_string(),
        "{at}: {problem}"
    );
}

#[test]
fn answers_are_as_described() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    Client::with_jar(window.proxy.addr).get("/");
    let document = window.get("/api/openapi.json").json();
    // what is taken out comes back with the next one
    for (path, method, what) in operations(&document).iter().filter(|(path, ..)| path != ENDLESS) {
        let body = if path.ends_with("/set") { r#"{"weight":100}"# } else { "" };
        let answer = window.client().send(method, &named(path), &[], body.as_bytes()).unwrap();
        // there is nobody to be accepted, and there is a session
        let harms = ["accept", "remove", "forget", "{cluster}/disable"].iter().any(|end| path.ends_with(end));
        let refused = answer.status == 409 && harms;
        if refused {
            is_problem(&answer, 409, path);
            continue;
        }
        // what is said of a session that there is stands in `sessions`
        if path.starts_with("/api/sessions/") {
            is_problem(&answer, 404, path);
            continue;
        }
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        let contents = what["responses"]["200"]["content"].as_object().unwrap();
        let kind = answer.head.get("content-type").unwrap().split(';').next().unwrap();
        let content =
            contents.get(kind).unwrap_or_else(|| panic!("{path}: {kind} is not among {contents:?}"));
        if kind == "application/json" {
            fits(&document, &content["schema"], &answer.json(), path);
        }
    }
}

#[test]
fn what_is_not_described_is_refused() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let document = window.get("/api/openapi.json").json();
    let before = window.status();
    let operations = operations(&document);
    for (path, described, what) in &operations {
        for method in METHODS.iter().filter(|method| *method != described) {
            let answer = window.client().send(method, &named(path), &[], b"").unwrap();
            is_problem(&answer, 405, &format!("{method} {path}"));
            assert!(answer.head.get("allow").unwrap().contains(described), "{path}");
        }
        let post = |body: &str, status: u16| {
            let answer = window
                .client()
                .send(described, &named(path), &[("Content-Type", "application/json")], body.as_bytes())
                .unwrap();
            is_problem(&answer, status, &format!("{path} {}", &body[..60.min(body.len())]));
        };
        let long = "x".repeat(4000);
        for wrong in ["no", "%00", "%F0%9F%92%A9", "..%2f..", &long] {
            if path.contains("{node}") {
                is_problem(
                    &window
                        .client()
                        .send(described, &path.replace("{cluster}", "app").replace("{node}", wrong), &[], b"")
                        .unwrap(),
                    404,
                    path,
                );
            }
            if path.contains("{cluster}") {
                is_problem(
                    &window
                        .client()
                        .send(described, &path.replace("{cluster}", wrong).replace("{node}", "n1"), &[], b"")
                        .unwrap(),
                    404,
                    path,
                );
            }
        }
        let Some(body) = what.get("requestBody") else { continue };
        for text in ["{", "[]", "1", "null", "\"x\"", "\u{fe}", r#"{"no-such-key":1}"#] {
            post(text, 400);
        }
        post(&format!("{{\"x\":\"{}\"}}", "x".repeat(70_000)), 413);
        if body["required"] == true {
            post("", 400);
        }
        let schema = resolve(&document, &body["content"]["application/json"]["schema"]);
        for (key, property) in schema["properties"].as_object().unwrap_or(&Map::new()) {
            let known = kinds(&document, property);
            for (kind, value) in [
                ("string", json!("\u{7}")),
                ("number", json!(-1.5)),
                ("null", json!(null)),
                ("array", json!([])),
                ("object", json!({})),
            ] {
                // a word may be one of a few, or any line of text: this one is none of them
                assert!(!known.contains(&kind.to_owned()) || kind == "string", "{path} {key}: {known:?}");
                post(&json!({ key: value }).to_string(), 400);
            }
        }
    }
    for wrong in
        ["id=", "id=%00", "url=%00", "cookie=%00", "source=nowhere", "method=%20", "nonsense=1", "last=maybe"]
    {
        is_problem(&window.get(&format!("/api/explain?{wrong}")), 400, wrong);
    }
    let after = window.status();
    for key in ["revision", "reload", "certificates"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(after["clusters"][0]["nodes"][0]["state"], "ready");
    assert!(operations.len() > 20, "{}", operations.len());
}

fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(to) => {
            document.pointer(to.trim_start_matches('#')).unwrap_or_else(|| panic!("{to} leads nowhere"))
        }
        None => schema,
    }
}

/// The types that a schema allows.
fn kinds(document: &Value, schema: &Value) -> Vec<String> {
    let schema = resolve(document, schema);
    let any = schema["anyOf"]
        .as_array()
        .or(schema["oneOf"].as_array())
        .into_iter()
        .flatten()
        .flat_map(|one| kinds(document, one));
    let own = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(any).collect()
}

/// Whether a value is what a schema says: types, keys that have to be there, words that may be said.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(document, schema);
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let known = kinds(document, schema);
    let is = |known: &String| known == kind || (known == "number" && kind == "integer");
    assert!(known.is_empty() || known.iter().any(is), "{at}: {value} is none of {known:?}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value}");
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let one = any.iter().find(|one| kinds(document, one).iter().any(|known| known == kind)).unwrap();
        return fits(document, one, value, at);
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(key.as_str().unwrap()).is_some(), "{at}: {key} is not there");
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at} {key}");
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Null | Value::Bool(true)) => {
                assert!(schema["properties"].is_null(), "{at} is not described")
            }
            (Value::Null, other) => fits(document, other, value, &at),
            (property, _) => fits(document, property, value, &at),
        }
    }
    for (n, value) in value.as_array().into_iter().flatten().enumerate() {
        fits(document, &schema["items"], value, &format!("{at} {n}"));
    }
}
