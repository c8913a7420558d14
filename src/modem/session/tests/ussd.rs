//! USSD dialogues and balance checks: who gets which text, and what does not wait for it.

use super::*;
use crate::{
    model::{MessageOrigin, UssdSession, UssdStep},
    modem::{UssdAsk, UssdError},
    store::SimFacts,
};

const MENU: &str = "+CUSD: 1,\"1 Balance\n2 Number\",15";

type Outcome = Result<UssdStep, UssdError>;

impl Running {
    /// Asks, and gives the place where the outcome will be.
    async fn ussd(&self, ask: UssdAsk) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        self.requests.send(Request::Ussd { ask, reply }).await.unwrap();
        outcome
    }

    async fn once(&self, code: &str) -> oneshot::Receiver<Outcome> {
        self.ussd(UssdAsk::Once(code.to_owned())).await
    }

    async fn answer(&self, session: &UssdSession, text: &str) -> oneshot::Receiver<Outcome> {
        self.ussd(UssdAsk::Answer { session: session.clone(), text: text.to_owned() }).await
    }

    async fn says(&self, notice: &str) {
        self.notices.send(notice.to_owned()).await.unwrap();
    }
}

impl Bench {
    /// The store answers in real time, in which paused time runs away.
    fn without_store_in_polls() -> Self {
        let bench = Self::new();
        bench.answers("AT+CPMS?", "ERROR");
        bench.answers("AT+CMGL=4", "ERROR");
        bench
    }

    /// Opens a menu.
    async fn menu(&self, running: &Running) -> UssdSession {
        let step = running.ussd(UssdAsk::Open("*101#".to_owned())).await;
        self.until("the code", |bench| bench.told("AT+CUSD=1,\"*101#\"") > 0).await;
        running.says(MENU).await;
        let step = step.await.unwrap().unwrap();
        assert_eq!(step.text, "1 Balance\n2 Number");
        step.session.unwrap()
    }

    async fn facts(&self) -> SimFacts {
        self.context.store.sim_facts().await.unwrap().remove(&self.context.slot().id).unwrap_or_default()
    }

    fn health(&self) -> (HealthLevel, String) {
        let health = self.seen.borrow().health.clone();
        (health.level, health.message())
    }
}

#[tokio::test]
async fn a_person_walks_through_a_menu_while_messages_come_in() {
    let bench = Bench::new();
    let running = bench.start();
    bench.swept().await;
    let session = bench.menu(&running).await;
    running.says(&cmt(PDU)).await;
    bench.until("a confirmation", |bench| bench.confirmed() > 0).await;
    let step = running.answer(&session, "1").await;
    bench.until("the answer", |bench| bench.told("AT+CUSD=1,\"1\",15") == 1).await;
    running.says("+CUSD: 0,\"Balance: 5,00 EUR\",15").await;
    assert_eq!(step.await.unwrap(), Ok(UssdStep { session: None, text: "Balance: 5,00 EUR".to_owned() }));
    let late = running.answer(&session, "1").await.await.unwrap();
    assert_eq!(late, Err(UssdError::Over("finished".to_owned())));
    assert_eq!((bench.told("AT+CUSD=1,"), bench.told("AT+CUSD=2"), bench.inbox().await.len()), (2, 0, 1));
}

#[tokio::test]
async fn a_second_asker_is_told_so_and_the_first_goes_on() {
    let bench = Bench::new();
    let running = bench.start();
    bench.swept().await;
    let session = bench.menu(&running).await;
    assert_eq!(running.once("*100#").await.await.unwrap(), Err(UssdError::Occupied));
    assert_eq!(running.ussd(UssdAsk::Open("*100#".to_owned())).await.await.unwrap(), Err(UssdError::Occupied));
    let step = running.answer(&session, "2").await;
    assert_eq!(running.answer(&session, "2").await.await.unwrap(), Err(UssdError::Occupied));
    running.says("+CUSD: 1,\"0 Back\",15").await;
    assert_eq!(step.await.unwrap().unwrap().session.as_ref(), Some(&session));
    running.ussd(UssdAsk::Close(session.clone())).await.await.unwrap().unwrap();
    assert_eq!((bench.told("AT+CUSD=1,"), bench.told("AT+CUSD=2")), (2, 1));
    assert!(matches!(running.ussd(UssdAsk::Close(session)).await.await.unwrap(), Err(UssdError::Over(_))));
    let once = running.once("*100#").await;
    bench.until("the code", |bench| bench.told("AT+CUSD=1,\"*100#\"") == 1).await;
    running.says("+CUSD: 0,\"done\",15").await;
    assert_eq!(once.await.unwrap().unwrap().text, "done");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_answers_is_closed() {
    let bench = Bench::without_store_in_polls();
    let running = bench.start();
    bench.swept().await;
    let session = bench.menu(&running).await;
    let began = Instant::now();
    bench.until("the end of an idle session", |bench| bench.told("AT+CUSD=2") == 1).await;
    assert!((119..=121).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let late = running.answer(&session, "1").await.await.unwrap();
    assert_eq!(late, Err(UssdError::Over("nobody answered the network".to_owned())));
}

#[tokio::test]
async fn a_session_is_closed_when_nobody_is_there_to_answer() {
    let bench = Bench::new();
    let running = bench.start();
    bench.swept().await;
    // The caller is gone when the menu comes.
    let gone = running.ussd(UssdAsk::Open("*103#".to_owned())).await;
    bench.until("the code", |bench| bench.told("AT+CUSD=1,\"*103#\"") == 1).await;
    drop(gone);
    running.says(MENU).await;
    bench.until("the end of a session without a person", |bench| bench.told("AT+CUSD=2") == 1).await;

    // One text was wanted, and the network waits for more.
    let once = running.once("*101#").await;
    bench.until("the code", |bench| bench.told("AT+CUSD=1,\"*101#\"") == 1).await;
    running.says(MENU).await;
    assert_eq!(once.await.unwrap().unwrap().session, None);
    bench.until("the end of a session of one text", |bench| bench.told("AT+CUSD=2") == 2).await;

    // The modem goes.
    let lost = running.once("*100#").await;
    running.says("RDY").await;
    assert!(lost.await.unwrap().unwrap_err().to_string().contains("restarted"));
}

#[tokio::test]
async fn every_end_of_a_session_has_its_reason_at_once() {
    for (status, reason) in [
        (0, "finished"),
        (1, "the network waits for an answer"),
        (2, "terminated by the network"),
        (3, "another local client has responded"),
        (4, "operation not supported"),
        (5, "network time out"),
        (9, "unknown session state"),
    ] {
        let bench = Bench::new();
        let running = bench.start();
        bench.swept().await;
        let once = running.once("*100#").await;
        bench.until("the code", |bench| bench.told("AT+CUSD=1,") == 1).await;
        let began = Instant::now();
        running.says(&format!("+CUSD: {status}")).await;
        assert_eq!(once.await.unwrap(), Err(UssdError::Failed(reason.to_owned())), "{status}");
        assert!(began.elapsed() < Duration::from_secs(1), "{status}");
    }
}

#[tokio::test]
async fn messages_are_taken_while_the_network_is_silent() {
    let bench = Bench::new();
    let running = bench.start();
    bench.swept().await;
    let once = running.once("*100#").await;
    bench.until("the code", |bench| bench.told("AT+CUSD=1,") == 1).await;
    for (index, pdu) in [(1_u16, PDU), (2, OTHER)] {
        bench.modem().sim.insert(index, pdu.to_owned());
        bench.answers(&format!("AT+CMGR={index}"), &format!("+CMGR: 0,,{}\r\n{pdu}\r\n\r\nOK", octets(pdu)));
        let announced = Instant::now();
        running.says(&format!("+CMTI: \"SM\",{index}")).await;
        bench.until("an empty SIM", |bench| bench.modem().sim.is_empty()).await;
        assert_eq!(bench.inbox().await.len(), usize::from(index));
        assert!(announced.elapsed() < Duration::from_secs(1), "{:?}", announced.elapsed());
    }
    running.says("+CUSD: 0,\"at last\",15").await;
    assert_eq!(once.await.unwrap().unwrap().text, "at last");
}

#[tokio::test(start_paused = true)]
async fn the_network_may_take_half_a_minute_but_not_for_ever() {
    let bench = Bench::without_store_in_polls();
    let running = bench.start();
    bench.swept().await;
    let once = running.once("*100#").await;
    bench.until("the code", |bench| bench.told("AT+CUSD=1,") == 1).await;
    sleep_until(Instant::now() + Duration::from_secs(30)).await;
    running.says("+CUSD: 0,\"at last\",15").await;
    assert_eq!(once.await.unwrap().unwrap().text, "at last");

    let never = running.once("*100#").await;
    assert_eq!(never.await.unwrap().unwrap_err().to_string(), "the network did not answer in time");
    bench.until("the end of the session", |bench| bench.told("AT+CUSD=2") == 1).await;
}

#[tokio::test]
async fn hostile_answers_and_refused_codes_never_reach_the_modem() {
    let bench = Bench::new();
    let running = bench.start();
    bench.swept().await;
    for code in ["**21*+491700000000#", "*#06#", "**04*0000*1111*1111#", "##002#", "*31#", "1\";+CFUN=0", "*100#\r", ""]
    {
        let refused = running.once(code).await.await.unwrap();
        assert!(matches!(refused, Err(UssdError::Refused(_))), "{code}: {refused:?}");
    }
    assert_eq!(bench.told("AT+CUSD=1,"), 0);
    let session = bench.menu(&running).await;
    let before = bench.modem().told.len();
    let mut hostile: Vec<String> = (0..=0xff_u8)
        .map(char::from)
        .filter(|c| !c.is_ascii_alphanumeric() && !" !#%&'()*+,-./:<=>?".contains(*c))
        .flat_map(|c| [c.to_string(), format!("1{c}"), format!("1{c}\";+CMGD=1,4\r"), format!("{c}AT+CFUN=0\r\n")])
        .collect();
    hostile
        .extend(["**21*1#", "*100#*#06#", "#31#", "1\",15\rAT+CMGD=1,4\r", "\u{1a}", "1\u{2028}"].map(str::to_owned));
    hostile.push("1".repeat(183));
    for text in hostile {
        let refused = running.answer(&session, &text).await.await.unwrap();
        assert!(matches!(refused, Err(UssdError::Refused(_))), "{text:?}: {refused:?}");
    }
    let polls = ["AT+CSQ", "AT+CREG?", "AT+COPS?", "AT+CMGF=0", "AT+CNMI", "AT+CPMS", "AT+CMGL", "AT+CUSD=1"];
    for told in &bench.modem().told[before..] {
        assert!(polls.iter().any(|poll| told.starts_with(poll)) && !told.contains("AT+CUSD=1,"), "{told:?}");
    }
    // What is carried is carried as it is, and as one command.
    let told = running.answer(&session, "Max, 12").await;
    bench.until("the answer", |bench| bench.told("AT+CUSD=1,\"Max, 12\",15") == 1).await;
    drop(told);
}

#[tokio::test]
async fn a_list_of_codes_is_all_that_passes() {
    let bench = Bench::with(|slot| slot.ussd_allowed = Some(vec!["*102#".to_owned(), "*21#".to_owned()]));
    let running = bench.start();
    bench.swept().await;
    assert!(matches!(running.once("*100#").await.await.unwrap(), Err(UssdError::Refused(_))));
    for code in ["*102#", "*21#"] {
        let once = running.once(code).await;
        bench.until("the code", |bench| bench.told(&format!("AT+CUSD=1,\"{code}\"")) == 1).await;
        running.says("+CUSD: 0,\"done\",15").await;
        once.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_the_network_says_by_itself_is_mailed_where_that_is_wanted() {
    for wanted in [false, true] {
        let bench = Bench::with(|slot| slot.forward_ussd = wanted);
        let running = bench.start();
        bench.swept().await;
        running.says("+CUSD: 0,\"Your balance is low\",15").await;
        running.says("+CUSD: 1,\"Buy more? 1 yes\",15").await;
        bench.until("the end of the session", |bench| bench.told("AT+CUSD=2") == 1).await;
        running.says(&cmt(PDU)).await;
        bench.until("a confirmation", |bench| bench.confirmed() > 0).await;
        let mails = bench.context.store.mail_due(10).await.unwrap();
        let ussd: Vec<&str> = mails
            .iter()
            .filter(|mail| mail.message.origin == MessageOrigin::Ussd)
            .map(|mail| mail.message.text.as_str())
            .collect();
        assert_eq!(ussd, if wanted { vec!["Your balance is low", "Buy more? 1 yes"] } else { vec![] });
        assert_eq!(bench.inbox().await.len(), 1, "get_sms shows SMS only");
        assert_eq!(bench.facts().await.received, 1);
    }
}

/// Short enough for real time: paused time runs away while the store is at work.
const INTERVAL: Duration = Duration::from_millis(50);

fn with_balance(slot: &mut Slot) {
    slot.health_check_interval = INTERVAL;
    slot.ussd_account_balance = Some("*100#".to_owned());
    slot.ussd_account_balance_regexp = regex::Regex::new(r"(\d+[\,\.]\d\d)").unwrap();
    slot.account_balance_warning_micros = 10_000_000;
    slot.account_balance_critical_micros = 5_000_000;
}

#[tokio::test]
async fn balances_are_read_at_each_interval_and_judged() {
    let bench = Bench::with(with_balance);
    let balance = |text: &str| {
        bench.answers("AT+CUSD=1,\"*100#\",15", &format!("OK\r\n\r\n+CUSD: 1,\"Guthaben: {text} EUR\",15"));
    };
    balance("12,34");
    let running = bench.start();
    bench.until("a first check", |bench| bench.told("AT+CUSD=2") == 1).await;
    let began = Instant::now();
    for (text, level, words) in [
        ("9,99", HealthLevel::Warning, "Balance: 9.99 EUR, below the warning threshold of 10.00 EUR"),
        ("4,20", HealthLevel::Critical, "Balance: 4.20 EUR, below the critical threshold of 5.00 EUR"),
        ("12,34", HealthLevel::Ok, ""),
        ("4,20", HealthLevel::Critical, "Balance: 4.20 EUR, below the critical threshold of 5.00 EUR"),
    ] {
        balance(text);
        bench.until(words, |bench| bench.health() == (level, words.to_owned())).await;
    }
    let checks = bench.told("AT+CUSD=1,");
    assert!(checks <= 2 + usize::try_from(began.elapsed().as_millis() / INTERVAL.as_millis()).unwrap(), "{checks}");
    assert!(bench.told("AT+CUSD=2") + 1 >= checks, "each session was ended");
    let facts = bench.facts().await;
    assert_eq!((facts.balance_micros, facts.balance_sim.as_deref()), (Some(4_200_000), Some("89490200001234567890")));

    // After a restart the last value counts before it is read anew; on another SIM nothing is known.
    running.end.abort();
    let running = bench.start();
    bench.until("the last value", |bench| bench.health().0 == HealthLevel::Critical).await;
    running.end.abort();
    bench.answers("AT+CUSD=1,\"*100#\",15", "OK");
    bench.answers("AT+CCID", "+CCID: 89490200001234567891\r\n\r\nOK");
    let _running = bench.start();
    let only_the_card = |words: &str| words.starts_with("SIM: another card") && !words.contains("Balance");
    bench.until("nothing known", |bench| only_the_card(&bench.health().1)).await;
}

#[tokio::test]
async fn a_balance_that_cannot_be_read_is_said_after_three_times_and_the_last_one_still_counts() {
    let bench = Bench::with(with_balance);
    let store = &bench.context.store;
    store.balance_read(&bench.context.slot().id, "89490200001234567890", 4_200_000).await.unwrap();
    bench.answers("AT+CUSD=1,\"*100#\",15", "+CME ERROR: 30");
    let _running = bench.start();
    bench.until("the failure", |bench| bench.health().1.contains("; Balance: cannot be read: ")).await;
    let (level, words) = bench.health();
    assert_eq!(level, HealthLevel::Critical);
    assert!(words.starts_with("Balance: 4.20 EUR") && words.contains("below the critical threshold"), "{words}");
    assert!(bench.told("AT+CUSD=1,") >= 3);
    assert_eq!(bench.facts().await.balance_micros, Some(4_200_000));
}

#[tokio::test]
async fn another_configuration_of_the_balance_counts_at_once() {
    let bench = Bench::new();
    bench.answers("AT+CUSD=1,\"*100#\",15", "OK\r\n\r\n+CUSD: 0,\"Guthaben: 9,99 EUR\",15");
    let _running = bench.start();
    bench.until("health", |bench| bench.health().0 == HealthLevel::Ok && bench.told("AT+CPMS?") > 0).await;
    bench.reload(with_balance);
    bench.until("a low balance", |bench| bench.health().1.starts_with("Balance: 9.99 EUR, below the warning")).await;
    bench.reload(|slot| slot.account_balance_critical_micros = 10_000_000);
    bench.until("another threshold", |bench| bench.health().0 == HealthLevel::Critical).await;
    bench.reload(|slot| slot.ussd_account_balance = None);
    bench.until("nothing to judge", |bench| bench.health() == (HealthLevel::Ok, String::new())).await;
}
