//! Certificates made on the spot, handshakes in memory.

use super::*;
use crate::config::files::NamedFiles;
use crate::config::model::ClusterTls;
use crate::upstream::tls::NodeTls;
use crate::wire::pem::KeyPairFiles;
use crate::wire::protocol::NodeProtocol;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConnection};
use std::fs;
use std::path::Path;

/// A self-signed certificate for these names, and its key, as PEM.
pub(super) fn pair(names: &[&str]) -> (String, String) {
    let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

pub(super) fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

/// The files that these settings name, read as with a conf.
pub(super) fn read(folder: &Path, tls: &ListenerTls) -> NamedFiles {
    let mut files = NamedFiles::of(folder);
    for name in &tls.certs {
        files.read_certs(&files.path(name));
    }
    if let Some(name) = &tls.client_ca {
        files.read(&files.path(name)).unwrap();
    }
    files
}

pub(super) fn naming(certs: &[&str]) -> ListenerTls {
    ListenerTls { certs: certs.iter().map(|name| name.to_string()).collect(), ..ListenerTls::default() }
}

/// What is found at a path, or why it is not good.
pub(super) fn load(path: &Path) -> Result<Certs, TlsError> {
    let tls = naming(&[path.to_str().unwrap()]);
    Certs::of(&tls, &read(Path::new(""), &tls))
}

pub(super) fn found(certs: &Certs, name: Option<&str>) -> String {
    certs.find(name, |_| true).unwrap().file.file_name().unwrap().to_string_lossy().into_owned()
}

/// Shakes hands and lets the session ticket through; the kind of handshake that it became, and the ALPN.
pub(super) fn shake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &'static str,
) -> Result<(HandshakeKind, Vec<u8>), rustls::Error> {
    let mut client = ClientConnection::new(client, name.try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..6 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
        }
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
        }
        client.process_new_packets()?;
    }
    Ok((server.handshake_kind().unwrap(), server.alpn_protocol().unwrap_or_default().to_vec()))
}

#[test]
fn chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = pair(&["a.example", "*.b.example"]);
    put(folder.path(), "1.pem", &format!("{cert}{key}"));
    let (cert, key) = pair(&["X.B.example"]);
    put(folder.path(), "2.crt", &cert);
    put(folder.path(), "2.key", &key);
    put(folder.path(), "README", "not a certificate");
    let certs = load(folder.path()).unwrap();
    for (name, file) in [
        (Some("a.example"), "1.pem"),
        (Some("A.Example"), "1.pem"),
        (Some("y.b.example"), "1.pem"),
        (Some("x.b.example"), "2.crt"),
        (Some("z.x.b.example"), "1.pem"),
        (Some("b.example"), "1.pem"),
        (None, "1.pem"),
    ] {
        assert_eq!(found(&certs, name), file, "{name:?}");
    }
    assert_eq!(certs.all()[1].names, ["x.b.example"]);
    assert!(certs.all()[0].not_after > 1_700_000_000);
}

#[test]
fn refused() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = pair(&["a.example"]);
    let (_, other) = pair(&["a.example"]);
    put(folder.path(), "a.crt", &cert);
    let path = folder.path().join("a.crt");
    let why = |path: &Path| load(path).unwrap_err().to_string();
    assert!(why(&path).contains("no private key"));
    put(folder.path(), "a.key", &other);
    assert!(why(&path).contains("does not belong to"));
    put(folder.path(), "a.key", "nonsense");
    assert!(why(&path).contains("a.key"));
    assert!(why(&folder.path().join("b.crt")).contains("b.crt"));
    assert!(why(&folder.path().join("a.key")).contains("no certificate"));
    assert!(Certs::of(&naming(&[]), &NamedFiles::default()).is_err());
    assert!(Certs::of(&naming(&["a.crt"]), &NamedFiles::of(folder.path())).is_err(), "nobody has read it");
    put(folder.path(), "a.crt.key", &key);
    fs::remove_file(folder.path().join("a.key")).unwrap();
    load(&path).unwrap();
}

#[test]
fn folders_as_certbot_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.example", "b.example"] {
        let (live, archive) =
            (folder.path().join("live").join(name), folder.path().join("archive").join(name));
        fs::create_dir_all(&live).unwrap();
        fs::create_dir_all(&archive).unwrap();
        let (cert, key) = pair(&[name]);
        for (file, text) in [("fullchain", &cert), ("cert", &cert), ("chain", &cert), ("privkey", &key)] {
            put(&archive, &format!("{file}1.pem"), text);
            std::os::unix::fs::symlink(
                archive.join(format!("{file}1.pem")),
                live.join(format!("{file}.pem")),
            )
            .unwrap();
        }
        put(&live, "README", "about these files");
    }
    let live = folder.path().join("live");
    fs::create_dir(live.join("empty")).unwrap();
    let (cert, key) = pair(&["c.example"]);
    put(&live, "c.pem", &format!("{cert}{key}"));
    for (path, names) in [
        (live.clone(), vec!["a.example", "b.example", "c.example"]),
        (live.join("a.example"), vec!["a.example"]),
        (live.join("b.example/fullchain.pem"), vec!["b.example"]),
    ] {
        let certs = load(&path).unwrap();
        assert_eq!(certs.all().iter().map(|c| &*c.names[0]).collect::<Vec<_>>(), names, "{path:?}");
    }
    assert!(load(&live.join("empty")).is_err());
}

#[test]
fn what_changed_changes_and_what_did_not_stays() {
    let folder = tempfile::tempdir().unwrap();
    let renew = |file: &str| {
        let (cert, key) = pair(&[file]);
        put(folder.path(), file, &format!("{cert}{key}"));
    };
    ["a.pem", "b.pem", "ca.pem"].into_iter().for_each(renew);
    let tls = ListenerTls { client_ca: Some("ca.pem".into()), ..naming(&["a.pem", "b.pem"]) };
    let first = read(folder.path(), &tls);
    let mut live = LiveTls::make(Some((&tls, &first)), HTTP).unwrap();
    let is = |live: &LiveTls| live.shared().load_full().unwrap();
    let leaf = |live: &LiveTls, name| {
        live.store().unwrap().current().find(Some(name), |_| true).unwrap().key.cert[0].clone()
    };
    let (settings, a, b) = (is(&live), leaf(&live, "a.pem"), leaf(&live, "b.pem"));
    let change =
        |live: &LiveTls, tls: &ListenerTls| live.change(Some((tls, &read(folder.path(), tls))), HTTP);

    assert!(change(&live, &tls).unwrap().is_none(), "the same files hold the same");
    renew("b.pem");
    assert!(live.change(Some((&tls, &first)), HTTP).unwrap().is_none(), "nobody looks at the disk");
    let next = change(&live, &tls).unwrap().unwrap();
    assert!(matches!(next, TlsChange::Certs(_)));
    live.adopt(next);
    assert_eq!(leaf(&live, "a.pem"), a);
    assert_ne!(leaf(&live, "b.pem"), b);
    assert!(Arc::ptr_eq(&is(&live), &settings), "sessions go on");

    put(folder.path(), "b.pem", &pair(&["b.pem"]).0);
    assert!(change(&live, &tls).err().unwrap().to_string().contains("b.pem holds no private key"));
    renew("b.pem");
    for more in [ListenerTls { min_version: TlsVersion::V13, ..tls.clone() }, naming(&["a.pem"])] {
        assert!(matches!(change(&live, &more).unwrap(), Some(TlsChange::Whole(_))));
    }
    renew("ca.pem");
    live.adopt(change(&live, &tls).unwrap().unwrap());
    assert!(!Arc::ptr_eq(&is(&live), &settings), "other authorities");
    live.adopt(live.change(None, HTTP).unwrap().unwrap());
    assert!(live.shared().load().is_none() && live.store().is_none());
}

#[test]
fn resumes_across_a_swap() {
    let folder = tempfile::tempdir().unwrap();
    let renew = || {
        let (cert, key) = pair(&["a.example"]);
        put(folder.path(), "a.pem", &format!("{cert}{key}"));
    };
    renew();
    let tls = naming(&["a.pem"]);
    let certs = || Certs::of(&tls, &read(folder.path(), &tls)).unwrap();
    let store = CertStore::new(certs());
    let server = server_config(&tls, &NamedFiles::default(), store.clone(), HTTP).unwrap();
    let trusting = ClusterTls { verify: false, ..ClusterTls::default() };
    let client =
        NodeTls::of(&trusting, &NamedFiles::default()).unwrap().to_speak(NodeProtocol::Http2).clone();
    let first = shake(client.clone(), server.clone(), "a.example").unwrap();
    assert_eq!(first, (HandshakeKind::Full, b"h2".to_vec()));
    renew();
    store.replace(certs());
    let (kind, _) = shake(client, server, "a.example").unwrap();
    assert_eq!(kind, HandshakeKind::Resumed);
}

#[test]
fn both_ends_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = pair(&["a.example"]);
    put(folder.path(), "a.pem", &format!("{cert}{key}"));
    let server = |ca: Option<&str>, auth| {
        let tls = ListenerTls {
            certs: vec!["a.pem".into()],
            min_version: TlsVersion::V13,
            client_ca: ca.map(String::from),
            client_auth: auth,
        };
        let files = read(folder.path(), &tls);
        server_config(&tls, &files, CertStore::new(Certs::of(&tls, &files).unwrap()), HTTP).unwrap()
    };
    let client = |ca: Option<&str>, cert: Option<&str>| {
        let tls =
            ClusterTls { ca: ca.map(String::from), cert: cert.map(String::from), ..ClusterTls::default() };
        let mut files = NamedFiles::of(folder.path());
        let both = files.path("a.pem");
        files.read(&both).unwrap();
        files.read_pair(KeyPairFiles { cert: both.clone(), key: both }).unwrap();
        NodeTls::of(&tls, &files).unwrap().to_speak(NodeProtocol::Http1).clone()
    };
    let open = || server(None, ClientAuth::Require);
    assert_eq!(shake(client(Some("a.pem"), None), open(), "a.example").unwrap().1, b"http/1.1");
    assert!(shake(client(Some("a.pem"), None), open(), "b.example").is_err(), "another name");
    assert!(shake(client(None, None), open(), "a.example").is_err(), "unknown authority");
    let strict = || server(Some("a.pem"), ClientAuth::Require);
    assert!(shake(client(Some("a.pem"), None), strict(), "a.example").is_err(), "no client certificate");
    shake(client(Some("a.pem"), Some("a.pem")), strict(), "a.example").unwrap();
    shake(client(Some("a.pem"), None), server(Some("a.pem"), ClientAuth::Optional), "a.example").unwrap();
    let missing = ClusterTls { ca: Some("none.pem".into()), ..ClusterTls::default() };
    assert!(NodeTls::of(&missing, &NamedFiles::default()).unwrap_err().to_string().contains("none.pem"));
}
