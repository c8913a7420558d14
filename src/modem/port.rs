//! Opening a modem's port: a serial device, or what a test has in its place.

use std::{fmt, io, path::Path};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_serial::{SerialPort, SerialPortBuilderExt};

/// What an AT dialogue runs over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Opens ports by their path.
pub trait Opener: fmt::Debug + Send + Sync {
    /// Opens `path` for the caller alone.
    ///
    /// # Errors
    /// No such device, no permission, in use.
    fn open(&self, path: &Path, baud: u32) -> io::Result<Box<dyn Stream>>;
}

/// The serial devices of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SerialPorts;

impl Opener for SerialPorts {
    fn open(&self, path: &Path, baud: u32) -> io::Result<Box<dyn Stream>> {
        open_serial(&path.display().to_string(), baud)
    }
}

/// Opens a serial device, 8N1 without flow control, for this process alone.
///
/// The modem-control lines are raised where the device has them: some sticks stay silent until DTR is set.
///
/// # Errors
/// What the system says: no such device, no permission, in use.
pub fn open_serial(path: &str, baud: u32) -> io::Result<Box<dyn Stream>> {
    let mut port = tokio_serial::new(path, baud)
        .data_bits(tokio_serial::DataBits::Eight)
        .parity(tokio_serial::Parity::None)
        .stop_bits(tokio_serial::StopBits::One)
        .flow_control(tokio_serial::FlowControl::None)
        .open_native_async()
        .map_err(|error| match error.kind() {
            tokio_serial::ErrorKind::NoDevice => io::Error::new(io::ErrorKind::NotFound, error.to_string()),
            tokio_serial::ErrorKind::Io(kind) => io::Error::new(kind, error.to_string()),
            tokio_serial::ErrorKind::InvalidInput | tokio_serial::ErrorKind::Unknown => {
                io::Error::other(error.to_string())
            }
        })?;
    // A pty has no control lines: the error is expected there and means nothing elsewhere.
    let _ = port.write_data_terminal_ready(true);
    let _ = port.write_request_to_send(true);
    Ok(Box::new(port))
}
