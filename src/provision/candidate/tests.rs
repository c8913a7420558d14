//! Sets of files, good and bad.

use super::*;
use crate::provision::tokens::Token;

const SIMS: &str = "[00]\nport = /dev/sms/*\nimei = 490154203237518\ncosts_per_sms = 0.09\n";
const GATEWAY: &str = "[mail]\nenabled = False\n[api]\nenable_send_sms = False\n";

fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn judged(given: &[(&str, &str)], current: &Files) -> Result<Accepted, Vec<String>> {
    let mut count = 0;
    let mut mint = || {
        count += 1;
        Ok(Token { token: format!("token{count}"), hash: format!("sha256:{count:064}") })
    };
    let layout = Layout { data: "/data".to_owned() };
    let world = World { layout: &layout, now: Timestamp::UNIX_EPOCH, is_zone: &|_| true };
    judge(&files(given), current, &world, &mut mint).map_err(|refusal| match refusal {
        Refusal::Bad(problems) => problems.iter().map(ToString::to_string).collect(),
        Refusal::Tokens(why) => vec![why],
    })
}

fn remarks(accepted: &Accepted) -> Vec<String> {
    accepted.remarks.iter().map(ToString::to_string).collect()
}

#[test]
fn a_box_that_was_given_nothing_has_tokens_and_no_slot() {
    let accepted = judged(&[], &Files::new()).ok().unwrap();
    assert_eq!(accepted.made.len(), 3);
    let config = &accepted.config;
    assert!(config.slots.is_empty() && !config.gateway.mail.enabled && config.gateway.api.enable_send_sms);
    assert_eq!((config.gateway.server.host.as_str(), config.gateway.server.port), ("::", 7000));
    assert_eq!(config.gateway.server.key.to_str(), Some("/data/tls/server.key"));
    assert_eq!(remarks(&accepted), Vec::<String>::new());
    let again = judged(&[], &accepted.files).ok().unwrap();
    assert_eq!((again.files, again.made.len()), (accepted.files, 0));
}

#[test]
fn a_new_slot_gets_its_token_and_the_rest_stays() {
    let first = judged(&[], &Files::new()).ok().unwrap();
    let second = judged(&[(SIMS_FILE, SIMS)], &first.files).ok().unwrap();
    assert_eq!(second.made.iter().map(|made| made.opens.as_str()).collect::<Vec<_>>(), ["get_sms of slot 00"]);
    assert_eq!(second.config.gateway.api.token_get_sms.len(), 1);
    assert_eq!(second.config.gateway.api.token_send_sms, first.config.gateway.api.token_send_sms);
}

#[test]
fn a_slot_that_no_key_can_name_gets_no_token_and_the_files_stay_usable() {
    for name in ["a = b", "a:b", "="] {
        let sims = SIMS.replace("[00]", &format!("[{name}]"));
        let accepted = judged(&[(SIMS_FILE, &sims)], &Files::new()).ok().unwrap();
        assert!(accepted.made.iter().all(|made| !made.opens.starts_with("get_sms")));
        let told = format!("sim-cards.conf:2: `[{name}]` gets no token, since its name has a `=` or a `:`");
        assert!(remarks(&accepted).iter().any(|remark| remark.starts_with(&told)), "{:?}", remarks(&accepted));
        let again = judged(&[], &accepted.files).ok().unwrap();
        assert_eq!(again.files, accepted.files);
    }
}

#[test]
fn the_operators_file_keeps_its_lines_but_for_the_boxs_keys() {
    let gateway = "# mine\n[server]\nhost = localhost\nport = 8000\ncertificate = my.pem\n[mail]\nenabled = no\n\
                   [api]\ntoken_07_get_sms =\n";
    let accepted = judged(&[(GATEWAY_FILE, gateway), (SIMS_FILE, SIMS)], &Files::new()).ok().unwrap();
    assert_eq!(accepted.made.len(), 0);
    assert_eq!(
        remarks(&accepted),
        [
            "smsgate.conf:3: `host` is :: in the box's copy; on this box nothing else works",
            "smsgate.conf:5: `certificate` is /data/tls/server.pem in the box's copy; on this box nothing else works",
            "smsgate.conf:9: `token_07_get_sms` is for a slot that is not in the SIM configuration; it is ignored",
        ]
    );
    assert_eq!(accepted.config.gateway.server.port, 8000);
    assert!(accepted.files.get(GATEWAY_FILE).unwrap().starts_with("# mine\n[server]\n"));
}

#[test]
fn what_the_box_cannot_do_is_refused_at_its_own_line() {
    let pem = "-----BEGIN PRIVATE KEY-----\n";
    for (given, complaint) in [
        (vec![(GATEWAY_FILE, "[mail]\nenabled = no\n[server]\nport = 443\n")], "smsgate.conf:4: `port` is 443"),
        (vec![(GATEWAY_FILE, "[server]\nport = 5353\n[mail]\nenabled = no\n")], "smsgate.conf:2: `port` is 5353"),
        (vec![(GATEWAY_FILE, "[server]\nport = 0\n[mail]\nenabled = no\n")], "smsgate.conf:2: `port` is 0"),
        (
            vec![(
                GATEWAY_FILE,
                "[server]\n[mail]\nserver = m\nuser = a@m\npassword = geheim\nrecipient = b@m\nca = x.pem\n",
            )],
            "smsgate.conf:7: `ca` names a file",
        ),
        (vec![(GATEWAY_FILE, "[server]\nport = x\n[mail]\nenabled = no\n")], "smsgate.conf:2: `port` is not a whole"),
        (vec![(SIMS_FILE, "[00]\nport = a\ncosts_per_sms = 0\npin = secret\n")], "sim-cards.conf:4: `pin` is not"),
        (vec![(KEYS_FILE, "hello\n")], "authorized_keys:1: is not an OpenSSH"),
        (vec![(NETWORK_FILE, "[network]\nvlan = x\n")], "network.conf:2: `vlan`"),
        (vec![(CERTIFICATE_FILE, "x")], "tls.crt: comes without tls.key"),
        (vec![(KEY_FILE, "x")], "tls.key: comes without tls.crt"),
        (vec![(MAIL_CA_FILE, pem)], "mail-ca.pem: holds a private key"),
        (vec![(SYSLOG_CA_FILE, "x")], "syslog-ca.pem: holds no certificate"),
    ] {
        let problems = judged(&given, &Files::new()).err().unwrap_or_else(|| panic!("accepted: {complaint}"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(complaint), "{problems:?}");
        assert!(!problems[0].contains("secret") && !problems[0].contains("geheim"), "{problems:?}");
    }
}

#[test]
fn all_problems_of_all_files_are_told_at_once() {
    let given = [(SIMS_FILE, "[00]\n"), (KEYS_FILE, "x"), (NETWORK_FILE, "[a]\n"), (GATEWAY_FILE, GATEWAY)];
    let problems = judged(&given, &Files::new()).err().unwrap();
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn a_port_by_number_is_remarked_on() {
    let sims = "[00]\nport = /dev/ttyUSB2\ncosts_per_sms = 0\n[01]\nport = virtual:generic\ncosts_per_sms = 0\n";
    let accepted = judged(&[(SIMS_FILE, sims)], &Files::new()).ok().unwrap();
    let remarks = remarks(&accepted);
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(remarks[0].starts_with("sim-cards.conf:2: `[00]` is bound to /dev/ttyUSB2"), "{remarks:?}");
}

#[test]
fn certificates_to_trust_are_put_into_the_boxs_copy() {
    let mail = "[mail]\nserver = m\nuser = a@m\npassword = geheim\nrecipient = b@m\nca = x.pem\n";
    let authority = identity::new_authority().unwrap();
    let given = [(GATEWAY_FILE, mail), (MAIL_CA_FILE, authority.certificate.as_str())];
    let accepted = judged(&given, &Files::new()).ok().unwrap();
    let ca = accepted.config.gateway.mail.ca.unwrap();
    assert_eq!(ca.to_str(), Some("/data/config/current/mail-ca.pem"));
}
