//! The tokens of a box whose operator has not brought any: which functions get one, and where their hashes go.
//!
//! A `smsgate.conf` that the box made carries [`MARK`] in its first line. Only such a file is given tokens: in a file
//! of the operator's a missing token is a decision.

use super::owned::{Owned, set};
use crate::{config::ini, config_files::GATEWAY_FILE};

/// The first line of a `smsgate.conf` that the box made.
pub const MARK: &str = "# Made by smsgate provision. While this line is here, the box adds a token for each new slot.";

/// A token and its hash.
#[derive(Clone)]
pub struct Token {
    /// What the client sends.
    pub token: String,
    /// What the configuration holds.
    pub hash: String,
}

/// A token made for a function. No `Debug`: it is a secret.
#[derive(Clone, serde::Deserialize, serde::Serialize)]
pub struct Made {
    /// What it opens: `send_sms`, `00 get_sms`.
    pub opens: String,
    /// The token.
    pub token: String,
}

/// Makes tokens.
pub type Mint<'a> = &'a mut dyn FnMut() -> Result<Token, String>;

/// The `smsgate.conf` of a box that was given none: SMS may be sent, USSD may not (its codes can change a contract),
/// nothing is mailed.
///
/// # Errors
/// No random numbers.
pub fn first_gateway(mint: Mint<'_>, made: &mut Vec<Made>) -> Result<String, String> {
    let mut text =
        format!("{MARK}\n\n[mail]\nenabled = False\n\n[server]\nport = 7000\n\n[api]\nenable_send_sms = True\n");
    text.push_str("enable_send_ussd = False\n");
    for function in ["send_sms", "get_health_state", "get_stats"] {
        let token = mint()?;
        text.push_str(&format!("token_{function} = {}\n", token.hash));
        made.push(Made { opens: function.to_owned(), token: token.token });
    }
    text.push_str("\n[modempool]\nhealth_check_interval = 600\n");
    Ok(text)
}

/// Whether the box made this `smsgate.conf`.
#[must_use]
pub fn is_ours(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Whether a key can have the slot's name in it: these signs end a key.
#[must_use]
pub fn can_be_named(slot: &str) -> bool {
    !slot.contains(['=', ':'])
}

/// `text` with a token for each slot that has none, if the box made it.
///
/// # Errors
/// No random numbers.
pub fn for_slots(text: String, slots: &[&str], mint: Mint<'_>, made: &mut Vec<Made>) -> Result<String, String> {
    if !is_ours(&text) {
        return Ok(text);
    }
    let (ini, _) = ini::read(&text);
    let has =
        |key: &str| ini.section("api").is_some_and(|api| api.entry(key).is_some_and(|entry| !entry.raw.is_empty()));
    let mut text = text.clone();
    for slot in slots.iter().filter(|slot| can_be_named(slot)) {
        let key = format!("token_{}_get_sms", slot.to_lowercase());
        if has(&key) || made.iter().any(|made| made.opens == opens(slot)) {
            continue;
        }
        let token = mint()?;
        text = insert(&text, &key, &token.hash);
        made.push(Made { opens: opens(slot), token: token.token });
    }
    Ok(text)
}

fn opens(slot: &str) -> String {
    format!("get_sms of slot {slot}")
}

/// Below the tokens that are there: the box wrote this section, so it ends with them.
fn insert(text: &str, key: &str, hash: &str) -> String {
    let line = format!("{key} = {hash}\n");
    let last = text.rmatch_indices("\ntoken_").next().map(|(at, _)| at + 1);
    match last {
        Some(at) => {
            let end = text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| at + end + 1);
            let (before, behind) = text.split_at_checked(end).unwrap_or((text, ""));
            format!("{before}{line}{behind}")
        }
        None => set(GATEWAY_FILE, text, &[Owned { section: "api", key: "enable_send_sms", value: "True".to_owned() }])
            .text
            .replacen("[api]\n", &format!("[api]\n{line}"), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    fn minting() -> impl FnMut() -> Result<Token, String> {
        let mut count = 0;
        move || {
            count += 1;
            Ok(Token { token: format!("token{count}"), hash: format!("sha256:{count:064}") })
        }
    }

    #[test]
    fn a_new_slot_gets_a_token_once() {
        let (mut mint, mut made) = (minting(), Vec::new());
        let first = first_gateway(&mut mint, &mut made).unwrap();
        assert_eq!(
            made.iter().map(|made| made.opens.as_str()).collect::<Vec<_>>(),
            ["send_sms", "get_health_state", "get_stats"]
        );
        made.clear();
        let second = for_slots(first, &["00", "North"], &mut mint, &mut made).unwrap();
        assert_eq!(made.iter().map(|made| made.token.as_str()).collect::<Vec<_>>(), ["token4", "token5"]);
        made.clear();
        let third = for_slots(second.clone(), &["00", "North"], &mut mint, &mut made).unwrap();
        assert_eq!((third, made.len()), (second.clone(), 0));

        let gateway = set(
            GATEWAY_FILE,
            &second,
            &[
                Owned { section: "server", key: "certificate", value: "c".to_owned() },
                Owned { section: "server", key: "key", value: "k".to_owned() },
            ],
        );
        let sims = "[00]\nport = a\ncosts_per_sms = 0\n[North]\nport = b\ncosts_per_sms = 0\n";
        let (config, problems) = config::load(
            Source { name: GATEWAY_FILE, text: &gateway.text },
            Source { name: "sim-cards.conf", text: sims },
        );
        assert_eq!(problems, []);
        let api = config.unwrap().gateway.api;
        assert_eq!((api.token_get_sms.len(), api.token_send_sms.len(), api.enable_send_ussd), (2, 1, false));
    }

    #[test]
    fn the_operators_own_file_is_given_none() {
        let mut made = Vec::new();
        let text = "[api]\ntoken_send_sms = x\n".to_owned();
        assert_eq!(for_slots(text.clone(), &["00"], &mut minting(), &mut made).unwrap(), text);
        assert_eq!(made.len(), 0);
    }
}
