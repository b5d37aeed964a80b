//! Who a client's certificate says it is.

use std::fmt::Write as _;
use x509_parser::asn1_rs::ToDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Who a client's certificate says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Its subject as RFC 4514 writes it, in ASCII: `CN=Anna,O=Shop,C=AT`.
    pub subject: String,
    /// SHA-256 of the whole certificate, in lower-case hexadecimal.
    pub fingerprint: String,
}

impl Identity {
    /// Reads a certificate in DER. One that cannot be parsed has a fingerprint and no subject.
    pub fn of(certificate: &[u8]) -> Self {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        let subject = X509Certificate::from_der(certificate)
            .map(|(_, parsed)| rfc4514(parsed.subject()))
            .unwrap_or_default();
        let mut fingerprint = String::new();
        hex(hash.as_ref(), &mut fingerprint);
        Self { subject, fingerprint }
    }
}

/// The names by which a certificate can be known: its DNS names and URIs, or if it has none, its common name.
pub fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let names =
        alternative.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
            _ => None,
        });
    let names: Vec<String> = names.filter(|name| !name.contains(char::is_control)).collect();
    if !names.is_empty() {
        return names;
    }
    common_names(&parsed).map(str::to_owned).collect()
}

/// The common names in a certificate's subject; there should be one.
pub(super) fn common_names<'a>(certificate: &'a X509Certificate<'_>) -> impl Iterator<Item = &'a str> {
    certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok())
}

/// A pattern for the names of certificates that may speak for nodes.
pub struct ClientName<'a>(pub &'a str);

impl ClientName<'_> {
    const NODE: &'static str = "{node}";

    /// Whether a text is one: visible characters, and one place that is open at most.
    pub fn is_one(text: &str) -> bool {
        let open = text.matches('*').count() + text.matches(Self::NODE).count();
        let rest = text.replace(Self::NODE, "");
        !text.is_empty()
            && open <= 1
            && !rest.contains(['{', '}'])
            && text.bytes().all(|b| b.is_ascii_graphic())
    }

    /// Whether a name fits, for this node, or for whichever.
    pub fn fits(&self, name: &str, node: Option<&str>) -> bool {
        let is = |part: &str, other: &str| part.eq_ignore_ascii_case(other);
        let (before, after, own) = match (self.0.split_once('*'), self.0.split_once(Self::NODE)) {
            (Some((before, after)), _) => (before, after, None),
            (None, Some((before, after))) => (before, after, node),
            (None, None) => return is(self.0, name),
        };
        let Some((head, rest)) = name.split_at_checked(before.len()) else { return false };
        let Some((open, tail)) = rest.len().checked_sub(after.len()).and_then(|at| rest.split_at_checked(at))
        else {
            return false;
        };
        let fits = match own {
            Some(node) => is(open, node),
            None => !open.is_empty() && !open.contains(['.', '/']),
        };
        is(head, before) && is(tail, after) && fits
    }
}

/// The names of RFC 4514 section 3, and what everybody calls e-mail; any other type is written by its number.
const TYPES: [(&str, &str); 10] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The most specific part first, as opposed to its order in the certificate.
fn rfc4514(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        for (n, attribute) in part.iter().enumerate() {
            match (out.is_empty(), n) {
                (true, _) => {}
                (false, 0) => out.push(','),
                (false, _) => out.push('+'),
            }
            push(attribute, &mut out);
        }
    }
    out
}

fn push(attribute: &AttributeTypeAndValue<'_>, out: &mut String) {
    let number = attribute.attr_type().to_id_string();
    let known = TYPES.iter().find(|(of, _)| *of == number).map(|(_, name)| *name);
    out.push_str(known.unwrap_or(&number));
    out.push('=');
    match (known, attribute.as_str()) {
        (Some(_), Ok(text)) => escape(text, out),
        _ => {
            out.push('#');
            hex(&attribute.attr_value().to_der_vec().unwrap_or_default(), out);
        }
    }
}

/// What RFC 4514 section 2.4 wants escaped, and what is not printable ASCII, so that it can stand in a
/// header.
fn escape(text: &str, out: &mut String) {
    for (at, byte) in text.bytes().enumerate() {
        let edge = (byte == b' ' && (at == 0 || at + 1 == text.len())) || (byte == b'#' && at == 0);
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => out.extend(['\\', char::from(byte)]),
            _ if edge => out.extend(['\\', char::from(byte)]),
            0x20..0x7f => out.push(char::from(byte)),
            _ => {
                out.push('\\');
                hex(&[byte], out);
            }
        }
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair};

    #[test]
    fn a_certificate_is_known_by_its_alternative_names_or_else_its_common_name() {
        for (alternative, known) in [(&["n1.shop", "b.shop"][..], "n1.shop b.shop"), (&[], "somebody")] {
            let mut params =
                CertificateParams::new(alternative.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                    .unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "somebody");
            if !alternative.is_empty() {
                params.subject_alt_names.push(rcgen::SanType::IpAddress([10, 0, 0, 1].into()));
            }
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(names(certificate.der()).join(" "), known);
        }
        assert!(names(b"abc").is_empty());
    }

    #[test]
    fn a_name_fits_as_it_is_by_one_label_or_by_the_node() {
        for (pattern, name, node, fits) in [
            ("n1.shop", "N1.Shop", Some("x"), true),
            ("n1.shop", "n1.shop.evil", Some("n1"), false),
            ("*.shop", "n1.shop", None, true),
            ("*.shop", ".shop", None, false),
            ("*.shop", "a.n1.shop", None, false),
            ("*.shop", "shop", None, false),
            ("node-*.shop", "node-7.shop", None, true),
            ("{node}.shop", "n1.shop", Some("n1"), true),
            ("{node}.shop", "n1.shop", Some("n2"), false),
            ("{node}.shop", "a.b.shop", Some("a.b"), true),
            ("{node}.shop", "n1.shop", None, true),
            ("spiffe://shop/{node}", "spiffe://shop/n1", Some("n1"), true),
            ("spiffe://shop/*", "spiffe://shop/a/b", None, false),
            ("\u{e4}*", "a", None, false),
        ] {
            assert_eq!(ClientName(pattern).fits(name, node), fits, "{pattern} {name} {node:?}");
        }
        let texts = ["a", "*", "{node}", "*.{node}", "**", "{nod}", "", "a b", "*.a.*"];
        assert_eq!(
            texts.map(ClientName::is_one),
            [true, true, true, false, false, false, false, false, false]
        );
    }

    #[test]
    fn subjects_are_written_as_rfc_4514_says() {
        let custom = DnType::CustomDnType(vec![1, 2, 3]);
        let cases: [(&[(DnType, &str)], &str); 5] = [
            (
                &[
                    (DnType::CountryName, "AT"),
                    (DnType::OrganizationName, "Shop, Inc."),
                    (DnType::CommonName, "Anna"),
                ],
                "CN=Anna,O=Shop\\, Inc.,C=AT",
            ),
            (&[(DnType::CommonName, " #x ")], "CN=\\ #x\\ "),
            (&[(DnType::CommonName, "#1=\"<a;b>\\+")], "CN=\\#1=\\\"\\<a\\;b\\>\\\\\\+"),
            (&[(DnType::CommonName, "Zo\u{eb}\r\nX: y")], "CN=Zo\\c3\\ab\\0d\\0aX: y"),
            (&[(custom, "hi"), (DnType::CommonName, "a")], "CN=a,1.2.3=#0c026869"),
        ];
        for (names, expected) in cases {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            for (kind, text) in names {
                params.distinguished_name.push(kind.clone(), DnValue::Utf8String((*text).to_owned()));
            }
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(Identity::of(certificate.der()).subject, expected);
        }
        let junk = Identity::of(b"abc");
        assert_eq!(junk.subject, "");
        assert_eq!(junk.fingerprint, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
