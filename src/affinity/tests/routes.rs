//! The route in the application's session id, as httpd, mod_jk and mod_cluster read it.

use super::*;
use crate::base::hash::hash64;

const TOMCAT: &str = "route = 'JSESSIONID'";
const ROUTEID: &str = "route = 'ROUTEID'\nparameter = 'ROUTEID'";

fn goes(affinity: &Affinity, uri: &str, cookies: &[&str]) -> &'static str {
    match read(affinity, uri, cookies, NOW).found {
        FoundPin::Pin { slots: [1], via: Via::Route } => "a1",
        FoundPin::Pin { slots: [2], via: Via::Route } => "a2",
        FoundPin::Lost(Lost::UnknownRoute) => "unknown",
        FoundPin::Absent => "absent",
        FoundPin::Ledger { via: Via::Learned } => "id",
        other => panic!("{other:?}"),
    }
}

#[test]
fn tomcat() {
    let tomcat = affinity(TOMCAT);
    let rows: &[(&str, &[&str], &str)] = &[
        ("/", &[], "absent"),
        ("/", &["JSESSIONID=zz.a9"], "unknown"),
        ("/", &["JSESSIONID=zz.a2"], "a2"),
        ("/", &["JSESSIONID=\"zz.a2\""], "a2"),
        ("/", &["JSESSIONID=zz; JSESSIONID=q.a2"], "a2"),
        ("/", &["JSESSIONID=zz.a9", "JSESSIONID=q.a2"], "a2"),
        ("/", &["JSESSIONID=zz.a1.x"], "unknown"),
        ("/", &["JSESSIONID=BB.a2;x=1"], "a2"),
        ("/", &["jsessionid=BB.a2"], "absent"),
        ("/", &["JSESSIONID=BB"], "id"),
        ("/", &["JSESSIONID=BB."], "id"),
        ("/app;jsessionid=BB", &[], "id"),
        ("/app;jsessionid=AA.a2?x=1", &[], "a2"),
        ("/app;jsessionid=AA.a2;v=1?x=1", &["JSESSIONID=BB.a1"], "a2"),
        ("/app;v=1;jsessionid=AA.a2/more", &["JSESSIONID=BB.a1"], "a2"),
        ("/app;jsessionid=AA.a9", &["JSESSIONID=BB.a1"], "a1"),
        ("/app;jsessionid=AA", &["JSESSIONID=BB.a1"], "a1"),
        ("/app;fojsessionid=AA.a2", &[], "absent"),
        ("/jsessionid=AA.a2", &[], "absent"),
        ("/app?jsessionid=AA.a2", &[], "a2"),
        ("/app?x=1&jsessionid=AA.a2&y=1", &[], "a2"),
        ("/app?x=1&foojsessionid=AA.a2", &[], "absent"),
    ];
    for (uri, cookies, to) in rows {
        assert_eq!(goes(&tomcat, uri, cookies), *to, "{uri} {cookies:?}");
    }
    let cluster = affinity("route = 'JSESSIONID'\norder = 'cookie-first'");
    assert_eq!(goes(&cluster, "/app;jsessionid=AA.a2", &["JSESSIONID=BB.a1"]), "a1");
    assert_eq!(goes(&cluster, "/app;jsessionid=AA.a2", &["JSESSIONID=BB.a9"]), "a2");
}

#[test]
fn httpd_routeid() {
    let routeid = affinity(ROUTEID);
    for (uri, cookie, to) in [
        ("/", "ROUTEID=.a2", "a2"),
        ("/", "ROUTEID=a2", "id"),
        ("/", "ROUTEID=x.y.a2", "unknown"),
        ("/", "ROUTEID=.a9", "unknown"),
        ("/?ROUTEID=.a1", "ROUTEID=.a2", "a1"),
        // httpd itself takes any substring; a parameter must stand on a border here.
        ("/?fooROUTEID=.a1&x=1", "ROUTEID=.a2", "a2"),
    ] {
        assert_eq!(goes(&routeid, uri, &[cookie]), to, "{uri} {cookie}");
    }
    let whole = affinity("route = 'ROUTEID'\nseparator = 'off'");
    assert_eq!(goes(&whole, "/", &["ROUTEID=a2"]), "a2");
    let bang = affinity("route = 'JSESSIONID'\nseparator = '!'");
    assert_eq!(goes(&bang, "/", &["JSESSIONID=x.y!a2"]), "a2");
}

#[test]
fn the_session_is_the_id_before_the_route() {
    let tomcat = affinity(TOMCAT);
    let id = Some(hash64(b"AA"));
    assert_eq!(read(&tomcat, "/", &["JSESSIONID=AA.a1"], NOW).session, id);
    assert_eq!(read(&tomcat, "/", &["JSESSIONID=AA.a9"], NOW).session, id);
    assert_eq!(read(&tomcat, "/", &["JSESSIONID=AA"], NOW).session, id);
    assert_eq!(read(&tomcat, "/;jsessionid=AA.a2", &["JSESSIONID=BB.a1"], NOW).session, id);
    let set =
        Visit { set_cookie: vec!["JSESSIONID=AA.a2; Path=/app; HttpOnly"], ..Visit::default() }.go(&tomcat);
    assert_eq!(set.outcome, PinOutcome { learned: id, ended: false, ..PinOutcome::default() });
    assert_eq!(set.set_cookie, ["JSESSIONID=AA.a2; Path=/app; HttpOnly"]);
    for gone in [
        "JSESSIONID=AA.a2; Max-Age=0",
        "JSESSIONID=; Path=/",
        "JSESSIONID=x; Expires=Thu, 01-Jan-1970 00:00:10 GMT",
    ] {
        let ended = Visit { set_cookie: vec![gone], ..Visit::default() }.go(&tomcat);
        assert_eq!(
            ended.outcome,
            PinOutcome { learned: None, ended: true, ..PinOutcome::default() },
            "{gone}"
        );
    }
}
