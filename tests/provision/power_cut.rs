//! The power goes at any moment: the configuration is the old one or the new one, and no secret is lost before the new
//! one has it.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use smsgate::config_files;

use crate::folders::{Folders, GATEWAY, SIMS};

/// How often it goes.
const CUTS: u32 = 100;

/// The files of a round, which tell in both of them which round they are of.
fn files(round: u32) -> [(&'static str, String); 2] {
    [
        ("smsgate.conf", GATEWAY.replace("VerySecret", &format!("secret-{round}-"))),
        ("sim-cards.conf", format!("{SIMS}provider = round-{round}-\n")),
    ]
}

fn has(folders: &Folders, path: &str, text: &str) -> bool {
    fs::read_to_string(folders.at(path)).is_ok_and(|there| there.contains(text))
}

#[test]
fn whatever_moment_the_power_goes_the_configuration_is_whole_and_no_secret_lost() {
    let folders = Folders::booted();
    files(0).iter().for_each(|(name, text)| folders.put(name, text));
    let began = Instant::now();
    folders.apply();
    let whole = began.elapsed();
    let (mut old, mut unfinished) = (0, 0);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 1..=CUTS {
        files(round).iter().for_each(|(name, text)| folders.put(name, text));
        let mut child = folders.command("apply").stdout(std::process::Stdio::null()).spawn().unwrap();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        thread::sleep(whole.mul_f64((state % 1000) as f64 / 1000.0) + Duration::from_micros(1));
        let _ = child.kill();
        let status = child.wait().unwrap();

        // Old or new, never half.
        let loaded = config_files::load_folder(&folders.at("data/config/current")).unwrap();
        assert!(loaded.config.is_some(), "{}", loaded.render(false));
        let is_new = has(&folders, "data/config/current/smsgate.conf", &format!("secret-{round}-"));
        assert_eq!(is_new, has(&folders, "data/config/current/sim-cards.conf", &format!("round-{round}-")));
        for (name, text) in files(round) {
            let there = fs::read_to_string(folders.at("media").join(name)).is_ok_and(|there| there == text);
            assert!(is_new || there, "round {round}: {name} is neither in force nor on the partition");
        }
        old += u32::from(!is_new);
        unfinished += u32::from(!status.success());

        // The same end, however far it got.
        folders.apply();
        assert!(has(&folders, "data/config/current/smsgate.conf", &format!("secret-{round}-")));
        for (path, content) in folders.snapshot("media") {
            let content = String::from_utf8_lossy(&content).into_owned();
            assert!(!content.contains("secret-") && !content.contains("9876"), "{}", path.display());
        }
        let leftovers = fs::read_dir(folders.at("data/config")).unwrap().count();
        assert!(leftovers <= 4, "round {round}: something was left behind");
    }
    assert!(old > 5 && unfinished > 10, "too few cuts struck: {unfinished}, {old} of them before the change");
}

#[test]
fn tokens_made_before_a_cut_are_shown_after_it() {
    for moment in [
        "data/tls/server.names",
        "data/state/tokens.unshown",
        "data/config/gen-1",
        "data/config/current",
        "media/ca.pem",
    ] {
        let folders = Folders::new();
        let mut child = folders.command("apply").stdout(std::process::Stdio::null()).spawn().unwrap();
        let is_there = || fs::symlink_metadata(folders.at(moment)).is_ok();
        while !is_there() {
            // It may have come and ended between the two looks.
            assert!(child.try_wait().unwrap().is_none() || is_there(), "it ended without {moment}");
        }
        let _ = child.kill();
        child.wait().unwrap();
        folders.apply();
        let conf = folders.read("data/config/current/smsgate.conf");
        let hash = conf.lines().find_map(|line| line.strip_prefix("token_get_stats = ")).unwrap();
        assert!(bcrypt::verify(folders.token("get_stats"), hash).unwrap(), "{moment}");
    }
}
