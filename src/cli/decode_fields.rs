//! The fields of a decoded TPDU as people and programs want to read them, in the order of the standard's tables
//! (TS 23.040 9.2.2.1 to 9.2.2.3).

use serde_json::{Map, Value as Json, json};

use crate::tpdu::{
    Address, DataCodingScheme, Deliver, Incoming, InformationElement, Payload, ProtocolIdentifier,
    ServiceCentreTimestamp, StatusReport, Submit, UserData, ValidityPeriod, WaitingKind,
};

/// One field.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    /// The standard's name, for people.
    pub(super) element: &'static str,
    /// The name in JSON.
    pub(super) name: &'static str,
    /// For people.
    pub(super) shown: String,
    /// For programs.
    pub(super) json: Json,
}

impl Field {
    /// A field that reads the same for both.
    #[must_use]
    pub(super) fn text(element: &'static str, name: &'static str, text: impl Into<String>) -> Self {
        let shown = text.into();
        Self { element, name, json: shown.as_str().into(), shown }
    }

    fn both(element: &'static str, name: &'static str, shown: impl Into<String>, json: impl Into<Json>) -> Self {
        Self { element, name, shown: shown.into(), json: json.into() }
    }

    fn flag(element: &'static str, name: &'static str, value: bool) -> Self {
        Self::both(element, name, if value { "yes" } else { "no" }, value)
    }
}

/// All fields as one JSON object.
#[must_use]
pub(super) fn json_object(fields: &[Field]) -> Json {
    fields.iter().map(|field| (field.name.to_owned(), field.json.clone())).collect::<Map<_, _>>().into()
}

/// The fields of a TPDU that goes to a phone.
#[must_use]
pub(super) fn of_incoming(incoming: &Incoming) -> Vec<Field> {
    match incoming {
        Incoming::Deliver(deliver) => of_deliver(deliver),
        Incoming::StatusReport(report) => of_status_report(report),
    }
}

/// The fields of a TPDU that comes from a phone.
#[must_use]
pub(super) fn of_submit(submit: &Submit) -> Vec<Field> {
    let mut fields = vec![
        Field::text("TP-MTI", "type", "SMS-SUBMIT"),
        Field::flag("TP-RD", "reject_duplicates", submit.reject_duplicates),
        Field::flag("TP-RP", "reply_path", submit.reply_path),
        Field::flag("TP-SRR", "status_report_request", submit.status_report_request),
        number("TP-MR", "message_reference", submit.message_reference),
        address("TP-DA", "destination", &submit.destination),
        protocol_identifier(submit.protocol_identifier),
        data_coding(submit.data_coding),
    ];
    if let Some(validity) = &submit.validity {
        fields.push(validity_period(validity));
    }
    user_data(&submit.user_data, submit.data_coding, &mut fields);
    fields
}

fn of_deliver(deliver: &Deliver) -> Vec<Field> {
    let mut fields = vec![
        Field::text("TP-MTI", "type", "SMS-DELIVER"),
        Field::flag("TP-MMS", "more_messages", deliver.more_messages),
        Field::flag("TP-LP", "loop_prevention", deliver.loop_prevention),
        Field::flag("TP-RP", "reply_path", deliver.reply_path),
        Field::flag("TP-SRI", "status_report", deliver.status_report),
        address("TP-OA", "originating_address", &deliver.originating_address),
        protocol_identifier(deliver.protocol_identifier),
        data_coding(deliver.data_coding),
        time("TP-SCTS", "service_centre_timestamp", &deliver.service_centre_timestamp),
    ];
    if let Some(waiting) = deliver.waiting() {
        let keep = if waiting.discard { "may be thrown away" } else { "to be kept" };
        fields.push(Field::text("waiting", "message_waiting", format!("{waiting}; {keep}")));
    }
    user_data(&deliver.user_data, deliver.data_coding, &mut fields);
    fields
}

fn of_status_report(report: &StatusReport) -> Vec<Field> {
    let status = report.status;
    let mut fields = vec![
        Field::text("TP-MTI", "type", "SMS-STATUS-REPORT"),
        Field::flag("TP-MMS", "more_messages", report.more_messages),
        Field::flag("TP-LP", "loop_prevention", report.loop_prevention),
        Field::flag("TP-SRQ", "qualifier", report.qualifier),
        number("TP-MR", "message_reference", report.message_reference),
        address("TP-RA", "recipient", &report.recipient),
        time("TP-SCTS", "service_centre_timestamp", &report.service_centre_timestamp),
        time("TP-DT", "discharge_time", &report.discharge_time),
        Field::both(
            "TP-ST",
            "status",
            format!("{:#04x}, {} ({:?})", status.0, status.text(), status.class()),
            json!({ "value": status.0, "class": format!("{:?}", status.class()), "text": status.text() }),
        ),
    ];
    if let Some(protocol) = report.protocol_identifier {
        fields.push(protocol_identifier(protocol));
    }
    if let Some(scheme) = report.data_coding {
        fields.push(data_coding(scheme));
    }
    if let Some(data) = &report.user_data {
        user_data(data, report.data_coding.unwrap_or(DataCodingScheme::GSM7), &mut fields);
    }
    fields
}

fn number(element: &'static str, name: &'static str, value: u8) -> Field {
    Field::both(element, name, value.to_string(), value)
}

fn protocol_identifier(value: u8) -> Field {
    Field::both("TP-PID", "protocol_identifier", format!("{value:#04x}, {}", ProtocolIdentifier(value)), value)
}

fn address(element: &'static str, name: &'static str, address: &Address) -> Field {
    let (kind, plan) = (format!("{:?}", address.type_of_number), format!("{:?}", address.numbering_plan));
    let shown = format!("{address} ({kind}, {plan})");
    Field::both(
        element,
        name,
        shown,
        json!({ "text": address.to_string(), "type_of_number": kind, "numbering_plan": plan }),
    )
}

fn data_coding(scheme: DataCodingScheme) -> Field {
    let mut shown = format!("{:#04x}, {:?}", scheme.0, scheme.alphabet());
    if let Some(class) = scheme.class() {
        shown += &format!(", class {class:?}");
    }
    if scheme.is_flash() {
        shown += " (flash)";
    }
    if let Some(waiting) = scheme.message_waiting() {
        shown += if waiting.active { ", says that " } else { ", says that no " };
        shown += waits(waiting.kind);
    }
    let json = json!({
        "value": scheme.0,
        "alphabet": format!("{:?}", scheme.alphabet()),
        "class": scheme.class().map(|class| format!("{class:?}")),
        "flash": scheme.is_flash(),
    });
    Field::both("TP-DCS", "data_coding", shown, json)
}

/// What waits, with a verb.
const fn waits(kind: WaitingKind) -> &'static str {
    match kind {
        WaitingKind::Voicemail => "voice mail waits",
        WaitingKind::Fax => "fax waits",
        WaitingKind::Email => "mail waits",
        WaitingKind::Other => "message of another kind waits",
    }
}

fn time(element: &'static str, name: &'static str, stamp: &ServiceCentreTimestamp) -> Field {
    match time_text(stamp) {
        Some(text) => Field::text(element, name, text),
        None => {
            let raw = hex(&stamp.octets());
            Field::both(element, name, format!("no valid time ({raw})"), json!({ "invalid": raw }))
        }
    }
}

/// RFC 3339 with the zone of the stamp.
fn time_text(stamp: &ServiceCentreTimestamp) -> Option<String> {
    let offset = jiff::tz::Offset::from_seconds(stamp.offset_seconds()).ok()?;
    Some(stamp.to_timestamp()?.display_with_offset(offset).to_string())
}

fn validity_period(validity: &ValidityPeriod) -> Field {
    let seconds = validity.duration().map(|duration| duration.as_secs());
    let lasting = seconds.map_or_else(|| "no duration".to_owned(), |seconds| format!("{seconds} s"));
    let (format, shown) = match validity {
        ValidityPeriod::Relative(value) => ("relative", format!("relative {value:#04x}, {lasting}")),
        ValidityPeriod::Absolute(stamp) => {
            let until = time_text(stamp).unwrap_or_else(|| format!("no valid time ({})", hex(&stamp.octets())));
            ("absolute", format!("until {until}"))
        }
        ValidityPeriod::Enhanced(octets) => ("enhanced", format!("enhanced {}, {lasting}", hex(octets))),
    };
    let json = json!({ "format": format, "seconds": seconds, "text": shown });
    Field::both("TP-VP", "validity", shown, json)
}

fn user_data(data: &UserData, scheme: DataCodingScheme, fields: &mut Vec<Field>) {
    if let Some(header) = &data.header {
        let elements: Vec<String> = header.elements.iter().map(header_element).collect();
        fields.push(Field::both("TP-UDH", "user_data_header", elements.join("\n"), elements));
    }
    let (unit, length) = match &data.payload {
        Payload::Septets(septets) => ("septets", septets.len()),
        Payload::Octets(octets) => ("octets", octets.len()),
    };
    fields.push(Field::both("TP-UDL", "length", format!("{length} {unit}, header not counted"), length));
    fields.push(Field::text("TP-UD", "text", data.text(scheme)));
}

fn header_element(element: &InformationElement) -> String {
    match element {
        InformationElement::Concatenation { reference, wide, total, sequence } => {
            let bits = if *wide { 16 } else { 8 };
            format!("part {sequence} of {total}, reference {reference} ({bits} bit)")
        }
        InformationElement::Ports { destination, source, wide } => {
            let bits = if *wide { 16 } else { 8 };
            format!("to port {destination} from port {source} ({bits} bit)")
        }
        InformationElement::NationalSingleShift(language) => format!("single shift table: {language:?}"),
        InformationElement::NationalLockingShift(language) => format!("locking shift table: {language:?}"),
        InformationElement::Other { id, data } => format!("element {id:#04x}: {}", hex(data)),
        InformationElement::Malformed(octets) => format!("not an element: {}", hex(octets)),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}
