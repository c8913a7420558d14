//! A child process with its output in a file, ended when dropped.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{sys::signal::Signal, unistd::Pid};
use tempfile::TempPath;

pub struct Process {
    child: Child,
    output: TempPath,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        let (file, output) = tempfile::NamedTempFile::new().unwrap().into_parts();
        command.stdout(Stdio::from(file.try_clone().unwrap()));
        Self::spawn(command, file, output)
    }

    /// For a program that says something on its first line.
    pub fn start_and_read_line(mut command: Command) -> (Self, String) {
        let (file, output) = tempfile::NamedTempFile::new().unwrap().into_parts();
        command.stdout(Stdio::piped());
        let mut process = Self::spawn(command, file, output);
        let mut line = String::new();
        BufReader::new(process.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (process, line)
    }

    fn spawn(mut command: Command, file: File, output: TempPath) -> Self {
        let child = command.stdin(Stdio::piped()).stderr(Stdio::from(file)).spawn().unwrap();
        Self { child, output }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// The exit code, once it has ended; -1 for a signal.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end.
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(code) = self.ended() {
                return Some(code);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// SIGKILL, and until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// As [`Process::kill`], for one that is replaced.
    pub fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
