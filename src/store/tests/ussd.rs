//! USSD texts that nobody asked for: mailed, and nothing else.

use super::*;
use crate::{model::MessageOrigin, store::NewUssd};

fn ussd(text: &str) -> NewUssd {
    NewUssd { slot: slot(), recipient: "+491700000001".into(), network: "Vodafone.de".into(), text: text.into() }
}

#[tokio::test]
async fn a_ussd_text_is_mailed_and_is_no_sms() {
    let bench = Bench::new();
    let arrivals = *bench.store.arrivals().borrow();
    let id = bench.store.commit_ussd(ussd("low")).await.unwrap().unwrap();
    let bench = bench.reopen();
    let jobs = bench.store.mail_due(10).await.unwrap();
    assert_eq!(jobs.len(), 1);
    let message = &jobs[0].message;
    assert_eq!((message.id, message.text.as_str(), message.origin), (id, "low", MessageOrigin::Ussd));
    assert!(bench.visible().await.is_empty());
    assert_eq!(*bench.store.arrivals().borrow(), arrivals + 1, "the sequence is used up, but only after a restart");
    assert!(bench.store.sim_facts().await.unwrap().is_empty(), "it counts as no received SMS");
    bench.store.mail_sent(id).await.unwrap();
    assert!(bench.store.mail_due(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_mail_nothing_is_kept() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10 });
    assert_eq!(bench.store.commit_ussd(ussd("low")).await.unwrap(), None);
    assert_eq!(bench.store.transactions(), 0);
}
