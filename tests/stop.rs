//! SIGTERM at random moments under traffic both ways (D27): it ends within five seconds with code 0, and whatever it
//! leaves is taken up by the next start; afterwards the network's own ledger says what must be there.
//!
//! `SMSGATE_STOP_ROUNDS` (20; the full size is 200) and `SMSGATE_STOP_SEED` choose how often and when. A round begins when
//! the daemon says that it is up: before that, a stop is a start that did not happen.

#![allow(clippy::indexing_slicing, reason = "a test program: a panic is its answer")]
#![allow(clippy::print_stderr, reason = "how long the stops took is worth knowing")]

mod rig;

use std::{thread, time::Duration};

use rig::{
    books::texts,
    ordeal::{Ordeal, Pace},
};

/// The latest moment of a stop, in milliseconds from the moment when the daemon is up.
const LONGEST_ROUND: u64 = 900;
/// How long a stop may take.
const BAR: Duration = Duration::from_secs(5);
/// Every stop comes in the midst of submissions.
const PACE: Pace = Pace { incoming: 20..120, outgoing: [100, 400], submission: 250 };

#[test]
fn a_stop_takes_five_seconds_at_most_and_leaves_nothing_undone() {
    let mut ordeal = Ordeal::prepare("STOP", 20);
    let (mut lengths, mut faults) = (Vec::new(), Vec::new());
    ordeal.goes_on(&PACE, |rig, dice, round| {
        rig.launch();
        rig.until("it is up", || rig.log().contains("smsgate is up"));
        let moment = Duration::from_millis(dice.below(LONGEST_ROUND));
        thread::sleep(moment);
        let daemon_says = rig.log();
        let (code, length) = rig.stop();
        lengths.push(length);
        if code != Some(0) || length > BAR {
            let last: Vec<&str> = daemon_says.lines().rev().take(10).collect();
            faults.push(format!("round {round}, after {moment:?}: code {code:?} after {length:?}\n{last:#?}"));
        }
        faults.extend(daemon_says.contains("panicked").then(|| format!("round {round}: {daemon_says}")));
    });
    lengths.sort_unstable();
    let (middle, longest) = (lengths[lengths.len() / 2], lengths[lengths.len() - 1]);
    eprintln!("a stop took {middle:.0?} in the middle, {longest:.0?} at most");
    // A stop is no power cut: what is under way ends first, and no outcome is left open.
    let doubtful = "SELECT o.text FROM outbox AS o JOIN outbox_segment AS s ON s.message = o.sequence
         WHERE s.doubtful = 1 OR o.state = 'unknown'";
    ordeal.judge(faults, |store| {
        let open = texts(store, doubtful);
        open.iter().map(|text| format!("it was unknown whether `{text:.30}` had left")).collect()
    });
}
