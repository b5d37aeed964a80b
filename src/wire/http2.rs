//! HTTP/2 (RFC 9113) beyond its frames. The library decodes them and refuses most of what is malformed; what
//! it lets through is judged here, so that a head means the same whichever HTTP brought it, and nothing
//! malformed goes out: it would end a connection that others share.

use super::http1::request::{decimal, is_http};
use super::{Malformed, cookies, trailers};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};

/// Reads a client's head, strictly: no more than `most` header lines.
pub fn request(parts: &mut Parts, most: usize) -> Result<(), Malformed> {
    trim(&mut parts.headers);
    let formed = match parts.uri.path_and_query().map(PathAndQuery::as_str) {
        Some("*") => parts.method == Method::OPTIONS,
        Some(path) => path.starts_with('/'),
        None => parts.method == Method::CONNECT,
    };
    if !formed || !parts.uri.scheme().is_none_or(is_http) {
        return Err(Malformed::BadTarget);
    }
    if parts.headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(Malformed::DuplicateHost);
    }
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next().map(|length| decimal(length.as_bytes())).transpose()?, lengths.next()) {
        (_, Some(_)) => return Err(Malformed::ConflictingLength),
        (Some(1..), None) if parts.method == Method::CONNECT => return Err(Malformed::ConnectWithBody),
        _ => {}
    }
    cookies::join(&mut parts.headers);
    if parts.headers.len() > most { Err(Malformed::TooManyLines) } else { Ok(()) }
}

/// Reads a client's trailers, strictly.
pub fn request_trailers(headers: &mut HeaderMap) -> Result<(), Malformed> {
    trim(headers);
    trailers::of_client(headers)
}

/// Reads the head of a node's answer, as leniently as is safe: what is malformed is mended.
pub fn answer(headers: &mut HeaderMap) {
    trim(headers);
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (first, second) = (lengths.next().map(|length| decimal(length.as_bytes()).ok()), lengths.next());
    match (first, second) {
        (Some(None), _) => drop(headers.remove(CONTENT_LENGTH)),
        // the library has seen that they are the same
        (Some(Some(length)), Some(_)) => drop(headers.insert(CONTENT_LENGTH, length.into())),
        _ => {}
    }
}

/// Reads the trailers of a node's answer.
pub fn answer_trailers(headers: &mut HeaderMap) {
    trim(headers);
    trailers::of_node(headers);
}

/// Takes the white space around values away, as over HTTP/1: with it they are malformed here (RFC 9113
/// section 8.2.1). Control bytes do not get past the library.
pub fn trim(headers: &mut HeaderMap) {
    for value in headers.values_mut().filter(|value| is_padded(value)) {
        let text = Bytes::copy_from_slice(value.as_bytes().trim_ascii());
        // a part of a value is one
        if let Ok(trimmed) = HeaderValue::from_maybe_shared(text) {
            *value = trimmed;
        }
    }
}

fn is_padded(value: &HeaderValue) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    blank(value.as_bytes().first()) || blank(value.as_bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn head(method: Method, lines: &[(&'static str, &'static str)]) -> Parts {
        let mut parts = Request::new(()).into_parts().0;
        (parts.method, parts.headers) = (method, map(lines));
        parts
    }

    #[test]
    fn what_clients_may_not_send() {
        for (lines, expected) in [
            (&[("content-length", "")][..], Err(Malformed::BadLength)),
            (&[("content-length", "0"), ("content-length", "0")], Err(Malformed::ConflictingLength)),
            (&[("content-length", "0, 0")], Err(Malformed::ConflictingLength)),
            (&[("host", "a"), ("host", "a")], Err(Malformed::DuplicateHost)),
            (&[("x", "1"), ("x", "2"), ("y", "3")], Err(Malformed::TooManyLines)),
            (&[("x", ""), ("y", "a b\tc")], Ok(())),
            (&[("content-length", "0"), ("x", "é")], Ok(())),
        ] {
            assert_eq!(request(&mut head(Method::POST, lines), 2), expected, "{lines:?}");
        }
        assert_eq!(
            request(&mut head(Method::CONNECT, &[("content-length", "5")]), 2),
            Err(Malformed::ConnectWithBody)
        );
    }

    #[test]
    fn targets_are_paths() {
        for (method, target, expected) in [
            (Method::GET, "http://a/b", Ok(())),
            (Method::GET, "/b", Ok(())),
            (Method::OPTIONS, "*", Ok(())),
            (Method::GET, "*", Err(Malformed::BadTarget)),
            (Method::GET, "http://a?b", Err(Malformed::BadTarget)),
            (Method::GET, "a", Err(Malformed::BadTarget)),
            (Method::CONNECT, "a:1", Ok(())),
        ] {
            let mut parts = head(method, &[]);
            parts.uri = target.parse().unwrap();
            assert_eq!(request(&mut parts, 9), expected, "{target}");
        }
    }

    #[test]
    fn crumbs_are_one_line_and_count_as_one() {
        let mut parts =
            head(Method::GET, &[("cookie", "a=1 "), ("x", "\t1"), ("cookie", "b=2"), ("cookie", "c=3")]);
        assert_eq!(request(&mut parts, 2), Ok(()));
        assert_eq!(parts.headers, map(&[("cookie", "a=1; b=2; c=3"), ("x", "1")]));
    }

    #[test]
    fn answers_are_mended() {
        for (before, after) in [
            (&[("content-length", "5"), ("content-length", "5")][..], &[("content-length", "5")][..]),
            (&[("content-length", "")], &[]),
            (&[("x", " a b\t"), ("x", "c"), ("y", "  ")], &[("x", "a b"), ("x", "c"), ("y", "")]),
        ] {
            let mut headers = map(before);
            answer(&mut headers);
            assert_eq!(headers, map(after), "{before:?}");
        }
    }

    #[test]
    fn trailers_frame_nothing() {
        for (lines, expected) in [
            (&[("content-length", "5")][..], Err(Malformed::ForbiddenTrailer)),
            (&[("host", "a")], Err(Malformed::ForbiddenTrailer)),
            (&[("te", "trailers"), ("keep-alive", "5"), ("x", " a\t")], Ok(())),
        ] {
            let mut headers = map(lines);
            assert_eq!(request_trailers(&mut headers), expected, "{lines:?}");
            answer_trailers(&mut headers);
            let kept = if lines.iter().any(|(name, _)| *name == "x") {
                map(&[("x", "a")])
            } else {
                HeaderMap::new()
            };
            assert_eq!(headers, kept, "{lines:?}");
        }
    }
}
