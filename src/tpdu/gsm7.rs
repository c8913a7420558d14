//! The GSM 7 bit default alphabet, its extension table and the packing of septets (TS 23.038 6.1.2, 6.2.1).

/// Septets of `text` in the default alphabet and its extension table; the first character that is in neither.
///
/// # Errors
/// The character that cannot be encoded.
pub fn encode(text: &str) -> Result<Vec<u8>, char> {
    let _ = text;
    todo!()
}

/// Text of septets in the default alphabet and its extension table.
#[must_use]
pub fn decode(septets: &[u8]) -> String {
    let _ = septets;
    todo!()
}

/// Packs septets into octets.
#[must_use]
pub fn pack(septets: &[u8]) -> Vec<u8> {
    let _ = septets;
    todo!()
}

/// Unpacks at most `count` septets.
#[must_use]
pub fn unpack(octets: &[u8], count: usize) -> Vec<u8> {
    let _ = (octets, count);
    todo!()
}
