//! Serves a world on ptys, so that any program can open a modem's link as a serial port.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

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
    // The slave is held open: without any, reading the master fails between two users of the port.
    let (mut master, mut slave) = SerialStream::pair()?;
    master.set_exclusive(false)?;
    slave.set_exclusive(false)?;
    let name = slave.name().ok_or_else(|| io::Error::other("a pty without a name"))?;
    let _ = fs::remove_file(link);
    std::os::unix::fs::symlink(name, link)?;
    let result = carry(shared, index, &mut master, link).await;
    fs::remove_file(link)?;
    result
}

async fn carry(shared: &Shared, index: usize, master: &mut SerialStream, link: &Path) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while shared.plugged(index).is_some_and(|name| link.ends_with(name)) {
        let changed = shared.changed().notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (output, next) = shared.output(index);
        for piece in output {
            // A line nobody reads overflows, as on a serial port: the rest is lost.
            let _ = master.try_write(&piece);
        }
        tokio::select! {
            ready = master.readable() => {
                ready?;
                if let Ok(count) = master.try_read(&mut buffer) {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    shared.with(|world, now| world.handle_input(now, index, bytes));
                }
            }
            timed_out = quiet(changed, next) => if timed_out { shared.with(|_, _| ()); },
        }
    }
    Ok(())
}
