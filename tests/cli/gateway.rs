//! A gateway for tests of the client: XML-RPC over TLS on a free port, answers as the test says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use smsgate::rpc::wire::{self, Call, Fault, Limits, Value};

pub struct Gateway {
    pub port: u16,
    pub ca: PathBuf,
    pub calls: Arc<Mutex<Vec<Call>>>,
    _folder: tempfile::TempDir,
}

impl Gateway {
    pub fn start(answer: impl Fn(&Call) -> Result<Value, Fault> + Send + Sync + 'static) -> Self {
        let today = jiff::Zoned::now().date();
        let issued = smsgate::tls::issue(&["localhost".to_owned()], &[], today, 2).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, &issued.ca).unwrap();
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let (config, answer) = (Arc::new(config), Arc::new(answer));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind(("localhost", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::clone(&calls);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, answer, seen) = (Arc::clone(&config), Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || serve(stream.unwrap(), config, &*answer, &seen));
            }
        });
        Self { port, ca, calls, _folder: folder }
    }

    /// The methods called so far.
    pub fn methods(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|call| call.method.clone()).collect()
    }
}

/// One request, one answer. A client that goes away ends it.
fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    answer: &dyn Fn(&Call) -> Result<Value, Fault>,
    seen: &Mutex<Vec<Call>>,
) -> Option<()> {
    let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let call = wire::parse_call(&body, Limits::REQUEST).unwrap();
    seen.lock().unwrap().push(call.clone());
    let body = match answer(&call) {
        Ok(value) => wire::write_response(&value),
        Err(fault) => wire::write_fault(&fault),
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
    let stream = reader.get_mut();
    stream.write_all((head + &body).as_bytes()).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}

pub fn fault(code: i32, message: &str) -> Fault {
    Fault { code, message: message.to_owned() }
}

pub fn pair(first: &str, second: &str) -> Value {
    Value::Array(vec![Value::string(first), Value::string(second)])
}
