//! Reading fields off octets without ever running past their end.

use super::error::{DecodeError, DecodeErrorKind};

/// Octets still to be read, and how many were read before them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// Reads from the first octet.
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets, offset: 0 }
    }

    /// Octets read so far.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Whether all is read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next octet.
    pub(super) fn octet(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or_else(|| self.truncated(field, 1))?;
        self.rest = rest;
        self.offset += 1;
        Ok(first)
    }

    /// The next `count` octets.
    pub(super) fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.truncated(field, count))?;
        self.rest = rest;
        self.offset += count;
        Ok(taken)
    }

    /// The next `N` octets as an array.
    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.truncated(field, N))?;
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    /// All that is left, still unread.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn truncated(&self, field: &'static str, needed: usize) -> DecodeError {
        DecodeError { field, offset: self.offset, kind: DecodeErrorKind::Truncated { needed, left: self.rest.len() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_field_and_offset() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.octet("A"), Ok(1));
        let error = cursor.take("TP-OA", 5).unwrap_err();
        assert_eq!(error.to_string(), "TP-OA at octet 1: needs 5 octets, 2 are left");
        assert_eq!(cursor.rest(), [2, 3]);
        assert_eq!(cursor.array::<2>("B"), Ok([2, 3]));
        assert!(cursor.is_empty());
        assert_eq!(cursor.octet("C").unwrap_err().offset, 3);
        assert_eq!(cursor.rest(), &[] as &[u8]);
    }
}
