//! Files that the conf names are read when the conf is, and not again: what is asked of a running proxy needs
//! none of them.

use crate::fleet::{Fleet, beat};
use crate::support::certs::Certs;
use crate::support::{Client, Conf, Origin, free_addr, until};
use serde_json::json;
use std::fs;

#[test]
fn a_change_at_run_time_needs_no_file_that_the_conf_names() {
    let (nodes, certs, folder) = (Origin::several(2), Certs::new(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    let (cert, key) = certs.pair(&["proxy.test"]);
    let both = format!("{cert}{key}");
    let files: [(&str, &str); 8] = [
        ("sorry.html", "back soon"),
        ("pin.keys", &"A".repeat(43)),
        ("ca.crt", certs.ca()),
        ("me.crt", &cert),
        ("me.key", &key),
        ("door.pem", &both),
        ("clients.crt", certs.ca()),
        ("their.token", "0123456789abcdef"),
    ];
    for (name, text) in files {
        fs::write(at(name), text).unwrap();
    }
    let [page, keys, ca, cert, key, door, clients, token] =
        files.map(|(name, _)| format!("{:?}", at(name).display().to_string()));
    let public = free_addr();
    let other = format!(
        "[[rule]]\npath = \"/other\"\ncluster = \"other\"\n\
         [cluster.other]\nerror-page = {page}\naffinity = {{ cookie = \"OTHER\", keys = {keys} }}\n\
         tls = {{ ca = {ca}, cert = {cert}, key = {key} }}\njoin = {{ admit = \"token\" }}\nhealth = {{ kind = \"off\" }}\n\
         [cluster.third]\naffinity = \"cookie\"\njoin = {{ admit = \"token\", token-file = {token} }}\n\
         [listener.door]\nbind = \"{public}\"\ntls = {{ certs = [{door}], client-ca = {clients} }}\n"
    );
    let conf = Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).rule("path = \"/app\"").more(&other);
    let fleet = Fleet::with(conf.cluster("join = { admit = \"token\" }"));
    fleet.all_ready();
    let sorry = || Client::new(fleet.proxy.addr).get("/other").text();
    assert_eq!(sorry(), "back soon");
    for (n, (name, _)) in files.iter().enumerate() {
        fs::rename(at(name), at("away")).unwrap();
        let said = fleet.homing(&["reload"]);
        assert!(said.code == 1 && said.err.contains(name), "only a reload needs {name}: {said:?}");
        let said = fleet.homing(&["drain", "app/n1"]);
        assert_eq!(said.code, 0, "without {name}: {said:?}");
        fleet.node_is("n1", "drained");
        // one whose link is made anew, with what the files held
        let joins =
            beat(&format!("j{n}"), &format!("https://127.0.0.1:{}", n + 1), json!({"cluster": "other"}));
        let answer = fleet.send(&fleet.token, "", &joins);
        assert_eq!(answer.status, 200, "without {name}: {}", answer.text());
        assert_eq!(fleet.homing(&["remove", &format!("other/j{n}"), "--force"]).code, 0, "without {name}");
        assert_eq!(sorry(), "back soon", "without {name}");
        fs::rename(at("away"), at(name)).unwrap();
        until("it is there again", || (fleet.homing(&["reload"]).code == 0).then_some(()));
        assert_eq!(fleet.homing(&["enable", "app/n1"]).code, 0);
    }
}
