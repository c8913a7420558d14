//! The card the operator knows in each slot, by ICCID, so that a swapped one is noticed also across restarts.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Store, StoreError,
    rows::{micros, slot},
    writer::Work,
};
use crate::model::SlotId;

/// What is on record about a slot in which a card was just seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CardSeen {
    /// ICCID of the known card.
    pub known: String,
    /// The slot in which the card that was seen is the known one, if it is another slot.
    pub home: Option<SlotId>,
    /// This card was not what was seen in the slot last.
    pub news: bool,
}

impl Store {
    /// Puts down that a card is in a slot. The first one ever is the known one from then on.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn card_seen(&self, slot: &SlotId, iccid: &str) -> Result<CardSeen, StoreError> {
        let (slot, iccid) = (slot.clone(), iccid.to_owned());
        self.write(move |work| seen(work, &slot, &iccid)).await
    }

    /// The operator knows this card in this slot.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn card_accepted(&self, slot: &SlotId, iccid: &str) -> Result<(), StoreError> {
        let (slot, iccid) = (slot.clone(), iccid.to_owned());
        self.write(move |work| accepted(work, &slot, &iccid)).await
    }

    /// ICCID of the known card of every slot that has one.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn known_cards(&self) -> Result<BTreeMap<SlotId, String>, StoreError> {
        self.read(known).await
    }
}

fn seen(work: &mut Work<'_>, place: &SlotId, iccid: &str) -> Result<CardSeen, StoreError> {
    work.connection
        .prepare_cached(
            "INSERT INTO sim_card (slot, iccid, present, accepted_at) VALUES (?1, ?2, ?2, ?3) ON CONFLICT (slot) DO NOTHING",
        )?
        .execute(params![place.as_str(), iccid, micros(work.wall)])?;
    let (known, before): (String, String) = work
        .connection
        .prepare_cached("SELECT iccid, present FROM sim_card WHERE slot = ?1")?
        .query_row([place.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let news = before != iccid;
    if news {
        work.connection
            .prepare_cached("UPDATE sim_card SET present = ?2 WHERE slot = ?1")?
            .execute(params![place.as_str(), iccid])?;
    }
    let home = work
        .connection
        .prepare_cached("SELECT slot FROM sim_card WHERE iccid = ?1 AND slot <> ?2 ORDER BY slot LIMIT 1")?
        .query_row(params![iccid, place.as_str()], |row| slot(row, "slot"))
        .optional()?;
    Ok(CardSeen { known, home, news })
}

fn accepted(work: &mut Work<'_>, place: &SlotId, iccid: &str) -> Result<(), StoreError> {
    work.connection.execute(
        "INSERT INTO sim_card (slot, iccid, present, accepted_at) VALUES (?1, ?2, ?2, ?3)
         ON CONFLICT (slot) DO UPDATE SET iccid = ?2, present = ?2, accepted_at = ?3",
        params![place.as_str(), iccid, micros(work.wall)],
    )?;
    Ok(())
}

fn known(connection: &Connection) -> Result<BTreeMap<SlotId, String>, StoreError> {
    let cards = connection
        .prepare_cached("SELECT slot, iccid FROM sim_card")?
        .query_map([], |row| Ok((slot(row, "slot")?, row.get("iccid")?)))?
        .collect::<Result<_, _>>()?;
    Ok(cards)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Options;

    #[tokio::test]
    async fn the_first_card_is_known_and_another_is_news_once() {
        let folder = tempfile::tempdir().unwrap();
        let options = || Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
        let open = || Store::open(&folder.path().join("smsgate.db"), options()).unwrap();
        let (first, second) = (SlotId::new("00"), SlotId::new("01"));
        let seen =
            |known: &str, home: Option<&SlotId>, news| CardSeen { known: known.into(), home: home.cloned(), news };
        let store = open();
        assert_eq!(store.card_seen(&first, "111").await.unwrap(), seen("111", None, false));
        assert_eq!(store.card_seen(&second, "222").await.unwrap(), seen("222", None, false));
        assert_eq!(store.card_seen(&first, "333").await.unwrap(), seen("111", None, true));
        assert_eq!(store.card_seen(&first, "222").await.unwrap(), seen("111", Some(&second), true));
        store.close().await;
        drop(store);
        let store = open();
        assert_eq!(store.card_seen(&first, "222").await.unwrap(), seen("111", Some(&second), false));
        assert_eq!(store.card_seen(&first, "111").await.unwrap(), seen("111", None, true));
        store.card_accepted(&first, "444").await.unwrap();
        assert_eq!(store.card_seen(&first, "444").await.unwrap(), seen("444", None, false));
        let known = store.known_cards().await.unwrap();
        assert_eq!(known.get(&first).map(String::as_str), Some("444"));
        assert_eq!(known.len(), 2);
    }
}
