use super::*;

#[test]
fn addresses_are_taken_as_people_write_them() {
    for (url, printed) in [
        ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
        ("http://proxy:9900/", "http://proxy:9900"),
        ("127.0.0.1:9900", "http://127.0.0.1:9900"),
        ("http://[::1]:9900", "http://[::1]:9900"),
        ("unix:/run/homing.sock", "unix:/run/homing.sock"),
    ] {
        assert_eq!(At::parse(url).unwrap().to_string(), printed);
    }
    for bad in ["https://proxy:9900", "http://proxy", "http://proxy:9900/api", "9900", ""] {
        assert!(At::parse(bad).is_err(), "{bad}");
    }
    for (bind, at) in [
        ("0.0.0.0:9900", "http://127.0.0.1:9900"),
        ("[::]:9900", "http://[::1]:9900"),
        ("unix:a.sock", "unix:/etc/a.sock"),
    ] {
        assert_eq!(At::of(bind.parse().unwrap(), Path::new("/etc")).to_string(), at);
    }
}

#[test]
fn a_conf_with_mistakes_still_tells_where_the_window_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("homing.toml");
    std::fs::write(
        &path,
        "[server]\nadmin-token-file = \"t\"\n admin= \"127.0.0.1:7\" # here\nwokers = 1\n[[[",
    )
    .unwrap();
    let conf = Conf::read(&path).unwrap();
    assert_eq!((conf.at, conf.token_file), (At::Tcp("127.0.0.1:7".into()), Some(folder.path().join("t"))));
    std::fs::write(&path, "[server]\nwokers = 1\n").unwrap();
    assert!(Conf::read(&path).is_none());
}

#[test]
fn refusals_say_what_to_do() {
    let refused = |document| VerbFailure::Refused(document).to_string();
    let harm = serde_json::json!({"detail": "n1 is the last.", "force": true, "status": 409});
    assert_eq!(refused(harm), "refused: n1 is the last.\nWith --force it is done all the same.");
    assert!(
        refused(serde_json::json!({"detail": "A token is needed.", "status": 401})).contains("--token-file")
    );
}
