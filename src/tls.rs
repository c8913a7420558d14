//! TLS set-up: the one crypto provider, the server's certificate and its reload, the client's trust, a first certificate.
//!
//! TLS 1.2 and 1.3 with AEAD suites (all that rustls has). Reading and checking of certificates is rustls's; only the
//! dates (RFC 5280 4.1.2.5) are read here, to warn before clients start refusing.

mod ephemeral;
pub(crate) mod issuance;

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, ToSpan, civil::Date};
use rcgen::{Issuer, KeyPair};
use rustls::{
    ClientConfig, InconsistentKeys, RootCertStore, ServerConfig,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use tokio::sync::watch;

pub use ephemeral::ephemeral;

/// Days before its end at which a certificate is worth a warning.
const EXPIRY_NOTICE: i64 = 14;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file holds no certificate.
    #[error("{path} holds no certificate: it has to be PEM with at least one BEGIN CERTIFICATE")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no private key.
    #[error("{path} holds no usable private key: it has to be PEM, without a passphrase")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are not a pair.
    #[error("{key} is not the key of the certificate in {certificate}: put the matching pair there")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The system's certificate store is empty or cannot be read.
    #[error("no trusted certificates on this system: install ca-certificates or name a CA file")]
    NoRoots,
    /// A file cannot be read.
    #[error("cannot read {path}: {source}{}", remedy(source.kind()))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file of a CA cannot be read.
    #[error("cannot read the CA's certificate in {path}: {source}")]
    ReadAuthority {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// rustls does not take it.
    #[error("{path} cannot be used: {source}")]
    Rustls {
        /// The file.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// A certificate was made, and cannot be used.
    #[error("a certificate made in memory cannot be used: {reason}")]
    InMemory {
        /// What is wrong.
        reason: String,
    },
    /// The dates of a certificate to be made are out of range.
    #[error("a certificate cannot be valid for {days} days")]
    Validity {
        /// Days asked for.
        days: u16,
    },
}

/// Makes aws-lc-rs the provider of those libraries that ask for the process's default. Done once, at start.
pub fn install_provider() {
    // An error says that one is installed already, which is the wish.
    drop(aws_lc_rs::default_provider().install_default());
}

/// The certificate of the server, kept ready and reloaded on demand.
#[derive(Debug)]
pub struct Reloader {
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Reloader {
    /// Loads a certificate chain and its key. `suites` are cipher suites by rustls's names (`TLS13_...`, `TLS_...`); none
    /// means all. The text, if any, is a warning for people.
    ///
    /// # Errors
    /// [`TlsError`] naming the file and what to do.
    pub fn load(certificate: &Path, key: &Path, suites: &[&str]) -> Result<(Self, Option<String>), TlsError> {
        let (config, notice) = server_config(certificate, key, suites)?;
        let (current, _) = watch::channel(config);
        Ok((Self { current }, notice))
    }

    /// The configuration to use for each new connection.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Reads certificate and key anew, from where they are now. On an error the old certificate stays in use.
    ///
    /// # Errors
    /// As [`Reloader::load`].
    pub fn reload(&self, certificate: &Path, key: &Path, suites: &[&str]) -> Result<Option<String>, TlsError> {
        let (config, notice) = server_config(certificate, key, suites)?;
        self.current.send_replace(config);
        Ok(notice)
    }
}

/// What a client trusts: the certificates in `ca`, or else the system's store (`SSL_CERT_FILE` is honoured).
///
/// A server certificate that lies in `ca` itself is trusted whatever kind it is: that is how self-signed certificates are
/// handed to clients.
///
/// # Errors
/// [`TlsError`] naming the file and what to do.
pub fn client_config(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    client_config_with(trust(ca)?)
}

/// A client's configuration with a verifier made from that of [`trust`].
///
/// # Errors
/// rustls does not take it.
pub(crate) fn client_config_with(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, TlsError> {
    let failed = |source| TlsError::Rustls { path: "TLS".into(), source };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The verifier of [`client_config`].
///
/// # Errors
/// [`TlsError`] naming the file and what to do.
pub(crate) fn trust(ca: Option<&Path>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let path = ca.unwrap_or_else(|| Path::new("the system's certificate store"));
    let certificates = match ca {
        Some(path) => {
            let text = std::fs::read(path);
            let text = text.map_err(|source| TlsError::ReadAuthority { path: path.to_owned(), source })?;
            certificates_in(&text, path)?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    if roots.is_empty() {
        return Err(ca.map_or(TlsError::NoRoots, |path| TlsError::NoCertificate { path: path.to_owned() }));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| {
        TlsError::Rustls { path: path.to_owned(), source: rustls::Error::General(error.to_string()) }
    })?;
    let pinned = if ca.is_some() { certificates } else { Vec::new() };
    Ok(Arc::new(ChainOrPinned { chain, pinned }))
}

/// What to do about a file of the server's that cannot be read.
fn remedy(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::NotFound {
        "; `smsgate cert` makes a certificate where none exists"
    } else if kind == io::ErrorKind::PermissionDenied {
        "; the user the gateway runs as must be able to read it"
    } else {
        ""
    }
}

/// A certificate made here, all PEM.
#[derive(Debug)]
pub struct Issued {
    /// For clients to trust.
    pub ca: String,
    /// For the server: its certificate, then the CA's.
    pub chain: String,
    /// For the server alone.
    pub key: String,
}

/// Makes a certificate for `names` and `addresses`, valid from the day before `today` for `days`, under a CA of its own
/// whose key is thrown away. Verifiers as strict as Python 3.13 take it.
///
/// # Errors
/// [`TlsError`] if a name cannot stand in a certificate or the dates are out of range.
pub fn issue(names: &[String], addresses: &[IpAddr], today: Date, days: u16) -> Result<Issued, TlsError> {
    let out_of_range = |_| TlsError::Validity { days };
    let first = today.checked_sub(1.day()).map_err(out_of_range)?;
    let last = today.checked_add(i64::from(days).days()).map_err(out_of_range)?;
    let title = names.first().cloned().or_else(|| addresses.first().map(IpAddr::to_string)).unwrap_or_default();

    let ca = issuance::authority(format!("smsgate CA for {title}"), first, last);
    let ca_key = KeyPair::generate()?;
    let ca_certificate = ca.self_signed(&ca_key)?;
    let leaf = issuance::server(title, names.to_vec(), addresses.iter().copied(), first, last)?;
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

    let ca = ca_certificate.pem();
    Ok(Issued { chain: format!("{}{ca}", certificate.pem()), ca, key: key.serialize_pem() })
}

fn server_config(
    certificate: &Path,
    key: &Path,
    suites: &[&str],
) -> Result<(Arc<ServerConfig>, Option<String>), TlsError> {
    let chain = certificates_in(&read(certificate)?, certificate)?;
    let notice = chain.first().and_then(|leaf| notice(leaf, certificate, Timestamp::now()));
    let private = read(key)?;
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|_| TlsError::NoKey { path: key.to_owned() })?;
    let failed = |source| {
        if matches!(source, rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
            TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        } else {
            TlsError::Rustls { path: certificate.to_owned(), source }
        }
    };
    let config = served(chain, private, Arc::new(provider(suites))).map_err(failed)?;
    Ok((Arc::new(config), notice))
}

/// What a server with this certificate and key does.
fn served(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let pair = CertifiedKey::from_der(chain, key, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The provider with those suites of the list that it has; all of them if that leaves none.
fn provider(suites: &[&str]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let wanted = |suite: &rustls::SupportedCipherSuite| {
        let name = format!("{:?}", suite.suite());
        suites.contains(&name.as_str())
    };
    if provider.cipher_suites.iter().any(wanted) {
        provider.cipher_suites.retain(wanted);
    }
    provider
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// The certificates in the text of a file, of which there must be one.
fn certificates_in(text: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::NoCertificate { path: path.to_owned() }),
    }
}

fn notice(certificate: &CertificateDer<'_>, path: &Path, now: Timestamp) -> Option<String> {
    let (from, until) = validity(certificate)?;
    let path = path.display();
    let left = until.as_second().saturating_sub(now.as_second());
    if now < from {
        Some(format!("the certificate in {path} is not valid before {from}: check the clock"))
    } else if left <= 0 {
        Some(format!("the certificate in {path} ended at {until}: clients will refuse it until it is renewed"))
    } else if left < EXPIRY_NOTICE * 86_400 {
        Some(format!("the certificate in {path} ends at {until}: renew it soon"))
    } else {
        None
    }
}

/// Trust by chain, or by being one of the given certificates.
#[derive(Debug)]
struct ChainOrPinned {
    chain: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for ChainOrPinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let by_chain = self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // `openssl req -x509` marks its certificates as a CA's, which no chain accepts at its end.
        if by_chain.is_ok() || !self.pinned.contains(end_entity) {
            return by_chain;
        }
        let second = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let (from, until) = validity(end_entity).ok_or(rustls::CertificateError::BadEncoding)?;
        if second < from.as_second() {
            return Err(rustls::CertificateError::NotValidYet.into());
        }
        if second > until.as_second() {
            return Err(rustls::CertificateError::Expired.into());
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// `notBefore` and `notAfter`; `None` if the certificate is not laid out as RFC 5280 4.1 says.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate)?;
    let (_, body, _) = element(certificate)?;
    let (tag, _, rest) = element(body)?;
    let body = if tag == VERSION { rest } else { body };
    // Serial number, signature algorithm, issuer.
    let (_, _, rest) = element(body)?;
    let (_, _, rest) = element(rest)?;
    let (_, _, rest) = element(rest)?;
    let (_, dates, _) = element(rest)?;
    let (from_tag, from, rest) = element(dates)?;
    let (until_tag, until, _) = element(rest)?;
    Some((time(from_tag, from)?, time(until_tag, until)?))
}

/// UTCTime has two digits of the year, 50 to 99 being 1950 to 1999; GeneralizedTime has four.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    let text = std::str::from_utf8(text).ok()?;
    let century = match text.get(..2)? {
        _ if tag != UTC_TIME => "",
        year if year < "50" => "20",
        _ => "19",
    };
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", format!("{century}{text}")).ok()?;
    jiff::tz::Offset::UTC.to_timestamp(civil).ok()
}

/// The first DER element (X.690 8.1): its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if octets.len() > 4 {
            return None;
        }
        (octets.iter().fold(0, |length, &octet| (length << 8) | usize::from(octet)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 20);

    fn issued() -> Issued {
        issue(&["localhost".to_owned()], &[IpAddr::from([127, 0, 0, 1])], TODAY, 30).unwrap()
    }

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn errors_name_the_file_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (issued(), issued());
        let chain = write(folder.path(), "chain.pem", &one.chain);
        let key = write(folder.path(), "key.pem", &one.key);
        let other = write(folder.path(), "other.pem", &two.key);
        let empty = write(folder.path(), "empty.pem", "");
        let missing = folder.path().join("missing.pem");
        assert!(Reloader::load(&chain, &key, &[]).is_ok());
        for (certificate, key, words) in [
            (&missing, &key, ["missing.pem", "smsgate cert"]),
            (&chain, &missing, ["missing.pem", "smsgate cert"]),
            (&empty, &key, ["empty.pem", "BEGIN CERTIFICATE"]),
            (&chain, &empty, ["empty.pem", "PEM"]),
            (&chain, &other, ["other.pem", "matching pair"]),
        ] {
            let error = Reloader::load(certificate, key, &[]).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        assert!(client_config(Some(&chain)).is_ok());
        assert!(client_config(Some(&empty)).is_err());
        // A client is not helped by making certificates.
        let error = client_config(Some(&missing)).unwrap_err().to_string();
        assert!(error.contains("missing.pem") && error.contains("CA") && !error.contains("smsgate cert"), "{error}");
        let denied = TlsError::Read { path: missing, source: io::ErrorKind::PermissionDenied.into() }.to_string();
        assert!(denied.contains("must be able to read") && !denied.contains("smsgate cert"), "{denied}");
    }

    #[test]
    fn a_failed_reload_keeps_the_old_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (issued(), issued());
        let chain = write(folder.path(), "chain.pem", &one.chain);
        let key = write(folder.path(), "key.pem", &one.key);
        let (reloader, _) = Reloader::load(&chain, &key, &[]).unwrap();
        let current = reloader.subscribe();
        let before = current.borrow().clone();
        write(folder.path(), "chain.pem", &two.chain);
        assert!(reloader.reload(&chain, &key, &[]).is_err());
        assert!(Arc::ptr_eq(&before, &current.borrow()));
        write(folder.path(), "key.pem", &two.key);
        assert!(reloader.reload(&chain, &key, &[]).is_ok());
        assert!(!Arc::ptr_eq(&before, &current.borrow()));
    }

    #[test]
    fn dates_are_read_and_their_end_is_announced() {
        let issued = issued();
        let leaf = CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap();
        let (from, until) = validity(&leaf).unwrap();
        assert_eq!(
            (from.to_string(), until.to_string()),
            ("2026-11-19T00:00:00Z".into(), "2026-12-20T00:00:00Z".into())
        );
        for (now, word) in [
            ("2026-11-18T00:00:00Z", Some("not valid before")),
            ("2026-11-20T00:00:00Z", None),
            ("2026-12-07T00:00:00Z", Some("renew it soon")),
            ("2026-12-21T00:00:00Z", Some("ended at")),
        ] {
            let text = notice(&leaf, Path::new("x"), now.parse().unwrap());
            assert_eq!(text.is_some(), word.is_some(), "{now}");
            assert!(text.unwrap_or_default().contains(word.unwrap_or_default()), "{now}");
        }
        assert_eq!(time(0x17, b"491231235959Z").map(|time| time.to_string()).as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(
            time(0x18, b"20501231235959Z").map(|time| time.to_string()).as_deref(),
            Some("2050-12-31T23:59:59Z")
        );
    }

    #[test]
    fn truncated_certificates_have_no_dates() {
        let issued = issued();
        let leaf = CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap();
        for length in 0..leaf.len() {
            assert_eq!(validity(&CertificateDer::from(leaf[..length].to_vec())), None);
        }
    }

    /// Runs a handshake in memory.
    fn handshake(ca: &Path, server: &Reloader, name: &str) -> Result<(), rustls::Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(client_config(Some(ca)).unwrap()), name)?;
        let mut server = rustls::ServerConnection::new(server.subscribe().borrow().clone())?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut octets = Vec::new();
            client.write_tls(&mut octets).unwrap();
            server.read_tls(&mut octets.as_slice()).unwrap();
            server.process_new_packets()?;
            octets.clear();
            server.write_tls(&mut octets).unwrap();
            client.read_tls(&mut octets.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    /// As `openssl req -x509` makes it: its own issuer, and marked as a CA.
    fn self_signed(folder: &Path, last: Date) -> (PathBuf, PathBuf) {
        let mut params = rcgen::CertificateParams::new(vec!["gateway.example".to_owned()]).unwrap();
        let (month, day) = (last.month().unsigned_abs(), last.day().unsigned_abs());
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(last.year().into(), month, day);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (write(folder, "self.pem", &pem), write(folder, "self-key.pem", &key.serialize_pem()))
    }

    #[test]
    fn a_self_signed_certificate_is_trusted_if_it_was_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let issued = issued();
        let ca = write(folder.path(), "ca.pem", &issued.ca);
        let (certificate, key) = self_signed(folder.path(), Date::constant(2099, 1, 1));
        let (server, _) = Reloader::load(&certificate, &key, &[]).unwrap();
        assert_eq!(handshake(&certificate, &server, "gateway.example"), Ok(()));
        assert!(handshake(&certificate, &server, "other.example").is_err());
        assert!(handshake(&ca, &server, "gateway.example").is_err());
        let (certificate, key) = self_signed(folder.path(), Date::constant(2021, 1, 1));
        let (server, notice) = Reloader::load(&certificate, &key, &[]).unwrap();
        assert!(notice.is_some_and(|notice| notice.contains("ended at")));
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert_eq!(handshake(&certificate, &server, "gateway.example"), Err(expired));
    }

    #[test]
    fn suites_are_narrowed_but_never_to_none() {
        let all = provider(&[]).cipher_suites.len();
        assert_eq!(provider(&["TLS13_AES_128_GCM_SHA256"]).cipher_suites.len(), 1);
        assert_eq!(provider(&["nonsense"]).cipher_suites.len(), all);
    }
}
