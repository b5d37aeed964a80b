//! What reading and writing one pin of each kind costs.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use homing::affinity::{Affinity, FoundPin, KeyRing, Member, PinLookup, PinRequest, PinResponse};
use homing::config::model;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE, USER_AGENT};
use http::{Method, StatusCode, Uri};
use std::hint::black_box;
use std::sync::Arc;

const NOW: u64 = 1_795_258_798;
const NODES: usize = 8;

/// One kind of pin: its conf, what the client sends, what the application sets.
struct Kind {
    name: &'static str,
    conf: &'static str,
    uri: &'static str,
    cookie: &'static str,
    set_cookie: &'static str,
}

/// Stands for the cookie that our own first answer set: a value that cannot be written down here.
const OURS: &str = "ours";

const KINDS: [Kind; 14] = [
    Kind { name: "sealed", conf: "cookie = 'HOMING'", uri: "/shop/cart", cookie: OURS, set_cookie: "" },
    Kind {
        name: "route-cookie",
        conf: "cookie = 'SRV'\nvalue = 'route'",
        uri: "/shop/cart",
        cookie: "SRV=route5",
        set_cookie: "",
    },
    Kind {
        name: "dynamic",
        conf: "cookie = 'SRV'\nvalue = 'dynamic'\ndynamic-key = 'a key'",
        uri: "/shop/cart",
        cookie: OURS,
        set_cookie: "",
    },
    Kind {
        name: "dates",
        conf: "cookie = 'SRV'\nvalue = 'route'\nmax-idle = '30m'\nmax-life = '8h'",
        uri: "/shop/cart",
        cookie: "SRV=route5|awF5s|awF1y",
        set_cookie: "",
    },
    Kind {
        name: "prefix",
        conf: "cookie = 'ID'\nvalue = 'route'\nmode = 'prefix'",
        uri: "/shop/cart",
        cookie: "ID=route5~0123456789ABCDEF",
        set_cookie: "ID=0123456789ABCDEF; Path=/; HttpOnly",
    },
    Kind {
        name: "rewrite",
        conf: "cookie = 'SRV'\nvalue = 'route'\nmode = 'rewrite'",
        uri: "/shop/cart",
        cookie: "SRV=route5",
        set_cookie: "SRV=mine; Path=/; HttpOnly",
    },
    Kind {
        name: "passive",
        conf: "cookie = 'SRV'\nvalue = 'route'\nmode = 'passive'",
        uri: "/shop/cart",
        cookie: "SRV=route5",
        set_cookie: "SRV=route5; Path=/; HttpOnly",
    },
    Kind {
        name: "jvmroute-cookie",
        conf: "route = 'JSESSIONID'",
        uri: "/shop/cart",
        cookie: "JSESSIONID=0123456789ABCDEF0123456789ABCDEF.route5",
        set_cookie: "JSESSIONID=0123456789ABCDEF0123456789ABCDEF.route5; Path=/shop; HttpOnly",
    },
    Kind {
        name: "jvmroute-path",
        conf: "route = 'JSESSIONID'",
        uri: "/shop/cart;jsessionid=0123456789ABCDEF0123456789ABCDEF.route5?x=1",
        cookie: "",
        set_cookie: "JSESSIONID=0123456789ABCDEF0123456789ABCDEF.route5; Path=/shop; HttpOnly",
    },
    Kind {
        name: "learn",
        conf: "learn = 'PHPSESSID'",
        uri: "/shop/cart",
        cookie: "PHPSESSID=1qa2ws3ed4rf5tg6yh7uj8ik9o",
        set_cookie: "PHPSESSID=1qa2ws3ed4rf5tg6yh7uj8ik9o; path=/",
    },
    Kind {
        name: "key-query",
        conf: "key = 'query:sid'",
        uri: "/shop/cart?x=1&sid=4711",
        cookie: "",
        set_cookie: "",
    },
    Kind {
        name: "key-remembered",
        conf: "key = 'query:sid'\nremember = true",
        uri: "/shop/cart?x=1&sid=4711",
        cookie: "",
        set_cookie: "",
    },
    Kind {
        name: "key-header",
        conf: "key = 'header:User-Agent'",
        uri: "/shop/cart",
        cookie: "",
        set_cookie: "",
    },
    Kind { name: "key-source", conf: "key = 'source'", uri: "/shop/cart", cookie: "", set_cookie: "" },
];

fn compile(kind: &Kind) -> Affinity {
    let table = toml::from_str(kind.conf).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
    let texts: Vec<(String, String)> =
        (0..NODES).map(|at| (format!("node{at}"), format!("route{at}"))).collect();
    let member = |(slot, (name, route)): (usize, &'static (String, String))| {
        let address = Some(([10, 0, 0, slot as u8], 8080).into());
        Member { slot: slot as u32, name, route, address }
    };
    let texts: &'static Vec<(String, String)> = Box::leak(Box::new(texts));
    let members: Vec<Member<'_>> = texts.iter().enumerate().map(member).collect();
    let conf = model::Affinity::Table(Box::new(table));
    Affinity::compile(Some(&conf), "shop", &members, Arc::new(KeyRing::generate()))
        .unwrap_or_else(|error| panic!("{}: {error}", kind.name))
}

/// A browser's header with the pin among other cookies.
fn request(pin: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let line =
        if pin.is_empty() { "theme=dark; lang=en".into() } else { format!("theme=dark; {pin}; lang=en") };
    headers.insert(COOKIE, HeaderValue::from_str(&line).expect("a cookie line"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    );
    headers
}

fn answer<'a>(reading: &PinLookup<'_>, honoured: bool) -> PinResponse<'a> {
    let (stamp, session) = (reading.stamp, reading.session.unwrap_or(1));
    PinResponse {
        method: &Method::GET,
        secure: true,
        now: NOW,
        slot: 5,
        boot: None,
        honoured,
        stamp,
        session,
        status: StatusCode::OK,
    }
}

/// What our answer to a new session sets, without its attributes.
fn first_cookie(affinity: &Affinity, fresh: &PinResponse<'_>) -> String {
    let mut headers = HeaderMap::new();
    affinity.finish(fresh, &mut headers);
    let line = headers[SET_COOKIE].to_str().expect("our cookies are text");
    line.split(';').next().unwrap_or_default().to_owned()
}

fn pins(bench: &mut Criterion) {
    for kind in &KINDS {
        let (affinity, uri) = (compile(kind), kind.uri.parse::<Uri>().expect("a target"));
        let incoming = |headers| PinRequest {
            method: &Method::GET,
            uri: &uri,
            headers,
            client: [192, 0, 2, 7].into(),
            hearsay: false,
            now: NOW,
        };
        let mut set = HeaderMap::new();
        if !kind.set_cookie.is_empty() {
            set.insert(SET_COOKIE, HeaderValue::from_static(kind.set_cookie));
        }
        let bare = request("");
        let fresh = answer(&affinity.read(&incoming(&bare)), false);
        let headers = match kind.cookie {
            OURS => request(&first_cookie(&affinity, &fresh)),
            cookie => request(cookie),
        };
        let reading = affinity.read(&incoming(&headers));
        assert!(!matches!(reading.found, FoundPin::Absent | FoundPin::Lost(_)), "{}: {reading:?}", kind.name);
        let known = answer(&reading, true);
        bench.bench_function(&format!("read/{}", kind.name), |timer| {
            timer.iter(|| affinity.read(&incoming(black_box(&headers))))
        });
        for (what, answer) in [("write", &fresh), ("answer-known", &known)] {
            bench.bench_function(&format!("{what}/{}", kind.name), |timer| {
                timer.iter_batched_ref(
                    || set.clone(),
                    |headers| affinity.finish(black_box(answer), headers),
                    BatchSize::SmallInput,
                )
            });
        }
    }
}

criterion_group!(benches, pins);
criterion_main!(benches);
