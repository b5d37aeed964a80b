//! Learned ids, keys, the forms under `also`, and conf that is refused.

use super::*;
use crate::base::hash::hash64;

#[test]
fn learned_ids() {
    let learn = affinity("learn = 'PHPSESSID'");
    assert!(!learn.is_none());
    assert_eq!(read(&learn, "/", &[], NOW).found, FoundPin::Absent);
    let known = read(&learn, "/", &["a=1; PHPSESSID=ab,cd-e"], NOW);
    assert_eq!(
        (known.found, known.session),
        (FoundPin::Ledger { via: Via::Learned }, Some(hash64(b"ab,cd-e")))
    );
    let renewed = Visit {
        set_cookie: vec![
            "PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT",
            "PHPSESSID=ab,cd-e; path=/",
        ],
        ..Visit::default()
    };
    let seen = renewed.go(&learn);
    assert_eq!(
        seen.outcome,
        PinOutcome { learned: Some(hash64(b"ab,cd-e")), ended: true, ..PinOutcome::default() }
    );
    assert_eq!(seen.set_cookie, renewed.set_cookie);
}

#[test]
fn keys() {
    let query = affinity("key = 'query:sid'\nremember = false");
    let hash = hash64(b"a b");
    assert_eq!(read(&query, "/?x=1&sid=a%20b", &[], NOW).found, FoundPin::Key { hash });
    for none in ["/", "/?sid=", "/?sid", "/?xsid=1"] {
        assert_eq!(read(&query, none, &[], NOW).found, FoundPin::Absent, "{none}");
    }
    let source = affinity("key = 'source'");
    let reading = read(&source, "/", &[], NOW);
    assert_eq!(reading.found, FoundPin::Ledger { via: Via::Key });
    assert!(reading.session.is_some());
    let header = affinity("key = 'header:cookie'\nremember = false");
    assert_eq!(read(&header, "/", &["u=1"], NOW).found, FoundPin::Key { hash: hash64(b"u=1") });
}

#[test]
fn other_forms_are_honoured_and_replaced_by_ours() {
    let ours =
        affinity("cookie = 'HOMING'\nalso = [{ route = 'JSESSIONID' }, { cookie = 'SRV', value = 'route' }]");
    let old = Visit { cookie: vec!["JSESSIONID=AA; SRV=a2"], ..Visit::default() };
    let seen = old.go(&ours);
    assert_eq!((seen.slot, seen.cookie, seen.session), (2, vec!["JSESSIONID=AA; SRV=a2".to_owned()], None));
    assert!(seen.set_cookie[0].starts_with("HOMING=") && seen.outcome.pinned);
    let tomcat =
        Visit { cookie: vec!["JSESSIONID=AA.a2; SRV=a1; HOMING=junk"], ..Visit::default() }.go(&ours);
    assert_eq!((tomcat.slot, tomcat.session), (2, Some(hash64(b"AA"))));
    assert_eq!(tomcat.cookie, ["JSESSIONID=AA.a2; SRV=a1"]);
    let own = tomcat.set_cookie[0].split(';').next().unwrap();
    let both = format!("SRV=a1; {own}");
    let back = Visit { cookie: vec![&both], ..Visit::default() }.go(&ours);
    assert_eq!((back.slot, back.session, back.set_cookie), (2, Some(hash64(b"AA")), vec![]));
    assert_eq!(read(&ours, "/", &["HOMING=junk; SRV=zz"], NOW).found, FoundPin::Lost(Lost::Tampered));
    assert_eq!(read(&ours, "/", &["SRV=zz"], NOW).found, FoundPin::Lost(Lost::UnknownRoute));
}

#[test]
fn a_foreign_prefix_is_taken_off() {
    let tomcat = affinity(
        "route = 'JSESSIONID'\nalso = [{ cookie = 'JSESSIONID', mode = 'prefix', value = 'route' }]",
    );
    let seen = Visit { cookie: vec!["JSESSIONID=a2~abc"], ..Visit::default() }.go(&tomcat);
    assert_eq!((seen.slot, seen.cookie), (2, vec!["JSESSIONID=abc".to_owned()]));
    let own = Visit { cookie: vec!["JSESSIONID=x~abc.a1"], ..Visit::default() }.go(&tomcat);
    assert_eq!((own.slot, own.cookie), (1, vec!["JSESSIONID=x~abc.a1".to_owned()]));
}

#[test]
fn the_ledger_may_ask_the_other_forms() {
    let learn = affinity("learn = 'PHPSESSID'\nalso = [{ cookie = 'SRV', value = 'route' }]");
    let own = read(&learn, "/", &["PHPSESSID=x; SRV=a2"], NOW);
    assert_eq!(own.found, FoundPin::Ledger { via: Via::Learned });
    let (headers, uri) = (request_headers(&["PHPSESSID=x; SRV=a2"]), Uri::from_static("/"));
    let request = PinRequest {
        method: &Method::GET,
        uri: &uri,
        headers: &headers,
        client: [127, 0, 0, 1].into(),
        hearsay: false,
        now: NOW,
    };
    let other = learn.read_other(&own, &request).unwrap();
    assert_eq!(
        (other.found, other.session),
        (FoundPin::Pin { slots: &[2], via: Via::Cookie }, Some(hash64(b"x")))
    );
    assert!(affinity("learn = 'PHPSESSID'").read_other(&own, &request).is_none());
}

#[test]
fn the_short_form_and_none() {
    let keys = Arc::new(KeyRing::generate());
    let word = model::Affinity::Word(model::AffinityWord::Cookie);
    let short = Affinity::compile(Some(&word), "shop", &[member(1, "s1", "a1")], keys.clone()).unwrap();
    let line = &Visit::default().go(&short).set_cookie[0];
    let name = line.split('=').next().unwrap();
    assert_eq!(name, format!("homing-{}", &format!("{:016x}", hash64(b"shop"))[..6]));
    let none = Affinity::compile(None, "shop", &[], keys).unwrap();
    assert!(none.is_none());
    let seen =
        Visit { cookie: vec!["a=1"], set_cookie: vec!["b=2"], release: true, ..Visit::default() }.go(&none);
    assert_eq!((seen.set_cookie, seen.cookie), (vec!["b=2".to_owned()], vec!["a=1".to_owned()]));
}

#[test]
fn conf_that_cannot_work_is_refused() {
    for wrong in [
        "",
        "cookie = 'A'\nroute = 'B'",
        "cookie = 'A B'",
        "cookie = ''",
        "cookie = 'A'\nvalue = 'dynamic'",
        "cookie = 'A'\nmode = 'prefix'\nmax-idle = '1h'",
        "cookie = 'A'\nattributes = ['x; y']",
        "route = 'A'\nseparator = ''",
        "key = 'nothing'",
        "key = 'header:a b'",
        "cookie = 'A'\nalso = [{ learn = 'B' }]",
        "cookie = 'A'\nalso = [{ cookie = 'B', also = [{ cookie = 'C' }] }]",
    ] {
        let built = Affinity::compile(Some(&conf(wrong)), "shop", &[], Arc::new(KeyRing::generate()));
        assert!(built.is_err(), "{wrong}");
    }
    let odd = [member(1, "n", "a|b")];
    assert!(
        Affinity::compile(
            Some(&conf("cookie = 'A'\nvalue = 'route'")),
            "shop",
            &odd,
            Arc::new(KeyRing::generate())
        )
        .is_err()
    );
}
