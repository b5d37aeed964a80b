//! Certificates of all kinds that nodes show, and which of them are believed.

use super::tests::{naming, put, read, shake};
use super::*;
use crate::config::model::ClusterTls;
use crate::upstream::tls::NodeTls;
use crate::wire::protocol::NodeProtocol;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// Of X.509 version 1, signed by itself, made out to `old`.
const OLD: &str = "\
-----BEGIN CERTIFICATE-----
MIIBBTCBrAIBATAKBggqhkjOPQQDAjAOMQwwCgYDVQQDDANvbGQwIBcNMjAwMTAx
MDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMA4xDDAKBgNVBAMMA29sZDBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABMmeo7hpdGwREthbWImCR751JmT7jDiKt0Vnh+QZ
KughC2U3Ug0ZZ9MEYhiJHYvRKbXMAiRQeTKr8Q+m7uPCqo8wCgYIKoZIzj0EAwID
SAAwRQIgaFbJuQj3nr+OZXVyZ8Yr2/yH4ndH8mBk2oMRuicY/McCIQDvIkf2rg1q
RaJ57Ot7qCBSxYF+Hqzb/fzNTwXnG00Q+w==
-----END CERTIFICATE-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIAsczlQBecLAynVmLzKdvKT4ek+c1EUb1w+qFT7HvyeOoAoGCCqGSM49
AwEHoUQDQgAEyZ6juGl0bBES2FtYiYJHvnUmZPuMOIq3RWeH5Bkq6CELZTdSDRln
0wRiGIkdi9EptcwCJFB5MqvxD6bu48Kqjw==
-----END EC PRIVATE KEY-----
";

struct Shown {
    cert: String,
    both: String,
}

/// A certificate with nothing but a common name, unless more is said; signed by itself or by an authority.
fn made(common: &str, by: Option<&Issuer<'_, KeyPair>>, more: impl FnOnce(&mut CertificateParams)) -> Shown {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    more(&mut params);
    let cert = match by {
        None => params.self_signed(&key).unwrap(),
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
    };
    Shown { both: cert.pem() + &key.serialize_pem(), cert: cert.pem() }
}

fn names(names: &'static [&'static str]) -> impl FnOnce(&mut CertificateParams) {
    move |params| {
        params.subject_alt_names =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                .unwrap()
                .subject_alt_names;
    }
}

/// How a handshake ends with a node that shows this, where `ca` holds that.
fn meets(
    shown: &Shown,
    ca: &str,
    name: Option<&str>,
    host: &'static str,
    only12: bool,
) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "node.pem", &shown.both);
    put(folder.path(), "ca.pem", ca);
    let tls = naming(&["node.pem"]);
    let own = read(folder.path(), &tls);
    let store = CertStore::new(Certs::of(&tls, &own).map_err(|error| error.to_string())?);
    let server = match only12 {
        false => server_config(&tls, &own, store, HTTP).unwrap(),
        true => {
            let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
            let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
            let mut config = builder.with_no_client_auth().with_cert_resolver(store);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        }
    };
    let tls = ClusterTls {
        ca: Some("ca.pem".into()),
        server_name: name.map(str::to_owned),
        ..ClusterTls::default()
    };
    let mut files = NamedFiles::of(folder.path());
    files.read(&files.path("ca.pem")).unwrap();
    let client = NodeTls::of(&tls, &files).map_err(|error| error.to_string())?;
    let client = client.to_speak(NodeProtocol::Http1).clone();
    shake(client, server, host).map(drop).map_err(|error| {
        crate::upstream::node_certificate::HandshakeWords(&std::io::Error::other(error)).to_string()
    })
}

#[test]
fn a_certificate_that_is_listed_itself_is_believed_of_whatever_kind_it_is() {
    let cn = made("tomcat1", None, |_| {});
    let authority = made("tomcat1", None, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        names(&["node.test"])(params);
    });
    let client_only = made("tomcat1", None, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        names(&["node.test"])(params);
    });
    let old = Shown { cert: OLD.to_owned(), both: OLD.to_owned() };
    for (what, shown) in
        [("CN only", &cn), ("an authority", &authority), ("for clients", &client_only), ("X.509 v1", &old)]
    {
        for only12 in [false, true] {
            assert_eq!(meets(shown, &shown.cert, None, "node.test", only12), Ok(()), "{what} {only12}");
        }
        let stranger = made("other", None, |_| {}).cert;
        let beside = format!("{stranger}{}", shown.cert);
        assert_eq!(meets(shown, &beside, None, "node.test", false), Ok(()), "{what} beside another");
        let why = meets(shown, &stranger, None, "node.test", false).unwrap_err();
        assert!(why.contains("list it"), "{what}: {why}");
    }
}

#[test]
fn the_name_is_verified_as_the_conf_and_the_certificate_say() {
    let cn = made("tomcat1", None, |_| {});
    let named = made("tomcat1", None, names(&["node.test"]));
    for (shown, server_name, host, good) in [
        (&cn, Some("tomcat1"), "tomcat1", true),
        (&cn, Some("tomcat2"), "tomcat2", false),
        (&cn, None, "10.0.0.1", true),
        (&named, None, "node.test", true),
        (&named, None, "other.test", false),
        // alternative names stand above the common one
        (&named, Some("tomcat1"), "tomcat1", false),
    ] {
        let met = meets(shown, &shown.cert, server_name, host, false);
        assert_eq!(met.is_ok(), good, "{server_name:?} {host}: {met:?}");
        if let Err(why) = met {
            assert!(why.contains("is made out to") && why.contains("server-name"), "{why}");
        }
    }
}

#[test]
fn a_common_name_is_a_name_where_an_authority_of_ours_has_signed_it() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Our authority");
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    for (common, host, good) in [
        ("node.test", "node.test", true),
        ("NODE.test", "node.test", true),
        ("*.test", "node.test", true),
        ("*.test", "a.node.test", false),
        ("node.test", "other.test", false),
        ("10.0.0.1", "10.0.0.1", true),
    ] {
        let met = meets(&made(common, Some(&issuer), |_| {}), &ca, None, host, false);
        assert_eq!(met.is_ok(), good, "{common} {host}: {met:?}");
    }
    let other = made("node.test", Some(&issuer), names(&["other.test"]));
    assert!(meets(&other, &ca, None, "node.test", false).is_err(), "its alternative names count");
    let why = meets(&made("node.test", Some(&issuer), |_| {}), OLD, None, "node.test", false).unwrap_err();
    assert!(why.contains("signed by CN=Our authority, which is not in `tls.ca`"), "{why}");
}

#[test]
fn the_time_of_a_listed_certificate_counts() {
    for (from, until, word) in [(2000, 2001, "has expired on 2001"), (2900, 2901, "is not good before 2900")]
    {
        let shown = made("node.test", None, |params| {
            (params.not_before, params.not_after) =
                (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(until, 1, 1));
        });
        let why = meets(&shown, &shown.cert, None, "node.test", false).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}
