//! What the daemon takes from the machine it runs on: its clock, its ports and what else the machine is there for. A test
//! brings others, so that a day passes in minutes and modems are made of code.

use std::{path::PathBuf, sync::Arc};

use crate::{
    modem::{Opener, SerialPorts, connector::SYSFS},
    store::{ClockSource, SystemClock},
};

/// The clock and the ports a daemon lives with.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Running time and wall clock. Timers go by tokio's clock, which a test moves together with this one.
    pub clock: Arc<dyn ClockSource>,
    /// What opens the ports that discovery finds in the device folders.
    pub opener: Arc<dyn Opener>,
    /// Where the kernel shows the USB devices behind them.
    pub sysfs: PathBuf,
    /// On an appliance: the folder in which its other services leave what they know.
    pub appliance: Option<PathBuf>,
}

impl Default for Surroundings {
    /// Those of this machine.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            opener: Arc::new(SerialPorts),
            sysfs: PathBuf::from(SYSFS),
            appliance: None,
        }
    }
}
