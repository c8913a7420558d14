//! A child with its output in a file, that ends with this tool and takes its own children along.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

use super::usage::tree;

/// How long a program may take to end in good order.
const GOODBYE: Duration = Duration::from_secs(3);
/// Characters of a program's last words.
const WORDS: usize = 160;

pub struct Program {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Program {
    /// Starts it. `output`: where its output goes.
    ///
    /// # Errors
    /// It is not installed, or cannot be started.
    pub fn start(program: &Path, arguments: &[&str], output: &Path) -> Result<Self, String> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |error| format!("cannot start {name}: {error}");
        let file = File::create(output).map_err(failed)?;
        let other = file.try_clone().map_err(failed)?;
        // Is told to end when this tool dies, however it dies.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program).args(arguments);
        command.env("TZ", "UTC").stdin(Stdio::null()).stdout(other).stderr(file);
        let child = command.spawn().map_err(failed)?;
        Ok(Self { name, child, output: output.to_owned() })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said last, if it has ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        let said = fs::read_to_string(&self.output).unwrap_or_default();
        let last: String = said.trim_end().lines().last().unwrap_or_default().chars().take(WORDS).collect();
        Some(format!("{} ended ({status}): {last}", self.name))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        end(&mut [self]);
    }
}

/// Ends several at once, and what they started.
pub fn end(programs: &mut [&mut Program]) {
    let roots: Vec<u32> = programs.iter().map(|program| program.id()).collect();
    let running: Vec<Pid> =
        tree(&roots).into_iter().filter_map(|pid| i32::try_from(pid).ok()).map(Pid::from_raw).collect();
    let alive = |programs: &mut [&mut Program]| {
        programs.iter_mut().any(|program| program.child.try_wait().is_ok_and(|status| status.is_none()))
    };
    if !alive(programs) {
        return;
    }
    for pid in programs.iter().filter_map(|program| i32::try_from(program.id()).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let deadline = Instant::now() + GOODBYE;
    while alive(programs) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    // Whoever is left, orphans included: they are this tool's children then, and wait to be collected.
    for program in programs.iter_mut() {
        let _ = program.child.kill();
        let _ = program.child.wait();
    }
    for pid in running.into_iter().filter(|pid| !roots.iter().any(|root| i32::try_from(*root) == Ok(pid.as_raw()))) {
        if tree(&[std::process::id()]).iter().any(|known| i32::try_from(*known) == Ok(pid.as_raw())) {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, Some(WaitPidFlag::empty()));
        }
    }
}
