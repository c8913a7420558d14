//! Serves a world: its modems on ptys, so that any program can open a modem's link as a serial port; with the control
//! socket and what `usb` serves beside them.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use super::{
    alarm::Alarm,
    args::EmulateArgs,
    control::Control,
    playback::on_pty,
    port::{Port, Ready},
    replay::Replay,
    serve::Shared,
    usb::Bus,
};

/// Runs the emulator until SIGINT or SIGTERM, or until it is dropped; links and socket go with it.
///
/// Says on standard error when all links are there, unless it has to be quiet.
///
/// # Errors
/// An unknown model, or a folder, link or socket that cannot be made.
pub async fn emulate(options: EmulateArgs) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (world, on_ptys, attached) = options.world()?;
    let shared = Shared::new(world);
    let mut tasks = JoinSet::new();
    if let Some(dir) = &options.dir {
        fs::create_dir_all(dir)?;
        let mut sockets = Vec::new();
        for index in 0..on_ptys {
            sockets.push(Socket::plug(&shared, index, dir)?);
        }
        for (index, socket) in sockets.into_iter().enumerate() {
            tasks.spawn(serve(shared.clone(), index, dir.clone(), socket));
        }
        for (index, trace) in options.trace.iter().enumerate() {
            tasks.spawn(on_pty(dir.join(format!("trace-{index:02}")), Replay::load(trace)?));
        }
    }
    let bus = options.usb.usb_redir.as_deref().map(|dir| Bus::open(dir, &shared, &attached)).transpose()?;
    if let Some(bus) = &bus {
        for device in attached {
            tasks.spawn(bus.serve(shared.clone(), device));
        }
    }
    if let Some(path) = options.control {
        tasks.spawn(Control::bind(path)?.serve(shared));
    }
    if !options.quiet {
        if let Some(dir) = &options.dir {
            eprintln!("{on_ptys} modems in {}", dir.display());
        }
        if let Some(bus) = &bus {
            eprintln!("{bus}");
        }
    }
    let ended = tokio::select! {
        ended = tasks.join_next() => ended,
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    // Waits for the links to go.
    tasks.shutdown().await;
    ended.map_or(Ok(()), |result| result.map_err(io::Error::other).and_then(std::convert::identity))
}

/// A pty and the link to it, as long as the modem is plugged.
#[derive(Debug)]
struct Socket {
    port: Port,
    plug: (u64, String),
    /// Goes with the pty.
    _link: Link,
}

impl Socket {
    /// None if the modem is not plugged.
    fn plug(shared: &Shared, index: usize, dir: &Path) -> io::Result<Option<Self>> {
        let Some(plug) = shared.plugged(index) else { return Ok(None) };
        let port = Port::open()?;
        let link = Link::new(&dir.join(&plug.1), port.name())?;
        Ok(Some(Self { port, plug, _link: link }))
    }
}

async fn serve(shared: Shared, index: usize, dir: PathBuf, first: Option<Socket>) -> io::Result<()> {
    let wake = shared.wake(index);
    let mut socket = first;
    loop {
        match socket.take() {
            Some(socket) => carry(&shared, index, socket).await?,
            None => wake.notified().await,
        }
        socket = Socket::plug(&shared, index, &dir)?;
    }
}

/// Carries bytes until the modem is unplugged.
async fn carry(shared: &Shared, index: usize, mut socket: Socket) -> io::Result<()> {
    let wake = shared.wake(index);
    let alarm = Alarm::new()?;
    let mut buffer = [0; 1024];
    let mut held: VecDeque<u8> = VecDeque::new();
    while shared.plugged(index).as_ref() == Some(&socket.plug) {
        let (output, next) = shared.output(index);
        held.extend(output);
        while !held.is_empty() {
            let count = socket.port.write(held.as_slices().0)?;
            if count == 0 {
                break;
            }
            held.drain(..count);
        }
        tokio::select! {
            ready = socket.port.ready(!held.is_empty(), &mut buffer) => match ready? {
                Ready::Read(count) => shared.input(index, buffer.get(..count).unwrap_or_default()),
                Ready::Write => {}
                Ready::Closed => {
                    held.clear();
                    socket.port.discard();
                    shared.with(|world, now| world.closed(now, index));
                }
            },
            timed_out = alarm.quiet(&wake, next) => if timed_out? { shared.timeout(index); },
        }
    }
    Ok(())
}

/// A symbolic link that ends with its owner.
#[derive(Debug)]
pub(super) struct Link(PathBuf);

impl Link {
    /// Links to a device; what another emulator left under the name is replaced.
    pub(super) fn new(path: &Path, device: &str) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => fs::remove_file(path)?,
            _ => {}
        }
        symlink(device, path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(&self.0);
    }
}
