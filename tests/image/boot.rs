//! A box that was never on before, with nothing on its SGCONFIG; what it reaches of the network.

use std::{net::TcpStream, thread, time::Duration};

use crate::{
    disk::Disk,
    machine::{Machine, Options},
};

#[test]
fn a_new_box_comes_up_and_answers() {
    let disk = Disk::fresh();
    let mut machine = Machine::boot(&disk, &Options::default());
    // Whoever answers so early is the box itself: the port is QEMU's, and closes what nobody takes.
    machine.until("there is a certificate", |machine| machine.run("test -s /data/tls/ca.pem").status == 0);
    let client = machine.client();
    machine.until("ping is answered", |_| client.ping().is_ok());
    let ping = machine.since_power_on();
    let up = machine.until_up();
    let size = machine.succeed("cat /proc/uptime; systemd-analyze");
    eprintln!("ping after {ping:.1?}, up after {up:.1?}\n{size}");

    no_unit_has_failed(&mut machine);
    the_root_is_read_only(&mut machine);
    nothing_runs_as_another_user(&mut machine);
    only_the_api_and_mdns_listen(&mut machine);
    the_data_partition_was_made(&mut machine);
    the_watchdog_is_armed(&mut machine);
    it_says_what_it_is(&mut machine);
    nobody_can_log_in(&mut machine);
    let before = disk.names();
    machine.power_off();
    disk.check_data().unwrap();
    assert!(disk.names().contains(&"result.txt".to_owned()), "{before:?}");
}

pub fn no_unit_has_failed(machine: &mut Machine) {
    let failed = machine.succeed("systemctl --failed --plain --no-legend --no-pager");
    assert_eq!(failed, "", "{}", machine.run("journalctl --no-pager -p warning").text);
}

pub fn the_root_is_read_only(machine: &mut Machine) {
    for path in ["/x", "/etc/x", "/usr/bin/x", "/home/x", "/root/x", "/opt/x"] {
        let output = machine.run(&format!("touch {path}"));
        assert_ne!(output.status, 0, "{path} could be written");
    }
    let remounted = machine.run("mount -o remount,rw / && touch /x");
    assert_ne!(remounted.status, 0, "squashfs knows no writing");
    for (folder, options) in [
        ("/var", &["rw", "nosuid", "nodev", "noexec"][..]),
        ("/tmp", &["rw", "nosuid", "nodev", "noexec"]),
        ("/data", &["rw", "nosuid", "nodev", "noexec", "noatime"]),
    ] {
        let mounted = machine.succeed(&format!("findmnt -n -o OPTIONS {folder}"));
        for option in options {
            assert!(mounted.trim().split(',').any(|word| word == *option), "{folder} lacks {option}: {mounted}");
        }
    }
}

pub fn nothing_runs_as_another_user(machine: &mut Machine) {
    let found = machine.run("find / /data /run /var /tmp -xdev -type f -perm /6000").text;
    // udev and others may take files away meanwhile.
    let found: Vec<_> = found.lines().filter(|line| !line.ends_with("No such file or directory")).collect();
    assert_eq!(found, Vec::<&str>::new());
}

/// Of TCP the API; of UDP mDNS, and DHCP's answers. What is bound to this machine alone is no business of others.
pub fn only_the_api_and_mdns_listen(machine: &mut Machine) {
    let sockets = machine.succeed("netstat -lntu | tail -n +3");
    let mut open: Vec<_> = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| (words[0].trim_end_matches('6').to_owned(), words[3].to_owned()))
        .filter(|(_, local)| !local.starts_with("127.") && !local.starts_with("::1:"))
        .map(|(protocol, local)| format!("{protocol} {}", local.rsplit(':').next().unwrap()))
        .collect();
    open.sort();
    open.dedup();
    let known = ["tcp 7000", "udp 5353", "udp 68"];
    assert!(open.contains(&"tcp 7000".to_owned()), "{sockets}");
    assert!(open.iter().all(|socket| known.contains(&socket.as_str())), "{sockets}");
}

fn the_data_partition_was_made(machine: &mut Machine) {
    let size = machine.succeed("findmnt -n -b -o FSTYPE,SIZE /data");
    let mut words = size.split_whitespace();
    assert_eq!(words.next(), Some("ext4"));
    let octets: u64 = words.next().unwrap().parse().unwrap();
    assert!(octets > 64 << 20, "DATA did not grow over the 16 MiB it was shipped with: {size}");
}

pub fn the_watchdog_is_armed(machine: &mut Machine) {
    assert_eq!(machine.succeed("cat /sys/class/watchdog/watchdog0/state").trim(), "active");
}

fn it_says_what_it_is(machine: &mut Machine) {
    let release = machine.succeed("cat /etc/os-release");
    assert!(release.contains("TEST image"), "{release}");
}

pub fn nobody_can_log_in(machine: &mut Machine) {
    let passwords = machine.succeed("cut -d : -f 2 /etc/shadow");
    assert!(passwords.lines().all(|password| password.starts_with(['!', '*'])), "{passwords}");
    let processes = machine.succeed("ps");
    assert!(processes.contains("systemd") && !processes.contains("getty"), "{processes}");
}

#[test]
fn the_box_reaches_the_mail_server_and_nothing_else_of_this_machine() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let disk = Disk::fresh();
    let mut machine = Machine::boot(&disk, &Options { mail: Some(port), ..Options::default() });
    machine.until("there is an address", |machine| machine.succeed("ip -4 addr").contains("10.0.2."));
    let greet = |text: &'static str| {
        let server = server.try_clone().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
        })
    };
    // More than one connection: each has a forwarder of its own.
    for text in ["220 one\n", "220 two\n"] {
        let greeter = greet(text);
        assert_eq!(machine.run("sleep 2 | nc -w 10 10.0.2.100 465").text, text);
        greeter.join().unwrap();
    }
    let elsewhere = machine.run(&format!("nc -w 3 10.0.2.2 {port} </dev/null"));
    assert_ne!(elsewhere.status, 0, "{}", elsewhere.text);
    let port = machine.port;
    machine.power_cut();
    assert!(TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_secs(1)).is_err());
}
