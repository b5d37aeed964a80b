//! Certificates of our own making, and TLS clients that believe them.

use super::client::Client;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// An authority made for one test.
pub struct Certs {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
}

impl Certs {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are no error");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Homing test authority");
        let cert = params.self_signed(&key).expect("a root certificate");
        Self { root: cert.der().clone(), pem: cert.pem(), issuer: Issuer::new(params, key) }
    }

    /// The authority's certificate as PEM.
    pub fn ca(&self) -> &str {
        &self.pem
    }

    /// A certificate and its key for these names.
    pub fn pair(&self, names: &[&str]) -> (String, String) {
        self.pair_of(names[0], names)
    }

    /// The same for somebody, who need not have the name of a host.
    pub fn pair_of(&self, who: &str, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
            .expect("the names are names");
        params.distinguished_name.push(DnType::CommonName, who);
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        (cert.pem(), key.serialize_pem())
    }

    /// A server's settings with a certificate for this name.
    pub fn server(&self, name: &str) -> Arc<rustls::ServerConfig> {
        self.server_for(name, None)
    }

    /// The same for clients with certificates of this authority.
    pub fn server_for(&self, name: &str, clients: Option<&Certs>) -> Arc<rustls::ServerConfig> {
        use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
        let (cert, key) = self.pair(&[name]);
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ));
        let builder = builder.with_safe_default_protocol_versions().expect("the provider knows them");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(clients.root.clone()).expect("a root");
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let verifier =
                    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        Arc::new(builder.with_single_cert(vec![cert], key).expect("a matching pair"))
    }

    /// Writes NAME.pem with chain and key in one file, in one step.
    pub fn write(&self, folder: &Path, names: &[&str]) {
        std::fs::create_dir_all(folder).expect("the folder is made");
        let (cert, key) = self.pair(names);
        super::proxy::replace(&folder.join(format!("{}.pem", names[0])), &(cert + &key));
    }

    /// A client's settings; `versions` narrows what it offers.
    pub fn trust(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Arc<rustls::ClientConfig> {
        self.trust_as(versions, alpn, None)
    }

    /// The same, with a certificate of the client's own as PEM.
    pub fn trust_as(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&str],
        identity: Option<(String, String)>,
    ) -> Arc<rustls::ClientConfig> {
        use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.clone()).expect("our root is a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = if versions.is_empty() { rustls::ALL_VERSIONS } else { versions };
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider knows them");
        let builder = builder.with_root_certificates(roots);
        let mut config = match identity {
            Some((cert, key)) => {
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("a certificate");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(vec![cert], key).expect("a matching pair")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// An HTTP/1.1 client over TLS that asks for `name`.
    pub fn client(&self, addr: SocketAddr, name: &str) -> Client {
        Self::client_with(self.trust(&[], &["http/1.1"]), addr, name)
    }

    /// The same with settings of its own.
    pub fn client_with(config: Arc<rustls::ClientConfig>, addr: SocketAddr, name: &str) -> Client {
        let server = ServerName::try_from(name.to_owned()).expect("a server name");
        Client::over(name, move || {
            let sock = TcpStream::connect(addr)?;
            sock.set_nodelay(true)?;
            sock.set_read_timeout(Some(super::DEADLINE))?;
            let session = rustls::ClientConnection::new(config.clone(), server.clone())
                .map_err(std::io::Error::other)?;
            let mut stream = rustls::StreamOwned::new(session, sock);
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock)?;
            }
            Ok(Box::new(stream))
        })
    }

    /// The certificate that the listener shows for `name`.
    pub fn shown(&self, addr: SocketAddr, name: &str) -> std::io::Result<CertificateDer<'static>> {
        let server = ServerName::try_from(name.to_owned()).expect("a server name");
        let mut sock = TcpStream::connect(addr)?;
        sock.set_read_timeout(Some(super::DEADLINE))?;
        let mut session =
            rustls::ClientConnection::new(self.trust(&[], &[]), server).map_err(std::io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut sock)?;
        }
        Ok(session.peer_certificates().expect("a server shows one")[0].clone().into_owned())
    }
}
