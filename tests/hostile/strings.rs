//! Strings that hurt whoever takes them for anything but data; the same seed makes the same ones.

use smsgate::emulator::Dice;

/// What ends a string, a line, a command, a header or a mail somewhere; and what confuses eyes and counters.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "`",
    "\r",
    "\n",
    "\r\n",
    ";",
    "\u{1a}",
    "\u{1b}",
    "\u{8}",
    "\u{7f}",
    "\0",
    "\t",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}",
    "\u{2066}",
    "\u{200f}",
    "\u{feff}",
    "\u{9b}31m",
    "\u{1b}[2J",
    "\u{1b}]0;x\u{7}",
    "\u{1b}P+q\u{1b}\\",
    "AT+CFUN=0",
    "\rAT+CMGD=1,4\r",
    ";+CMGD=1,4",
    "\",15\r\nAT+CPIN=\"0000\"\r",
    "+++",
    "ATH",
    "A/",
    "\r\n.\r\n",
    "\n.\n",
    ".\r\n",
    "\r\nBcc: v@example.org\r\n",
    "\nSubject: x\n\n",
    "QUIT\r\n",
    "\r\nRCPT TO:<v@example.org>\r\n",
    "MAIL FROM:<>",
    "=?utf-8?q?=0d=0a?=",
    "--",
    "From ",
    "%n%s",
    "${IFS}",
    "$(id)",
    "|",
    "<",
    ">",
    "&",
    "]]>",
    "&lt;",
    "\\",
    "\\x1a",
    "=1+1",
    "@SUM(1)",
    "-1",
    "+1",
    "0x1a",
    "1234",
    "*100#",
    "*#06#",
    "**21*1#",
    "#",
    "*",
    "+",
    "+49155",
    "٣٤٥",
    "１２３",
    "é",
    "ſ",
    "中文",
    "🚀",
    "e\u{301}",
    "a",
    "Z",
    " ",
    "   ",
    "critical",
    "'label'=1;2;3",
    ".value 7\n",
    "\nmultigraph x\n",
    "OK | x=1",
    "\u{fffd}",
    "\u{fffe}",
    "\u{e000}",
];

/// So many of them.
pub fn hostile(count: u64, seed: u64) -> impl Iterator<Item = String> {
    let mut dice = Dice::new(seed);
    (0..count).map(move |number| {
        if let Some(piece) = usize::try_from(number).ok().and_then(|number| PIECES.get(number)) {
            return (*piece).to_owned();
        }
        let mut text = String::new();
        for _ in 0..=dice.below(6) {
            let at = usize::try_from(dice.below(PIECES.len() as u64)).unwrap();
            match dice.below(8) {
                0 => text.push_str(&PIECES[at].repeat(1 + usize::try_from(dice.below(40)).unwrap())),
                1 => text.extend(char::from_u32(u32::try_from(dice.below(0x1_1000)).unwrap())),
                _ => text.push_str(PIECES[at]),
            }
        }
        text
    })
}
