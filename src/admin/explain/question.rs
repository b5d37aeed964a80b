//! What somebody wants to know: `?last`, `?id=…`, or `?url=…&cookie=…&header=…&method=…&source=…&listener=…`.

use super::made_up::Request;
use crate::serve::problem::Problem;
use crate::wire::request_id::RequestId;
use crate::wire::target;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::net::{IpAddr, Ipv4Addr};

/// What somebody wants to know.
#[derive(Debug)]
pub enum Question {
    /// About the latest request.
    Last,
    /// About the request of this id.
    Id(RequestId),
    /// About a request that might come.
    MadeUp(Box<Request>),
}

impl Question {
    /// From the query. An id comes before a request that is made up, and that before the latest.
    pub fn read(query: &str) -> Result<Self, Problem> {
        let fields: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut request = Request {
            uri: http::Uri::from_static("/"),
            method: http::Method::GET,
            headers: http::HeaderMap::new(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            listener: None,
        };
        let (mut id, mut made_up) = (None, false);
        for (at, (name, value)) in fields.iter().enumerate() {
            if !matches!(name.as_str(), "cookie" | "header")
                && fields[..at].iter().any(|(before, _)| before == name)
            {
                return Err(refused(format!("{name:?} is said twice.")));
            }
            made_up |= name != "last" && name != "id";
            match name.as_str() {
                "last" if matches!(value.as_str(), "" | "true" | "false") => {}
                "last" => return Err(refused("last takes no value.")),
                "id" => id = Some(Self::id(value)?),
                "url" => {
                    let text = Bytes::from(value.clone());
                    let uri = target::read(&text, &text)
                        .ok()
                        .map(|(uri, _)| uri)
                        .filter(|uri| uri.path().starts_with('/'));
                    request.uri = read(uri.ok_or(()), "url is no URL", "http://host/path or /path")?;
                }
                "method" => {
                    let method =
                        value.parse().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_uppercase()));
                    request.method = read(method.ok_or(()), "method is no method", "GET")?;
                }
                "source" => request.client = read(value.parse(), "source is no address", "10.1.2.3")?,
                "listener" => request.listener = Some(value.clone()),
                "cookie" => {
                    let cookie = read(HeaderValue::from_str(value), "cookie cannot be sent", "NAME=VALUE")?;
                    request.headers.append(header::COOKIE, cookie);
                }
                "header" => {
                    let (name, value) = value.split_once(':').unwrap_or((value, ""));
                    let name = read(name.trim().parse::<HeaderName>(), "header has no name", "NAME: VALUE")?;
                    let value =
                        read(HeaderValue::from_str(value.trim()), "header cannot be sent", "NAME: VALUE")?;
                    request.headers.append(name, value);
                }
                // the value stays out of it: it may be a secret
                _ => {
                    return Err(refused(format!(
                        "{name:?} is no part of a question: last, id, url, cookie, header, method, source, listener are."
                    )));
                }
            }
        }
        Ok(match (id, made_up) {
            (Some(id), _) => id,
            (None, true) => Self::MadeUp(Box::new(request)),
            (None, false) => Self::Last,
        })
    }

    fn id(text: &str) -> Result<Self, Problem> {
        let id = RequestId::parse(text);
        id.map(Self::Id).ok_or_else(|| {
            refused("id is no request id: letters, digits and -._:/+=@, 128 at most, as in the access log.")
        })
    }
}

fn read<T, E>(value: Result<T, E>, what: &str, like: &str) -> Result<T, Problem> {
    value.map_err(|_| refused(format!("{what}: write {like}.")))
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read() {
        for (query, wanted) in [
            ("", "last"),
            ("last", "last"),
            ("last=", "last"),
            ("id=00000000000000ff", "00000000000000ff"),
            ("id=Root/1-ff", "Root/1-ff"),
            ("id=", "refused"),
            ("id=a+b", "refused"),
            ("id=00000000000000ff&url=/x&last", "00000000000000ff"),
            ("url=/x", "GET /x 127.0.0.1 []"),
            ("url=http%3A%2F%2Fa.test%2Fx&method=POST&source=::1", "POST http://a.test/x ::1 []"),
            (
                "url=/&cookie=A%3D1&cookie=B%3D2&header=X-User:+me",
                "GET / 127.0.0.1 [cookie=A=1 cookie=B=2 x-user=me]",
            ),
            ("url=/&header=:x", "refused"),
            ("url=/&cookie=a%0Ab", "refused"),
            ("url=/a%3Cb%3Fq%3D%22", "GET /a%3Cb?q=%22 127.0.0.1 []"),
            ("url=no+url", "refused"),
            ("url=example.com", "refused"),
            ("url=/&url=/", "refused"),
            ("last=1", "refused"),
            ("url=/&source=here", "refused"),
            ("url=/&surprise=1", "refused"),
            ("cookie=A", "GET / 127.0.0.1 [cookie=A]"),
        ] {
            let said = match Question::read(query) {
                Ok(Question::Last) => "last".to_owned(),
                Ok(Question::Id(id)) => id.to_string(),
                Ok(Question::MadeUp(r)) => {
                    let headers: Vec<_> =
                        r.headers.iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect();
                    format!("{} {} {} [{}]", r.method, r.uri, r.client, headers.join(" "))
                }
                Err(_) => "refused".to_owned(),
            };
            assert_eq!(said, wanted, "{query}");
        }
    }
}
