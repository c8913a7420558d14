//! Looks at the gateway's health each minute and has it judged.

use std::{fmt::Write as _, time::Duration};

use smsgate::{emulator::Fault, model::HealthLevel};

use super::{
    judge::Modem,
    modems::{MODELS, Pool},
    plan::Act,
    site::Site,
};

/// What was seen so far.
pub struct Watch {
    modems: Vec<Modem>,
    faults: Vec<String>,
    compared: usize,
    /// Looks at which a modem was not well.
    unwell: usize,
}

impl Watch {
    pub fn new(pool: &Pool) -> Self {
        let mut watch =
            Self { modems: vec![Modem::default(); MODELS.len()], faults: Vec::new(), compared: 0, unwell: 0 };
        watch.note(Duration::ZERO, pool);
        watch
    }

    /// Something has just happened.
    pub fn observe(&mut self, now: Duration, act: &Act, pool: &Pool) {
        match act {
            Act::Plug { modem, .. } | Act::Fault { modem, fault: Fault::Reboot } => self.modems[*modem].restarted(now),
            _ => {}
        }
        self.note(now, pool);
    }

    /// Compares what is told with what is the case.
    pub async fn look(&mut self, now: Duration, pool: &Pool, site: &Site) {
        self.note(now, pool);
        let stats = site.stats().await;
        assert_eq!(stats.len(), self.modems.len());
        for (slot, (told, modem)) in stats.iter().zip(&self.modems).enumerate() {
            self.compared += 1;
            self.unwell += usize::from(told.level > HealthLevel::Ok);
            let wrong = modem.judge(now, told.level, &told.reasons);
            let told = format!("{} {:?}", told.level, told.reasons);
            self.faults
                .extend(wrong.into_iter().map(|wrong| format!("{} modem {slot}: {wrong}; told: {told}", clock(now))));
        }
        let (level, reasons) = site.health().await;
        let worst = stats.iter().map(|told| told.level).max().unwrap_or_default();
        if level < worst {
            self.faults.push(format!("{}: the pool is {level}, a modem is {worst}; {reasons:?}", clock(now)));
        }
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.clone()
    }

    pub fn summary(&self) -> String {
        let mut table = String::new();
        let _ = writeln!(table, "health compared      {:>8} times, {} of them not OK", self.compared, self.unwell);
        table
    }

    fn note(&mut self, now: Duration, pool: &Pool) {
        for (modem, truth) in self.modems.iter_mut().zip(pool.truths()) {
            modem.observe(now, &truth);
        }
    }
}

/// Hours, minutes and seconds of the day.
pub fn clock(now: Duration) -> String {
    let seconds = now.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
