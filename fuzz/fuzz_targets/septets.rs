//! The GSM 7 bit alphabets (TS 23.038 6.1.2, 6.2.1): any septets pack and unpack to themselves, any text of theirs can
//! be written and reads the same; so with national tables, through a whole TPDU. The first three octets choose the
//! tables and how much is asked for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate::tpdu::{
    DataCodingScheme, Incoming, InformationElement, Language, Payload, UserData, UserDataHeader, gsm7,
};
use smsgate_fuzz::air;

fuzz_target!(|octets: &[u8]| {
    let Some(([locking, single, count], octets)) = octets.split_first_chunk::<3>() else { return };
    let septets: Vec<u8> = octets.iter().map(|octet| octet & 0x7f).collect();
    assert_eq!(gsm7::unpack(&gsm7::pack(&septets), septets.len()), septets);
    assert!(gsm7::unpack(octets, usize::from(*count)).len() <= usize::from(*count).min(octets.len() * 8 / 7));

    let text = gsm7::decode(&septets);
    assert!(text.chars().count() <= septets.len());
    let written = gsm7::encode(&text).expect("the alphabet has what was read in it");
    assert_eq!(gsm7::decode(&written), text);

    let table = |pick: u8, element: fn(Language) -> InformationElement| {
        Language::ALL.get(usize::from(pick)).copied().map(element)
    };
    let elements: Vec<_> = table(*locking, InformationElement::NationalLockingShift)
        .into_iter()
        .chain(table(*single, InformationElement::NationalSingleShift))
        .collect();
    let header = (!elements.is_empty()).then_some(UserDataHeader { elements });
    let user_data = UserData { header, payload: Payload::Septets(septets) };
    air::user_data(&user_data, DataCodingScheme::GSM7);
    air::incoming(None, Incoming::Deliver(air::deliver(user_data, DataCodingScheme::GSM7)));
});
