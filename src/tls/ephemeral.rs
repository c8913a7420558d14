//! An identity for as long as the process lives: made in memory, written nowhere, signed by nobody whom clients trust.
//!
//! It carries a server that has lost its own. Its dates are fixed: a machine that has lost its files may have lost the
//! time of day with them, and what nobody trusts need not expire.

use std::{net::IpAddr, sync::Arc};

use jiff::civil::Date;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::sync::watch;

use super::{TlsError, issue, provider, served};

/// Before any clock that is right.
const FIRST: Date = Date::constant(2026, 1, 1);
/// Beyond any box.
const DAYS: u16 = 36_525;

/// Makes one for these names and addresses.
///
/// # Errors
/// [`TlsError`]: a name that cannot stand in a certificate, or no random numbers.
pub fn ephemeral(names: &[String], addresses: &[IpAddr]) -> Result<watch::Receiver<Arc<ServerConfig>>, TlsError> {
    let issued = issue(names, addresses, FIRST, DAYS)?;
    let unusable = |error: &dyn std::fmt::Display| TlsError::InMemory { reason: error.to_string() };
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).map_err(|error| unusable(&error))?;
    let config = served(chain, key, Arc::new(provider(&[]))).map_err(|error| unusable(&error))?;
    Ok(watch::channel(Arc::new(config)).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_have_nothing_in_common() {
        let issued = || issue(&["localhost".to_owned()], &[], FIRST, DAYS).unwrap();
        assert_ne!(issued().ca, issued().ca);
        assert!(ephemeral(&["localhost".to_owned()], &[IpAddr::from([127, 0, 0, 1])]).is_ok());
        assert!(ephemeral(&["no\u{e4}".to_owned()], &[]).is_err(), "a name that is not ASCII");
    }
}
