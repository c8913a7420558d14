//! The mailer against a real SMTP server that hangs, refuses, lies and disappears.
//!
//! Needs aiosmtpd, which `scripts/setup` puts into `target/venv`.

#[path = "smtp/fixture.rs"]
mod fixture;
#[path = "smtp/flood.rs"]
mod flood;

use std::time::Duration;

use fixture::{Client, Server, message, settings};
use smsgate::{config::MailSecurity, model::HealthLevel};

#[tokio::test]
async fn mails_go_over_implicit_tls_with_login_and_one_connection() {
    let server = Server::start(MailSecurity::Tls, true);
    let client = Client::start(settings(&server));
    for n in 1..=30 {
        client.spool.add(message(n, "00"));
    }
    client.until_sent(30).await;
    let mails = server.mails();
    assert_eq!(mails.len(), 30);
    for mail in &mails {
        assert_eq!(mail["tls"], true);
        assert_eq!(mail["user"], "gateway@example.org");
        assert_eq!(mail["to"], serde_json::json!(["mailbox@example.org"]));
        assert_eq!(mail["connection"], mails[0]["connection"], "one connection while there is work");
    }
    client.until_health(|health| health.level == HealthLevel::Ok).await;
}

#[tokio::test]
async fn mails_go_over_starttls_and_plain_loopback() {
    for (security, tls) in [(MailSecurity::StartTls, true), (MailSecurity::None, false)] {
        let server = Server::start(security, tls);
        let client = Client::start(settings(&server));
        client.spool.add(message(1, "00"));
        client.until_sent(1).await;
        assert_eq!(server.mails()[0]["tls"], tls);
    }
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let server = Server::start(MailSecurity::None, false);
    server.fault("ALL slow");
    let mut settings = settings(&server);
    settings.mail.user = String::new();
    settings.mail.from = Some("gateway@example.org".into());
    let client = Client::start(settings);
    client.spool.add(message(1, "00"));
    client.until_sent(1).await;
}

#[tokio::test]
async fn a_text_of_a_megabyte_is_one_mail() {
    let server = Server::start(MailSecurity::Tls, true);
    let client = Client::with(settings(&server), |pace| pace.limits.text = Duration::from_secs(60));
    let mut long = message(1, "00");
    long.text = "x\r\n.\r\nQUIT\r\n".repeat(100_000);
    client.spool.add(long);
    client.spool.add(message(2, "00"));
    client.until_sent(2).await;
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(mails[0]["raw"].as_str().unwrap().len() > 1_000_000);
}

#[tokio::test]
async fn each_sim_has_its_own_recipient() {
    let server = Server::start(MailSecurity::Tls, true);
    let mut settings = settings(&server);
    settings.addresses.insert(smsgate::model::SlotId::new("01"), "one@example.org".into());
    let client = Client::start(settings);
    client.spool.add(message(1, "00"));
    client.spool.add(message(2, "01"));
    client.until_sent(2).await;
    let to: Vec<_> = server.mails().iter().map(|mail| mail["to"][0].clone()).collect();
    assert_eq!(to, ["mailbox@example.org", "one@example.org"]);
}

#[tokio::test]
async fn a_fault_at_any_verb_delays_mails_but_loses_none() {
    for kind in ["hang", "drop", "reply 421 closing", "reply 451 later"] {
        for verb in ["GREETING", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "DOT"] {
            let server = Server::start(MailSecurity::StartTls, true);
            server.fault(&format!("{verb} {kind}"));
            let client = Client::start(settings(&server));
            client.spool.add(message(1, "00"));
            client.spool.add(message(2, "00"));
            client.until_health(|health| health.level == HealthLevel::Critical).await;
            assert_eq!(client.spool.count("sent"), 0, "{verb} {kind}");
            server.fault("");
            client.until_sent(2).await;
            assert_eq!(client.spool.count("dead"), 0, "{verb} {kind}");
            client.until_health(|health| health.level == HealthLevel::Ok).await;
        }
    }
}

#[tokio::test]
async fn a_lost_acknowledgement_repeats_the_mail_under_the_same_id() {
    let server = Server::start(MailSecurity::Tls, true);
    server.fault("DOT lose");
    let client = Client::start(settings(&server));
    client.spool.add(message(1, "00"));
    client.until_health(|health| health.level == HealthLevel::Critical).await;
    server.fault("");
    client.until_sent(1).await;
    let mails = server.mails();
    assert!(mails.len() >= 2, "the server took it before the connection broke");
    for mail in &mails {
        assert_eq!(mail["raw"], mails[0]["raw"]);
    }
    assert!(mails[0]["raw"].as_str().unwrap().contains(&format!("Message-ID: <{}@gw.test>\r\n", message(1, "00").id)));
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_repeats_no_mail() {
    let server = Server::start(MailSecurity::Tls, true);
    let client = Client::start(settings(&server));
    client.spool.fail_writes(5);
    client.spool.add(message(1, "00"));
    client.spool.add(message(2, "00"));
    client.until_sent(2).await;
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_recipient_refused_for_good_costs_only_its_own_mail() {
    for fault in ["RCPT reply 550 no such user for=one@example.org", "DOT reply 552 mailbox full for=one@example.org"] {
        let server = Server::start(MailSecurity::Tls, true);
        server.fault(fault);
        let mut settings = settings(&server);
        settings.addresses.insert(smsgate::model::SlotId::new("01"), "one@example.org".into());
        let client = Client::start(settings);
        for (n, slot) in [(1, "00"), (2, "01"), (3, "00")] {
            client.spool.add(message(n, slot));
        }
        client.until_sent(2).await;
        client.until_health(|health| health.message().contains("given up")).await;
        assert_eq!(client.spool.states(), ["sent", "dead", "sent"]);
        assert_eq!(client.health.borrow().level, HealthLevel::Critical);
    }
}

#[tokio::test]
async fn a_refused_login_or_sender_gives_no_mail_up() {
    for fault in ["AUTH reply 535 wrong password", "MAIL reply 550 sender not allowed", "RCPT reply 530 log in first"] {
        let server = Server::start(MailSecurity::Tls, true);
        server.fault(fault);
        let client = Client::start(settings(&server));
        client.spool.add(message(1, "00"));
        let words = fault.split_once("reply ").unwrap().1.split_once(' ').unwrap().1;
        client.until_health(|health| health.message().contains(words)).await;
        assert_eq!(client.spool.states(), ["waiting"], "{fault}");
        server.fault("");
        client.until_sent(1).await;
    }
}

#[tokio::test]
async fn a_reply_out_of_step_is_not_believed() {
    for fault in ["AUTH reply 250 hello", "MAIL reply 235 welcome", "DATA reply 250 fine", "DOT reply 354 go on"] {
        let server = Server::start(MailSecurity::StartTls, true);
        server.fault(fault);
        let client = Client::start(settings(&server));
        client.spool.add(message(1, "00"));
        client.until_health(|health| health.message().contains("unexpected reply")).await;
        assert_eq!(client.spool.states(), ["waiting"], "{fault}");
        server.fault("");
        client.until_sent(1).await;
    }
}

#[tokio::test]
async fn a_mail_refused_for_days_is_given_up() {
    let server = Server::start(MailSecurity::Tls, true);
    server.fault("RCPT reply 451 greylisted");
    let client = Client::with(settings(&server), |pace| pace.give_up = Duration::from_millis(300));
    client.spool.add(message(1, "00"));
    client.until_health(|health| health.message().contains("1 mails could not be delivered")).await;
    assert_eq!(client.spool.states(), ["dead"]);
}

#[tokio::test]
async fn an_outage_of_any_length_gives_nothing_up() {
    let server = Server::start(MailSecurity::Tls, true);
    let mut elsewhere = settings(&server);
    elsewhere.mail.port = fixture::closed_port();
    let client = Client::with(elsewhere, |pace| pace.give_up = Duration::from_millis(1));
    for n in 1..=250 {
        client.spool.add(message(n, "00"));
    }
    client.until_health(|health| health.message().contains("refused")).await;
    client.reload(settings(&server));
    client.until_sent(250).await;
    assert_eq!(server.mails().len(), 250);
}

#[tokio::test]
async fn no_downgrade_and_no_unknown_certificate() {
    let plain = Server::start(MailSecurity::None, false);
    let mut stripped = settings(&plain);
    stripped.mail.security = MailSecurity::StartTls;
    stripped.mail.user = "gateway@example.org".into();

    let tls = Server::start(MailSecurity::Tls, true);
    let mut untrusted = settings(&tls);
    let other = Server::start(MailSecurity::Tls, true);
    untrusted.mail.ca = Some(other.certificate());

    let mut remote = settings(&plain);
    remote.mail.server = "mail.example.org".into();

    for (settings, words) in
        [(stripped, "does not offer STARTTLS"), (untrusted, "invalid peer certificate"), (remote, "refusing to speak")]
    {
        let client = Client::start(settings);
        client.spool.add(message(1, "00"));
        client.until_health(|health| health.message().contains(words)).await;
        assert_eq!(client.health.borrow().level, HealthLevel::Critical);
        assert_eq!(client.spool.states(), ["waiting"]);
    }
    assert!(plain.mails().is_empty() && tls.mails().is_empty());
}

#[tokio::test]
async fn an_idle_mailer_finds_a_dead_server_and_its_return() {
    let server = Server::start(MailSecurity::Tls, true);
    server.fault("EHLO reply 554 go away");
    let mut settings = settings(&server);
    settings.mail.health_check_interval = Duration::from_millis(50);
    let client = Client::start(settings);
    client.until_health(|health| health.message().contains("go away")).await;
    server.fault("");
    client.until_health(|health| health.level == HealthLevel::Ok).await;
    server.fault("EHLO reply 554 go away");
    client.until_health(|health| health.message().contains("go away")).await;
}

#[tokio::test]
async fn settings_that_come_while_a_server_hangs_are_tried_at_once() {
    let [dead, well] = [(); 2].map(|()| Server::start(MailSecurity::Tls, true));
    dead.fault("GREETING hang");
    let client = Client::with(settings(&dead), |pace| pace.retry = vec![Duration::from_secs(3600)]);
    client.spool.add(message(1, "00"));
    client.spool.until_read().await;
    client.reload(settings(&well));
    client.until_sent(1).await;
    assert_eq!(well.mails().len(), 1);
}

#[tokio::test]
async fn stopping_in_the_middle_leaves_the_mail_in_the_spool() {
    let server = Server::start(MailSecurity::Tls, true);
    server.fault("DOT hang");
    let client = Client::with(settings(&server), |pace| {
        pace.limits.text = Duration::from_secs(3600);
        pace.drain = Duration::from_millis(200);
    });
    client.spool.add(message(1, "00"));
    client.spool.until_read().await;
    let spool = client.stop().await;
    assert_eq!(spool.states(), ["waiting"]);
}

#[tokio::test]
async fn stopping_in_the_middle_finishes_the_mail_if_the_server_is_quick_enough() {
    let server = Server::start(MailSecurity::Tls, true);
    let client = Client::with(settings(&server), |pace| pace.linger = Duration::from_secs(60));
    client.spool.add(message(1, "00"));
    client.until_sent(1).await;
    server.fault("ALL slow");
    client.spool.add(message(2, "00"));
    server.until_mails(2).await;
    let spool = client.stop().await;
    assert_eq!(spool.states(), ["sent", "sent"]);
}

#[tokio::test]
async fn a_connection_carries_so_many_mails_and_no_more() {
    let server = Server::start(MailSecurity::Tls, true);
    let client = Client::with(settings(&server), |pace| pace.per_connection = 2);
    for n in 1..=5 {
        client.spool.add(message(n, "00"));
    }
    client.until_sent(5).await;
    let first = server.mails()[0]["connection"].as_i64().unwrap();
    let connections: Vec<_> = server.mails().iter().map(|mail| mail["connection"].as_i64().unwrap() - first).collect();
    assert_eq!(connections, [0, 0, 1, 1, 2]);
}
