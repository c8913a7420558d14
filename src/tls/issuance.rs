//! What a CA's and a server's certificate say, whoever makes them.

use std::net::IpAddr;

use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType, date_time_ymd,
};

/// A CA that signs servers' certificates and no other CA's.
pub(crate) fn authority(name: String, first: Date, last: Date) -> CertificateParams {
    let mut params = CertificateParams::default();
    describe(&mut params, name, first, last);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A server that is found under these names and addresses.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub(crate) fn server(
    name: String,
    names: Vec<String>,
    addresses: impl IntoIterator<Item = IpAddr>,
    first: Date,
    last: Date,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    describe(&mut params, name, first, last);
    params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn describe(params: &mut CertificateParams, name: String, first: Date, last: Date) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let time = |date: Date| date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs());
    (params.not_before, params.not_after) = (time(first), time(last));
}
