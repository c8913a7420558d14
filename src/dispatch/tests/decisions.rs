//! What the dispatcher decides, one question at a time: it does not run.

use super::*;
use crate::{
    config::Slot,
    dispatch::{
        RECORD_PAUSE,
        sample::{id, job},
    },
    model::{Prefix, RunTime, Spending, Spent},
};

/// A dispatcher that stands still, and what it looks at.
struct Still {
    _folder: TempDir,
    modems: BTreeMap<SlotId, watch::Sender<ModemSnapshot>>,
    /// Open, so that its modems take requests and the configuration can change.
    _open: (Vec<mpsc::Receiver<Request>>, watch::Sender<Arc<Config>>),
    dispatch: Dispatch,
}

impl Still {
    fn new(slots: Vec<Slot>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 10_000 };
        let clock = Arc::new(HandClock::default());
        let store = Store::open_with_clock(&folder.path().join("smsgate.db"), options, clock).unwrap();
        let (mut modems, mut handles, mut mailboxes) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for slot in &slots {
            let ready = ModemSnapshot { ready: true, ..ModemSnapshot::absent(slot.id.clone(), true, "") };
            let (sender, snapshot) = watch::channel(ready);
            let (requests, mailbox) = mpsc::channel(4);
            modems.insert(slot.id.clone(), sender);
            handles.insert(slot.id.clone(), SlotHandle { snapshot, requests });
            mailboxes.push(mailbox);
        }
        let (sender, config) = watch::channel(config(slots));
        let dispatch = Dispatch::new(store, Pool::new(handles), config, Box::new(LeastCost));
        Self { _folder: folder, modems, _open: (mailboxes, sender), dispatch }
    }

    async fn enqueue(&self, number: u32) {
        let message = NewOutgoing {
            id: id(number),
            sender: None,
            recipient: "+491761234567".to_owned(),
            text: "hello".to_owned(),
            flash: false,
            policy: ResendPolicy::Alarm,
            queued_at: Timestamp::UNIX_EPOCH,
            lifetime: LIFETIME,
        };
        self.dispatch.store.enqueue(message).await.unwrap();
    }

    fn now(&self) -> RunTime {
        self.dispatch.store.now()
    }

    /// Three parts were sent through the slot, of the three that its limit lets go in a minute.
    fn fill(&mut self, name: &str) {
        let step = self.now().0 / 5000;
        let minute = vec![Spent { step, parts: 3, micros: 0 }];
        self.dispatch.room = Room::seen(&[(name, Spending { minute, day: Vec::new() })]);
    }
}

fn limited(name: &str) -> Slot {
    Slot { limits: SendLimits { parts_per_minute: Some(3), ..SendLimits::default() }, ..slot(name, "+49") }
}

/// One that does not expire before the test ends.
fn lasting(number: u32, still: &Still) -> OutboxJob {
    OutboxJob { expires: still.now().after(LIFETIME), ..job(number) }
}

#[tokio::test]
async fn a_message_bound_to_a_slot_goes_through_it_or_waits_or_fails() {
    for (ready, health, denied, full, expected) in [
        (true, HealthLevel::Ok, "+43", false, "goes"),
        (true, HealthLevel::Warning, "+43", false, "goes"),
        (true, HealthLevel::Critical, "+43", false, "no route: no SIM"),
        (false, HealthLevel::Ok, "+43", false, "no route: no SIM"),
        (true, HealthLevel::Ok, "+4917", false, "no route: this number begins with a denied prefix"),
        (true, HealthLevel::Ok, "+43", true, "no route: each SIM"),
        (true, HealthLevel::Warning, "+43", true, "no route: each SIM"),
        (true, HealthLevel::Critical, "+43", true, "no route: no SIM"),
        (false, HealthLevel::Ok, "+43", true, "no route: no SIM"),
    ] {
        let own = Slot { denied_prefixes: vec![Prefix::parse(denied).unwrap()], ..limited("00") };
        let mut still = Still::new(vec![own, slot("01", "+49")]);
        still.modems[&SlotId::new("00")].send_modify(|seen| {
            seen.ready = ready;
            seen.health = Health::of(health, "x");
        });
        if full {
            still.fill("00");
        }
        let bound = OutboxJob { pinned: Some(SlotId::new("00")), ..lasting(1, &still) };
        let said = match still.dispatch.choose(&bound, &Queues::default(), None) {
            Ok(slot) => format!("goes through {slot}"),
            Err(refused) => refused.to_string(),
        };
        assert!(said.starts_with(expected), "{ready} {health:?} {denied} {full}: {said}");
        let free = lasting(2, &still);
        let other = still.dispatch.choose(&free, &Queues::default(), None).map(|slot| slot.to_string());
        let cheapest = expected == "goes" && health == HealthLevel::Ok;
        assert_eq!(other.as_deref(), Ok(if cheapest { "00" } else { "01" }), "one that is not bound");
    }
}

#[tokio::test]
async fn a_modem_is_usable_that_is_ready_and_not_critical() {
    for (ready, health, usable) in [
        (true, HealthLevel::Ok, true),
        (true, HealthLevel::Warning, true),
        (true, HealthLevel::Critical, false),
        (false, HealthLevel::Ok, false),
    ] {
        let still = Still::new(vec![slot("00", "+49")]);
        still.modems[&SlotId::new("00")].send_modify(|seen| {
            seen.ready = ready;
            seen.health = Health::of(health, "x");
        });
        assert_eq!(still.dispatch.usable().contains(&SlotId::new("00")), usable, "{ready} {health:?}");
    }
}

#[tokio::test]
async fn what_is_over_ends_in_what_is_known_of_it() {
    for (state, lifetime_over, left, ends) in [
        (OutgoingState::Queued, false, 1, None),
        (OutgoingState::Queued, false, 0, Some(OutgoingState::Expired)),
        (OutgoingState::Queued, true, 1, Some(OutgoingState::Expired)),
        (OutgoingState::Unknown, true, 0, Some(OutgoingState::Unknown)),
    ] {
        let mut still = Still::new(vec![slot("00", "+49")]);
        let mut queues = Queues::default();
        let expires = still.now().after(Duration::from_secs(left * 1000));
        still.dispatch.place(OutboxJob { state, lifetime_over, expires, ..job(1) }, &mut queues);
        let ended = still.dispatch.owed.iter().find_map(|owed| match owed {
            Owed::Ended { id: ended, state, .. } if *ended == id(1) => Some(*state),
            Owed::Ended { .. } | Owed::Abandoned { .. } => None,
        });
        assert_eq!((ended, queues.len()), (ends, usize::from(ends.is_none())), "{state:?} {lifetime_over} {left}");
    }
}

#[tokio::test]
async fn a_full_queue_of_a_slot_leaves_the_rest_to_the_store() {
    let mut still = Still::new(vec![slot("00", "+49")]);
    let mut queues = Queues::default();
    for number in 0..514 {
        let job = lasting(number, &still);
        still.dispatch.place(job, &mut queues);
    }
    assert_eq!((queues.len(), still.dispatch.backlog.len()), (512, 2));
}

#[tokio::test]
async fn only_who_waits_for_room_alone_is_noted_once_as_waiting_for_it() {
    let mut still = Still::new(vec![limited("00"), slot("01", "+43")]);
    still.fill("00");
    let mut waiting = lasting(1, &still);
    for noted in [1, 1] {
        let Err(NoRoute::AtLimit { explanation }) = still.dispatch.choose(&waiting, &Queues::default(), None) else {
            panic!("its SIM is full");
        };
        still.dispatch.hold_up(&mut waiting, &explanation);
        assert_eq!((still.dispatch.held_up.len(), waiting.cause.as_str()), (noted, AT_LIMIT));
    }
    let now = still.now();
    let frees = still.dispatch.room.next_look().unwrap();
    assert!(frees > now.after(Duration::from_secs(50)), "{frees:?}: when the full one has room");
}

#[tokio::test]
async fn the_pause_is_as_long_as_nothing_is_due() {
    let seconds = async |still: &Still, queues: &Queues| still.dispatch.next_look(queues).await.as_secs();
    let queues = Queues::default();
    let mut still = Still::new(vec![limited("00")]);
    assert_eq!(seconds(&still, &queues).await, 30);

    still.dispatch.owed.push(Owed::Abandoned { id: id(1) });
    assert_eq!(seconds(&still, &queues).await, RECORD_PAUSE.as_secs(), "the store has to be told something");
    still.dispatch.owed.clear();
    still.dispatch.backlog.out_of_turn(SlotId::new("00"), &job(1));
    assert_eq!(seconds(&still, &queues).await, RECORD_PAUSE.as_secs(), "the store has to be given something back");
    still.dispatch.backlog = Backlog::default();

    let slot = limited("00");
    let now = still.now();
    still.dispatch.room.await_slot(&slot, 1, now);
    assert_eq!(seconds(&still, &queues).await, 5, "a SIM is looked at again");
    still.dispatch.room.forget_waiting();

    still.enqueue(2).await;
    assert_eq!(seconds(&still, &queues).await, 0, "one is due");
    let mut full = Queues::default();
    (0..1024).for_each(|number| full.push(SlotId::new("00"), job(number)));
    assert_eq!(seconds(&still, &full).await, 0, "there is room for it");
    (0..1024).for_each(|number| still.dispatch.backlog.without_sim(job(number)));
    assert_eq!(seconds(&still, &full).await, 30, "there is none");
    still.dispatch.take_jobs(&mut full).await;
    assert_eq!((full.len(), still.dispatch.backlog.len()), (1024, 1024), "and none is made");
    still.dispatch.backlog = Backlog::default();
    (0..1024).for_each(|number| full.push(SlotId::new("00"), job(number)));
    assert_eq!(seconds(&still, &full).await, 30, "the queues alone take it all");
    still.dispatch.take_jobs(&mut full).await;
    assert_eq!((full.len(), still.dispatch.backlog.len()), (2048, 0));
}

#[tokio::test]
async fn what_was_set_aside_is_called_up_when_the_queue_is_low() {
    for (waiting, called_up) in [(0, true), (127, true), (128, false), (200, false)] {
        let mut still = Still::new(vec![slot("00", "+49")]);
        let mut queues = Queues::default();
        (0..waiting).for_each(|_| queues.push(SlotId::new("00"), job(1)));
        still.enqueue(1000).await;
        let claimed = still.dispatch.store.outbox_due(1).await.unwrap();
        still.dispatch.backlog.out_of_turn(SlotId::new("00"), &claimed[0]);
        still.dispatch.write_down().await;
        still.dispatch.take_jobs(&mut queues).await;
        assert_eq!(queues.len(), waiting + usize::from(called_up), "{waiting} wait");
    }
}

#[tokio::test]
async fn only_a_modem_with_nothing_to_do_relieves_one_that_takes_long() {
    let [own, other, foreign] = ["00", "01", "02"].map(SlotId::new);
    for (own_is_ready, other_is_busy, relieved) in [(true, false, true), (false, false, true), (true, true, false)] {
        let still = Still::new(vec![slot("00", "+49"), slot("01", "+49"), slot("02", "+43")]);
        still.modems[&own].send_modify(|seen| seen.ready = own_is_ready);
        // The one that is good for another country alone is idle throughout.
        still.modems[&foreign].send_modify(|seen| seen.ready = own_is_ready);
        let mut queues = Queues::default();
        let task = tokio::spawn(async {}).id();
        queues.started(own.clone(), task, id(1));
        if other_is_busy {
            queues.started(other.clone(), task, id(2));
        }
        (3..6).for_each(|number| queues.push(own.clone(), lasting(number, &still)));
        still.dispatch.relieve(&mut queues);
        let expected = if relieved { [2, 1] } else { [3, 0] };
        assert_eq!([&own, &other].map(|slot| queues.waiting_for(slot)), expected, "{own_is_ready} {other_is_busy}");
    }
}

#[tokio::test]
async fn what_has_waited_is_looked_at_again_before_it_starts() {
    for (is_over, health, through) in [
        (false, HealthLevel::Ok, Some("00")),
        (false, HealthLevel::Critical, Some("01")),
        (true, HealthLevel::Ok, None),
        (true, HealthLevel::Critical, None),
    ] {
        let mut still = Still::new(vec![slot("00", "+49"), slot("01", "+49")]);
        let mut queues = Queues::default();
        let waiting = lasting(1, &still);
        let expires = if is_over { still.now() } else { waiting.expires };
        queues.push(SlotId::new("00"), OutboxJob { expires, ..waiting });
        still.modems[&SlotId::new("00")].send_modify(|seen| seen.health = Health::of(health, "x"));
        let mut running = JoinSet::new();
        still.dispatch.start_ready(&mut queues, &mut running);
        let busy = ["00", "01"].into_iter().find(|slot| queues.ahead_in(&SlotId::new(slot)) == 1);
        assert_eq!((busy, running.len()), (through, usize::from(through.is_some())), "{is_over} {health:?}");
        assert_eq!((still.dispatch.owed.len(), queues.len()), (usize::from(is_over), 0));
        assert_eq!(through.map(|slot| still.dispatch.sent_today[&SlotId::new(slot)]), through.map(|_| 1));
    }
}
