//! What holds for every TPDU and every text: what is written is read again, segments join in any order, and no octets
//! make a decoder panic (TS 23.040, TS 23.038).

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the functions beside the tests are tests too"
)]

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Instant,
};

use proptest::{collection::vec, option, prelude::*, sample::select};
use smsgate::tpdu::{
    Address, Alphabet, Alphabets, DataCodingScheme, Deliver, Incoming, InformationElement, Language, MessageClass,
    NumberingPlan, Part, Payload, Reference, Segment, ServiceCentreTimestamp, Status, StatusReport, Submit,
    TypeOfNumber, UserData, UserDataHeader, ValidityPeriod, decode_incoming, decode_incoming_with_length,
    decode_submit, encode_incoming, encode_submit, gsm7, hex, join, segment_with,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delivers_are_read_as_written(smsc in option::of(number()), deliver in deliver()) {
        let incoming = Incoming::Deliver(deliver);
        let encoded = encode_incoming(smsc.as_ref(), &incoming).unwrap();
        let decoded = decode_incoming_with_length(&encoded.hex, encoded.tpdu_octets).unwrap();
        prop_assert_eq!(decoded, (smsc, incoming));
    }

    #[test]
    fn submits_are_read_as_written(smsc in option::of(number()), submit in submit()) {
        let encoded = encode_submit(smsc.as_ref(), &submit).unwrap();
        let decoded = decode_submit(&encoded.hex).unwrap();
        prop_assert_eq!(decoded, (smsc, submit));
    }

    #[test]
    fn status_reports_are_read_as_written(smsc in option::of(number()), report in status_report()) {
        let incoming = Incoming::StatusReport(report);
        let encoded = encode_incoming(smsc.as_ref(), &incoming).unwrap();
        let decoded = decode_incoming_with_length(&encoded.hex, encoded.tpdu_octets).unwrap();
        prop_assert_eq!(decoded, (smsc, incoming));
    }

    #[test]
    fn texts_come_back_from_segments_in_any_order(
        text in text(),
        reference in reference(),
        class in option::of(select(vec![MessageClass::Zero, MessageClass::One, MessageClass::Two])),
        alphabets in alphabets(),
        order in any::<u64>(),
    ) {
        let segments = segment_with(&text, reference, class, &alphabets).unwrap();
        let mut received: Vec<Deliver> = segments.iter().map(through_the_air).collect();
        received.extend(received.clone().into_iter().step_by(3)); // the network repeats some
        let mut random = Random(order | 1);
        for place in (1..received.len()).rev() {
            received.swap(place, random.below(place + 1));
        }
        for deliver in &received {
            prop_assert_eq!(deliver.data_coding.class(), class);
        }
        let total = u8::try_from(segments.len()).unwrap();
        if total == 1 {
            prop_assert_eq!(received[0].user_data.concatenation(), None);
            prop_assert_eq!(received[0].user_data.text(received[0].data_coding), text);
        } else {
            let joined = join(&received.iter().map(part).collect::<Vec<_>>(), total);
            prop_assert_eq!((joined.text, joined.missing, joined.conflicting), (text, vec![], vec![]));
        }
    }

    /// Each segment alone is a text: no escape, and no surrogate, is parted from what belongs to it.
    #[test]
    fn no_cut_parts_what_belongs_together(text in text(), reference in reference(), alphabets in alphabets()) {
        let segments = segment_with(&text, reference, None, &alphabets).unwrap();
        let texts: String = segments.iter().map(|segment| segment.user_data.text(segment.data_coding)).collect();
        prop_assert_eq!(texts, text);
        for segment in &segments {
            if let Payload::Septets(septets) = &segment.user_data.payload {
                prop_assert_ne!(septets.last(), Some(&0x1b));
            }
        }
    }

    #[test]
    fn segments_that_stay_away_are_told(text in text(), reference in reference(), lost in any::<u64>()) {
        let segments = segment_with(&text, reference, None, &Alphabets::default()).unwrap();
        prop_assume!(segments.len() > 1);
        let total = u8::try_from(segments.len()).unwrap();
        let received: Vec<Deliver> = segments.iter().map(through_the_air).collect();
        let lost = |sequence: u8| lost >> (sequence % 64) & 1 == 1;
        let parts: Vec<Part<'_>> = received.iter().map(part).filter(|part| !lost(part.sequence)).collect();
        let joined = join(&parts, total);
        prop_assert_eq!(joined.missing, (1..=total).filter(|&sequence| lost(sequence)).collect::<Vec<u8>>());
    }

    /// National tables never make more segments than UCS-2, nor does anything beat the default alphabet.
    #[test]
    fn national_tables_only_save(text in text(), reference in reference(), alphabets in alphabets()) {
        let plain = segment_with(&text, reference, None, &Alphabets::NONE).unwrap();
        let chosen = segment_with(&text, reference, None, &alphabets).unwrap();
        if plain != chosen {
            prop_assert!(chosen.len() < plain.len());
            prop_assert_eq!(plain[0].data_coding, DataCodingScheme::UCS2);
        }
    }
}

/// A million hostile PDUs: random octets, and vectors with octets changed, cut, doubled.
#[test]
fn no_octets_make_a_decoder_panic() {
    const INPUTS: u32 = 1_000_000;
    let seed = RandomState::new().hash_one("seed") | 1;
    println!("seed {seed:#018x}");
    let started = Instant::now();
    let sound = sound_pdus();
    let mut random = Random(seed);
    let (mut accepted, mut octets) = (0_u32, Vec::new());
    for _ in 0..INPUTS {
        octets.clear();
        if random.below(4) == 0 {
            octets.extend((0..random.below(48)).map(|_| random.octet()));
        } else {
            // The shorter of two: what is long is slow and has nothing more to trip over.
            let pick = [random.below(sound.len()), random.below(sound.len())];
            octets.extend(&sound[pick[0].min(pick[1])]);
            random.mutate(&mut octets);
        }
        accepted += u32::from(decode_everything(&octets));
    }
    println!("{accepted} of {INPUTS} were TPDUs, {:?}", started.elapsed());
    assert!(accepted > INPUTS / 10, "the inputs hardly reach the decoders' insides: {accepted}");
}

/// Whether any decoder made something of it.
fn decode_everything(octets: &[u8]) -> bool {
    let text = hex::encode(octets);
    let mut accepted = false;
    // Without a service centre address the insides are the same: every fourth input is enough.
    let bare = octets.len().is_multiple_of(4).then(|| decode_incoming_with_length(&text, octets.len()));
    for (_, incoming) in [Some(decode_incoming(&text)), bare].into_iter().flatten().flatten() {
        accepted = true;
        let (time, data) = match &incoming {
            Incoming::Deliver(deliver) => {
                (deliver.service_centre_timestamp, Some((&deliver.user_data, deliver.data_coding)))
            }
            Incoming::StatusReport(report) => {
                assert!(!report.status.text().is_empty());
                let scheme = report.data_coding.unwrap_or_default();
                (report.discharge_time, report.user_data.as_ref().map(|data| (data, scheme)))
            }
        };
        assert!(time.to_timestamp().is_none() || time.offset_seconds().abs() <= 79 * 900);
        if let Some((user_data, data_coding)) = data {
            read(user_data, data_coding);
        }
    }
    if let Ok((_, submit)) = decode_submit(&text) {
        accepted = true;
        let _ = submit.validity.and_then(|validity| validity.duration());
        read(&submit.user_data, submit.data_coding);
    }
    let _ = UserDataHeader::decode(octets);
    accepted
}

fn read(user_data: &UserData, data_coding: DataCodingScheme) {
    let text = user_data.text(data_coding);
    // A mark with all octets that TP-UDL can tell, in hex, is the longest.
    assert!(text.chars().count() <= 2 * 255 + 60, "more characters than TP-UD has room for");
    let Some(concatenation) = user_data.concatenation() else { return };
    let part = Part { sequence: concatenation.sequence, total: concatenation.total, data_coding, user_data };
    let joined = join(&[part], concatenation.total);
    assert_eq!(joined.missing.len(), usize::from(concatenation.total) - 1);
}

/// Octets of the vectors' PDUs, the shortest first.
fn sound_pdus() -> Vec<Vec<u8>> {
    let files = [
        include_str!("vectors/deliver.txt"),
        include_str!("vectors/deliver_computed.txt"),
        include_str!("vectors/submit.txt"),
        include_str!("vectors/status_report.txt"),
        include_str!("vectors/anomalies.txt"),
    ];
    let pdu = |line: &str| {
        let (direction, pdu) = line.split_once(" = ")?;
        ["deliver", "submit", "report"].contains(&direction).then(|| hex::decode(pdu).unwrap())
    };
    let mut pdus: Vec<Vec<u8>> = files.iter().flat_map(|text| text.lines()).filter_map(pdu).collect();
    pdus.sort_by_key(Vec::len);
    pdus
}

/// A segment, sent and received.
fn through_the_air(segment: &Segment) -> Deliver {
    let submit = Submit {
        reject_duplicates: false,
        reply_path: false,
        status_report_request: true,
        message_reference: 0,
        destination: Address::number("+31641600986").unwrap(),
        protocol_identifier: 0,
        data_coding: segment.data_coding,
        validity: None,
        user_data: segment.user_data.clone(),
    };
    let (_, submit) = decode_submit(&encode_submit(None, &submit).unwrap().hex).unwrap();
    let deliver = Incoming::Deliver(Deliver {
        more_messages: false,
        loop_prevention: false,
        reply_path: false,
        status_report: false,
        originating_address: submit.destination,
        protocol_identifier: 0,
        data_coding: submit.data_coding,
        service_centre_timestamp: ServiceCentreTimestamp::from_octets([0; 7]),
        user_data: submit.user_data,
    });
    let encoded = encode_incoming(None, &deliver).unwrap();
    // SCA, first octet, TP-OA, TP-PID, TP-DCS, TP-SCTS and TP-UDL take 20.
    assert!(encoded.hex.len() / 2 <= 20 + 140, "user data of more than 140 octets");
    match decode_incoming(&encoded.hex).unwrap() {
        (None, Incoming::Deliver(deliver)) => deliver,
        other => panic!("{other:?}"),
    }
}

fn part(deliver: &Deliver) -> Part<'_> {
    let concatenation = deliver.user_data.concatenation().unwrap();
    Part {
        sequence: concatenation.sequence,
        total: concatenation.total,
        data_coding: deliver.data_coding,
        user_data: &deliver.user_data,
    }
}

/// Marsaglia's xorshift; the state is never zero.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 16) % limit as u64).unwrap()
    }

    fn octet(&mut self) -> u8 {
        self.next().to_be_bytes()[3]
    }

    fn mutate(&mut self, octets: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let place = self.below(octets.len().max(1));
            match self.below(5) {
                0 => octets.truncate(place),
                1 => octets.insert(place.min(octets.len()), self.octet()),
                2 => {
                    let doubled = octets[place.min(octets.len())..].to_vec();
                    octets.extend(doubled);
                }
                _ => {
                    let octet = self.octet();
                    // The first octets decide most: they get as many changes as all the others.
                    let place = if octet.is_multiple_of(2) { place } else { place % 24 };
                    octets.get_mut(place).into_iter().for_each(|target| *target = octet);
                }
            }
        }
    }
}

fn number() -> impl Strategy<Value = Address> {
    prop_oneof!["\\+[0-9]{1,20}", "[0-9*#abc]{1,20}"].prop_map(|text| Address::number(&text).unwrap())
}

fn address() -> impl Strategy<Value = Address> {
    let types = select(vec![
        TypeOfNumber::Unknown,
        TypeOfNumber::National,
        TypeOfNumber::NetworkSpecific,
        TypeOfNumber::Subscriber,
        TypeOfNumber::Abbreviated,
        TypeOfNumber::Reserved,
    ]);
    let plans = select(vec![
        NumberingPlan::Unknown,
        NumberingPlan::Isdn,
        NumberingPlan::Data,
        NumberingPlan::Telex,
        NumberingPlan::Other(5),
        NumberingPlan::National,
        NumberingPlan::Private,
        NumberingPlan::Ermes,
        NumberingPlan::Other(15),
    ]);
    let odd = (number(), types, plans).prop_map(|(address, type_of_number, numbering_plan)| Address {
        type_of_number,
        numbering_plan,
        ..address
    });
    let name = vec(gsm7_character(), 1..=11)
        .prop_map(|characters| characters.into_iter().collect::<String>())
        .prop_filter_map("11 septets", |name| Address::alphanumeric(&name).ok());
    prop_oneof![number(), odd, name]
}

fn gsm7_character() -> impl Strategy<Value = char> {
    (0_u8..0x80, any::<bool>()).prop_filter_map("a character", |(septet, escaped)| {
        let septets = if escaped { vec![0x1b, septet] } else { vec![septet] };
        gsm7::decode(&septets).chars().next()
    })
}

fn language() -> impl Strategy<Value = Language> {
    select(Language::ALL.to_vec())
}

fn element() -> impl Strategy<Value = InformationElement> {
    prop_oneof![
        (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(reference, total, sequence)| {
            InformationElement::Concatenation { reference: reference.into(), wide: false, total, sequence }
        }),
        (any::<u16>(), any::<u8>(), any::<u8>()).prop_map(|(reference, total, sequence)| {
            InformationElement::Concatenation { reference, wide: true, total, sequence }
        }),
        (any::<u8>(), any::<u8>()).prop_map(|(destination, source)| InformationElement::Ports {
            destination: destination.into(),
            source: source.into(),
            wide: false,
        }),
        (any::<u16>(), any::<u16>()).prop_map(|(destination, source)| InformationElement::Ports {
            destination,
            source,
            wide: true
        }),
        language().prop_map(InformationElement::NationalSingleShift),
        language().prop_map(InformationElement::NationalLockingShift),
        (0x70_u8.., vec(any::<u8>(), 0..8)).prop_map(|(id, data)| InformationElement::Other { id, data }),
    ]
}

/// User data and a scheme that fits it; up to 40 octets of header and up to 100 behind it.
fn user_data() -> impl Strategy<Value = (DataCodingScheme, UserData)> {
    let header = option::of(vec(element(), 0..4).prop_map(|elements| UserDataHeader { elements }));
    let payload = any::<u8>().prop_map(DataCodingScheme).prop_flat_map(|scheme| {
        let payload = if scheme.alphabet() == Alphabet::Gsm7 {
            vec(0_u8..0x80, 0..=114).prop_map(Payload::Septets).boxed()
        } else {
            vec(any::<u8>(), 0..=100).prop_map(Payload::Octets).boxed()
        };
        (Just(scheme), payload)
    });
    (header, payload).prop_map(|(header, (scheme, payload))| (scheme, UserData { header, payload }))
}

fn time() -> impl Strategy<Value = ServiceCentreTimestamp> {
    any::<[u8; 7]>().prop_map(ServiceCentreTimestamp::from_octets)
}

fn deliver() -> impl Strategy<Value = Deliver> {
    (any::<[bool; 4]>(), address(), any::<u8>(), time(), user_data()).prop_map(
        |(flags, originating_address, protocol_identifier, service_centre_timestamp, (data_coding, user_data))| {
            let [more_messages, loop_prevention, reply_path, status_report] = flags;
            Deliver {
                more_messages,
                loop_prevention,
                reply_path,
                status_report,
                originating_address,
                protocol_identifier,
                data_coding,
                service_centre_timestamp,
                user_data,
            }
        },
    )
}

fn submit() -> impl Strategy<Value = Submit> {
    let validity = prop_oneof![
        any::<u8>().prop_map(ValidityPeriod::Relative),
        time().prop_map(ValidityPeriod::Absolute),
        any::<[u8; 7]>().prop_map(ValidityPeriod::Enhanced),
    ];
    (any::<[bool; 3]>(), any::<[u8; 2]>(), address(), option::of(validity), user_data()).prop_map(
        |(flags, [message_reference, protocol_identifier], destination, validity, (data_coding, user_data))| {
            let [reject_duplicates, reply_path, status_report_request] = flags;
            Submit {
                reject_duplicates,
                reply_path,
                status_report_request,
                message_reference,
                destination,
                protocol_identifier,
                data_coding,
                validity,
                user_data,
            }
        },
    )
}

fn status_report() -> impl Strategy<Value = StatusReport> {
    let optional = prop_oneof![
        Just((None, None)),
        any::<u8>().prop_map(|scheme| (Some(DataCodingScheme(scheme)), None)),
        user_data().prop_map(|(scheme, data)| (Some(scheme), Some(data))),
        user_data()
            .prop_filter("septets", |(scheme, _)| scheme.alphabet() == Alphabet::Gsm7)
            .prop_map(|(_, data)| (None, Some(data))),
    ];
    (any::<[bool; 3]>(), any::<[u8; 2]>(), address(), (time(), time()), option::of(any::<u8>()), optional).prop_map(
        |(flags, [message_reference, status], recipient, (sent, discharge_time), protocol_identifier, optional)| {
            let [more_messages, loop_prevention, qualifier] = flags;
            let (data_coding, user_data) = optional;
            StatusReport {
                more_messages,
                loop_prevention,
                qualifier,
                message_reference,
                recipient,
                service_centre_timestamp: sent,
                discharge_time,
                status: Status(status),
                protocol_identifier,
                data_coding,
                user_data,
            }
        },
    )
}

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![any::<u8>().prop_map(Reference::Narrow), any::<u16>().prop_map(Reference::Wide)]
}

fn alphabets() -> impl Strategy<Value = Alphabets> {
    let some = || prop_oneof![Just(Language::ALL.to_vec()), Just(vec![]), vec(language(), 1..3)];
    (some(), some()).prop_map(|(single_shift, locking_shift)| Alphabets { single_shift, locking_shift })
}

/// Any characters, letters one national table or another has, and the default alphabet with many escapes; short and
/// over several segments.
fn text() -> impl Strategy<Value = String> {
    let national = select("ğışçÁíõâ\u{904}\u{905}\u{958}\u{985}\u{9e6}\u{627}\u{6f0}aA1 €".chars().collect::<Vec<_>>());
    let characters = prop_oneof![
        any::<char>().boxed(),
        national.boxed(),
        gsm7_character().boxed(),
        select(vec!['a', '€', '[', '~']).boxed(),
        select(vec!['é', '😀', '\u{200d}', 'ё']).boxed(),
    ];
    let of = |characters: BoxedStrategy<char>| {
        prop_oneof![vec(characters.clone(), 0..90), vec(characters, 60..700)]
            .prop_map(|characters| characters.into_iter().collect::<String>())
            .boxed()
    };
    prop_oneof![
        of(characters.boxed()),
        of(gsm7_character().boxed()),
        of(select(vec!['a', 'ğ', 'ş', 'ı', '€']).boxed()),
        of(select("नमस्ते दुनिया।A€".chars().collect::<Vec<_>>()).boxed()),
        of(select(vec!['a', '😀']).boxed()),
    ]
}
