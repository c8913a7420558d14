//! What tells one modem model from another, as data (TS 27.007 and 27.005 leave much open). No behaviour is here.

/// How a modem writes the text of `+CUSD`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UssdText {
    /// As plain text.
    Plain,
    /// UCS-2 in hex.
    Ucs2Hex,
    /// Packed septets in hex.
    PackedHex,
}

/// A modem model.
#[derive(Debug)]
pub struct Personality {
    /// Name used in options and configuration.
    pub name: &'static str,
    /// Answer to `+CGMI`.
    pub manufacturer: &'static str,
    /// Answer to `+CGMM`.
    pub model: &'static str,
    /// Answer to `+CGMR`.
    pub revision: &'static str,
    /// Type allocation code: the head of its IMEI.
    pub type_allocation: &'static str,
    /// `+CGSN` is answered in quotes.
    pub imei_quoted: bool,
    /// Command that reads the ICCID, and the prefix of its answer.
    pub iccid: (&'static str, &'static str),
    /// Command that reads the PIN tries left.
    pub pin_counter: &'static str,
    /// Slots of the SIM.
    pub sim_slots: usize,
    /// Slots of the modem; 0 if it has none.
    pub modem_slots: usize,
    /// Whether `+CNMI` takes `ds` 1: reports straight to the terminal.
    pub direct_reports: bool,
    /// Slots of a memory `SR` for reports; 0 if they are stored with the messages.
    pub report_slots: usize,
    /// Class 0 messages are printed, not stored.
    pub prints_flash: bool,
    /// What it says when a message finds no room, with `{}` for the memory.
    pub memory_full: Option<&'static str>,
    /// The prompt after `+CMGS`.
    pub prompt: &'static str,
    /// Text form of `+CUSD`.
    pub ussd: UssdText,
    /// Lines printed at power-on.
    pub boot: &'static [&'static str],
}

/// All models; the last is `generic`.
pub const PERSONALITIES: &[Personality] = &[
    Personality {
        name: "quectel-m35",
        manufacturer: "Quectel_Ltd",
        model: "Quectel_M35",
        revision: "Revision: M35FAR02A01",
        type_allocation: "86192301",
        iccid: ("+CCID", ""),
        pin_counter: "+QTRPIN",
        imei_quoted: false,
        sim_slots: 50,
        modem_slots: 0,
        direct_reports: true,
        report_slots: 0,
        prints_flash: false,
        memory_full: Some("+CIEV: SMSFULL,1"),
        prompt: "\r\n> ",
        ussd: UssdText::Plain,
        boot: &["RDY", "+CFUN: 1", "+CPIN: READY", "Call Ready"],
    },
    Personality {
        name: "sim7600e",
        manufacturer: "SIMCOM INCORPORATED",
        model: "SIMCOM_SIM7600E",
        revision: "+CGMR: LE11B12SIM7600M22",
        type_allocation: "86147503",
        iccid: ("+CICCID", "+ICCID: "),
        pin_counter: "+SPIC",
        imei_quoted: false,
        sim_slots: 30,
        modem_slots: 23,
        direct_reports: true,
        report_slots: 0,
        prints_flash: true,
        memory_full: Some("+SMS FULL"),
        prompt: "\r\n> ",
        ussd: UssdText::Plain,
        boot: &["RDY", "+CPIN: READY", "SMS DONE", "PB DONE"],
    },
    Personality {
        name: "zte-mf190",
        manufacturer: "ZTE INCORPORATED",
        model: "MF190",
        revision: "BD_MF190V1.0.0B05",
        type_allocation: "86409200",
        iccid: ("+ZGETICCID", "+ZGETICCID: "),
        pin_counter: "+ZPINPUK?",
        imei_quoted: false,
        sim_slots: 20,
        modem_slots: 100,
        direct_reports: false,
        report_slots: 10,
        prints_flash: true,
        memory_full: Some("+ZSMSFULL"),
        prompt: "\r\n> ",
        ussd: UssdText::Ucs2Hex,
        boot: &["+ZUSIMR:2"],
    },
    Personality {
        name: "huawei-e3131",
        manufacturer: "huawei",
        model: "E3131",
        revision: "21.157.31.00.00",
        type_allocation: "86634101",
        iccid: ("^ICCID?", "^ICCID: "),
        pin_counter: "^CPIN?",
        imei_quoted: false,
        sim_slots: 20,
        modem_slots: 255,
        direct_reports: true,
        report_slots: 0,
        prints_flash: true,
        memory_full: Some("^SMMEMFULL: \"{}\""),
        prompt: "\r\n> ",
        ussd: UssdText::PackedHex,
        boot: &["^BOOT:20952548,0,0,0,75", "^RSSI:20"],
    },
    Personality {
        name: "quectel-ec25",
        manufacturer: "Quectel",
        model: "EC25",
        revision: "EC25EFAR06A06M4G",
        type_allocation: "86612503",
        iccid: ("+QCCID", "+QCCID: "),
        pin_counter: "+QPINC",
        imei_quoted: false,
        sim_slots: 40,
        modem_slots: 127,
        direct_reports: true,
        report_slots: 0,
        prints_flash: true,
        memory_full: Some("+QIND: \"smsfull\",\"{}\""),
        prompt: "\r\n> ",
        ussd: UssdText::Plain,
        boot: &["RDY", "+CPIN: READY", "+QUSIM: 1", "+CFUN: 1", "+QIND: SMS DONE"],
    },
    Personality {
        name: "generic",
        manufacturer: "Generic",
        model: "GSM modem",
        revision: "1.0",
        type_allocation: "35000000",
        iccid: ("+CCID", "+CCID: "),
        pin_counter: "+CPINR",
        imei_quoted: true,
        sim_slots: 10,
        modem_slots: 0,
        direct_reports: true,
        report_slots: 0,
        prints_flash: false,
        memory_full: None,
        prompt: "> ",
        ussd: UssdText::Plain,
        boot: &[],
    },
];

impl Personality {
    /// The model of that name; `m35`, `mf190` and the like will do.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let wanted = name.to_ascii_lowercase();
        PERSONALITIES.iter().find(|one| {
            one.name == wanted
                || one.name.split_once('-').is_some_and(|(maker, model)| model == wanted || maker == wanted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_of_models_will_do() {
        let table = [
            ("m35", Some("quectel-m35")),
            ("SIM7600E", Some("sim7600e")),
            ("mf190", Some("zte-mf190")),
            ("huawei", Some("huawei-e3131")),
            ("ec25", Some("quectel-ec25")),
            ("generic", Some("generic")),
            ("nokia", None),
        ];
        for (name, model) in table {
            assert_eq!(Personality::named(name).map(|one| one.name), model, "{name}");
        }
    }
}
