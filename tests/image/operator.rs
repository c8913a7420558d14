//! Files that an operator writes for his box.

use crate::{
    pool::Modem,
    rig::{TOKEN, hash},
};

/// `smsgate.conf` without `[mail]`: one token for everything, and for that many slots.
pub fn gateway(slots: usize) -> String {
    let token = hash(TOKEN);
    let mut text = format!(
        "[server]\nport = 7000\n[api]\nenable_send_sms = True\ntoken_send_sms = {token}\n\
         token_get_health_state = {token}\ntoken_get_stats = {token}\n"
    );
    (0..slots).for_each(|slot| text.push_str(&format!("token_{slot:02}_get_sms = {token}\n")));
    text + "[logging]\nlevel = INFO\n"
}

/// The same, whole, for a gateway that sends no mails.
pub fn gateway_without_mail(slots: usize) -> String {
    format!("[mail]\nenabled = False\n{}", gateway(slots))
}

/// `sim-cards.conf` with a slot for each modem, known by its IMEI wherever it is plugged in.
pub fn sims(modems: &[Modem]) -> String {
    let slot = |(slot, modem): (usize, &Modem)| {
        format!(
            "[{slot:02}]\nphone_number = {}\nport = /dev/sms/*\nimei = {}\nprefixes = +\ncosts_per_sms = 0.09\n",
            modem.number, modem.imei
        )
    };
    modems.iter().enumerate().map(slot).collect()
}

/// A public key for SSH whose private half nobody has.
pub const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f somebody@example.org\n";
