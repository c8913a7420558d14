//! What has to be done from time to time: partial messages, retention, the watchdog. Retention comes at once when room
//! runs low or there is enough again.

use tokio::time::{Duration, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{modem::inbound::join_parts, store::Store};

/// How long an incomplete message waits for its missing parts before what is there is shown.
const PARTIAL_AGE: Duration = Duration::from_secs(600);
const PARTIAL_ROUND: Duration = Duration::from_secs(15);
const RETENTION_ROUND: Duration = Duration::from_secs(600);

/// Works until `cancel`.
pub(super) async fn run(store: Store, cancel: CancellationToken) {
    let mut partials = interval(PARTIAL_ROUND);
    let mut retention = interval(RETENTION_ROUND);
    let mut shortage = store.shortage();
    for ticker in [&mut partials, &mut retention] {
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = partials.tick() => match store.deliver_partials(PARTIAL_AGE, join_parts).await {
                Ok(delivered) => {
                    for id in delivered {
                        info!(message_id = %id, "an incomplete message is shown with gaps");
                    }
                }
                Err(error) => warn!(%error, "incomplete messages cannot be looked at"),
            },
            _ = retention.tick() => retain(&store).await,
            Ok(()) = shortage.changed() => retain(&store).await,
        }
    }
}

async fn retain(store: &Store) {
    match store.retain().await {
        Ok(0) => {}
        Ok(rows) => info!(rows, "old messages deleted"),
        Err(error) => warn!(%error, "old messages cannot be deleted"),
    }
}
