//! How long a start takes, beside the same machine without a gateway.

use std::{thread, time::Duration};

use crate::{
    client::Client,
    disk::Disk,
    machine::{BOOT, Machine, Options},
    result::Told,
};

/// Boots of which the fastest counts, of each kind: the fewest, and more only if the ratio is not met, since whatever else
/// this machine does makes single boots slower and none faster. Two at least: one slow boot without a gateway would hide a
/// slow one with it.
const BOOTS: std::ops::RangeInclusive<usize> = 2..=5;
const MOST: f64 = 1.5;
/// A connection that is opened before the box has its network hangs for seconds in QEMU's, which repeats what it sends at
/// growing intervals, even if the box is ready by then: a new one is tried instead.
const ATTEMPT: Duration = Duration::from_secs(1);
/// What makes the machine a gateway.
const OURS: [&str; 8] = [
    "smsgate-data.service",
    "smsgate-provision.service",
    "smsgate-firewall.service",
    "smsgate.service",
    "smsgate-report.service",
    "smsgate-watchdog-check.service",
    "smsgate-ssh.service",
    "smsgate-syslog.service",
];

#[test]
fn ping_is_answered_about_when_the_same_machine_would_be_up_without_a_gateway() {
    let disk = Disk::fresh();
    let mut machine = Machine::boot(&disk, &Options::default());
    let ca = result_and_ca(&mut machine, &disk);
    machine.power_off();
    let masked: String = OURS.iter().map(|unit| format!(" systemd.mask={unit}")).collect();
    let (mut ping, mut up, mut bare) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let mut ratio = f64::INFINITY;
    for boot in 1..=*BOOTS.end() {
        if boot > *BOOTS.start() && ratio <= MOST {
            break;
        }
        let mut machine = Machine::start(&disk, &Options::default());
        let client = Client { patience: ATTEMPT, ..machine.client_trusting(&ca, "smsgate.local") };
        while client.ping().is_err() {
            assert!(machine.since_power_on() < BOOT, "no answer\n{}", machine.console());
            thread::sleep(Duration::from_millis(100));
        }
        ping = ping.min(machine.since_power_on());
        up = up.min(multi_user(&mut machine));
        machine.power_off();
        let mut machine = Machine::start(&disk, &Options { append: masked.clone(), ..Options::default() });
        bare = bare.min(multi_user(&mut machine));
        assert_ne!(machine.run("systemctl -q is-active smsgate.service").status, 0);
        machine.power_off();
        ratio = ping.as_secs_f64() / bare.as_secs_f64();
        eprintln!(
            "ping after {ping:.1?}, multi-user after {up:.1?}; without a gateway after {bare:.1?}: ratio {ratio:.2}"
        );
    }
    assert!(ratio <= MOST, "{ratio}");
}

fn result_and_ca(machine: &mut Machine, disk: &Disk) -> String {
    Told::by(machine, disk);
    machine.until_up();
    disk.read_text("ca.pem")
}

/// From the power on until systemd reached multi-user, by the box's own clock: whoever asks for it all the time delays it.
fn multi_user(machine: &mut Machine) -> Duration {
    machine.until_agent();
    let mut words = String::new();
    machine.until("multi-user is reached", |machine| {
        thread::sleep(Duration::from_secs(2));
        let reached = machine.run("systemctl show -p ActiveEnterTimestampMonotonic --value multi-user.target");
        words = machine.succeed("cut -d ' ' -f 1 /proc/uptime");
        words = format!("{} {}", reached.text.trim(), words.trim());
        !["", "0"].contains(&reached.text.trim())
    });
    let now = machine.since_power_on();
    let (reached, uptime) = words.split_once(' ').unwrap();
    let ago = uptime.parse::<f64>().unwrap() - reached.parse::<f64>().unwrap() / 1e6;
    now - Duration::from_secs_f64(ago)
}
