//! A client that costs little: requests made beforehand, answers read up to their length and not looked into.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

/// Where calls go, and the request.
#[derive(Clone)]
pub struct Target {
    port: u16,
    config: Arc<ClientConfig>,
    request: Arc<[u8]>,
}

impl Target {
    pub fn new(port: u16, ca: &Path, document: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let text = fs::read(ca).unwrap();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).map(Result::unwrap));
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let request = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: Python-xmlrpc/3.13\r\nContent-Type: \
             text/xml\r\nContent-Length: {}\r\n\r\n{document}",
            document.len()
        );
        Self { port, config: Arc::new(config), request: request.into_bytes().into() }
    }

    /// With a memory for sessions of its own, or none.
    pub fn resuming(&self, resumes: bool) -> Self {
        let mut config = (*self.config).clone();
        config.resumption = if resumes { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
        Self { config: Arc::new(config), ..self.clone() }
    }

    pub fn connect(&self) -> Line {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        let session = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let stream = StreamOwned::new(session, socket);
        Line { stream, request: Arc::clone(&self.request), answer: vec![0; 256 * 1024] }
    }
}

/// A connection.
pub struct Line {
    stream: StreamOwned<ClientConnection, TcpStream>,
    request: Arc<[u8]>,
    answer: Vec<u8>,
}

impl Line {
    /// One call and its answer.
    pub fn call(&mut self) {
        self.stream.write_all(&self.request).unwrap();
        let mut held = 0;
        let whole = loop {
            let read = self.stream.read(&mut self.answer[held..]).unwrap();
            assert!(read > 0, "the server hung up");
            held += read;
            if let Some(whole) = length(&self.answer[..held]) {
                break whole;
            }
        };
        while held < whole {
            let read = self.stream.read(&mut self.answer[held..whole]).unwrap();
            assert!(read > 0, "the server hung up");
            held += read;
        }
        assert_eq!(held, whole, "more than one answer");
        let head = &self.answer[..held.min(512)];
        let fault = head.windows(9).any(|part| part == b"faultCode");
        assert!(!fault, "{}", String::from_utf8_lossy(head));
    }

    /// Whether the handshake made use of an earlier one.
    pub fn resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Ends it as clients should.
    pub fn close(mut self) {
        self.stream.conn.send_close_notify();
        // Whether the server still listens does not matter any more.
        drop(self.stream.flush());
    }
}

/// Octets of the answer with its head, if that is there.
fn length(answer: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let head = answer.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..head]));
    let at = answer[..head].windows(NAME.len()).position(|part| part == NAME).unwrap() + NAME.len();
    let digits = answer[at..].iter().take_while(|octet| octet.is_ascii_digit());
    Some(head + digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}
