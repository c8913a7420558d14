//! From `+CMTI` to a client that has the text, one message at a time.

use std::{
    fs,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use super::{
    report::Report,
    rig::{Api, Rig, TOKEN},
};

/// Messages whose way is timed.
const MESSAGES: usize = 200;
/// Bytes that one message adds to the write-ahead log, about.
const APPENDED: usize = 16 * 1024;

pub(super) fn measure(report: &mut Report) {
    let rig = Rig::start(4);
    rig.until_ready(4);
    let api = rig.api();
    let mut disk = Vec::new();
    let mut polls = Vec::new();
    let mut waits = Vec::new();
    let probe = rig.folder().join("state/probe");
    let mut file = fs::File::options().create(true).append(true).open(probe).unwrap();
    for serial in 0..MESSAGES {
        disk.push(timed(|| {
            file.write_all(&[0x5a; APPENDED]).unwrap();
            file.sync_data().unwrap();
        }));
        let number = rig.site.number(serial % 4);
        let text = format!("polled {serial}");
        polls.push(timed(|| {
            rig.network.inject(number, "+4915112345678", &text);
            while !api.get_sms(number).iter().any(|sms| sms.text == text) {}
        }));
    }
    let mut last = api.get_sms("").last().unwrap().id.clone();
    for serial in 0..MESSAGES {
        let number = rig.site.number(serial % 4).to_owned();
        let (took, id) = waited(&rig, &number, serial, &last);
        waits.push(took);
        last = id;
    }
    println!("\n{MESSAGES} messages, one at a time, from the injection (the modem's notice follows at once)");
    report.rows("get_sms in a loop, a connection each", &mut polls, Some(25.0));
    report.rows("wait_sms, called before", &mut waits, Some(25.0));
    report.rows(&format!("{} KiB appended and synced beside the store", APPENDED / 1024), &mut disk, None);
    let mut calls: Vec<Duration> = (0..MESSAGES).map(|_| timed(|| drop(api.health()))).collect();
    report.rows("a call with its TLS handshake", &mut calls, None);
}

/// One message through a long poll that waits already; returns its id, too.
fn waited(rig: &Rig, number: &str, serial: usize, after: &str) -> (Duration, String) {
    thread::scope(|scope| {
        let poll = scope.spawn(|| {
            let found = Api::new(&rig.site, TOKEN).wait_sms("", 30, after);
            (Instant::now(), found.last().unwrap().id.clone())
        });
        // Long enough for the call to be there; a call that came later would only make the figure worse.
        thread::sleep(Duration::from_millis(60));
        let began = Instant::now();
        rig.network.inject(number, "+4915112345678", &format!("waited for {serial}"));
        let (ended, id) = poll.join().unwrap();
        (ended.duration_since(began), id)
    })
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}
