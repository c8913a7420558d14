//! Two thousand calls from a seed: every method of the old gateway with right and wrong counts of arguments, every type in
//! every place, tokens of every scope, odd spellings of numbers, odd names and odd documents.

use std::fmt::Write as _;

use smsgate::emulator::Dice;

use super::support::{NUMBER_00, NUMBER_01};

/// In a document, the id that the last accepted message got from whom the document goes to.
pub const LAST_ID: &str = "LASTID";

/// An argument as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arg {
    /// `<string>`.
    Text(String),
    /// Text without a type.
    Bare(String),
    /// Any other type that has text in it.
    Typed(&'static str, String),
    Nil,
    Array(Vec<Self>),
    Struct(Vec<(String, Self)>),
    /// What is no value of XML-RPC.
    Foreign(&'static str),
}

/// What is odd about the document around a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frame {
    Plain,
    /// Without `<params>`; so without arguments.
    NoParams,
    DocumentType,
    Instruction,
    Comment,
    /// The second half is missing.
    Cut,
    /// A `<methodResponse>`.
    Response,
    /// Another root altogether.
    OtherRoot,
    /// No XML at all.
    NoXml,
    /// Blanks around the name of the method.
    Blanks,
    /// Declared as ISO-8859-1.
    Latin1,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub args: Vec<Arg>,
    pub frame: Frame,
}

/// The methods both have, with what their arguments are.
pub const METHODS: [(&str, &[Place]); 7] = [
    ("ping", &[]),
    ("send_sms", &[Place::Token("tok-send"), Place::Sender, Place::Recipient, Place::Message, Place::Flash]),
    ("get_delivery_status", &[Place::Token("tok-send"), Place::Id]),
    ("get_sms", &[Place::Token("tok-00"), Place::Number]),
    ("get_health_state", &[Place::Token("tok-health")]),
    ("send_ussd", &[Place::Token("tok-ussd"), Place::Number, Place::Code]),
    ("get_stats", &[Place::Token("tok-stats")]),
];

/// What an argument is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// With the token that opens the method.
    Token(&'static str),
    Sender,
    Recipient,
    Message,
    Flash,
    Id,
    Number,
    Code,
}

/// Methods that only one of the two has, or none.
const OTHER_METHODS: [&str; 27] = [
    "nosuch",
    "Ping",
    "PING",
    "get_sms2",
    "xmlrpc_ping",
    "",
    "a b",
    "send-sms",
    "getStäts",
    "system.listMethods",
    "system.methodHelp",
    "system.methodSignature",
    "system.multicall",
    "system.",
    "get.sms",
    ".",
    "a.b.c",
    "ping.ping",
    "__class__",
    "config",
    "get_message",
    "wait_sms",
    "ussd_open",
    "ussd_answer",
    "ussd_close",
    "/ping",
    "ping:",
];

const TOKENS: [&str; 6] = ["tok-send", "tok-ussd", "tok-health", "tok-stats", "tok-01", "tok-all"];
const WRONG_TOKENS: [&str; 8] =
    ["wrong", "", " ", "tok-send ", "TOK-SEND", "tök", "🚀", "$2b$04$abcdefghijklmnopqrstuv"];
const RECIPIENTS: [&str; 18] = [
    "+491701234567",
    "+49 170 1234567",
    "+49-(170)/1234567",
    "tel:+491701234567",
    "+491701234567\n",
    "+1",
    "00491701234567",
    "0170",
    "110",
    "+",
    "",
    "++49170",
    "49+170",
    "abc",
    "+٤٩١٧٠",
    "+４９１７０",
    "+491701234567890123",
    "+49170123456789012345678",
];
const NUMBERS: [&str; 11] = [
    "",
    NUMBER_00,
    NUMBER_01,
    "+49 176 0000000",
    "+491709999999",
    "Bank",
    "+",
    "0176",
    "+٤٩",
    " ",
    "+49176000000000000000000",
];
const TEXTS: [&str; 17] = [
    "hello",
    "",
    " ",
    "Grüße, 5 €",
    "🚀 emoji",
    "tab\tand\nline",
    "<&>\"'",
    "]]>",
    "a\rb",
    "\u{2028}\u{202e}",
    "%n%s",
    "0",
    "1",
    "true",
    "FALSE",
    "e\u{301}\u{fffd}",
    "12.5",
];
const IDS: [&str; 7] = [
    LAST_ID,
    "53ba0692-dd15-4173-a3d1-1d121f60069e",
    "53BA0692-DD15-4173-A3D1-1D121F60069E",
    "53ba0692dd154173a3d11d121f60069e",
    "",
    "x",
    "../../etc/passwd",
];
const CODES: [&str; 11] =
    ["*100#", "*101#", "*102#", "*#06#", "**21*1#", "", "abc", "*101#\"", "*101#\rAT+CFUN=0\r", "１２", "+1"];

/// How the types with text in them are written, rightly and otherwise.
const SPELLINGS: [(&str, &[&str]); 9] = [
    (
        "int",
        &[
            "0",
            "1",
            "-1",
            "+1",
            "2",
            "007",
            " 12 ",
            "491701234567",
            "+491701234567",
            "1_000",
            "٣",
            "0x10",
            "",
            "1.0",
            "1e3",
        ],
    ),
    ("i4", &["0", "1", "-7", "2147483648", "+491701234567", "99999999999999999999"]),
    ("i8", &["0", "1", "491701234567", "+491701234567", "9223372036854775807", "9223372036854775808", "-", "1 2"]),
    (
        "double",
        &[
            "0",
            "1",
            "1.5",
            "1e3",
            "-0.0",
            "nan",
            "inf",
            "1_0.5",
            "",
            "491701234567",
            "+491701234567.0",
            " 2 ",
            "1,5",
            ".5",
            "5.",
        ],
    ),
    ("boolean", &["0", "1", "true", "false", " 1 ", "2", "", "TRUE"]),
    ("dateTime.iso8601", &["20261120T22:19:05", "2026-11-20T22:19:05", "20261120T22:19:05Z", "today", ""]),
    ("base64", &["Zm9v", "Zm9v\nYmFy", "", "!", "Zg=", "Zg==Zg==", "Zm9v!"]),
    ("string", &["<![CDATA[<b>]]>", "a<!-- no -->b", "&#228;&#xE4;", "&amp;amp;"]),
    ("i16", &["1"]),
];

/// What is no value, or too much of one.
const FOREIGN: [&str; 9] = [
    "<value><string>&nbsp;</string></value>",
    "<value><string>&#0;</string></value>",
    "<value><string>&#x1b;</string></value>",
    "<value>text<int>1</int></value>",
    "<value><int>1</int>text</value>",
    "<value><int>1</int><int>2</int></value>",
    "<value><string><b>x</b></string></value>",
    "<string>no value</string>",
    "",
];

/// So many calls of a seed.
pub fn calls(count: usize, seed: u64) -> Vec<Call> {
    let mut dice = Dice::new(seed);
    (0..count).map(|_| call(&mut dice)).collect()
}

fn call(dice: &mut Dice) -> Call {
    if dice.below(10) == 0 {
        return foreign_call(dice);
    }
    // Those that take the most arguments come the most often.
    let weighed = [0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 4, 5, 5, 5, 6];
    let (method, places) = METHODS[weighed[index(dice, weighed.len())]];
    let mut args: Vec<Arg> = places.iter().map(|place| usual(dice, *place)).collect();
    if method == "send_sms" && dice.below(6) == 0 {
        args.pop();
    }
    // Most calls have one thing wrong with them, some none, some more.
    for _ in 0..[0, 0, 1, 1, 1, 2][index(dice, 6)] {
        spoil(dice, places, &mut args);
    }
    Call { method: method.to_owned(), args, frame: frame(dice) }
}

/// A method that not both have. None of them has a token that would let it wait for a message.
fn foreign_call(dice: &mut Dice) -> Call {
    let method = pick(dice, &OTHER_METHODS).to_owned();
    let mut args = Vec::new();
    for _ in 0..dice.below(4) {
        args.push(if method == "wait_sms" { Arg::Text(pick(dice, &WRONG_TOKENS).to_owned()) } else { any(dice, 2) });
    }
    Call { method, args, frame: Frame::Plain }
}

fn frame(dice: &mut Dice) -> Frame {
    const ODD: [Frame; 10] = [
        Frame::NoParams,
        Frame::DocumentType,
        Frame::Instruction,
        Frame::Comment,
        Frame::Cut,
        Frame::Response,
        Frame::OtherRoot,
        Frame::NoXml,
        Frame::Blanks,
        Frame::Latin1,
    ];
    if dice.below(16) == 0 { ODD[index(dice, ODD.len())] } else { Frame::Plain }
}

/// What a client would put there.
fn usual(dice: &mut Dice, place: Place) -> Arg {
    let text = match place {
        Place::Token(good) => match dice.below(8) {
            0 => pick(dice, &TOKENS),
            1 => pick(dice, &WRONG_TOKENS),
            2 | 3 if good == "tok-00" => ["tok-all", "tok-01"][index(dice, 2)],
            _ => good,
        },
        Place::Sender if dice.below(2) == 0 => ["", NUMBER_00][index(dice, 2)],
        Place::Sender => pick(dice, &NUMBERS),
        Place::Recipient if dice.below(2) == 0 => RECIPIENTS[0],
        Place::Recipient => pick(dice, &RECIPIENTS),
        Place::Message => pick(dice, &TEXTS),
        Place::Flash => return Arg::Typed("boolean", dice.below(2).to_string()),
        Place::Id => pick(dice, &IDS),
        Place::Number if dice.below(2) == 0 => [NUMBER_00, NUMBER_00, NUMBER_01][index(dice, 3)],
        Place::Number => pick(dice, &NUMBERS),
        Place::Code if dice.below(2) == 0 => ["*100#", "*101#"][index(dice, 2)],
        Place::Code => pick(dice, &CODES),
    };
    if dice.below(6) == 0 { Arg::Bare(text.to_owned()) } else { Arg::Text(text.to_owned()) }
}

fn spoil(dice: &mut Dice, places: &[Place], args: &mut Vec<Arg>) {
    match dice.below(20) {
        0 => drop(args.pop()),
        1 => args.push(any(dice, 2)),
        2 => args.clear(),
        3 => args.extend(args.clone()),
        4 => args.reverse(),
        5 if places.contains(&Place::Message) && args.len() > 3 && dice.below(2) == 0 => {
            args[3] = Arg::Text("long ".repeat(3_600));
        }
        6 if !args.is_empty() => args[0] = Arg::Text("k".repeat(60 + index(dice, 20))),
        _ if args.is_empty() => args.push(any(dice, 2)),
        // Where the token is right, the rest is looked at: so it is seldom the token that is spoilt.
        _ => {
            let at = if dice.below(5) == 0 { 0 } else { (args.len() - 1).min(1 + index(dice, args.len())) };
            args[at] = any(dice, 2);
        }
    }
}

/// Anything at all, nested so deep at the most.
fn any(dice: &mut Dice, depth: usize) -> Arg {
    match dice.below(if depth == 0 { 20 } else { 25 }) {
        0..=10 => {
            let (element, spellings) = SPELLINGS[index(dice, SPELLINGS.len())];
            Arg::Typed(element, pick(dice, spellings).to_owned())
        }
        11..=17 => Arg::Text(pick(dice, &TEXTS).to_owned()),
        18 => Arg::Nil,
        19 => Arg::Foreign(pick(dice, &FOREIGN)),
        20 | 21 => Arg::Array((0..dice.below(3)).map(|_| any(dice, depth - 1)).collect()),
        22 | 23 => {
            let names = ["a", "b", "", "faultCode", "a"];
            let count = dice.below(3);
            Arg::Struct((0..count).map(|_| (pick(dice, &names).to_owned(), any(dice, depth - 1))).collect())
        }
        // Deeper than documents may be here.
        _ => (0..12).fold(Arg::Bare("deep".to_owned()), |inner, _| Arg::Array(vec![inner])),
    }
}

fn index(dice: &mut Dice, length: usize) -> usize {
    usize::try_from(dice.below(length as u64)).unwrap()
}

fn pick(dice: &mut Dice, from: &[&'static str]) -> &'static str {
    from[index(dice, from.len())]
}

impl Call {
    /// As it goes over the wire.
    pub fn document(&self) -> String {
        let params: String = self.args.iter().map(|arg| format!("<param>{}</param>\n", arg.xml())).collect();
        let params =
            if self.frame == Frame::NoParams { String::new() } else { format!("<params>\n{params}</params>\n") };
        let blanks = if self.frame == Frame::Blanks { "\n " } else { "" };
        let name = format!("<methodName>{blanks}{}{blanks}</methodName>\n", escaped(&self.method));
        let call = format!("<methodCall>\n{name}{params}</methodCall>\n");
        let declared = "<?xml version='1.0'?>\n";
        match self.frame {
            Frame::Plain | Frame::NoParams | Frame::Blanks => format!("{declared}{call}"),
            Frame::DocumentType => format!("{declared}<!DOCTYPE methodCall>\n{call}"),
            Frame::Instruction => format!("{declared}<?php ?>\n{call}"),
            Frame::Comment => format!("{declared}<!-- a call -->\n{call}"),
            Frame::Cut => {
                let half = (call.len() / 2..).find(|at| call.is_char_boundary(*at)).unwrap();
                format!("{declared}{}", &call[..half])
            }
            Frame::Response => format!("{declared}<methodResponse>\n{params}</methodResponse>\n"),
            Frame::OtherRoot => format!("{declared}{}", call.replace("methodCall>", "call>")),
            Frame::NoXml => format!("{{\"method\": \"{}\"}}", self.method),
            Frame::Latin1 => {
                let mut ascii = String::from("<?xml version='1.0' encoding='ISO-8859-1'?>\n");
                for c in call.chars() {
                    if c.is_ascii() { ascii.push(c) } else { write!(ascii, "&#{};", u32::from(c)).unwrap() }
                }
                ascii
            }
        }
    }
}

impl Arg {
    fn xml(&self) -> String {
        match self {
            Self::Text(text) => format!("<value><string>{}</string></value>", escaped(text)),
            Self::Bare(text) => format!("<value>{}</value>", escaped(text)),
            // Its spellings are written with their markup.
            Self::Typed(element, text) => format!("<value><{element}>{text}</{element}></value>"),
            Self::Nil => "<value><nil/></value>".to_owned(),
            Self::Array(elements) => {
                let elements: String = elements.iter().map(Self::xml).collect();
                format!("<value><array><data>{elements}</data></array></value>")
            }
            Self::Struct(members) => {
                let member = |(name, value): &(String, Self)| {
                    format!("<member><name>{}</name>{}</member>", escaped(name), value.xml())
                };
                format!("<value><struct>{}</struct></value>", members.iter().map(member).collect::<String>())
            }
            Self::Foreign(xml) => (*xml).to_owned(),
        }
    }
}

fn escaped(text: &str) -> String {
    let escape = |c| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '\r' => "&#13;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}
