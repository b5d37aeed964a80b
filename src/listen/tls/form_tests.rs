//! The forms in which certificates and keys come, and what is said of those that are of no use.

use super::tests::{found, load, pair, put};
use crate::wire::pem;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256};
use std::fs;

fn rsa(name: &str) -> String {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    cert.pem() + &key.serialize_pem()
}

/// A chain of three, the last first: root, intermediate, leaf; and the leaf's key.
fn chain() -> ([String; 3], String) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        (params, KeyPair::generate().unwrap())
    };
    let ((root, root_key), (middle, middle_key)) = (authority("root"), authority("middle"));
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let middle_pem = middle.signed_by(&middle_key, &Issuer::new(root, root_key)).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let leaf_pem = leaf.signed_by(&key, &Issuer::new(middle, middle_key)).unwrap().pem();
    ([root_pem, middle_pem, leaf_pem], key.serialize_pem())
}

#[test]
fn a_file_is_taken_in_whatever_order_and_company_its_parts_stand() {
    let ([root, middle, leaf], key) = chain();
    let sorted = {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.pem", &format!("{leaf}{middle}{root}{key}"));
        pem::load(&pem::pair_of(&folder.path().join("a.pem"))).unwrap().key.cert.clone()
    };
    assert_eq!(sorted.len(), 3);
    let dh = "-----BEGIN DH PARAMETERS-----\nMAYCAQsCAQI=\n-----END DH PARAMETERS-----\n";
    let ec = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let bag = "Bag Attributes\n    friendlyName: Z\u{fc}rich\nsubject=CN = a\n\n";
    for (what, text) in [
        ("as it should be", format!("{leaf}{middle}{root}{key}")),
        ("the key first", format!("{key}{leaf}{middle}{root}")),
        ("the root first", format!("{root}{middle}{leaf}{key}")),
        ("mixed up", format!("{middle}{key}{root}{leaf}")),
        ("with DH parameters", format!("{leaf}{middle}{root}{key}{dh}")),
        ("with EC parameters before the key", format!("{leaf}{middle}{root}{ec}{key}")),
        ("with comments", format!("# ours\n{bag}{leaf}{bag}{middle}{root}{bag}{key}trailing words\n")),
        ("from Windows", format!("{leaf}{middle}{root}{key}").replace('\n', "\r\n")),
        ("from an editor of Windows", format!("\u{feff}{leaf}{middle}{root}{key}")),
        ("without an end of line", format!("{leaf}{middle}{root}{}", key.trim_end())),
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.pem", &text);
        let found = pem::load(&pem::pair_of(&folder.path().join("a.pem")));
        let found = found.unwrap_or_else(|why| panic!("{what}: {why}"));
        assert!(found.key.cert == sorted, "{what}");
        assert_eq!(found.names, ["a.example"], "{what}");
    }
}

#[test]
fn both_kinds_of_key_are_shown_to_those_who_can_verify_them() {
    for (one, other) in [("a.pem", "b.pem"), ("b.pem", "a.pem"), ("a.pem.rsa", "a.pem.ecdsa")] {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = pair(&["a.example"]);
        put(folder.path(), one, &rsa("a.example"));
        put(folder.path(), other, &format!("{cert}{key}"));
        let mut certs = vec![load(folder.path()).unwrap()];
        if one.ends_with(".rsa") {
            // as HAProxy names them: by what they have in common
            certs.push(load(&folder.path().join("a.pem")).unwrap());
        }
        for certs in certs {
            assert_eq!(certs.all().len(), 2);
            for name in [Some("a.example"), Some("unknown"), None] {
                let seen = |known: &[rustls::SignatureScheme]| {
                    let can = |one: &pem::Certificate| one.key.key.choose_scheme(known).is_some();
                    certs.find(name, can).unwrap().key.key.algorithm()
                };
                use rustls::SignatureAlgorithm::{ECDSA, RSA};
                use rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, RSA_PSS_SHA256};
                assert_eq!(seen(&[RSA_PSS_SHA256]), RSA, "{one} {name:?}");
                assert_eq!(seen(&[RSA_PSS_SHA256, ECDSA_NISTP256_SHA256]), ECDSA, "{one} {name:?}");
                assert_eq!(seen(&[]), ECDSA, "{one} {name:?}: it has to see something");
            }
        }
    }
}

#[test]
fn a_certificate_without_other_names_is_found_by_its_common_name() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = pair(&["first.example"]);
    put(folder.path(), "0.pem", &format!("{cert}{key}"));
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Only.Example");
    put(folder.path(), "1.pem", &(params.self_signed(&key).unwrap().pem() + &key.serialize_pem()));
    let certs = load(folder.path()).unwrap();
    assert_eq!(found(&certs, Some("only.example")), "1.pem");
    assert_eq!(found(&certs, Some("other.example")), "0.pem");
}

#[test]
fn what_is_of_no_use_is_told_with_what_to_do() {
    let (cert, key) = pair(&["a.example"]);
    let der = rustls_pki_types::pem::PemObject::from_pem_slice(cert.as_bytes());
    let der: rustls_pki_types::CertificateDer<'_> = der.unwrap();
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAYCAQsCAQI=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked_long_ago = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAYCAQsCAQI=\n-----END RSA PRIVATE KEY-----\n";
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nMAYCAQsCAQI=\n-----END CERTIFICATE REQUEST-----\n";
    let pkcs12 = b"\x30\x82\x01\x00\x02\x01\x03\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    for (text, key, words) in [
        (
            format!("{cert}{locked}").into_bytes(),
            "",
            "wants a password, which nobody is here to give: openssl pkey -in",
        ),
        (format!("{cert}{locked_long_ago}").into_bytes(), "", "wants a password"),
        (cert.clone().into_bytes(), locked, "a.key.open && mv"),
        (der.to_vec(), "", "is in DER, and PEM is wanted: openssl x509 -inform der -in"),
        (pkcs12.to_vec(), "", "is in PKCS #12, and PEM is wanted: openssl pkcs12"),
        (format!("{request}{key}").into_bytes(), "", "holds a request for a certificate"),
        (key.clone().into_bytes(), "", "holds no certificate"),
        (cert.clone().into_bytes(), "", "holds no private key, and there is none in"),
        (cert.clone().into_bytes(), "x", "holds no private key"),
        (format!("{cert}{}", pair(&["a.example"]).1).into_bytes(), "", "does not belong to"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.pem"), &text).unwrap();
        if !key.is_empty() {
            put(folder.path(), "a.key", key);
        }
        let why = load(&folder.path().join("a.pem")).unwrap_err().to_string();
        assert!(why.contains(words) && why.contains("a.pem"), "{words}: {why}");
    }
}
