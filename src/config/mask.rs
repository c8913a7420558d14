//! Which text of a configuration file may be shown to people.
//!
//! Everything is hidden but what is known to be harmless: a password on a line with a misspelt key, or on a line that
//! was meant to continue another, must not end up in a log.

use std::ops::Range;

use super::{
    ini::{self, FaultKind},
    nearest::nearest,
};

/// Keys whose values are secrets or tell something about them; the others of the kind begin with `token_`.
const SECRET: [&str; 4] = ["password", "pin", "resend_policy_once", "resend_policy_alarm"];

/// Keys whose values anybody may see.
const HARMLESS: &[&str] = &[
    "account_balance_critical",
    "account_balance_warning",
    "allow_short_codes",
    "baud",
    "ca",
    "certificate",
    "ciphers",
    "costs_per_sms",
    "currency",
    "denied_prefixes",
    "email_address",
    "enable_send_sms",
    "enable_send_ussd",
    "enabled",
    "encoding",
    "flood_limit",
    "forward_ussd",
    "from",
    "get_sms_window",
    "health_check_interval",
    "host",
    "imei",
    "key",
    "level",
    "max_costs_per_day",
    "max_parts_per_day",
    "max_parts_per_minute",
    "message_lifetime",
    "mode",
    "path",
    "phone_number",
    "port",
    "prefixes",
    "provider",
    "queue_limit",
    "recipient",
    "repost_window",
    "resend_policy",
    "retention",
    "security",
    "serial_ports_hint_file",
    "server",
    "sms_self_test_interval",
    "user",
    "ussd_account_balance",
    "ussd_account_balance_regexp",
    "ussd_allowed",
    "wait_for_delivery",
    "wait_for_start",
];

/// Whether the value of `key` (in lower case) may be shown.
pub(super) fn is_harmless(key: &str) -> bool {
    HARMLESS.contains(&key)
}

/// The text with asterisks, as many octets, in place of all that may be a secret. Line ends stay.
pub(super) fn mask(text: &str) -> String {
    let (ini, faults) = ini::read(text);
    let mut visible: Vec<Range<usize>> = Vec::new();
    for section in ini.everything() {
        if !section.span.is_empty() {
            visible.push(whole_line(text, &section.span));
        }
        for entry in &section.entries {
            // From the key to the value: the delimiter too.
            visible.push(entry.key_span.start..entry.first_line.start);
            if is_harmless(&entry.key) {
                visible.push(entry.first_line.clone());
            }
        }
    }
    for fault in faults {
        if matches!(fault.kind, FaultKind::NoDelimiter | FaultKind::NoSection) {
            visible.push(harmless_part(text, fault.span));
        }
    }
    hide(text, &visible)
}

/// Of a line that is no entry: how much may be shown.
fn harmless_part(text: &str, line: Range<usize>) -> Range<usize> {
    let content = text.get(line.clone()).unwrap_or_default();
    let word = content.split([' ', '\t', '=', ':']).next().unwrap_or_default();
    let end_of_word = line.start + word.len();
    let folded = word.to_lowercase();
    if is_harmless(&folded) && !content.contains(['=', ':']) {
        return line;
    }
    // A word that is like no key may be a secret that stands where a key should.
    let names_a_key =
        folded.starts_with("token_") || nearest(&folded, HARMLESS.iter().chain(&SECRET).copied()).is_some();
    let shown = names_a_key || content.contains(['=', ':']);
    if shown { line.start..end_of_word } else { line.start..line.start }
}

fn whole_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.get(..span.start).and_then(|before| before.rfind(['\n', '\r'])).map_or(0, |end| end + 1);
    let length = text.get(span.end..).and_then(|behind| behind.find(['\n', '\r']));
    start..length.map_or(text.len(), |length| span.end + length)
}

fn hide(text: &str, visible: &[Range<usize>]) -> String {
    let mut ranges = visible.to_vec();
    ranges.sort_by_key(|range| range.start);
    let mut masked = String::with_capacity(text.len());
    let mut next = ranges.into_iter().peekable();
    for (position, c) in text.char_indices() {
        while next.next_if(|range| range.end <= position).is_some() {}
        let shown = next.peek().is_some_and(|range| range.contains(&position));
        if shown || c.is_whitespace() || c == '\u{feff}' {
            masked.push(c);
        } else {
            masked.extend(std::iter::repeat_n('*', c.len_utf8()));
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_in_an_example() {
        let examples =
            [include_str!("../../conf/smsgate.conf.example"), include_str!("../../conf/sim-cards.conf.example")];
        for key in HARMLESS.iter().chain(&SECRET) {
            let is_given = |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} ="));
            assert!(examples.iter().any(|text| text.lines().any(is_given)), "{key}");
        }
    }

    #[test]
    fn only_harmless_values_remain() {
        let text = "\
[mail]
password = gehe\u{ef}m
pasword: geheim
user = someone
  geheim
port 465
password geheim
passwort geheim
recipient = me
nonsense here
[DEFAULT]
pin = 1234
geheim
";
        let expected = "\
[mail]
password = *******
pasword: ******
user = someone
  ******
port 465
password ******
passwort ******
recipient = me
******** ****
[DEFAULT]
pin = ****
******
";
        assert_eq!(mask(text), expected);
        assert_eq!(
            mask("[api]\ntokenGeheim\ntoken_send_sms geheim\nprot 1\n"),
            "[api]\n***********\ntoken_send_sms ******\nprot *\n"
        );
        assert_eq!(mask("password = geheim\nport=1\n"), "password * ******\n******\n");
    }
}
