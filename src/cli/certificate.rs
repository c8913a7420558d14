//! How long the gateway's certificate is still good, as seen from where the check runs.
//!
//! The certificate is verified as every client verifies it; only its dates (RFC 5280 4.1.2.5) are read before that, so
//! that one that has ended already is told as such.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use secrecy::SecretString;

use super::client::{Cause, Client, ClientError, Endpoint};
use crate::tls::{self, TlsError};

/// When the first certificate of the gateway's chain ends; it may have ended already.
///
/// # Errors
/// [`ClientError`]: no connection, or a certificate that is refused for another reason than its end.
pub(super) fn end(endpoint: Endpoint, deadline: Duration) -> Result<Timestamp, ClientError> {
    let authorities = |endpoint: &Endpoint, error: TlsError| {
        ClientError::Transport(endpoint.clone(), Cause::Authorities(error.to_string()))
    };
    let verifier = tls::trust(endpoint.ca.as_deref()).map_err(|error| authorities(&endpoint, error))?;
    let noting = Arc::new(Noting { verifier, end: Mutex::default() });
    let config = tls::client_config_with(Arc::clone(&noting) as _).map_err(|error| authorities(&endpoint, error))?;
    let client = Client::with_tls(endpoint, SecretString::default(), deadline, config)?;
    let outcome = client.handshake();
    let unreadable = ClientError::Transport(client.endpoint().clone(), Cause::Untrusted);
    client.abandon();
    match (outcome, noting.end()) {
        (Ok(()) | Err(ClientError::Transport(_, Cause::NotValidNow)), Some(end)) => Ok(end),
        (Ok(()), None) => Err(unreadable),
        (Err(error), _) => Err(error),
    }
}

/// Looks at the dates, then leaves the decision to another.
#[derive(Debug)]
struct Noting {
    verifier: Arc<dyn ServerCertVerifier>,
    end: Mutex<Option<Timestamp>>,
}

impl Noting {
    fn end(&self) -> Option<Timestamp> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = [end_entity].into_iter().chain(intermediates);
        let end = chain.filter_map(tls::validity).map(|(_, until)| until).min();
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
