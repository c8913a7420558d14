//! Segments to text, in whatever order they came (TS 23.040 9.2.3.24.1).
//!
//! Which segments are of one message is the caller's to say.

use std::collections::BTreeMap;

use super::{
    data,
    dcs::{Alphabet, DataCodingScheme},
    gsm7::Tables,
    ucs2,
    udh::UserDataHeader,
    userdata::{Payload, UserData},
};

/// Stands for segments that are missing, once for all that are missing side by side.
const GAP: &str = "[...]";

/// A segment received.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its number, from 1.
    pub sequence: u8,
    /// Number of segments it claims the message has.
    pub total: u8,
    /// TP-DCS it came with.
    pub data_coding: DataCodingScheme,
    /// TP-UD it came with.
    pub user_data: &'a UserData,
}

/// A message of several segments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joined {
    /// The text, with `[...]` where segments are missing.
    pub text: String,
    /// Numbers of the segments that are missing, in order.
    pub missing: Vec<u8>,
    /// Numbers that came more than once with unlike contents, and those of parts that claim another total or a number
    /// beyond it; in order. Of the former the first that came is in the text, the latter are not.
    pub conflicting: Vec<u8>,
}

/// Joins the segments of a message of `total`. Repeats are harmless. A character cut in two by its sender (surrogate
/// pair, UCS-2 unit, escape and septet) is put together where both halves came.
#[must_use]
pub fn join(parts: &[Part<'_>], total: u8) -> Joined {
    let mut chosen: BTreeMap<u8, &Part<'_>> = BTreeMap::new();
    let mut conflicting = Vec::new();
    for part in parts {
        let fits = part.total == total && (1..=total).contains(&part.sequence);
        let first = if fits { *chosen.entry(part.sequence).or_insert(part) } else { part };
        if !fits || first.user_data != part.user_data || first.data_coding != part.data_coding {
            conflicting.push(part.sequence);
        }
    }
    conflicting.sort_unstable();
    conflicting.dedup();

    let missing: Vec<u8> = (1..=total).filter(|sequence| !chosen.contains_key(sequence)).collect();
    let mut text = String::new();
    let mut run: Option<Run<'_>> = None;
    let mut in_gap = false;
    for sequence in 1..=total {
        let Some(part) = chosen.get(&sequence) else {
            text.extend(run.take().map(Run::text));
            if !in_gap {
                text.push_str(GAP);
            }
            in_gap = true;
            continue;
        };
        in_gap = false;
        let next = Run::new(part);
        run = match run.take() {
            Some(mut run) if run.alphabet == next.alphabet => {
                run.payloads.extend(next.payloads);
                Some(run)
            }
            other => {
                text.extend(other.map(Run::text));
                Some(next)
            }
        };
    }
    text.extend(run.map(Run::text));
    Joined { text, missing, conflicting }
}

/// Segments side by side that are written alike, to be read as one.
#[derive(Debug)]
struct Run<'a> {
    alphabet: RunAlphabet,
    payloads: Vec<&'a [u8]>,
    /// Scheme and header of its first segment.
    scheme: DataCodingScheme,
    header: Option<&'a UserDataHeader>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RunAlphabet {
    Septets(Tables),
    Octets,
    Compressed,
    Ucs2,
}

impl<'a> Run<'a> {
    fn new(part: &Part<'a>) -> Self {
        let (alphabet, payload) = match (&part.user_data.payload, part.data_coding.alphabet()) {
            (Payload::Septets(septets), _) => (RunAlphabet::Septets(part.user_data.tables()), septets),
            (Payload::Octets(octets), Alphabet::Ucs2) => (RunAlphabet::Ucs2, octets),
            (Payload::Octets(octets), Alphabet::Octets | Alphabet::Gsm7) if part.data_coding.is_compressed() => {
                (RunAlphabet::Compressed, octets)
            }
            (Payload::Octets(octets), Alphabet::Octets | Alphabet::Gsm7) => (RunAlphabet::Octets, octets),
        };
        let header = part.user_data.header.as_ref();
        Self { alphabet, payloads: vec![payload], scheme: part.data_coding, header }
    }

    fn text(self) -> String {
        match self.alphabet {
            RunAlphabet::Septets(tables) => tables.text(&self.payloads.concat()),
            RunAlphabet::Octets | RunAlphabet::Compressed => {
                data::text(&self.payloads.concat(), self.scheme, self.header)
            }
            RunAlphabet::Ucs2 => {
                let octets: usize = self.payloads.iter().map(|payload| payload.len()).sum();
                // Odd segments that are even together had a unit cut in two; others just have an octet too many.
                let kept =
                    |payload: &&'a [u8]| if octets.is_multiple_of(2) { payload.len() } else { payload.len() & !1 };
                let units: Vec<&[u8]> =
                    self.payloads.iter().map(|payload| payload.get(..kept(payload)).unwrap_or(payload)).collect();
                ucs2::decode(&units.concat())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            national::Language,
            udh::{InformationElement, UserDataHeader},
        },
        *,
    };

    const GSM7: DataCodingScheme = DataCodingScheme::GSM7;
    const UCS2: DataCodingScheme = DataCodingScheme::UCS2;

    fn septets(septets: &[u8]) -> UserData {
        UserData { header: None, payload: Payload::Septets(septets.to_vec()) }
    }

    fn octets(octets: &[u8]) -> UserData {
        UserData { header: None, payload: Payload::Octets(octets.to_vec()) }
    }

    fn joined(parts: &[(u8, DataCodingScheme, &UserData)], total: u8) -> Joined {
        let part = |&(sequence, data_coding, user_data)| Part { sequence, total, data_coding, user_data };
        join(&parts.iter().map(part).collect::<Vec<_>>(), total)
    }

    #[test]
    fn order_and_repeats_do_not_matter() {
        let (a, b, c) = (septets(b"one "), septets(b"two "), septets(b"three"));
        let whole = Joined { text: "one two three".into(), missing: vec![], conflicting: vec![] };
        for parts in [
            vec![(1, GSM7, &a), (2, GSM7, &b), (3, GSM7, &c)],
            vec![(3, GSM7, &c), (1, GSM7, &a), (2, GSM7, &b)],
            vec![(2, GSM7, &b), (2, GSM7, &b), (3, GSM7, &c), (1, GSM7, &a), (3, GSM7, &c)],
        ] {
            assert_eq!(joined(&parts, 3), whole);
        }
    }

    #[test]
    fn gaps_are_marked_once_each() {
        let part = septets(b"x");
        for (present, total, text, missing) in [
            (vec![], 2, "[...]", vec![1, 2]),
            (vec![2], 2, "[...]x", vec![1]),
            (vec![1, 4], 5, "x[...]x[...]", vec![2, 3, 5]),
            (vec![], 0, "", vec![]),
        ] {
            let parts: Vec<_> = present.iter().map(|&sequence| (sequence, GSM7, &part)).collect();
            let Joined { text: found, missing: gone, .. } = joined(&parts, total);
            assert_eq!((found.as_str(), gone), (text, missing));
        }
    }

    #[test]
    fn contradictions_are_told_and_the_first_wins() {
        let (a, b) = (septets(b"a"), septets(b"b"));
        let found = joined(&[(1, GSM7, &a), (2, GSM7, &a), (1, GSM7, &b), (1, GSM7, &a)], 2);
        assert_eq!(found, Joined { text: "aa".into(), missing: vec![], conflicting: vec![1] });
        let found = joined(&[(1, GSM7, &a), (2, GSM7, &a), (1, DataCodingScheme(0x10), &a)], 2);
        assert_eq!(found.conflicting, [1]);

        let stray = Part { sequence: 1, total: 3, data_coding: GSM7, user_data: &b };
        let zero = Part { sequence: 0, total: 2, ..stray };
        let beyond = Part { sequence: 3, total: 2, ..stray };
        let found = join(&[stray, zero, beyond], 2);
        assert_eq!(found, Joined { text: "[...]".into(), missing: vec![1, 2], conflicting: vec![0, 1, 3] });
    }

    #[test]
    fn halves_across_a_cut_are_put_together() {
        let high = octets(&[0x00, 0x41, 0xd8, 0x3d]);
        let low = octets(&[0xde, 0x00, 0x00, 0x42]);
        assert_eq!(joined(&[(2, UCS2, &low), (1, UCS2, &high)], 2).text, "A😀B");
        assert_eq!(joined(&[(1, UCS2, &high), (3, UCS2, &low)], 3).text, "A�[...]�B");

        let (escape, euro) = (septets(&[0x41, 0x1b]), septets(&[0x65, 0x42]));
        assert_eq!(joined(&[(1, GSM7, &escape), (2, GSM7, &euro)], 2).text, "A€B");
        assert_eq!(joined(&[(2, GSM7, &euro)], 2).text, "[...]eB");
    }

    #[test]
    fn units_cut_in_two_are_put_together_and_stray_octets_dropped() {
        let (first, second) = (octets(&[0x04, 0x20, 0x04]), octets(&[0x43, 0x04, 0x41]));
        assert_eq!(joined(&[(1, UCS2, &first), (2, UCS2, &second)], 2).text, "Рус");
        let even = octets(&[0x04, 0x41]);
        assert_eq!(joined(&[(1, UCS2, &first), (2, UCS2, &even)], 2).text, "Рс");
    }

    #[test]
    fn data_over_several_segments_is_told_as_one() {
        let elements = vec![InformationElement::Ports { destination: 2948, source: 9200, wide: true }];
        let first = UserData { header: Some(UserDataHeader { elements }), payload: Payload::Octets(vec![1, 6]) };
        let second = octets(&[0x41, 0x42]);
        let (data, compressed) = (DataCodingScheme::OCTETS, DataCodingScheme(0x20));
        let found = joined(&[(1, data, &first), (2, data, &second)], 2);
        assert_eq!(found.text, "[8 bit data to port 2948 (WAP push): 01064142]");
        assert_eq!(
            joined(&[(1, data, &first), (3, data, &second)], 3).text,
            "[8 bit data to port 2948 (WAP push): 0106][...]AB"
        );
        assert_eq!(joined(&[(1, data, &second), (2, compressed, &second)], 2).text, "AB[compressed text: 4142]");
    }

    #[test]
    fn segments_may_differ_in_alphabet_and_tables() {
        let plain = septets(&[0x1b, 0x65]);
        let elements = vec![InformationElement::NationalLockingShift(Language::Turkish)];
        let turkish = UserData { header: Some(UserDataHeader { elements }), payload: Payload::Septets(vec![0x0c]) };
        let wide = octets(&[0x04, 0x41]);
        let found = joined(&[(1, GSM7, &plain), (2, GSM7, &turkish), (3, UCS2, &wide)], 3);
        assert_eq!(found.text, "€ğс");
    }
}
