//! What provisioning remembers under `/data/state`: how it ended last, what the last report said, which SIM cards the
//! operator wants accepted, and tokens that he has not been shown yet.
//!
//! The tokens lie in a file of root's that is written before their generation comes into force and erased once they are
//! on the operator's partition: cut off at any point, no token is in force that nobody was ever told.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    cards::Fates,
    durable::{Access, erase, folder, write},
    tokens::Made,
};

/// How the last files given fared.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Outcome {
    /// Names of files that are in force.
    pub applied: Vec<String>,
    /// What was wrong; nothing was taken then.
    pub problems: Vec<String>,
    /// What the operator should know all the same.
    pub remarks: Vec<String>,
}

/// All that is remembered from one start to the next.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Memory {
    /// The last files given.
    pub(super) outcome: Outcome,
    /// Names on the partition that may be mistakes.
    pub(super) names: Vec<String>,
    /// SIM cards to be accepted, and what has become of that.
    pub(super) cards: Fates,
    /// Digest of what the last report said; none if it has yet to be made.
    pub(super) reported: Option<String>,
    /// Digest of the last suggestion.
    pub(super) suggested: Option<String>,
}

/// Tokens not shown yet.
#[derive(Default, Deserialize, Serialize)]
struct Unshown {
    /// The generation that has them.
    generation: u64,
    made: Vec<Made>,
}

/// The folder.
#[derive(Debug)]
pub(super) struct State {
    folder: PathBuf,
}

impl State {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        folder(root, Access::Public)?;
        Ok(Self { folder: root.to_owned() })
    }

    /// What is remembered; nothing if the file is damaged, which a power cut does not do to it. Then what is told can be
    /// found out again, and the operator has to ask for his cards again.
    pub(super) fn recall(&self) -> Memory {
        let text = fs::read(self.folder.join("provision.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(super) fn remember(&self, memory: &Memory) -> io::Result<bool> {
        write(&self.folder.join("provision.json"), &serde_json::to_vec(memory)?, Access::Private)
    }

    /// Tokens of `generation` and earlier ones that nobody was shown. Those of one that never came into force go.
    pub(super) fn unshown(&self, generation: u64) -> io::Result<Vec<Made>> {
        let Ok(text) = fs::read(self.tokens()) else { return Ok(Vec::new()) };
        let unshown: Unshown = serde_json::from_slice(&text).unwrap_or_default();
        if unshown.generation <= generation {
            return Ok(unshown.made);
        }
        self.forget_tokens()?;
        Ok(Vec::new())
    }

    /// Keeps tokens until they are shown.
    pub(super) fn keep(&self, generation: u64, made: &[Made]) -> io::Result<()> {
        let unshown = Unshown { generation, made: made.to_vec() };
        write(&self.tokens(), &serde_json::to_vec(&unshown)?, Access::Private).map(drop)
    }

    /// They have been shown, or open nothing any more.
    pub(super) fn forget_tokens(&self) -> io::Result<()> {
        erase(&self.tokens())
    }

    fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.unshown")
    }
}
