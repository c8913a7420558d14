//! Balances: the last one, and one for each day.

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::*;
use crate::model::BalanceDay;

/// A clock that shows any day.
#[derive(Debug)]
struct Calendar(Mutex<Timestamp>);

impl Calendar {
    fn days_on(&self, days: i64) {
        let mut shown = self.0.lock().unwrap();
        *shown = shown.checked_add((24 * days).hours()).unwrap();
    }

    fn today(&self) -> Date {
        self.0.lock().unwrap().to_zoned(TimeZone::system()).date()
    }
}

impl ClockSource for Calendar {
    fn boot_id(&self) -> String {
        "boot".to_owned()
    }

    fn boottime(&self) -> Duration {
        Duration::from_secs(100)
    }

    fn wall(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn store(folder: &TempDir) -> (Store, Arc<Calendar>) {
    let calendar = Arc::new(Calendar(Mutex::new(wall())));
    let options = Options { mail: false, retention: DAY, queue_limit: 10 };
    let store = Store::open_with_clock(&folder.path().join("smsgate.db"), options, calendar.clone()).unwrap();
    (store, calendar)
}

async fn days(store: &Store) -> Vec<BalanceDay> {
    store.balance_history().await.unwrap().remove(&slot()).unwrap_or_default()
}

#[tokio::test]
async fn the_last_balance_of_each_day_is_kept_for_sixty_days() {
    let folder = tempfile::tempdir().unwrap();
    let (store, calendar) = store(&folder);
    for day in 0..70 {
        store.balance_read(&slot(), "8949", 1).await.unwrap();
        store.balance_read(&slot(), "8949", 1000 - day).await.unwrap();
        calendar.days_on(1);
    }
    let kept = days(&store).await;
    assert_eq!(kept.len(), 60);
    assert_eq!(kept.first().unwrap().micros, 990);
    let last = *kept.last().unwrap();
    assert_eq!((last.micros, last.day.tomorrow().unwrap()), (931, calendar.today()));
    let facts = store.sim_facts().await.unwrap().remove(&slot()).unwrap();
    let at = facts.balance_at.map(|at| at.to_zoned(TimeZone::system()).date());
    assert_eq!((facts.balance_micros, facts.balance_sim.as_deref(), at), (Some(931), Some("8949"), Some(last.day)));
}

#[tokio::test]
async fn another_card_begins_with_a_history_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (store, calendar) = store(&folder);
    store.balance_read(&slot(), "8949", 5).await.unwrap();
    calendar.days_on(1);
    store.balance_read(&slot(), "8950", 9).await.unwrap();
    assert_eq!(days(&store).await, [BalanceDay { day: calendar.today(), micros: 9 }]);
    store.balance_read(&slot(), "8949", 4).await.unwrap();
    assert_eq!(days(&store).await.len(), 2, "the first card is back with what it had");
}

#[tokio::test]
async fn a_clock_that_ran_ahead_leaves_no_days_to_come() {
    let folder = tempfile::tempdir().unwrap();
    let (store, calendar) = store(&folder);
    store.balance_read(&slot(), "8949", 5).await.unwrap();
    calendar.days_on(3650);
    store.balance_read(&slot(), "8949", 4).await.unwrap();
    calendar.days_on(-3649);
    store.balance_read(&slot(), "8949", 3).await.unwrap();
    let kept: Vec<i64> = days(&store).await.into_iter().map(|day| day.micros).collect();
    assert_eq!(kept, [5, 3]);
}

#[tokio::test]
async fn a_clock_that_was_not_set_yet_forgets_no_day() {
    let folder = tempfile::tempdir().unwrap();
    let (store, calendar) = store(&folder);
    for balance in [5, 4] {
        store.balance_read(&slot(), "8949", balance).await.unwrap();
        calendar.days_on(1);
    }
    calendar.days_on(-20_000);
    store.balance_read(&slot(), "8949", 4).await.unwrap();
    assert_eq!(days(&store).await.len(), 1, "what is to come is passed over");
    calendar.days_on(20_000);
    store.balance_read(&slot(), "8949", 3).await.unwrap();
    let kept: Vec<i64> = days(&store).await.into_iter().map(|day| day.micros).collect();
    assert_eq!(kept, [4, 5, 4, 3]);
}
