//! How soon after its start the daemon answers a client, and how soon all its modems can send.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use super::{keep_alive::KeepAlive, process::processor_time, report::Report, rig::Rig};

const MODEMS: usize = 64;
/// Milliseconds from exec to the first answered `ping`.
const FIRST_PING: f64 = 100.0;
/// Between two looks. A look at a port that nobody listens on costs next to nothing.
const PAUSE: Duration = Duration::from_millis(1);
/// Between two looks at what the daemon says of all its modems.
const LONG_PAUSE: Duration = Duration::from_millis(20);

pub(super) fn measure(report: &mut Report) {
    let mut rig = Rig::prepare(MODEMS, |_| {});
    println!("\n{MODEMS} modems, from fork and exec");
    for time in ["without a database", "again"] {
        let began = Instant::now();
        rig.launch();
        let mut client = until(PAUSE, || first_ping(&rig).ok());
        let (answered, worked) = (began.elapsed(), processor_time(rig.pid()));
        until(LONG_PAUSE, || (ready(&mut client) == MODEMS).then_some(()));
        let all_ready = began.elapsed();
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        report.row(&format!("{time}: first ping answered, over TLS"), millis(answered), "ms", Some(FIRST_PING));
        report.row(&format!("{time}: processor time until then"), millis(worked), "ms", None);
        report.row(&format!("{time}: all modems ready"), millis(all_ready), "ms", None);
        report.row(&format!("{time}: processor time until then"), millis(processor_time(rig.pid())), "ms", None);
        rig.stop();
    }
}

fn first_ping(rig: &Rig) -> io::Result<KeepAlive> {
    let mut client = KeepAlive::connect(&rig.site)?;
    client.ping()?;
    Ok(client)
}

/// How many modems could send now.
fn ready(client: &mut KeepAlive) -> usize {
    let stats = client.call("get_stats", &[]);
    let slots = stats.as_array().unwrap()[1].as_struct().unwrap();
    slots.iter().filter(|(_, slot)| slot.member("status").unwrap().as_str() == Some("Ready.")).count()
}

fn until<T>(pause: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + super::rig::PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "the daemon does not come up");
        thread::sleep(pause);
    }
}
