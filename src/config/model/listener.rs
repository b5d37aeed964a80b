//! `[listener.NAME]`: where clients come in.

use super::OneOrMany;
use crate::base::units::{Duration, Network, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

conf! {
    /// An address the proxy accepts clients on.
    pub struct Listener {
        /// "host:port", `[::]:port`, "unix:/path", or a list.
        pub bind: OneOrMany<String>,
        /// Whose the files of its Unix sockets are.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unix: Option<UnixSocket>,
        /// TLS; absent means clear text.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tls: Option<ListenerTls>,
        /// Expect a PROXY protocol header (v1 or v2) first on every connection from `trusted-proxies`.
        pub proxy_protocol: bool,
        /// Whose X-Forwarded-* and Forwarded headers, and PROXY protocol headers, are believed.
        pub trusted_proxies: Vec<Network>,
        /// Header in which `trusted-proxies` give a request's id, and nodes are told of it; strangers' ids
        /// are replaced. "off" leaves it alone.
        pub request_id_header: String,
        /// Clients from these networks find in each answer a header `Homing-Why`: node, why and request id,
        /// as the access log has them.
        pub why_header: Vec<Network>,
        /// Time for a request's header to arrive in full.
        pub header_timeout: Duration,
        /// Time a connection may be without a request, or a transfer without progress.
        pub idle_timeout: Duration,
        /// The largest request header.
        pub max_header_size: Size,
        /// The most header lines in a request.
        pub max_headers: u16,
        /// Requests at one time on one HTTP/2 connection.
        pub max_streams: u32,
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            bind: OneOrMany::default(),
            unix: None,
            tls: None,
            proxy_protocol: false,
            trusted_proxies: Vec::new(),
            request_id_header: "X-Request-Id".into(),
            why_header: Vec::new(),
            header_timeout: Duration::secs(10),
            idle_timeout: Duration::secs(60),
            max_header_size: Size(32 << 10),
            max_headers: 100,
            max_streams: 200,
        }
    }
}

conf! {
    /// Whose the file of a Unix socket is, and who may connect to it.
    #[derive(Default, Eq)]
    pub struct UnixSocket {
        /// Its mode in octal digits, as in "660": who may write may connect. By the umask if not said; of
        /// `admin` it is "600".
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mode: Option<String>,
        /// The user that it belongs to, a name or a number; only root can give it away.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub user: Option<String>,
        /// The group that it belongs to, a name or a number: root may choose any, others one that they are in.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub group: Option<String>,
    }
}

conf! {
    /// TLS towards clients.
    pub struct ListenerTls {
        /// PEM files, or folders of them, each with a chain and its key (in one file, or NAME.crt/.pem/.cer
        /// beside NAME.key); chosen by SNI. A folder of certbot's, or one that holds such folders, serves as
        /// it is.
        pub certs: Vec<String>,
        /// The oldest protocol version offered.
        pub min_version: TlsVersion,
        /// PEM file of the authorities whose client certificates are accepted.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub client_ca: Option<String>,
        /// Whether a client must show a certificate.
        pub client_auth: ClientAuth,
    }
}

impl Default for ListenerTls {
    fn default() -> Self {
        Self {
            certs: Vec::new(),
            min_version: TlsVersion::V12,
            client_ca: None,
            client_auth: ClientAuth::Require,
        }
    }
}

/// A TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    V13,
}

keywords! {
    /// Whether a client must show a certificate; counts only with `client-ca`.
    pub enum ClientAuth {
        /// Without a valid certificate the handshake fails.
        #[default]
        Require = "require",
        /// A certificate is checked if shown.
        Optional = "optional",
    }
}
