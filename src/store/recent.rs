//! The inbox of late, held in memory: clients ask for the same messages several times a second, and between two messages
//! the answer does not change.
//!
//! What is held is as good as a query as long as the database is as it was when it was read; any change ends it, whatever
//! it changed. It is read for all slots at once, so only where somebody asks again without a change in between: under
//! traffic each client has its own query as ever.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::InboxQuery;
use crate::model::{InboundMessage, RunTime};

/// Most messages held; a pool that gets more in its window reads them from the file.
pub(super) const MOST: usize = 1000;
/// Most octets of their texts.
const OCTETS: usize = 512 * 1024;

/// A message and when it arrived.
pub(super) type Arrived = (RunTime, Arc<InboundMessage>);

/// What is known of the inbox without asking the database. `state` counts the database's changes.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// The state in which somebody asked last.
    asked: Option<u64>,
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    state: u64,
    since: RunTime,
    /// None if it is too much to hold.
    messages: Option<Vec<Arrived>>,
}

/// What to do for an answer.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// This is it.
    Found(Vec<Arc<InboundMessage>>),
    /// Ask the database.
    Ask,
    /// Read the window of all slots, for it will be asked for again, and [`hold`](Recent::hold) it.
    Read,
}

impl Recent {
    /// Looks for the messages of a query in a database that is in `state`.
    pub(super) fn look(&self, state: u64, query: &InboxQuery) -> Look {
        let mut held = self.lock();
        if let Some(window) = held.window.as_ref().filter(|window| window.state == state && window.since <= query.since)
        {
            return window.messages.as_ref().and_then(|messages| found(messages, query)).map_or(Look::Ask, Look::Found);
        }
        let again = held.asked.replace(state) == Some(state);
        if again { Look::Read } else { Look::Ask }
    }

    /// Holds what arrived `since`, read after the database had been seen in `state`.
    pub(super) fn hold(&self, state: u64, since: RunTime, messages: Vec<Arrived>) {
        let octets: usize = messages.iter().map(|(_, message)| message.text.len()).sum();
        let fits = messages.len() <= MOST && octets <= OCTETS;
        self.lock().window = Some(Window { state, since, messages: fits.then_some(messages) });
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of a query, unless it begins after a message that is not among them.
fn found(messages: &[Arrived], query: &InboxQuery) -> Option<Vec<Arc<InboundMessage>>> {
    let after = match query.after {
        Some(id) => messages.iter().find(|(_, message)| message.id == id)?.1.sequence,
        None => 0,
    };
    let meant = |(arrived, message): &&Arrived| {
        *arrived >= query.since && message.sequence > after && query.slots.contains(&message.slot)
    };
    Some(messages.iter().filter(meant).take(query.limit).map(|(_, message)| Arc::clone(message)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::model::{MessageId, MessageOrigin, SlotId};

    fn id(number: u128) -> MessageId {
        MessageId::from_uuid(Uuid::from_u128(number))
    }

    fn arrived(number: u32, slot: &str, text: &str) -> Arrived {
        let message = InboundMessage {
            sequence: number.into(),
            id: id(number.into()),
            slot: SlotId::new(slot),
            recipient: String::new(),
            sender: "Bank".to_owned(),
            text: text.to_owned(),
            network: String::new(),
            sent_at: None,
            sent_offset: 0,
            received_at: jiff::Timestamp::UNIX_EPOCH,
            flash: false,
            parts_missing: 0,
            undecodable: false,
            completes: None,
            origin: MessageOrigin::Sms,
        };
        (RunTime(i64::from(number) * 1000), Arc::new(message))
    }

    fn query(slots: &[&str], since: i64, after: Option<u128>, limit: usize) -> InboxQuery {
        let slots = slots.iter().map(|slot| SlotId::new(slot)).collect();
        InboxQuery { slots, since: RunTime(since), after: after.map(id), limit }
    }

    fn sequences(look: Look) -> Option<Vec<i64>> {
        match look {
            Look::Found(messages) => Some(messages.iter().map(|message| message.sequence).collect()),
            Look::Ask | Look::Read => None,
        }
    }

    #[test]
    fn held_messages_are_selected_as_the_database_would() {
        let recent = Recent::default();
        let slots = ["a", "b", "a", "c"];
        let messages = (1..=4).zip(slots).map(|(number, slot)| arrived(number, slot, "text")).collect();
        recent.hold(7, RunTime(500), messages);
        for (slots, since, after, limit, found) in [
            (&["a", "b", "c"][..], 500, None, 9, Some(&[1, 2, 3, 4][..])),
            (&["a"], 500, None, 9, Some(&[1, 3])),
            (&["x"], 500, None, 9, Some(&[])),
            (&["a", "b"], 2000, None, 9, Some(&[2, 3])),
            (&["a", "b"], 2001, None, 9, Some(&[3])),
            (&["a", "b", "c"], 500, Some(2), 9, Some(&[3, 4])),
            (&["a", "b", "c"], 2500, Some(1), 9, Some(&[3, 4])),
            (&["a", "b", "c"], 500, None, 2, Some(&[1, 2])),
            (&["a"], 500, Some(99), 9, None),
        ] {
            let look = recent.look(7, &query(slots, since, after, limit));
            assert_eq!(sequences(look).as_deref(), found, "{slots:?} {since} {after:?} {limit}");
        }
    }

    #[test]
    fn read_when_asked_again_and_only_while_nothing_changes() {
        let recent = Recent::default();
        let any = query(&["a"], 500, None, 9);
        assert_eq!(recent.look(1, &any), Look::Ask);
        assert_eq!(recent.look(2, &any), Look::Ask, "something changed in between");
        assert_eq!(recent.look(2, &any), Look::Read);
        recent.hold(2, RunTime(500), vec![arrived(1, "a", "text")]);
        assert_eq!(sequences(recent.look(2, &any)), Some(vec![1]));
        let later = query(&["a"], 500 + i64::try_from(Duration::from_secs(9).as_millis()).unwrap(), None, 9);
        assert_eq!(sequences(recent.look(2, &later)), Some(vec![]), "the window moves on");
        assert_eq!(recent.look(2, &query(&["a"], 499, None, 9)), Look::Read, "a window that begins earlier");
        assert_eq!(recent.look(3, &any), Look::Ask);
        assert_eq!(recent.look(3, &any), Look::Read);
    }

    #[test]
    fn too_much_is_not_held_and_not_read_again() {
        let many = (0..=u32::try_from(MOST).unwrap()).map(|number| arrived(number, "a", "text")).collect();
        let large = vec![arrived(1, "a", &"x".repeat(OCTETS + 1))];
        for messages in [many, large] {
            let recent = Recent::default();
            let any = query(&["a"], 0, None, 9);
            recent.hold(1, RunTime(0), messages);
            assert!((0..3).all(|_| recent.look(1, &any) == Look::Ask));
            assert!(recent.lock().window.as_ref().unwrap().messages.is_none());
        }
    }
}
