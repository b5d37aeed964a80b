//! A collector of traces: one POST a batch, each on a connection of its own.

use super::error::CollectorError;
use crate::base::units;
use crate::config::address::{NodeUrl, Scheme};
use crate::config::files::NamedFiles;
use crate::config::model::ClusterTls;
use crate::upstream::addresses::Addresses;
use crate::upstream::dial;
use crate::upstream::link::Link;
use crate::upstream::own_addresses::LinkReach;
use crate::upstream::tls::NodeTls;
use crate::wire::protocol::NodeProtocol;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::fmt;
use std::time::Duration;

/// For the connection, and again for the answer.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest head of an answer that is read.
const HEAD_LIMIT: usize = 16 << 10;

/// Where spans are posted to.
pub struct Collector {
    link: Link,
}

/// Why it did not take them.
pub enum Failed {
    /// It cannot be reached, or speaks something else.
    Away(String),
    /// It answered so.
    Refused(StatusCode),
}

impl Failed {
    /// Whether a later try can go better: the protocol says so of these answers.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => f.write_str(why),
            Self::Refused(status) => write!(f, "it answers {status}"),
        }
    }
}

impl Collector {
    /// Behind this address.
    pub fn new(to: &str) -> Result<Self, CollectorError> {
        let url: NodeUrl = to.parse().map_err(CollectorError::Address)?;
        let secure = url.scheme == Scheme::Https;
        let tls = secure
            .then(|| NodeTls::of(&ClusterTls::default(), &NamedFiles::default()))
            .transpose()
            .map_err(CollectorError::Tls)?;
        let name = || {
            ServerName::try_from(url.host.clone()).map_err(|_| CollectorError::ServerName(url.host.clone()))
        };
        let server_name = secure.then(name).transpose()?;
        let authority = HeaderValue::try_from(url.authority())
            .map_err(|_| CollectorError::Authority(url.host.clone()))?;
        // never pooled, so it needs no number and learns nothing
        let (addresses, reuse_ms, proven_us, usage, homeward, looked_up, doubted) = Default::default();
        let (reach, protocol) = (LinkReach::Own, NodeProtocol::Http1);
        Ok(Self {
            link: Link {
                id: 0,
                url,
                authority,
                addresses,
                reuse_ms,
                proven_us,
                tls,
                protocol,
                server_name,
                reach,
                homeward,
                looked_up,
                doubted,
                usage,
            },
        })
    }

    /// Posts one batch.
    pub async fn post(&self, batch: Bytes) -> Result<(), Failed> {
        let away = |error: &dyn fmt::Display| Failed::Away(error.to_string());
        self.resolve().await.map_err(|error| away(&error))?;
        let stream =
            dial::dial(&self.link, NodeProtocol::Http1, LIMIT).await.map_err(|error| away(&error))?;
        let ask = async {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(HEAD_LIMIT);
            let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
            let mut request = Request::new(Full::new(batch));
            (*request.method_mut(), *request.uri_mut()) =
                (http::Method::POST, http::Uri::from_static("/v1/traces"));
            let headers = request.headers_mut();
            headers.insert(header::HOST, self.link.authority.clone());
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            headers.insert(
                header::USER_AGENT,
                HeaderValue::from_static(concat!("homing/", env!("CARGO_PKG_VERSION"))),
            );
            let answer = sender.send_request(request);
            tokio::pin!(answer);
            tokio::select! {
                answer = &mut answer => answer,
                // a connection that ended has settled its question, one way or the other
                _ = connection => answer.await,
            }
        };
        let late = || Failed::Away(format!("no answer within {}", units::Duration(LIMIT)));
        let answer =
            tokio::time::timeout(LIMIT, ask).await.map_err(|_| late())?.map_err(|error| away(&error))?;
        if answer.status().is_success() { Ok(()) } else { Err(Failed::Refused(answer.status())) }
    }

    /// Looks the name up, if it is one.
    async fn resolve(&self) -> std::io::Result<()> {
        if self.link.url.scheme != Scheme::Unix {
            let asked = tokio::net::lookup_host((self.link.url.host.as_str(), self.link.url.port));
            let found = tokio::time::timeout(LIMIT, asked).await??;
            let known = self.link.addresses.load();
            self.link.found(Addresses::after(found, &known));
        }
        Ok(())
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.url.fmt(f)
    }
}
