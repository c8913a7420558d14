//! The live view: a trickle of messages both ways, and a picture of what becomes of them until a key or signal ends it.

use std::{
    convert::Infallible,
    io::{self, Write},
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    Interrupt, Stage, refused,
    round::call,
    setup::SIMS,
    story::{outgoing_text, scene},
    view::{MailRow, ModemRow, Picture, lay_out},
};
use crate::{
    cli::{
        Exit, Failure,
        keyboard::Keyboard,
        look::wants_colour,
        terminal::{Terminal, size},
    },
    model::InboundMessage,
    rpc::wire::Value,
    store::{InboxQuery, StoreError},
};

/// How often the picture is looked at.
const REFRESH: Duration = Duration::from_millis(200);
/// Between two messages of the trickle.
const PAUSE: Duration = Duration::from_millis(2500);
/// Messages at the start come quicker, so that there is something to see.
const BRISK: usize = 5;
const BRISK_PAUSE: Duration = Duration::from_millis(700);
/// One SMS goes out for so many that come in.
const IN_PER_OUT: usize = 2;
/// Messages out between two top-ups of the SIMs.
const OUT_PER_TOP_UP: usize = 40;
const TOP_UP_CENTS: i64 = 1500;
/// Messages kept for the picture: more than a window has rows.
const KEPT: usize = 200;
/// Where the trickle sends besides the pool.
const OUTSIDE: [&str; 3] = ["+436641234567", "+33612345678", "+12025550143"];

/// Shows the view until it is ended.
///
/// # Errors
/// [`Failure`]: the terminal, the store or the gateway fails.
pub(super) async fn show(stage: &Stage, interrupted: &mut Interrupt, out: &mut impl Write) -> Result<(), Failure> {
    let mut resized = signal(SignalKind::window_change()).map_err(|error| refused(&error))?;
    let mut terminal = Terminal::enter(out)?;
    let mut keyboard = Keyboard::open();
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut window = size();
    let mut scene = Scenery::new();
    let stopped = trickle(stage);
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = interrupted.wait() => return Ok(()),
            never = &mut stopped => match never? {},
            _ = resized.recv() => window = size(),
            octet = keyboard.octet() => match octet {
                // q, Ctrl-C, Ctrl-D, or the terminal is gone
                Some(b'q' | 3 | 4) | None => return Ok(()),
                Some(b'c') => scene.only_commands = !scene.only_commands,
                Some(_) => {}
            },
            _ = ticks.tick() => {}
        }
        let picture = scene.look(stage).await.map_err(|error| Failure::new(Exit::System, error.to_string()))?;
        terminal.show(window, lay_out(&picture, window))?;
    }
}

/// Sends messages in and out for ever, once the modems are ready.
///
/// # Errors
/// [`Failure`]: the virtual network is gone.
pub(super) async fn trickle(stage: &Stage) -> Result<Infallible, Failure> {
    while !stage.daemon.pool().snapshots().iter().all(|modem| modem.ready) {
        sleep(REFRESH).await;
    }
    let lost = |error: io::Error| Failure::new(Exit::System, format!("the virtual network is gone: {error}"));
    let numbers = || SIMS.iter().cycle().map(|sim| sim.number);
    let mut sent = 0;
    for number in 0.. {
        let to = numbers().nth(number % SIMS.len()).unwrap_or_default();
        stage.network.play(&scene(number), to).await.map_err(lost)?;
        if number % IN_PER_OUT == 1 {
            let inside = numbers().nth(sent % SIMS.len()).unwrap_or_default();
            let outside = OUTSIDE.iter().cycle().nth(sent % OUTSIDE.len()).copied().unwrap_or_default();
            // Within the pool each sends in turn; outside, routing decides.
            let neighbour = numbers().nth((sent + 1) % SIMS.len()).unwrap_or_default();
            let (sender, to) = if number % (2 * IN_PER_OUT) == 1 { ("", outside) } else { (neighbour, inside) };
            let text = outgoing_text(sent);
            let arguments = vec![Value::string(sender), Value::string(to), Value::String(text), Value::Boolean(false)];
            // A refusal shows as a message that is not there; the next may fare better.
            let _ = call(&stage.sender, "send_sms", arguments).await;
            sent += 1;
            if sent.is_multiple_of(OUT_PER_TOP_UP) {
                for modem in 0..SIMS.len() {
                    stage.network.top_up(modem, TOP_UP_CENTS).await.map_err(lost)?;
                }
            }
        }
        sleep(if number < BRISK { BRISK_PAUSE } else { PAUSE }).await;
    }
    std::future::pending().await
}

/// What was seen so far.
struct Scenery {
    inbox: Vec<InboundMessage>,
    only_commands: bool,
    colour: bool,
    zone: TimeZone,
}

impl Scenery {
    fn new() -> Self {
        Self { inbox: Vec::new(), only_commands: false, colour: wants_colour(), zone: TimeZone::system() }
    }

    async fn look(&mut self, stage: &Stage) -> Result<Picture, StoreError> {
        let store = stage.daemon.store();
        let snapshots = stage.daemon.pool().snapshots();
        let facts = store.sim_facts().await?;
        let fresh = store
            .inbox(InboxQuery {
                slots: snapshots.iter().map(|snapshot| snapshot.slot.clone()).collect(),
                since: crate::model::RunTime(0),
                after: self.inbox.first().map(|message| message.id),
                limit: KEPT,
            })
            .await?;
        self.inbox.splice(0..0, fresh.into_iter().rev());
        self.inbox.truncate(KEPT);
        let modem = |snapshot: crate::model::ModemSnapshot| {
            let known = facts.get(&snapshot.slot);
            let counts = known.map_or((0, 0), |facts| (facts.sent, facts.received));
            let balance = known.and_then(|facts| facts.balance_micros).map(|micros| micros / 10_000);
            ModemRow { snapshot, counts, balance }
        };
        let now = Instant::now();
        let mails = stage.mailbox.latest(KEPT).into_iter().map(|mail| MailRow {
            subject: mail.header("Subject").unwrap_or_default(),
            to: mail.header("To").unwrap_or_default(),
            age: now.saturating_duration_since(mail.received).as_secs(),
        });
        Ok(Picture {
            port: stage.port,
            modems: snapshots.into_iter().map(modem).collect(),
            inbox: self.inbox.clone(),
            outbox: store.outgoing_latest(KEPT).await?,
            mails: mails.collect(),
            mail_count: stage.mailbox.count(),
            commands: stage.commands.clone(),
            only_commands: self.only_commands,
            colour: self.colour,
            zone: self.zone.clone(),
        })
    }
}
