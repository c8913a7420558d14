//! The floor: hyper over rustls, with settings as the daemon has them, that reads a request and answers with a constant.
//! It is this program once more, as a process on the daemon's core.

use std::{
    convert::Infallible,
    env,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{
    DAEMON, process,
    rig::{Process, Rig},
};

/// Names the folder of the certificate, and so tells the program that it is to be the floor.
pub const VARIABLE: &str = "SMSGATE_BENCH_FLOOR";

/// What `ping` answers.
const ANSWER: &str = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><string>OK</string></value>\n\
                      </param>\n</params>\n</methodResponse>\n";

/// The server, as seen from the bench.
pub struct Floor {
    process: Process,
    pub port: u16,
}

impl Floor {
    pub fn start(rig: &Rig) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(VARIABLE, rig.site.config_folder());
        let (process, line) = Process::start_and_read_line(command);
        Self { process, port: line.trim().parse().unwrap() }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// Serves until killed.
pub fn serve(folder: &Path) -> ExitCode {
    process::pin(DAEMON);
    smsgate::tls::install_provider();
    let loaded = smsgate::tls::Reloader::load(&folder.join("chain.pem"), &folder.join("key.pem"), &[]);
    let config = Arc::clone(&loaded.unwrap().0.subscribe().borrow());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                // A client that goes is no concern of the floor's.
                drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await);
            });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // A body that breaks off ends its connection.
    drop(request.into_body().collect().await);
    Ok(Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes()))))
}
