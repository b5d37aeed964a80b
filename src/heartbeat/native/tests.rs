//! What nodes may send, and what they are told when it is wrong.

use super::*;
use proptest::prelude::*;

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

fn named(url: &str) -> Sender {
    Sender::Named { cluster: "shop".into(), node: "n1".into(), url: url.parse().unwrap() }
}

fn heard(beat: Heartbeat) -> HeartbeatMessage {
    HeartbeatMessage { speaker: named("http://10.0.0.11:8080"), beat }
}

/// A heartbeat with this beside what every one needs.
fn with(field: &str) -> String {
    format!(r#"{{"cluster":"shop","node":"n1","url":"http://10.0.0.11:8080",{field}}}"#)
}

#[test]
fn a_whole_heartbeat_is_read_from_either_form() {
    let whole = heard(Heartbeat {
        room: Load::new(35).map(Room::Load),
        sessions: Some(120),
        capacity: Some(400),
        state: Some(Announced::Draining),
        run: Some(Run { boot: "2026-09-01T08:00:00Z".into(), sequence: Some(u64::MAX) }),
        version: Some("4.2 é".into()),
        roles: Roles::new([Role::Batch]).ok(),
        interval: Some(Duration::from_secs(5)),
        ..Heartbeat::default()
    });
    let json = with(
        r#""load":35,"sessions":120,"capacity":400,"state":"draining","boot":"2026-09-01T08:00:00Z","sequence":18446744073709551615,
           "version":"4.2 é","roles":["batch"],"interval":5,"zone":{"name":["new","in","9.9"]}"#,
    );
    let form = "cluster=shop&node=n1&url=http://10.0.0.11:8080&load=35&sessions=120&capacity=400&state=draining&zone=x\
                &boot=2026-09-01T08%3A00%3A00Z&sequence=18446744073709551615&version=4.2+%C3%A9&roles=batch&interval=5";
    assert_eq!(read(JSON, json.as_bytes()), Ok(whole.clone()));
    assert_eq!(read(FORM, form.as_bytes()), Ok(whole.clone()));
    assert_eq!(read(Some("Application/JSON; charset=utf-8"), json.as_bytes()), Ok(whole));
}

#[test]
fn three_fields_are_enough() {
    for body in ["\"x\":1", "\"load\":null,\"roles\":null,\"boot\":null"] {
        assert_eq!(read(JSON, with(body).as_bytes()), Ok(heard(Heartbeat::default())), "{body}");
    }
    let none = heard(Heartbeat { roles: Some(Roles::default()), ..Heartbeat::default() });
    assert_eq!(read(JSON, with("\"roles\":[]").as_bytes()), Ok(none.clone()));
    assert_eq!(read(FORM, b"cluster=shop&node=n1&url=http://10.0.0.11:8080&roles="), Ok(none));
}

#[test]
fn an_interval_is_a_number_of_seconds_or_a_time_as_the_conf_file_has_it() {
    let every =
        |secs| Ok(heard(Heartbeat { interval: Some(Duration::from_secs(secs)), ..Heartbeat::default() }));
    for (json, form, secs) in [
        ("5", "5", 5),
        ("\"1s\"", "1s", 1),
        ("\"2m\"", "2m", 120),
        ("\"3 min\"", "3+min", 180),
        ("\"1h\"", "1h", 3600),
        ("\"2000ms\"", "2000ms", 2),
    ] {
        assert_eq!(read(JSON, with(&format!("\"interval\":{json}")).as_bytes()), every(secs), "{json}");
        let form = format!("cluster=shop&node=n1&url=http://10.0.0.11:8080&interval={form}");
        assert_eq!(read(FORM, form.as_bytes()), every(secs), "{form}");
    }
}

#[test]
fn a_wrong_value_is_named() {
    let long = format!("\"version\":\"{}\"", "v".repeat(129));
    for (field, said) in [
        (r#""load":140"#, "load: 140 is not a whole number between 0 and 100"),
        (r#""load":-1"#, "load: -1 is not a whole number between 0 and 100"),
        (r#""load":37.5"#, "load: 37.5 is not a whole number between 0 and 100"),
        (r#""load":"40""#, "load: \"40\" is not a whole number between 0 and 100"),
        (r#""load":true"#, "load: true is not a whole number between 0 and 100"),
        (r#""sessions":[1]"#, "sessions: a list is not a whole number between 0 and 4294967295"),
        (r#""capacity":4294967296"#, "capacity: 4294967296 is not a whole number between 0 and 4294967295"),
        (
            r#""interval":0"#,
            "interval: 0 is not a time between 1s and 1h: write whole seconds, or a number and ms, s, m, h or d, as in \"5s\"",
        ),
        (
            r#""interval":"soon""#,
            "interval: \"soon\" is not a time between 1s and 1h: write whole seconds, or a number and ms, s, m, h or d, as in \"5s\"",
        ),
        (
            r#""interval":"500ms""#,
            "interval: \"500ms\" is not a time between 1s and 1h: write whole seconds, or a number and ms, s, m, h or d, as in \"5s\"",
        ),
        (
            r#""state":"asleep""#,
            "state: \"asleep\" is not one of ready, syncing, draining, stopping, maintenance",
        ),
        (r#""state":{}"#, "state: a table is not one of ready, syncing, draining, stopping, maintenance"),
        (r#""roles":["db"]"#, "roles: \"db\" is not one of lb, batch"),
        (r#""roles":"lb""#, "roles: \"lb\" is not a list of words"),
        (
            r#""roles":["lb","batch"]"#,
            "roles: a node that is `lb` serves nothing itself, so it cannot be `batch` too: name one of the two",
        ),
        (r#""version":12"#, "version: 12 is not a text"),
        (r#""version":"""#, "version: empty; leave it out or give it a value"),
        (r#""version":"a\nb""#, "version: holds a control character"),
        (long.as_str(), "version: longer than 128 bytes"),
        (r#""sequence":7"#, "sequence: needs `boot` beside it, or a restarted node would pass for a replay"),
        (
            r#""cluster":"a b""#,
            "cluster: \"a b\" cannot be a name; use letters, digits, `-`, `_` and `.`, 253 at most",
        ),
        (r#""node":null"#, "node: missing; a heartbeat names its cluster, its node and the node's url"),
        (r#""url":"10.0.0.1""#, "url: `10.0.0.1` has no scheme: write http://10.0.0.1 or https://10.0.0.1"),
        (
            r#""url":"unix:/run/docker.sock""#,
            "url: only the conf file can name a Unix socket; write http://host:port",
        ),
        (
            r#""url":"http://n1:0""#,
            "url: port 0 cannot be connected to; write the port that the node listens on",
        ),
    ] {
        let refusal = read(JSON, with(field).as_bytes()).unwrap_err();
        assert_eq!(
            (refusal.status(), refusal.to_string().as_str()),
            (StatusCode::BAD_REQUEST, said),
            "{field}"
        );
    }
}

#[test]
fn a_wrong_body_is_refused() {
    let large = vec![b' '; LARGEST + 1];
    for (content_type, body, status, said) in [
        (None, &b"{}"[..], 415, "send Content-Type: application/json or application/x-www-form-urlencoded"),
        (Some("text/plain"), b"{}", 415, "send Content-Type"),
        (JSON, &large, 413, "a heartbeat can have 16 KiB at most"),
        (JSON, &large[1..], 400, "the JSON does not parse: EOF while parsing a value"),
        (JSON, b"[]", 400, "the body is not a JSON object"),
        (JSON, b"{\"cluster\":\"\xff\"}", 400, "the JSON does not parse"),
        (
            FORM,
            b" {\"cluster\":\"shop\"}",
            400,
            "the body is JSON but is sent as a form: send Content-Type: application/json",
        ),
        (FORM, b"", 400, "cluster: missing"),
        (FORM, b"roles=lb&roles=batch", 400, "\"roles\" is given twice; a list has commas"),
        (
            FORM,
            b"cluster=shop&node=n1&url=http://n1&load=4x",
            400,
            "load: \"4x\" is not a whole number between 0 and 100",
        ),
        (
            FORM,
            b"cluster=shop&node=n1&url=http://n1&roles=lb,db",
            400,
            "roles: \"db\" is not one of lb, batch",
        ),
    ] {
        let refusal = read(content_type, body).unwrap_err();
        assert_eq!(refusal.status(), status);
        assert!(refusal.to_string().starts_with(said), "{refusal}");
    }
}

#[test]
fn a_wrong_value_is_repeated_only_in_part_and_without_its_control_characters() {
    let field = format!("\"state\":\"\\u001b[2J{}\"", "x".repeat(5000));
    let said = read(JSON, with(&field).as_bytes()).unwrap_err().to_string();
    assert!(said.len() < 200 && said.contains("…") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn the_answer_is_json_with_the_ranked_list() {
    let answer = HeartbeatAnswer {
        state: "pending".into(),
        why: "waits to be accepted".into(),
        route: "n1".into(),
        interval: 5,
        settings: Cow::Owned(Settings::new(Some("a1b2".into()), Some("/healthz".into()), 3600)),
        limits: GrantedLimits { max_sessions: Some(200), max_requests: None },
        revision: 7,
        nodes: Some(vec![Ranked::new("n2", "http://n2:80", 1, Some(4))].into()),
    };
    let text = serde_json::to_string(&answer).unwrap();
    let hash = answer.settings.hash.to_string();
    assert_eq!(
        text.replace(&hash, "HASH"),
        r#"{"state":"pending","why":"waits to be accepted","route":"n1","interval":5,"settings":{"affinity_key":"a1b2","health_path":"/healthz","session_idle":3600,"hash":"HASH"},"limits":{"max_sessions":200,"max_requests":null},"revision":7,"nodes":[{"node":"n2","url":"http://n2:80","workload":0.25,"sessions":1,"capacity":4}]}"#
    );
    assert_eq!(serde_json::from_str::<HeartbeatAnswer<'_>>(&text).unwrap(), answer);
    let unasked = HeartbeatAnswer { nodes: None, ..answer };
    let text = serde_json::to_string(&unasked).unwrap();
    assert!(text.ends_with("\"revision\":7}"), "{text}");
    assert_eq!(serde_json::from_str::<HeartbeatAnswer<'_>>(&text).unwrap(), unasked);
}

fn any_beat() -> impl Strategy<Value = Heartbeat> {
    use proptest::option::of;
    let load = (0..=100u8).prop_map(|load| Room::Load(Load::new(load).unwrap()));
    let run = ("\\PC{1,30}", of(any::<u64>())).prop_map(|(boot, sequence)| Run { boot, sequence });
    let roles = prop_oneof![Just(vec![]), Just(vec![Role::Lb]), Just(vec![Role::Batch])]
        .prop_map(|roles| Roles::new(roles).unwrap());
    let state = proptest::sample::select(Announced::ALL.to_vec());
    let interval = (1..=LONGEST_INTERVAL).prop_map(Duration::from_secs);
    (
        of(load),
        of(any::<u32>()),
        of(any::<u32>()),
        of(state),
        of(run),
        of("\\PC{1,30}"),
        of(roles),
        of(interval),
    )
        .prop_map(|(room, sessions, capacity, state, run, version, roles, interval)| Heartbeat {
            room,
            sessions,
            capacity,
            state,
            run,
            version,
            roles,
            interval,
            ..Heartbeat::default()
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(beat in any_beat()) {
        let speaker = named("https://[::1]:8443");
        let Sender::Named { cluster, node, url } = &speaker else { unreachable!() };
        let text = write(cluster, node, url, &beat);
        prop_assert_eq!(read(JSON, text.as_bytes()), Ok(HeartbeatMessage { speaker, beat }));
    }

    #[test]
    fn never_panics(field in "(load|state|boot|roles|url|sequence)", value in "[\\PC\\n]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = read(JSON, with(&format!("\"{field}\":{value}")).as_bytes());
        let _ = read(FORM, &[b"cluster=shop&node=n1&url=http://n1&", field.as_bytes(), b"=", &bytes].concat());
        let _ = read(JSON, &bytes);
    }
}
