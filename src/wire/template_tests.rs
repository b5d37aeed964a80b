use super::*;

fn rendered(text: &str, facts: &TemplateFacts<'_>) -> String {
    let mut out = Vec::new();
    Template::parse(text).unwrap().render(facts, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn names_are_filled_in() {
    let mut headers = HeaderMap::new();
    headers.append("x-a", "1".parse().unwrap());
    headers.append("x-a", "2".parse().unwrap());
    let facts = TemplateFacts {
        client_ip: Some("::ffff:10.0.0.1".parse().unwrap()),
        client_port: Some(99),
        host: Some("h\r\nX: y"),
        path: Some("/p"),
        query: Some("q=1"),
        cluster: Some("shop"),
        route: Some("n1"),
        request_id: Some(&RequestId::Own(42)),
        headers: Some(&headers),
        ..TemplateFacts::default()
    };
    for (text, expected) in [
        ("{client.ip}:{client.port}", "10.0.0.1:99"),
        ("{uri}", "/p?q=1"),
        ("{{{path}}", "{/p}"),
        ("a{header.X-A}b", "a1, 2b"),
        ("{host}", "hX: y"),
        ("{node}", ""),
        ("{cluster}/{route} {request.id}", "shop/n1 000000000000002a"),
        ("plain", "plain"),
        ("", ""),
    ] {
        assert_eq!(rendered(text, &facts), expected, "{text}");
    }
    for (text, _) in NAMES {
        assert!(Template::parse(&format!("{{{text}}}")).is_ok());
    }
}

#[test]
fn mistakes_are_named() {
    assert!(Template::parse("{client.pi}").unwrap_err().to_string().contains("did you mean `{client.ip}`"));
    assert!(Template::parse("{zzzzzzzzzzzz}").unwrap_err().to_string().contains("unknown name"));
    for bad in ["{path", "a\r\nb", "{header.a b}", "{header.}", "{}"] {
        assert!(Template::parse(bad).is_err(), "{bad}");
    }
}
