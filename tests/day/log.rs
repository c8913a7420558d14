//! The daemon's log, with the day's time before each line, where `SMSGATE_DAY_LOG` asks for it.

use std::{env, fmt, fs::File, sync::Arc};

use smsgate::store::ClockSource as _;
use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
};

use super::time::DayClock;

/// Starts logging if it is wanted.
pub fn start(clock: &Arc<DayClock>) {
    let Some(path) = env::var_os("SMSGATE_DAY_LOG") else { return };
    let filter = EnvFilter::try_from_env("SMSGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let file = File::create(path).expect("a log that can be written");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_timer(Time(Arc::clone(clock)));
    log.with_writer(std::sync::Mutex::new(file)).init();
}

struct Time(Arc<DayClock>);

impl FormatTime for Time {
    fn format_time(&self, into: &mut Writer<'_>) -> fmt::Result {
        let seconds = self.0.elapsed().as_secs_f64();
        write!(into, "{} +{seconds:.1}s", self.0.wall().strftime("%H:%M:%S"))
    }
}
