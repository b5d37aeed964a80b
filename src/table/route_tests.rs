use super::*;
use crate::table::rule::Action;
use crate::table::target::PathTooLong;
use crate::wire::template::TemplateFacts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};

fn rules(toml: &str) -> Vec<model::Rule> {
    toml::from_str::<model::Config>(toml).unwrap().rule
}

fn router(toml: &str) -> Router {
    Router::compile(&rules(toml), "web", &|name| name.strip_prefix('c').and_then(|n| n.parse().ok())).unwrap()
}

/// The index of the rule found for "METHOD host/path?query".
fn found(router: &Router, text: &str, headers: &[(&'static str, &'static str)]) -> Option<usize> {
    let (method, url) = text.split_once(' ').unwrap();
    let (host, path) = url.split_at(url.find('/').unwrap());
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let headers: HeaderMap = headers
        .iter()
        .map(|(n, v)| (http::HeaderName::from_static(n), HeaderValue::from_static(v)))
        .collect();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let client = "10.1.2.3".parse().unwrap();
    router
        .find(&RouteQuery { host, path, query, method: &method, headers: &headers, client })
        .map(|rule| rule.index)
}

#[test]
fn a_disabled_rule_is_passed_over_and_the_others_keep_their_numbers() {
    let router = router("rule = [{ path = '/a', cluster = 'c1', disabled = true }, { cluster = 'c2' }]");
    assert_eq!(found(&router, "GET h/a", &[]), Some(1));
}

#[test]
fn the_first_rule_that_matches_wins() {
    let router = router(
        r#"
        rule = [
          { listener = "other", cluster = "c1" },
          { host = ["shop.example.com", "*.shop.example.com"], path = ["/shop", "/cart"], cluster = "c1" },
          { path = "/admin", respond = { status = 403 } },
          { host = "*.example.com", method = "post", cluster = "c1" },
          { host = "SHOP.example.com.", header = { X-Tenant = "*", x-kind = "a b" }, cluster = "c1" },
          { host = "shop.example.com", query = { "sid x" = "ä&", t = "*" }, cluster = "c1" },
          { path-regex = "^/v[0-9]+/", source = ["10.0.0.0/8"], cluster = "c1" },
          { path-regex = "^/w", source = ["11.0.0.0/8"], cluster = "c1" },
          { path = "/below/", cluster = "c1" },
          { host = "shop.example.com", cluster = "c1" },
          { path = "/", host = "*", method = ["GET"], cluster = "c1" },
        ]"#,
    );
    for (text, expected) in [
        ("GET shop.example.com/shop", Some(1)),
        ("GET Shop.Example.COM./shop/x", Some(1)),
        ("GET a.b.shop.example.com/cart/1", Some(1)),
        ("GET shop.example.com/shop;jsessionid=1.n1?x", Some(1)),
        ("GET shop.example.com/shopping", Some(9)),
        ("GET shop.example.com/admin/x", Some(2)),
        ("GET x/shop/../admin", Some(2)),
        ("GET x/%61dmin", Some(2)),
        ("GET x//admin;a/y", Some(2)),
        ("GET x/public/..;/admin", Some(2)),
        ("GET x/administrator", Some(10)),
        ("POST other.example.com/", Some(3)),
        ("POST example.com/", None),
        ("GET shop.example.com/?a=1&sid+x=%C3%A4%26&t", Some(5)),
        ("GET shop.example.com/?sid%20x=%C3%A4&t", Some(9)),
        ("DELETE x/v12/y", Some(6)),
        ("DELETE x/w", None),
        ("DELETE x/below", None),
        ("DELETE x/below/", Some(8)),
        ("DELETE x/below/a/b", Some(8)),
        ("GET /", Some(10)),
    ] {
        assert_eq!(found(&router, text, &[]), expected, "{text}");
    }
    assert_eq!(found(&router, "GET shop.example.com/", &[("x-tenant", ""), ("x-kind", "a b")]), Some(4));
    assert_eq!(found(&router, "GET shop.example.com/", &[("x-tenant", "")]), Some(9));
    assert_eq!(found(&router, &format!("DELETE {}/", "a.".repeat(300)), &[]), None);
}

#[test]
fn targets() {
    let router = router(
        r#"
        rule = [
          { path = "/s", strip-prefix = "/s/", cluster = "c1" },
          { path-regex = "^/old/([^/]+)/(?P<rest>.*)$", rewrite = "/new/$2/${1}x$$", cluster = "c1" },
          { path = "/one", rewrite = "/two?x=1", cluster = "c1" },
          { cluster = "c1" },
        ]"#,
    );
    for (index, from, to) in [
        (0, "/s", Some("/")),
        (0, "/s/", Some("/")),
        (0, "/s?q=/", Some("/?q=/")),
        (0, "/s/a%2Fb?q", Some("/a/b?q")),
        (0, "/s/a%2Bb", Some("/a%2Bb")),
        (0, "/s/x/../../s/a%3Fb%20c?q", Some("/a%3Fb%20c?q")),
        (0, "/%73/b", Some("/b")),
        (0, "/s//evil.com", Some("/evil.com")),
        (0, "/s;jsessionid=1", Some("/;jsessionid=1")),
        (0, "/other", None),
        (1, "/old/a%20b/c?q=1", Some("/new/c/a%20bx$?q=1")),
        (1, "/old/../old/a%20b/%C3%A4", Some("/new/%C3%A4/a%20bx$")),
        (2, "/one/z?q=1", Some("/two?x=1")),
        (3, "/any", None),
    ] {
        let target = router.rules()[index].target(&from.parse().unwrap()).unwrap();
        assert_eq!(target.as_ref().map(PathAndQuery::as_str), to, "{index} {from}");
    }
    let long = PathAndQuery::try_from(format!("/old/{}/x", "a".repeat(65_500))).unwrap();
    assert!(matches!(router.rules()[1].target(&long), Ok(Some(_)) | Err(PathTooLong)));
}

#[test]
fn redirects() {
    let rule = |text: &str| match router(&format!("rule = [{{ redirect = {text} }}]")).rules.remove(0).action
    {
        Action::Redirect(redirect) => redirect,
        other => panic!("{other:?}"),
    };
    for (conf, asked, expected) in [
        (r#"{ scheme = "https", status = 308 }"#, "http://h:8080/a?b=c", "https://h/a?b=c"),
        (r#"{ host = "www.{host}" }"#, "http://h:8080/a", "http://www.h/a"),
        (r#"{ path = "/new" }"#, "http://h:8080/a?q", "http://h:8080/new?q"),
        (r#"{ path = "/new?x" }"#, "https://h:443/a?q", "https://h/new?x"),
        (r#"{ to = "https://x.org{uri}" }"#, "http://h/a?q", "https://x.org/a?q"),
        (r#"{ to = "{path}" }"#, "http://h//evil.org/", "/evil.org/"),
    ] {
        let uri: Uri = asked.parse().unwrap();
        let facts = TemplateFacts {
            scheme: uri.scheme_str(),
            host: uri.host(),
            port: uri.port_u16(),
            path: Some(uri.path()),
            query: uri.query(),
            ..TemplateFacts::default()
        };
        assert_eq!(rule(conf).location(&facts), expected, "{conf}");
    }
}

#[test]
fn mistakes_are_refused() {
    for bad in [
        r#"{ }"#,
        r#"{ cluster = "zz" }"#,
        r#"{ cluster = "c1", respond = {} }"#,
        r#"{ cluster = "c1", host = "a.*.b" }"#,
        r#"{ cluster = "c1", path = "shop" }"#,
        r#"{ cluster = "c1", path-regex = "(" }"#,
        r#"{ cluster = "c1", rewrite = "/$1" }"#,
        r#"{ cluster = "c1", path-regex = "(a)", rewrite = "/$2" }"#,
        r#"{ cluster = "c1", strip-prefix = "/a", rewrite = "/" }"#,
        r#"{ cluster = "c1", method = "G T" }"#,
        r#"{ cluster = "c1", header = { "a b" = "*" } }"#,
        r#"{ respond = { status = 99 } }"#,
        r#"{ redirect = { status = 200, scheme = "https" } }"#,
        r#"{ redirect = { } }"#,
        r#"{ redirect = { to = "{pth}" } }"#,
    ] {
        let result =
            Router::compile(&rules(&format!("rule = [{bad}]")), "web", &|name| (name == "c1").then_some(0));
        assert!(result.is_err_and(|e| e.to_string().starts_with("rule 1: ")), "{bad}");
    }
}
