//! Ways to chop a stream: what a reader makes of it must not depend on where a read ended.

/// Chops `stream` at places that follow from its octets.
pub fn chopped(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut state = stream
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3));
    let mut rest = stream;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from(state >> 60).unwrap_or(0) + 1;
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Each octet alone.
pub fn single(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    stream.chunks(1)
}

/// All at once.
pub fn whole(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    Some(stream).filter(|stream| !stream.is_empty()).into_iter()
}
