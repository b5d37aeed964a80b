//! What deciding costs: recognising the session of a request and choosing its node, for a session that is known by
//! each kind of pin, for a new one, and for one whose node is down, among few and among many nodes.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use homing::affinity::{KeyRing, PinLookup, PinRequest, PinResponse};
use homing::base::clock::Now;
use homing::config;
use homing::table::cluster::Cluster;
use homing::table::compile::{TableContext, adopt, compile};
use homing::table::decide::{Decision, DecisionInput, Why, decide, recognise};
use homing::table::{Health, Rise};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use http::{Method, StatusCode, Uri};
use rand::{SeedableRng, rngs::SmallRng};
use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

/// Where the sessions are.
const SLOT: u32 = 1;
const ID: &str = "0123456789ABCDEF0123456789ABCDEF";

/// A kind of affinity, what its clients show, and what is decided of them.
struct Case {
    name: &'static str,
    affinity: &'static str,
    cookie: Option<&'static str>,
    why: Why,
    down: bool,
}

/// Stands for the cookie that our own first answer set.
const OURS: Option<&str> = Some("ours");

const CASES: [Case; 7] = [
    Case { name: "new", affinity: "cookie = 'S'", cookie: None, why: Why::New, down: false },
    Case { name: "cookie", affinity: "cookie = 'S'", cookie: OURS, why: Why::Cookie, down: false },
    Case {
        name: "route",
        affinity: "route = 'JSESSIONID'",
        cookie: Some("JSESSIONID=0123456789ABCDEF0123456789ABCDEF.n1"),
        why: Why::Route,
        down: false,
    },
    Case {
        name: "learned",
        affinity: "learn = 'PHPSESSID'",
        cookie: Some("PHPSESSID=0123456789ABCDEF0123456789ABCDEF"),
        why: Why::Learned,
        down: false,
    },
    Case {
        name: "hashed-key",
        affinity: "key = 'query:sid', remember = false",
        cookie: None,
        why: Why::Key,
        down: false,
    },
    Case {
        name: "remembered-key",
        affinity: "key = 'query:sid', remember = true",
        cookie: None,
        why: Why::Key,
        down: false,
    },
    Case { name: "moved", affinity: "cookie = 'S'", cookie: OURS, why: Why::MovedDown, down: true },
];

/// A cluster of so many nodes, all up.
fn cluster(affinity: &str, nodes: usize) -> Arc<Cluster> {
    let mut text =
        format!("[listener.web]\nbind = '127.0.0.1:0'\n[cluster.app]\naffinity = {{ {affinity} }}\n");
    text += "[cluster.app.nodes]\n";
    (0..nodes).for_each(|n| _ = writeln!(text, "n{n} = 'http://10.0.{}.{}:8080'", n >> 8, n & 255));
    let loaded =
        config::parse_str(&text, Path::new("homing.toml")).unwrap_or_else(|found| panic!("{}", found[0]));
    let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table = compile(Arc::new(loaded.config), &context, None).expect("the conf compiles");
    adopt(&table, Now::look());
    let cluster = table.clusters[0].clone();
    for node in cluster.nodes() {
        node.live.set_health(Health::Up, "", Rise::Found, Now::look());
        node.live.evidence.set_check_passes(true);
        cluster.live.rescore(node.live.slot, Now::look());
    }
    cluster
}

/// What a client shows whose session is on [`SLOT`].
fn headers(cluster: &Cluster, case: &Case, asked: &PinLookup<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(cookie) = case.cookie else { return headers };
    let line = if case.cookie == OURS {
        let mut set = HeaderMap::new();
        let answer = PinResponse {
            method: &Method::GET,
            secure: true,
            now: Now::look().unix_secs(),
            slot: SLOT,
            boot: None,
            honoured: false,
            stamp: asked.stamp,
            session: 7,
            status: StatusCode::OK,
        };
        cluster.affinity.finish(&answer, &mut set);
        let line = set[SET_COOKIE].to_str().expect("our cookies are text");
        line.split(';').next().unwrap_or_default().to_owned()
    } else {
        cookie.to_owned()
    };
    headers.insert(COOKIE, HeaderValue::try_from(line).expect("a cookie line"));
    headers
}

fn decisions(criterion: &mut Criterion) {
    let uri: Uri = format!("/shop/cart?x=1&sid={ID}").parse().expect("a target");
    for case in &CASES {
        for nodes in [2, 100, 10_000] {
            let (cluster, now) = (cluster(case.affinity, nodes), Now::look());
            let request = |headers| PinRequest {
                method: &Method::GET,
                uri: &uri,
                headers,
                client: [192, 0, 2, 7].into(),
                hearsay: false,
                now: now.unix_secs(),
            };
            let bare = HeaderMap::new();
            let headers = headers(&cluster, case, &recognise(&cluster, &request(&bare), now.secs()));
            let reading = recognise(&cluster, &request(&headers), now.secs());
            if let (Some(session), Why::Learned | Why::Key) = (reading.session, case.why) {
                cluster.live.ledger.touch(session, SLOT, now.secs(), &cluster.live.tally(now));
            }
            if let (true, Some(node)) = (case.down, cluster.node(SLOT)) {
                node.live.set_health(Health::Down, "", Rise::Found, now);
                cluster.live.rescore(SLOT, now);
            }
            let input = DecisionInput { tried: &[], hint: None, waited: false, now, dry: false };
            let mut rng = SmallRng::seed_from_u64(1);
            let mut whole = || {
                let reading = recognise(&cluster, black_box(&request(&headers)), now.secs());
                decide(&cluster, &reading, &input, &mut rng)
            };
            let Decision::Serve(verdict) = whole() else { panic!("{} is not served", case.name) };
            assert_eq!(verdict.why, case.why, "{}", case.name);
            criterion.bench_with_input(BenchmarkId::new(case.name, nodes), &(), |timer, ()| {
                timer.iter(&mut whole)
            });
        }
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
