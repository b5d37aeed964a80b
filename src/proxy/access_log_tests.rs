use super::*;

fn sample() -> Record<'static> {
    Record {
        time: 1_795_260_386_202,
        client: "::ffff:127.0.0.1".parse().unwrap(),
        client_port: 56348,
        method: "GET",
        host: "h",
        path: "/b1/?q=1",
        status: 200,
        bytes: 61,
        duration_ms: 1.2346,
        cluster: Some("b1"),
        node: Some("s1"),
        why: "moved:down",
        was: Some("s0"),
        id: "r1",
        listener: "f",
        queue_ms: Some(0.0),
        connect_ms: Some(0.25),
        response_ms: Some(1.0),
        connections: [1, 1, 0, 0],
        user_agent: Some(b"curl"),
        cookie: Some(PinSent::Inserted),
        ..Record::default()
    }
}

fn line(format: LogFormat, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    write(format, record, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn golden_lines() {
    assert_eq!(
        line(LogFormat::Json, &sample()),
        "{\"time\":\"2026-11-21T11:26:26.202Z\",\"client\":\"127.0.0.1\",\"method\":\"GET\",\"host\":\"h\",\"path\":\"/b1/?q=1\",\"status\":200,\
         \"bytes\":61,\"duration_ms\":1.235,\"cluster\":\"b1\",\"node\":\"s1\",\"was\":\"s0\",\"why\":\"moved:down\",\"id\":\"r1\",\
         \"listener\":\"f\",\"port\":56348,\"tls\":false,\"version\":\"HTTP/1.1\",\"request_ms\":0.000,\"queue_ms\":0.000,\"connect_ms\":0.250,\
         \"response_ms\":1.000,\"retries\":0,\"note\":null,\"user_agent\":\"curl\",\"referer\":null}\n"
    );
    assert_eq!(
        line(LogFormat::Combined, &sample()),
        "127.0.0.1 - - [21/Nov/2026:11:26:26 +0000] \"GET /b1/?q=1 HTTP/1.1\" 200 61 \"-\" \"curl\" node=s1 why=moved:down was=s0\n"
    );
    assert_eq!(
        line(LogFormat::Httplog, &sample()),
        "127.0.0.1:56348 [21/Nov/2026:11:26:26.202] f b1/s1 0/0/0/1/1 200 61 - - --DI 1/1/0/0/0 0/0 \"GET /b1/?q=1 HTTP/1.1\"\n"
    );
    let refused = Record {
        time: 1_795_260_386_199,
        client: "127.0.0.1".parse().unwrap(),
        client_port: 56240,
        method: "GET",
        path: "/adm",
        status: 403,
        bytes: 192,
        listener: "f",
        connections: [1, 1, 0, 0],
        ended: *b"PR",
        queue_ms: None,
        ..Record::default()
    };
    assert_eq!(
        line(LogFormat::Httplog, &refused),
        "127.0.0.1:56240 [21/Nov/2026:11:26:26.199] f f/<NOSRV> 0/-1/-1/-1/0 403 192 - - PR-- 1/1/0/0/0 0/0 \"GET /adm HTTP/1.1\"\n"
    );
}

#[test]
fn hostile_bytes_stay_in_their_line() {
    let evil = "/a\r\nfake \"#\\\u{1b}[2J\u{85}é\u{7f}";
    let agent = b"\xff\"\n\x00".as_slice();
    let record = Record { path: evil, host: evil, node: Some(evil), user_agent: Some(agent), duration_ms: f64::NAN, ..sample() };
    for format in [LogFormat::Json, LogFormat::Combined, LogFormat::Httplog] {
        let text = line(format, &record);
        assert_eq!(text.chars().filter(|c| c.is_control()).count(), 1, "{text:?}");
        assert!(text.ends_with('\n'));
    }
    let value: serde_json::Value = serde_json::from_str(&line(LogFormat::Json, &record)).unwrap();
    assert_eq!((value["path"].as_str(), value["user_agent"].as_str()), (Some(evil), Some("\u{fffd}\"\n\0")));
}
