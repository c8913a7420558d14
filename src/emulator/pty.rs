//! Serves a world on ptys, so that any program can open a modem's link as a serial port.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    fcntl::OFlag,
    sys::termios::{self, SetArg},
};
use tokio::io::AsyncReadExt as _;
use tokio_serial::{SerialPort, SerialStream};

use super::{
    args::EmulateArgs,
    control,
    modem::Modem,
    network::Network,
    personality::Personality,
    serve::{Shared, quiet},
    world::World,
};

/// Pause after the port was closed, so that a slave that cannot be opened again keeps nobody busy.
const REOPENED: Duration = Duration::from_millis(5);

/// Runs the emulator until it is dropped.
///
/// # Errors
/// An unknown model, or a folder, link or socket that cannot be made.
pub async fn emulate(options: EmulateArgs) -> io::Result<()> {
    let mut world = World::new(Network::new(jiff::Timestamp::now(), options.seed));
    let mut names = options.personality.iter().cycle();
    for serial in 0..options.modems {
        let name = names.next().map_or("generic", String::as_str);
        let personality = Personality::named(name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("no virtual modem `{name}`")))?;
        world.add(Modem::new(personality, &format!("+491700000{serial:03}"), serial as u64));
    }
    fs::create_dir_all(&options.dir)?;
    let shared = Shared::new(world);
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..options.modems {
        tasks.spawn(serve(shared.clone(), index, options.dir.clone()));
    }
    if let Some(path) = options.control {
        tasks.spawn(control::serve(shared, path));
    }
    match tasks.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(io::Error::other(error)),
        None => Ok(()),
    }
}

async fn serve(shared: Shared, index: usize, dir: PathBuf) -> io::Result<()> {
    loop {
        let changed = shared.changed().notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        match shared.plugged(index) {
            Some(link) => while_plugged(&shared, index, &dir.join(link)).await?,
            None => changed.await,
        }
    }
}

async fn while_plugged(shared: &Shared, index: usize, link: &Path) -> io::Result<()> {
    let (master, slave) = SerialStream::pair()?;
    let name = slave.name().ok_or_else(|| io::Error::other("a pty without a name"))?;
    let line = Line { master, slave: PathBuf::from(&name), held: Some(hold(Path::new(&name))?) };
    // Dropped once it is held plainly: this one would lock others out.
    drop(slave);
    let _ = fs::remove_file(link);
    std::os::unix::fs::symlink(name, link)?;
    let result = carry(shared, index, line, link).await;
    fs::remove_file(link)?;
    result
}

/// A pty. Its slave is held open as long as nobody uses it, since a master without one cannot wait; and it is let go
/// once somebody does, so that their exclusive use ends with them (it would stay until the last one closes).
struct Line {
    master: SerialStream,
    slave: PathBuf,
    held: Option<File>,
}

impl Line {
    /// Bytes from whoever uses the port; 0 if they went away.
    async fn read(&mut self, buffer: &mut [u8]) -> usize {
        match self.master.read(buffer).await {
            Ok(count) => {
                self.held = None;
                count
            }
            // The slave is closed. If somebody opens it for themselves at this moment, all the better.
            Err(_) => {
                self.held = hold(&self.slave).ok();
                tokio::time::sleep(REOPENED).await;
                0
            }
        }
    }
}

/// Opens a slave without locking anybody out, and makes it pass every byte as it is.
fn hold(slave: &Path) -> io::Result<File> {
    let file = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(slave)?;
    let mut settings = termios::tcgetattr(&file)?;
    termios::cfmakeraw(&mut settings);
    termios::tcsetattr(&file, SetArg::TCSANOW, &settings)?;
    Ok(file)
}

async fn carry(shared: &Shared, index: usize, mut line: Line, link: &Path) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while shared.plugged(index).is_some_and(|name| link.ends_with(name)) {
        let changed = shared.changed().notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (output, next) = shared.output(index);
        for piece in output {
            // A line nobody reads overflows, as on a serial port: the rest is lost.
            let _ = line.master.try_write(&piece);
        }
        tokio::select! {
            count = line.read(&mut buffer) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                shared.with(|world, now| world.handle_input(now, index, bytes));
            }
            timed_out = quiet(changed, next) => if timed_out { shared.with(|_, _| ()); },
        }
    }
    Ok(())
}
