//! TLS towards the nodes.

use crate::config::model::ClusterTls;
use crate::wire::pem;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::Path;
use std::sync::Arc;

/// How handshakes with a cluster's nodes go; relative files are taken from `folder`.
pub fn client_config(tls: &ClusterTls, folder: &Path, http2: bool) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = if tls.verify {
        let roots = match &tls.ca {
            Some(file) => pem::authorities(&folder.join(file))?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| error.to_string())?
    } else {
        Arc::new(BelievesAnyCertificate(provider))
    };
    // Called dangerous for the verifier is ours to choose; the usual one is the same that rustls would make.
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &tls.cert {
        None => builder.with_no_client_auth(),
        Some(cert) => {
            let cert = folder.join(cert);
            let key = tls.key.as_ref().map_or_else(|| cert.clone(), |key| folder.join(key));
            let chain = pem::certificates(&cert)?;
            let secret = PrivateKeyDer::from_pem_file(&key).map_err(|error| format!("{}: {error}", key.display()))?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| format!("{}: {error}", cert.display()))?
        }
    };
    config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(config))
}

/// What the files behind these settings hold, as one number: a renewed certificate keeps its name and gets another.
pub fn fingerprint(tls: &ClusterTls, folder: &Path) -> u64 {
    pem::fingerprint([&tls.ca, &tls.cert, &tls.key].into_iter().flatten().map(|file| folder.join(file)))
}

/// `verify = false`: any certificate is taken, whoever shows it. Only that the node holds its key is still checked.
#[derive(Debug)]
struct BelievesAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for BelievesAnyCertificate {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
