//! The shell's commands from one time to the next: a file of lines in the user's state folder (XDG base directories).
//!
//! Lines are appended one by one, so that shells side by side do not lose one another's, and a shell that is killed loses
//! none. Losing them is no error. What was answered to questions is never there.

use std::{
    env, fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Commands kept.
const KEPT: usize = 500;

/// Where they are, if anywhere.
#[derive(Clone, Debug)]
pub(super) struct HistoryFile(Option<PathBuf>);

impl HistoryFile {
    /// This user's.
    pub(super) fn of_user() -> Self {
        let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let state = state.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
        Self(state.map(|state| state.join("smsgate").join("history")))
    }

    /// The last commands, oldest first. A file that has grown long is cut to them.
    pub(super) fn lines(&self) -> Vec<String> {
        let Some(file) = &self.0 else { return Vec::new() };
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        let kept = lines.get(lines.len().saturating_sub(KEPT)..).unwrap_or_default();
        if lines.len() > 2 * KEPT {
            replace(file, kept);
        }
        kept.to_vec()
    }

    /// Remembers a command.
    pub(super) fn append(&self, line: &str) {
        let Some(file) = &self.0 else { return };
        if let Some(folder) = file.parent() {
            let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        }
        let opened = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file);
        let _ = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}

/// All or nothing, by way of a new file.
fn replace(file: &Path, lines: &[String]) {
    let beside = file.with_extension("new");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside);
    let _ = opened.and_then(|mut new| new.write_all(text.as_bytes())).and_then(|()| fs::rename(&beside, file));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn two_shells_lose_nothing_and_others_read_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/smsgate/history");
        let (one, two) = (HistoryFile(Some(path.clone())), HistoryFile(Some(path.clone())));
        assert!(one.lines().is_empty());
        one.append("sms");
        two.append("ussd");
        one.append("status");
        assert_eq!(two.lines(), ["sms", "ussd", "status"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let history = HistoryFile(Some(path.clone()));
        for count in [2 * KEPT, 2 * KEPT + 1] {
            fs::write(&path, (0..count).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
            let lines = history.lines();
            assert_eq!((lines.len(), lines.last().cloned()), (KEPT, Some((count - 1).to_string())));
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), KEPT);
    }

    #[test]
    fn no_place_for_it_is_no_error() {
        for history in [HistoryFile(None), HistoryFile(Some("/proc/none/history".into()))] {
            history.append("sms");
            assert!(history.lines().is_empty());
        }
    }
}
