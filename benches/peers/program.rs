//! A child with its output in a file, that ends with this tool and takes its own children along.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
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

    /// What it said of an error, or at last, if it has ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        let said = fs::read_to_string(&self.output).unwrap_or_default();
        let error = said.lines().rfind(|line| line.to_ascii_lowercase().contains("error"));
        let words: String = error.or(said.lines().last()).unwrap_or_default().chars().take(WORDS).collect();
        Some(format!("{} ended ({status}): {words}", self.name))
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
    let started = tree(&roots);
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
    // Only what is still this tool's: another program may have the number of one that is gone.
    let ours = tree(&[process::id()]);
    for pid in started.into_iter().filter(|pid| !roots.contains(pid) && ours.contains(pid)) {
        collect(pid);
    }
}

/// Ends everything that this tool has started, at once.
pub fn kill_all() {
    let own = process::id();
    // Those that lose their parent on the way come to this process, and are met in a later round.
    for _ in 0..3 {
        tree(&[own]).into_iter().filter(|pid| *pid != own).for_each(collect);
    }
}

fn collect(pid: u32) {
    let Ok(pid) = i32::try_from(pid).map(Pid::from_raw) else { return };
    let _ = kill(pid, Signal::SIGKILL);
    // Fails for a child of another, who has to wait for it.
    let _ = waitpid(pid, None);
}
