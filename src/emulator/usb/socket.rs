//! Sockets at which virtual machines find devices: one a port, one connection on each.
//!
//! This side listens and QEMU connects (`-chardev socket,path=DIR/usb-00,server=off`). Plugging and unplugging are the
//! protocol's own `device_connect` and `device_disconnect` on that connection, so that QEMU keeps its device and its
//! chardev. QEMU may also come and go: after a `device_del` a new chardev connects again, and a newer connection takes
//! the place of an older one.
//!
//! A port is a thing that devices share: whoever's link names it holds it, and a second device there waits.

use std::{
    collections::BTreeMap,
    fmt, fs,
    future::Future,
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::Interest,
    net::{UnixListener, UnixStream},
    sync::{Mutex, Notify},
    time::{Instant, timeout},
};

use super::{
    args::{Attached, port_name},
    device::Event,
    redir::Redirection,
};
use crate::emulator::serve::{Shared, quiet};

/// File that says which modem is behind which device, made when all sockets are there.
const LIST: &str = "devices.json";
/// As much may wait for the machine before nothing more is read from it.
const MOST_OUTPUT: usize = 64 * 1024;
/// How long a machine may take to read that a device is gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// Ports by name.
#[derive(Debug)]
pub(in crate::emulator) struct Bus {
    ports: Arc<BTreeMap<String, Mutex<Port>>>,
    dir: PathBuf,
}

impl Bus {
    /// Makes a port for each device, and the list of devices; what another emulator left is replaced.
    pub(in crate::emulator) fn open(dir: &Path, shared: &Shared, devices: &[Attached]) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let list = dir.join(LIST);
        match fs::remove_file(&list) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let names = (0..devices.len()).map(port_name);
        let ports: io::Result<BTreeMap<_, _>> =
            names.map(|name| Ok((name.clone(), Mutex::new(Port::bind(dir.join(name))?)))).collect();
        let bus = Self { ports: Arc::new(ports?), dir: dir.to_owned() };
        let fresh = dir.join(format!(".{LIST}"));
        fs::write(&fresh, format!("{:#}\n", describe(shared, devices)))?;
        fs::rename(fresh, list)?;
        Ok(bus)
    }

    /// Serves a device wherever it is plugged.
    pub(in crate::emulator) fn serve(
        &self,
        shared: Shared,
        device: Attached,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let ports = Arc::clone(&self.ports);
        let wake = shared.join_wakes(device.modems.clone());
        async move {
            loop {
                let plug = shared.plugged(device.modems.start);
                let port = plug.as_ref().and_then(|(_, link)| ports.get(link));
                match (plug, port) {
                    (Some(plug), Some(port)) => tokio::select! {
                        mut port = port.lock() => {
                            let seat = Seat { shared: &shared, device: &device, wake: &wake, plug };
                            seat.carry(&mut port).await?;
                        }
                        () = wake.notified() => {}
                    },
                    _ => wake.notified().await,
                }
            }
        }
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} USB devices in {}", self.ports.len(), self.dir.display())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(self.dir.join(LIST));
    }
}

fn describe(shared: &Shared, devices: &[Attached]) -> serde_json::Value {
    let imei = |index| shared.with(|world, _| world.modem(index).map(|modem| modem.imei().to_owned()));
    let devices = devices.iter().enumerate().map(|(number, device)| {
        let modems = device.modems.clone().zip(device.kind.modem_interfaces());
        let modems =
            modems.map(|(index, interface)| json!({ "modem": index, "interface": interface, "imei": imei(index) }));
        json!({
            "port": port_name(number),
            "kind": device.kind.name,
            "vendor": format!("{:04x}", device.kind.vendor),
            "product": format!("{:04x}", device.kind.product),
            "modems": modems.collect::<Vec<_>>(),
        })
    });
    devices.collect()
}

/// A socket, and the machine that is connected to it.
#[derive(Debug)]
struct Port {
    listener: UnixListener,
    path: PathBuf,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    redirection: Redirection,
}

impl Port {
    fn bind(path: PathBuf) -> io::Result<Self> {
        if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            fs::remove_file(&path)?;
        }
        Ok(Self { listener: UnixListener::bind(&path)?, path, connection: None })
    }

    /// Waits until a machine connects, or the one that is there can be read from or written to.
    async fn ready(&self) -> io::Result<Option<UnixStream>> {
        let exchange = async {
            match &self.connection {
                // What is wrong with it, the next read finds out.
                Some(connection) => drop(connection.ready().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.listener.accept() => Ok(Some(accepted?.0)),
            () = exchange => Ok(None),
        }
    }

    /// The connection, unless it has failed; if so, it is gone now.
    fn keep<T>(&mut self, act: impl FnOnce(&mut Connection) -> io::Result<T>) -> Option<T> {
        let result = act(self.connection.as_mut()?);
        if let Err(error) = &result {
            if error.kind() == io::ErrorKind::InvalidData {
                eprintln!("{}: {error}", self.path.display());
            }
            self.connection = None;
        }
        result.ok()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(&self.path);
    }
}

impl Connection {
    async fn ready(&self) -> io::Result<()> {
        let waiting = self.redirection.output().len();
        let interest = match waiting {
            0 => Interest::READABLE,
            1..MOST_OUTPUT => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::WRITABLE,
        };
        self.stream.ready(interest).await.map(drop)
    }

    /// Reads what is there.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while self.redirection.output().len() < MOST_OUTPUT {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    let read = self.redirection.handle_input(buffer.get(..count).unwrap_or_default());
                    read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what there is room for.
    fn write(&mut self) -> io::Result<()> {
        while !self.redirection.output().is_empty() {
            match self.stream.try_write(self.redirection.output()) {
                Ok(count) => self.redirection.sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn write_all(&mut self) -> io::Result<()> {
        while !self.redirection.output().is_empty() {
            self.stream.writable().await?;
            self.write()?;
        }
        Ok(())
    }
}

/// A device at a port.
#[derive(Debug)]
struct Seat<'a> {
    shared: &'a Shared,
    device: &'a Attached,
    wake: &'a Notify,
    plug: (u64, String),
}

impl Seat<'_> {
    /// Carries bytes until the device is unplugged.
    async fn carry(&self, port: &mut Port) -> io::Result<()> {
        // What the machine still wanted of the device that was there before is not for this one.
        port.keep(Connection::read);
        port.keep(|connection| {
            connection.redirection.plug(self.device.kind);
            Ok(())
        });
        while self.shared.plugged(self.device.modems.start).as_ref() == Some(&self.plug) {
            let next = self.exchange(port);
            tokio::select! {
                ready = port.ready() => match ready? {
                    Some(stream) => self.connect(port, stream),
                    None => self.receive(port),
                },
                timed_out = quiet(self.wake, next) => if timed_out {
                    self.device.modems.clone().for_each(|index| self.shared.timeout(index));
                },
            }
        }
        port.keep(|connection| {
            connection.redirection.unplug();
            Ok(())
        });
        if let Some(connection) = &mut port.connection
            && !matches!(timeout(FAREWELL, connection.write_all()).await, Ok(Ok(())))
        {
            port.connection = None;
        }
        Ok(())
    }

    /// Carries what the modems say to the machine; when the next of them has something to say or to do.
    fn exchange(&self, port: &mut Port) -> Option<Instant> {
        let mut next = None;
        for (modem, index) in self.device.modems.clone().enumerate() {
            let (output, due) = self.shared.output(index);
            next = next.into_iter().chain(due).min();
            if let Some(connection) = &mut port.connection
                && !output.is_empty()
            {
                connection.redirection.transmit(modem, &output);
            }
        }
        if port.connection.is_some() && port.keep(Connection::write).is_none() {
            self.hang_up(port);
        }
        next
    }

    fn connect(&self, port: &mut Port, stream: UnixStream) {
        self.hang_up(port);
        let mut redirection = Redirection::new();
        redirection.plug(self.device.kind);
        port.connection = Some(Connection { stream, redirection });
    }

    fn receive(&self, port: &mut Port) {
        let read = port.keep(Connection::read);
        if let Some(connection) = &mut port.connection {
            if connection.redirection.take_rejected() {
                eprintln!("{}: the machine does not take the device", port.path.display());
            }
            while let Some(event) = connection.redirection.poll_event() {
                match event {
                    Event::Input { modem, bytes } => self.shared.input(self.device.modems.start + modem, &bytes),
                    Event::Closed { modem } => self.closed(self.device.modems.start + modem),
                }
            }
        }
        if read.is_none() {
            self.hang_up(port);
        }
    }

    /// The machine is gone, and with it whoever was at the modems.
    fn hang_up(&self, port: &mut Port) {
        port.connection = None;
        self.device.modems.clone().for_each(|index| self.closed(index));
    }

    fn closed(&self, index: usize) {
        self.shared.with(|world, now| world.closed(now, index));
    }
}
