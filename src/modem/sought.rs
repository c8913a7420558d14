//! What the configuration says of ports: where each slot's modem is to be looked for, and what belongs to whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{
    config::Slot,
    model::{Imei, SlotId},
};

/// Where a slot's modem is.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Fixed(PathBuf),
    Pattern { pattern: String, imei: Option<Imei> },
}

impl Target {
    fn of(slot: &Slot) -> Self {
        if slot.port_is_glob() {
            return Self::Pattern { pattern: slot.port.clone(), imei: slot.imei.clone() };
        }
        Self::Fixed(PathBuf::from(&slot.port))
    }
}

/// All slots' modems.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) targets: BTreeMap<SlotId, Target>,
    /// Ports that slots name outright: never asked on behalf of a pattern.
    pub(super) fixed: Vec<PathBuf>,
    /// IMEIs that slots name: not for slots that take any modem.
    pub(super) owned: BTreeSet<Imei>,
}

impl Sought {
    /// Slots that are switched off keep their fixed ports from being asked, and nothing else.
    pub(super) fn of(slots: &[Slot]) -> Self {
        let real = || slots.iter().filter(|slot| !slot.port.is_empty() && !slot.port.starts_with("virtual:"));
        Self {
            fixed: real().filter(|slot| !slot.port_is_glob()).map(|slot| PathBuf::from(&slot.port)).collect(),
            owned: real().filter(|slot| slot.enabled).filter_map(|slot| slot.imei.clone()).collect(),
            targets: real().map(|slot| (slot.id.clone(), Target::of(slot))).collect(),
        }
    }
}
