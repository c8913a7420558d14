//! SIGKILL at random moments under traffic both ways; afterwards the network's own ledger says what must be there.
//! `SMSGATE_KILL_ROUNDS` (100) and `SMSGATE_KILL_SEED` choose how often and when.

mod rig;

use std::{thread, time::Duration};

use rig::ordeal::{Ordeal, Pace};

/// The latest moment of a kill after the start, in milliseconds. Modems are up after a tenth of a second.
const LONGEST_ROUND: u64 = 1900;
/// Sends take so long that many are cut off.
const PACE: Pace = Pace { incoming: 40..200, outgoing: [200, 600], submission: 150 };

#[test]
fn nothing_is_lost_or_doubled_however_often_the_power_goes() {
    let mut ordeal = Ordeal::prepare("KILL", 100);
    ordeal.goes_on(&PACE, |rig, dice, _| {
        rig.launch();
        thread::sleep(Duration::from_millis(dice.below(LONGEST_ROUND)));
        rig.kill();
    });
    ordeal.judge(Vec::new(), |_| Vec::new());
}
