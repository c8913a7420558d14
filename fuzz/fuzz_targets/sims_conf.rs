//! `sim-cards.conf`: any text is a configuration or errors, each with a line that exists; no secret is shown; values with
//! references stay bounded; a slot's place is found by its name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate_fuzz::page;

const GATEWAY: &str =
    "[mail]\nenabled = no\n[server]\ncertificate = c\nkey = k\n[modempool]\nsms_self_test_interval = monthly\n";

fuzz_target!(|text: &str| {
    page::values(text);
    page::configuration(GATEWAY, text);
});
