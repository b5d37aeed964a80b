//! One request, asked about before it is sent and after.

use crate::support::{Client, Conf, client::Answer};
use crate::window::Window;
use serde_json::Value;

/// What is decided of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub node: Option<String>,
    pub why: String,
    pub was: Option<String>,
}

impl Decision {
    /// As the log and the explanation write it.
    pub fn of(json: &Value) -> Self {
        let text = |key: &str| json[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            node: text("node"),
            why: text("why").unwrap_or_else(|| panic!("no why in {json}")),
            was: text("was"),
        }
    }

    /// As the answer tells it, with the request's id.
    pub fn told(answer: &Answer) -> (Self, String) {
        let line =
            answer.head.get("homing-why").unwrap_or_else(|| panic!("no Homing-Why in {:?}", answer.head));
        let (node, rest) = line.split_once("; ").unwrap();
        let part = |name: &str| rest.split("; ").find_map(|part| part.strip_prefix(name)).map(str::to_owned);
        let node = Some(node).filter(|node| *node != "-").map(str::to_owned);
        (Self { node, why: part("why=").unwrap(), was: part("was=") }, part("id=").unwrap())
    }
}

/// Tells this machine why, in every answer.
pub fn telling(conf: Conf) -> Conf {
    conf.listener(r#"why-header = ["127.0.0.0/8"]"#)
}

/// What somebody sends.
#[derive(Debug, Clone, Default)]
pub struct Sent<'a> {
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub source: Option<&'a str>,
}

/// Asks what would be decided for a request of this client.
pub fn foretell(window: &Window, asker: &mut Client, client: &Client, sent: &Sent<'_>) -> Value {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("url", &format!("http://{}{}", window.proxy.addr, sent.path));
    for (name, value) in client.jar.iter().flatten() {
        query.append_pair("cookie", &format!("{name}={value}"));
    }
    for (name, value) in sent.headers {
        query.append_pair("header", &format!("{name}: {value}"));
    }
    query.extend_pairs(sent.source.iter().map(|source| ("source", source)));
    let answer = asker.get(&format!("/api/explain?{}", query.finish()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Explains the request of this id.
pub fn recall(asker: &mut Client, id: &str) -> Value {
    let answer = asker.get(&format!("/api/explain?id={id}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}
