//! The box's TLS identity: a CA of its own, and the server's certificate that the CA signs anew when it is due.
//!
//! Dates come from outside: a box without a clock calls it the day its image was built, which is never later than
//! today. So a certificate is valid from its making on, whatever the clock says then. X.509 as RFC 5280 has it, strict
//! enough for Python 3.13 (`VERIFY_X509_STRICT`).

use core::net::IpAddr;

use ::aws_lc_rs::digest::{SHA256, digest};
use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, date},
    tz::TimeZone,
};
use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData as _};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

use super::{finding::Finding, network::Network};
use crate::tls::{self, issuance};

/// Days a server's certificate lasts: the most that all clients take.
const DAYS: i64 = 825;
/// The CA is valid from before any box was made: a clock that was wrong at the first start must not make it useless.
const CA_FROM: Date = date(2026, 1, 1);
/// Years the CA lasts: longer than the box.
const CA_YEARS: i64 = 30;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// A date beyond the calendar.
    #[error("cannot make a certificate: the clock is out of range")]
    Date,
}

/// The CA: its certificate and its key, PEM.
#[derive(Clone)]
pub struct Authority {
    /// For clients to trust.
    pub certificate: String,
    /// Signs the server's certificates.
    pub key: String,
}

/// The server's certificate.
#[derive(Clone)]
pub struct Server {
    /// Certificate and that of the CA, PEM.
    pub chain: String,
    /// Key, PEM.
    pub key: String,
}

/// The names and addresses the server's certificate is for, each once.
#[must_use]
pub fn subjects(network: &Network) -> Vec<String> {
    let host = &network.hostname;
    let own = [host.clone(), format!("{host}.local")];
    let addresses = network.addresses.iter().map(|subnet| subnet.address.to_string());
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut subjects = Vec::new();
    for subject in own.into_iter().chain(network.names.iter().cloned()).chain(addresses).chain(loopback) {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    subjects
}

/// Makes a CA.
///
/// # Errors
/// [`IdentityError`]: no random numbers.
pub fn new_authority() -> Result<Authority, IdentityError> {
    let key = KeyPair::generate()?;
    let params = authority_params(&key)?;
    Ok(Authority { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// Makes a certificate for `subjects`.
///
/// # Errors
/// [`IdentityError`]: a CA's key that is none.
pub fn new_server(authority: &Authority, subjects: &[String], today: Date) -> Result<Server, IdentityError> {
    let authority_key = KeyPair::from_pem(&authority.key)?;
    let issuer = authority_params(&authority_key)?;
    let (addresses, names): (Vec<_>, Vec<_>) = subjects.iter().partition(|subject| subject.parse::<IpAddr>().is_ok());
    let names: Vec<String> = names.into_iter().cloned().collect();
    let addresses = addresses.into_iter().filter_map(|address| address.parse().ok());
    let until = today.checked_add(DAYS.days()).map_err(|_| IdentityError::Date)?;
    let name = subjects.first().cloned().unwrap_or_default();
    let leaf = issuance::server(name, names, addresses, today, until)?;
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&issuer, &authority_key))?;
    Ok(Server { chain: format!("{}{}", certificate.pem(), authority.certificate), key: key.serialize_pem() })
}

/// The CA's name follows from its key, so that key and certificate alone are enough to sign with it again.
fn authority_params(key: &KeyPair) -> Result<CertificateParams, IdentityError> {
    let sum = digest(&SHA256, &key.subject_public_key_info());
    let name: String = sum.as_ref().iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    let until = CA_FROM.checked_add(CA_YEARS.years()).map_err(|_| IdentityError::Date)?;
    Ok(issuance::authority(format!("smsgate box {name}"), CA_FROM, until))
}

/// Whether a certificate has to be made anew: two thirds of its time are over, or it was made by a clock ahead of time, or
/// it has no readable dates.
#[must_use]
pub fn is_due(chain: &str, now: Timestamp) -> bool {
    let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok();
    let Some((from, until)) = leaf.and_then(|leaf| tls::validity(&leaf)) else { return true };
    let life = until.as_second() - from.as_second();
    now < from || now.as_second() >= from.as_second() + life / 3 * 2
}

/// SHA-256 of the first certificate, as browsers and OpenSSL show it.
#[must_use]
pub fn fingerprint(chain: &str) -> Option<String> {
    let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let sum = digest(&SHA256, &leaf);
    Some(sum.as_ref().iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":"))
}

/// Whether a file holds certificates to trust.
pub(super) fn check_authorities(file: &str, text: &str) -> Option<Finding> {
    let remedy = "it has to be PEM with at least one BEGIN CERTIFICATE";
    if text.contains("PRIVATE KEY") {
        return Some(Finding::of_file(file, "holds a private key", "put only the certificate there"));
    }
    certificates(text).is_none().then(|| Finding::of_file(file, "holds no certificate", remedy))
}

/// What is wrong with an operator's certificate and key. `now` may be earlier than it is, never later.
#[must_use]
pub fn check_pair(certificate_file: &str, chain: &str, key_file: &str, key: &str, now: Timestamp) -> Vec<Finding> {
    let mut problems = Vec::new();
    let chain = certificates(chain);
    if chain.is_none() {
        let remedy = "it has to be PEM: the server's certificate first, then those between it and the CA";
        problems.push(Finding::of_file(certificate_file, "holds no certificate", remedy));
    }
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok();
    if private.is_none() {
        let encrypted = key.contains("ENCRYPTED");
        let message = if encrypted { "is encrypted" } else { "holds no private key" };
        let remedy = if encrypted {
            "remove the passphrase: `openssl pkey -in OLD -out tls.key`"
        } else {
            "it has to be PEM, without a passphrase"
        };
        problems.push(Finding::of_file(key_file, message, remedy));
    }
    let (Some(chain), Some(private)) = (chain, private) else { return problems };
    if let Some((_, until)) = chain.first().and_then(tls::validity)
        && until < now
    {
        let ended = until.to_zoned(TimeZone::UTC).date();
        problems.push(Finding::of_file(certificate_file, format!("ended on {ended}"), "put a renewed one there"));
    }
    match CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()) {
        Ok(_) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!("is not the key of the certificate in {certificate_file}");
            problems.push(Finding::of_file(key_file, message, "put the matching pair there, the server's own first"));
        }
        Err(error) => {
            let remedy = "use an ECDSA key (P-256 or P-384), Ed25519, or RSA with 2048 bits or more";
            problems.push(Finding::of_file(certificate_file, format!("cannot be used: {error}"), remedy));
        }
    }
    problems
}

fn certificates(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(date: Date) -> Timestamp {
        date.to_zoned(TimeZone::UTC).unwrap().timestamp()
    }

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_by_the_same_authority() {
        let today = date(2026, 1, 1);
        let authority = new_authority().unwrap();
        let server = new_server(&authority, &subjects(&Network::default()), today).unwrap();
        assert_eq!(check_pair("tls.crt", &server.chain, "tls.key", &server.key, at(today)), []);
        for (day, due) in
            [(date(2025, 12, 31), true), (today, false), (date(2027, 7, 4), false), (date(2027, 7, 5), true)]
        {
            assert_eq!(is_due(&server.chain, at(day)), due, "{day}");
        }
        let later = new_server(&authority, &subjects(&Network::default()), date(2027, 7, 5)).unwrap();
        assert_ne!(fingerprint(&server.chain), fingerprint(&later.chain));
        // The CA's certificate, of which the name and the key identifier are found again.
        assert!(later.chain.ends_with(&authority.certificate));
        assert!(is_due("nonsense", at(today)));
    }

    #[test]
    fn a_pair_must_be_one_and_not_over() {
        let today = date(2026, 1, 1);
        let authority = new_authority().unwrap();
        let make = || new_server(&authority, &["a.example".to_owned()], today).unwrap();
        let (one, other) = (make(), make());
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (chain, key, day, complaint) in [
            (one.chain.as_str(), other.key.as_str(), today, "tls.key: is not the key of the certificate in tls.crt"),
            ("hello", &one.key, today, "tls.crt: holds no certificate"),
            (&one.chain, "hello", today, "tls.key: holds no private key"),
            (&one.chain, encrypted, today, "tls.key: is encrypted; remove the passphrase"),
            (&one.chain, &one.key, date(2029, 1, 1), "tls.crt: ended on 2028-04-05; put a renewed one"),
        ] {
            let problems = check_pair("tls.crt", chain, "tls.key", key, at(day));
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].to_string().starts_with(complaint), "{problems:?}");
        }
        assert!(check_authorities("mail-ca.pem", &one.key).unwrap().message.contains("private key"));
        assert!(check_authorities("mail-ca.pem", "x").is_some() && check_authorities("m", &one.chain).is_none());
    }
}
