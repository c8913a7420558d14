//! The task that works the mail spool: several mails per connection, retries in running time, dead letters, health.
//!
//! Two kinds of failure are kept apart. A mail the server refuses is put off (or given up) alone. A server that cannot
//! be used at all stops the whole spool for a while without touching its rows, so that an outage of any length costs
//! nothing but time. The text of a mail never reaches the log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    compose::{Letterhead, compose},
    digest,
    session::{Refusal, Session, SessionError, TimeLimits},
};
use crate::{
    config,
    model::{Health, HealthLevel, MessageId, RunTime, SlotId},
    store::{MailBacklog, MailJob, Store, StoreError},
};

/// Everything the mailer takes from the configuration. Sent anew on reload.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[mail]`.
    pub mail: config::Mail,
    /// `email_address` of the slots that have one.
    pub addresses: BTreeMap<SlotId, String>,
    /// This machine's name: EHLO and the right side of each Message-ID.
    pub host: String,
    /// Zone of the created timestamp.
    pub zone: TimeZone,
}

/// How patient the mailer is.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Time limits of the SMTP steps.
    pub limits: TimeLimits,
    /// Waits after the first, second, ... failure; the last one repeats.
    pub retry: Vec<Duration>,
    /// A mail that fails at this age is given up.
    pub give_up: Duration,
    /// How long an idle connection is kept for the next mail.
    pub linger: Duration,
    /// How long a mail under way may take once the daemon stops.
    pub drain: Duration,
    /// Rows read from the spool at a time.
    pub batch: usize,
    /// Mails per connection.
    pub per_connection: usize,
}

impl Default for Pace {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            limits: TimeLimits::default(),
            retry: [30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, 60 * MINUTE]
                .map(Duration::from_secs)
                .to_vec(),
            give_up: Duration::from_secs(5 * 24 * 60 * MINUTE),
            linger: Duration::from_secs(5),
            drain: Duration::from_secs(4),
            batch: 20,
            per_connection: 100,
        }
    }
}

impl Pace {
    /// The wait after `failures` failures before this one.
    fn wait(&self, failures: u32) -> Duration {
        let step = usize::try_from(failures).unwrap_or(usize::MAX);
        self.retry.get(step).or(self.retry.last()).copied().unwrap_or(Duration::from_secs(30))
    }
}

/// The mail spool, as the mailer needs it. [`Store`] is the one that lasts.
pub trait Spool: Send + Sync + 'static {
    /// The running time now.
    fn now(&self) -> RunTime;
    /// Woken when a mail was added.
    fn wakeup(&self) -> Arc<Notify>;
    /// Mails due now, oldest first.
    fn due(&self, limit: usize) -> impl Future<Output = Result<Vec<MailJob>, StoreError>> + Send;
    /// When the next mail falls due, if any waits.
    fn next_due(&self) -> impl Future<Output = Result<Option<RunTime>, StoreError>> + Send;
    /// The server took the mail.
    fn sent(&self, id: MessageId) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Try again at `retry_at`.
    fn deferred(
        &self,
        id: MessageId,
        error: &str,
        retry_at: RunTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Given up.
    fn dead(&self, id: MessageId, error: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// What waits and what died.
    fn backlog(&self) -> impl Future<Output = Result<MailBacklog, StoreError>> + Send;
}

impl Spool for Store {
    fn now(&self) -> RunTime {
        Self::now(self)
    }
    fn wakeup(&self) -> Arc<Notify> {
        self.mail_wakeup()
    }
    async fn due(&self, limit: usize) -> Result<Vec<MailJob>, StoreError> {
        self.mail_due(limit).await
    }
    async fn next_due(&self) -> Result<Option<RunTime>, StoreError> {
        self.mail_next_due().await
    }
    async fn sent(&self, id: MessageId) -> Result<(), StoreError> {
        self.mail_sent(id).await
    }
    async fn deferred(&self, id: MessageId, error: &str, retry_at: RunTime) -> Result<(), StoreError> {
        self.mail_deferred(id, error, retry_at).await
    }
    async fn dead(&self, id: MessageId, error: &str) -> Result<(), StoreError> {
        self.mail_dead(id, error).await
    }
    async fn backlog(&self) -> Result<MailBacklog, StoreError> {
        self.mail_backlog().await
    }
}

/// The mailer. One task runs it.
#[derive(Debug)]
pub struct Mailer<S> {
    spool: S,
    settings: watch::Receiver<Arc<Settings>>,
    pace: Pace,
    stop: CancellationToken,
    health: watch::Sender<Health>,
    session: Option<Session>,
    /// Taken by the server, which the spool could not note yet.
    taken: Vec<MessageId>,
    /// Failures of the server as a whole, in a row.
    failures: u32,
    /// Nothing is tried before.
    blocked_until: RunTime,
    /// The failure that is not made good yet.
    trouble: Option<String>,
    /// When the server was last spoken to, with or without success.
    last_contact: Option<RunTime>,
}

/// Waiting for running time goes by the monotonic clock, which stands still while the machine sleeps: look again.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
const GOODBYE: Duration = Duration::from_millis(500);

impl<S: Spool> Mailer<S> {
    /// A mailer for `spool` that follows `settings` and ends when `stop` is cancelled; and its health.
    pub fn new(
        spool: S,
        settings: watch::Receiver<Arc<Settings>>,
        pace: Pace,
        stop: CancellationToken,
    ) -> (Self, watch::Receiver<Health>) {
        let (health, receiver) = watch::channel(Health::ok());
        let mailer = Self {
            spool,
            settings,
            pace,
            stop,
            health,
            session: None,
            taken: Vec::new(),
            failures: 0,
            blocked_until: RunTime::default(),
            trouble: None,
            last_contact: None,
        };
        (mailer, receiver)
    }

    /// Works until stopped. A mail under way is then finished, or stays in the spool.
    pub async fn run(mut self) {
        while !self.stop.is_cancelled() {
            // They may have come while a server was waited for that they make good.
            if self.settings.has_changed().unwrap_or(false) {
                self.forget_failures().await;
            }
            let settings = self.settings.borrow_and_update().clone();
            let wakeup = self.spool.wakeup();
            let mut added = std::pin::pin!(wakeup.notified());
            // From here on no wake-up is missed, although the spool is read first.
            added.as_mut().enable();

            let pause = match self.turn(&settings).await {
                Ok(Some(pause)) => pause,
                Ok(None) => continue,
                Err(error) => {
                    self.trouble = Some(format!("the mail spool cannot be read: {error}"));
                    self.publish(MailBacklog::default());
                    self.pace.wait(0)
                }
            };
            let blocked = self.spool.now() < self.blocked_until;
            tokio::select! {
                () = self.stop.cancelled() => {}
                changed = self.settings.changed() => match changed {
                    Ok(()) => self.forget_failures().await,
                    // Nobody can change the settings any more; these stay.
                    Err(_) => self.rest(pause).await,
                },
                () = added, if !blocked => {}
                () = sleep(pause) => {}
            }
        }
        self.hang_up().await;
    }

    /// Does what is due. `Some` = nothing more to do for so long.
    async fn turn(&mut self, settings: &Settings) -> Result<Option<Duration>, StoreError> {
        if !settings.mail.enabled {
            self.hang_up().await;
            self.trouble = None;
            self.publish(MailBacklog::default());
            return Ok(Some(LONGEST_SLEEP));
        }
        let now = self.spool.now();
        if now < self.blocked_until {
            return Ok(Some(self.blocked_until.since(now).min(LONGEST_SLEEP)));
        }
        // While the spool can be read but not written, every round would send the same mail again.
        while let Some(id) = self.taken.last().copied() {
            self.note_taken(id).await?;
            self.taken.pop();
        }
        let jobs = self.spool.due(self.pace.batch).await?;
        if jobs.is_empty() {
            return self.idle(settings).await;
        }
        for job in &jobs {
            if self.stop.is_cancelled() || !self.forward(settings, job).await? {
                break;
            }
        }
        let backlog = self.spool.backlog().await?;
        self.publish(backlog);
        Ok(None)
    }

    /// Nothing is due: closes the connection after a while, tries the server now and then.
    async fn idle(&mut self, settings: &Settings) -> Result<Option<Duration>, StoreError> {
        let now = self.spool.now();
        let interval = settings.mail.health_check_interval;
        let next_check = self.last_contact.map_or(now, |contact| contact.after(interval));
        if self.session.is_some() {
            let idle = self.last_contact.map_or(Duration::MAX, |contact| now.since(contact));
            if let Some(left) = self.pace.linger.checked_sub(idle).filter(|left| !left.is_zero()) {
                let due = self.spool.next_due().await?.map_or(left, |due| due.since(now));
                return Ok(Some(left.min(due).max(Duration::from_millis(1))));
            }
            self.hang_up().await;
        } else if now >= next_check {
            let reachable = self.connect(settings).await;
            self.hang_up().await;
            if reachable {
                self.trouble = None;
            }
            let backlog = self.spool.backlog().await?;
            self.publish(backlog);
            return Ok(None);
        }
        let next = self.spool.next_due().await?.map_or(next_check, |due| due.min(next_check));
        Ok(Some(next.since(now).clamp(Duration::from_millis(1), LONGEST_SLEEP)))
    }

    /// Sends one mail. `false` = the server is of no use at the moment.
    async fn forward(&mut self, settings: &Settings, job: &MailJob) -> Result<bool, StoreError> {
        let message = &job.message;
        let mail = &settings.mail;
        let head = Letterhead {
            from: mail.from.as_deref().unwrap_or(&mail.user),
            to: settings.addresses.get(&message.slot).unwrap_or(&mail.recipient),
            host: &settings.host,
            zone: &settings.zone,
        };
        let letter =
            if job.more.is_empty() { compose(message, head) } else { digest::compose(message, &job.more, head) };
        let letter = match letter {
            Ok(letter) => letter,
            Err(error) => {
                self.put_off(job, error.to_string()).await?;
                return Ok(true);
            }
        };
        if self.session.as_ref().is_some_and(|session| session.carried() >= self.pace.per_connection) {
            self.hang_up().await;
        }
        if self.session.is_none() && !self.connect(settings).await {
            return Ok(false);
        }
        let Some(mut session) = self.session.take() else { return Ok(false) };
        let reused = session.carried() > 0;
        let Some(outcome) = until_stopped(&self.stop, self.pace.drain, session.deliver(&letter)).await else {
            return Ok(false);
        };
        self.last_contact = Some(self.spool.now());
        match outcome {
            Ok(()) => {
                self.session = Some(session);
                self.failures = 0;
                self.trouble = None;
                match job.more.len() {
                    0 => tracing::info!(message_id = %message.id, modem = %message.slot, "mail sent"),
                    more => tracing::info!(
                        message_id = %message.id, modem = %message.slot, messages = more + 1, "digest sent"
                    ),
                }
                self.taken.push(message.id);
                self.note_taken(message.id).await?;
                self.taken.pop();
                Ok(true)
            }
            Err(Refusal::Permanent(error)) => {
                self.session = Some(session);
                self.failures = 0;
                self.bury(job, &error).await?;
                Ok(true)
            }
            Err(Refusal::Transient(error)) => {
                self.session = Some(session);
                self.failures = 0;
                self.put_off(job, error).await?;
                Ok(true)
            }
            // A server may close a connection it finds old; the mail is tried again over a new one at once.
            Err(Refusal::Session(SessionError::Failed { .. })) if reused => Ok(true),
            Err(Refusal::Session(error)) => {
                // This mail may be what breaks the connection: it steps back, so that the others get past it.
                self.put_off(job, error.to_string()).await?;
                self.back_off(settings, &error);
                Ok(false)
            }
        }
    }

    async fn note_taken(&self, id: MessageId) -> Result<(), StoreError> {
        match self.spool.sent(id).await {
            Err(StoreError::NoSuchMessage(_)) => Ok(()),
            result => result,
        }
    }

    /// Opens a connection if it can.
    async fn connect(&mut self, settings: &Settings) -> bool {
        let opening = Session::open(&settings.mail, &settings.host, self.pace.limits);
        let Some(opened) = until_stopped(&self.stop, Duration::ZERO, opening).await else { return false };
        self.last_contact = Some(self.spool.now());
        match opened {
            Ok(session) => {
                self.session = Some(session);
                true
            }
            Err(error) => {
                self.back_off(settings, &error);
                false
            }
        }
    }

    fn back_off(&mut self, settings: &Settings, error: &SessionError) {
        let wait = self.pace.wait(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.blocked_until = self.spool.now().after(wait);
        let server = crate::model::printable(&settings.mail.server);
        let trouble = format!("mail server {server}:{}: {error}", settings.mail.port);
        tracing::error!("{trouble}; next try in {} s", wait.as_secs());
        self.trouble = Some(trouble);
    }

    async fn put_off(&mut self, job: &MailJob, error: String) -> Result<(), StoreError> {
        let now = self.spool.now();
        if now.since(job.spooled) >= self.pace.give_up {
            return self.bury(job, &error).await;
        }
        let wait = self.pace.wait(job.attempts);
        let id = job.message.id;
        tracing::warn!(%id, modem = %job.message.slot, "mail not taken: {error}; next try in {} s", wait.as_secs());
        self.spool.deferred(id, &error, now.after(wait)).await?;
        self.trouble = Some(format!("a mail was not taken: {error}"));
        Ok(())
    }

    async fn bury(&mut self, job: &MailJob, error: &str) -> Result<(), StoreError> {
        tracing::error!(message_id = %job.message.id, modem = %job.message.slot, "mail given up: {error}");
        self.spool.dead(job.message.id, error).await?;
        self.trouble = Some(match job.more.len() {
            0 => format!("a mail was given up: {error}"),
            more => format!("a mail with {} messages was given up: {error}", more + 1),
        });
        Ok(())
    }

    fn publish(&self, backlog: MailBacklog) {
        let mut health = Health::ok();
        if let Some(trouble) = &self.trouble {
            health.add(HealthLevel::Critical, trouble.clone());
        }
        let MailBacklog { dead, dead_messages, .. } = backlog;
        if dead > 0 {
            let what = if dead_messages > dead { format!(" with {dead_messages} messages") } else { String::new() };
            health.add(HealthLevel::Critical, format!("{dead} mails{what} could not be delivered and were given up"));
        }
        self.health.send_if_modified(|known| {
            let changed = *known != health;
            *known = health;
            changed
        });
    }

    /// New settings deserve a try at once.
    async fn forget_failures(&mut self) {
        self.hang_up().await;
        self.failures = 0;
        self.blocked_until = RunTime::default();
        self.last_contact = None;
    }

    async fn rest(&self, pause: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(pause) => {}
        }
    }

    async fn hang_up(&mut self) {
        if let Some(session) = self.session.take() {
            session.quit(GOODBYE).await;
        }
    }
}

/// Runs `work`; once `stop` is cancelled it has `grace` left. `None` = it ran out.
async fn until_stopped<T>(stop: &CancellationToken, grace: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        result = &mut work => Some(result),
        () = stop.cancelled() => timeout(grace, work).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn retries_slow_down_to_one_an_hour() {
        let pace = Pace::default();
        let waits: Vec<u64> = (0..9).map(|failures| pace.wait(failures).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 300, 600, 1800, 3600, 3600, 3600]);
        assert_eq!(pace.wait(u32::MAX).as_secs(), 3600);
    }

    #[tokio::test(start_paused = true)]
    async fn work_under_way_gets_its_grace_and_no_more() {
        let stop = CancellationToken::new();
        stop.cancel();
        let begin = Instant::now();
        let slow = until_stopped(&stop, Duration::from_secs(4), sleep(Duration::from_secs(5))).await;
        assert_eq!((slow, begin.elapsed()), (None, Duration::from_secs(4)));
        let quick = until_stopped(&stop, Duration::from_secs(4), sleep(Duration::from_secs(3))).await;
        assert_eq!(quick, Some(()));
    }
}
