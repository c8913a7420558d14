//! The listener: accepts, counts, and hands each connection to a task of its own.
//!
//! No peer can hold more than its share of connections, none can hold one without getting on with it (see [`Limits`]),
//! and where all are taken, those who get nowhere make room. The TLS configuration is read at each accept, so a new
//! certificate needs no restart.

mod deadline;
mod exchange;
mod places;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::places::{Place, Places};
use super::methods::Methods;

/// Rest after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one peer; loopback peers may take all.
    pub per_peer: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// For a request's header.
    pub header: Duration,
    /// For a request's body.
    pub body: Duration,
    /// From one answer to the next request.
    pub idle: Duration,
    /// For a whole request; longer than `wait_sms` may wait.
    pub request: Duration,
    /// For requests under way when the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            per_peer: 16,
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(5),
            body: Duration::from_secs(10),
            // Where places are short, the idle give them up sooner. Python's client on the same machine does not get over a
            // connection that was closed meanwhile: it asks a second time only on some of the errors that it may meet.
            idle: Duration::from_secs(300),
            request: Duration::from_secs(75),
            drain: Duration::from_secs(10),
        }
    }
}

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {host} port {port}: {source}")]
pub struct BindError {
    /// Host as configured.
    pub host: String,
    /// Port as configured.
    pub port: u16,
    /// What the system says.
    pub source: io::Error,
}

/// The XML-RPC server, listening but not yet accepting.
pub struct Server {
    listeners: Vec<TcpListener>,
    local: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    methods: Methods,
    limits: Limits,
    places: Arc<Places>,
}

impl Server {
    /// Listens on every address of `host`; port 0 picks a free one. `localhost` is both loopback addresses, as far as
    /// the machine has them.
    ///
    /// # Errors
    /// [`BindError`] if the host has no address or one of them cannot be used.
    pub async fn bind(
        host: &str,
        port: u16,
        tls: watch::Receiver<Arc<rustls::ServerConfig>>,
        methods: Methods,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { host: host.to_owned(), port, source };
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut chosen = port;
        for address in addresses(host).await.map_err(failed)? {
            match TcpListener::bind((address, chosen)).await {
                Ok(listener) => {
                    chosen = listener.local_addr().map_err(failed)?.port();
                    listeners.push(listener);
                }
                Err(error) if is_absent(&error) && !listeners.is_empty() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let Some(first) = listeners.first() else { return Err(failed(io::ErrorKind::AddrNotAvailable.into())) };
        let local = first.local_addr().map_err(failed)?;
        let shared = Shared { tls, methods, limits, places: Arc::default() };
        Ok(Self { listeners, local, shared: Arc::new(shared) })
    }

    /// Where it listens (the first address if there are several).
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `stop` is cancelled, then lets requests under way finish.
    pub async fn run(self, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let loops = TaskTracker::new();
        for listener in self.listeners {
            loops.spawn(accept(listener, Arc::clone(&self.shared), connections.clone(), stop.clone()));
        }
        loops.close();
        loops.wait().await;
        connections.close();
        if tokio::time::timeout(self.shared.limits.drain, connections.wait()).await.is_err() {
            tracing::warn!(connections = connections.len(), "API calls still under way at the end of the grace time");
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer.ip().to_canonical(), &shared, &connections, &stop),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: IpAddr, shared: &Arc<Shared>, connections: &TaskTracker, stop: &CancellationToken) {
    let Some(place) = Place::take(&shared.places, peer, &shared.limits) else {
        tracing::debug!(%peer, "too many connections");
        return;
    };
    // Answers are written whole; waiting for more to send would only delay them.
    drop(stream.set_nodelay(true));
    let (shared, stop) = (Arc::clone(shared), stop.clone());
    let tls = shared.tls.borrow().clone();
    connections.spawn(async move {
        let progress = Arc::clone(&place.progress);
        let serving = exchange::serve(stream, peer, tls, shared.methods.clone(), shared.limits, stop, progress);
        tokio::select! {
            () = serving => {}
            () = place.lost.cancelled() => tracing::debug!(%peer, "its connection was needed for somebody else"),
        }
    });
}

async fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let mut addresses: Vec<IpAddr> = tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// The machine has no such address or no such family.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}
