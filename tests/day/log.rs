//! The daemon's log, with the day's time before each line, where `SMSGATE_DAY_LOG` asks for it.

use std::{env, fmt, fs::File, sync::Arc};

use smsgate::store::ClockSource as _;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{format::Writer, layer, time::FormatTime},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::time::DayClock;

/// Starts logging if it is wanted.
pub fn start(clock: &Arc<DayClock>) {
    let Some(path) = env::var_os("SMSGATE_DAY_LOG") else { return };
    let wanted = env::var("SMSGATE_LOG").ok().and_then(|text| text.parse().ok());
    let filter: Targets = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let file = std::sync::Mutex::new(File::create(path).expect("a log that can be written"));
    let log = layer().with_ansi(false).with_timer(Time(Arc::clone(clock))).with_writer(file);
    tracing_subscriber::registry().with(filter).with(log).init();
}

struct Time(Arc<DayClock>);

impl FormatTime for Time {
    fn format_time(&self, into: &mut Writer<'_>) -> fmt::Result {
        let seconds = self.0.elapsed().as_secs_f64();
        write!(into, "{} +{seconds:.1}s", self.0.wall().strftime("%H:%M:%S"))
    }
}
