//! A mail server that takes nothing but what it expects, to the letter, over TLS; and one that is dead in one of the many
//! ways in which mail servers are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, BufRead, BufReader, Read as _, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Trouble {
    #[default]
    None,
    /// It says nothing from this step on: `TLS`, `GREETING`, a verb, or `DOT`, the end of a text.
    Silent(&'static str),
    /// An octet a second.
    Slow,
    /// Nobody listens.
    Refuses,
}

/// What the server saw.
#[derive(Default)]
pub struct Post {
    pub mails: Vec<String>,
    pub commands: BTreeMap<String, usize>,
    pub faults: Vec<String>,
}

impl Post {
    /// The messages that were mailed, each once, by their id.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.mails.iter().filter_map(|mail| header(mail, "X-SMSgate-Id")).collect()
    }
}

/// A header that stands on one line.
pub fn header<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
    mail.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The server; its threads end with the program.
pub struct Office {
    pub port: u16,
    desk: Arc<Desk>,
}

/// What its connections share.
struct Desk {
    tls: Arc<ServerConfig>,
    post: Mutex<Post>,
    trouble: Mutex<Trouble>,
    connections: Mutex<Vec<TcpStream>>,
    met: AtomicUsize,
}

impl Office {
    /// Opens one with the certificate of a site.
    pub fn open(folder: &Path) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let chain = CertificateDer::pem_slice_iter(&read("chain.pem")).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let desk = Arc::new(Desk {
            tls: Arc::new(tls.with_no_client_auth().with_single_cert(chain, key).unwrap()),
            post: Mutex::default(),
            trouble: Mutex::default(),
            connections: Mutex::default(),
            met: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        Arc::clone(&desk).serve(listener);
        Self { port, desk }
    }

    pub fn post(&self) -> MutexGuard<'_, Post> {
        self.desk.post.lock().unwrap()
    }

    /// From now on this is wrong with it. Who is connected is cut off.
    pub fn suffer(&self, trouble: Trouble) {
        let before = std::mem::replace(&mut *self.desk.trouble.lock().unwrap(), trouble);
        for connection in self.desk.connections.lock().unwrap().drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
        self.desk.met.store(0, Ordering::Relaxed);
        match (before, trouble) {
            // A call lets the one who waits for calls see it.
            (_, Trouble::Refuses) => {
                super::rig::until("nobody listens", || TcpStream::connect(("127.0.0.1", self.port)).is_err());
            }
            (Trouble::Refuses, _) => {
                Arc::clone(&self.desk).serve(TcpListener::bind(("127.0.0.1", self.port)).unwrap());
            }
            _ => {}
        }
    }

    /// How often somebody has met its trouble.
    pub fn met(&self) -> usize {
        self.desk.met.load(Ordering::Relaxed)
    }
}

impl Desk {
    fn serve(self: Arc<Self>, listener: TcpListener) {
        thread::spawn(move || {
            for stream in listener.incoming() {
                if self.trouble() == Trouble::Refuses {
                    return;
                }
                let (desk, stream) = (Arc::clone(&self), stream.unwrap());
                self.connections.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || {
                    // Whoever hangs up, hangs up.
                    drop(desk.receive(stream));
                });
            }
        });
    }

    fn receive(self: Arc<Self>, mut stream: TcpStream) -> io::Result<()> {
        self.pass("TLS", &mut stream)?;
        let connection = ServerConnection::new(Arc::clone(&self.tls)).map_err(io::Error::other)?;
        let stream = BufReader::new(StreamOwned::new(connection, stream));
        Session { stream, desk: self }.run()
    }

    fn trouble(&self) -> Trouble {
        *self.trouble.lock().unwrap()
    }

    /// Returns unless the server falls silent here; then only once it has other troubles.
    fn pass(&self, step: &'static str, stream: &mut TcpStream) -> io::Result<()> {
        if self.trouble() != Trouble::Silent(step) {
            return Ok(());
        }
        self.met.fetch_add(1, Ordering::Relaxed);
        let mut unheard = [0; 1024];
        while stream.read(&mut unheard)? > 0 {}
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

/// One connection to a server that knows the few commands it expects, in the order of RFC 5321 4.1.4, to the letter.
struct Session {
    stream: BufReader<StreamOwned<ServerConnection, TcpStream>>,
    desk: Arc<Desk>,
}

impl Session {
    fn run(&mut self) -> io::Result<()> {
        self.pass("GREETING")?;
        self.say("220 mx.test ESMTP")?;
        let mut state = "start";
        loop {
            let line = self.line()?;
            let verb = line.split(' ').next().unwrap_or_default().to_owned();
            *self.desk.post.lock().unwrap().commands.entry(verb.clone()).or_default() += 1;
            state = match (verb.as_str(), state) {
                ("EHLO", _) => {
                    self.pass("EHLO")?;
                    self.say("250-mx.test\r\n250 AUTH PLAIN LOGIN")?;
                    "greeted"
                }
                ("AUTH", "greeted") if line.starts_with("AUTH PLAIN ") => {
                    self.pass("AUTH")?;
                    self.say("235 welcome")?;
                    "ready"
                }
                ("MAIL", "ready") if line == "MAIL FROM:<gateway@example.org>" => {
                    self.pass("MAIL")?;
                    self.say("250 from")?;
                    "from"
                }
                ("RCPT", "from") if line == "RCPT TO:<mailbox@example.org>" => {
                    self.pass("RCPT")?;
                    self.say("250 to")?;
                    "to"
                }
                ("DATA", "to") if line == "DATA" => {
                    self.pass("DATA")?;
                    self.say("354 go on")?;
                    let mail = self.data()?;
                    self.pass("DOT")?;
                    self.desk.post.lock().unwrap().mails.push(mail);
                    self.say("250 taken")?;
                    "ready"
                }
                ("RSET" | "NOOP", _) if line.len() == 4 => {
                    self.say("250 done")?;
                    "ready"
                }
                ("QUIT", _) if line == "QUIT" => return self.say("221 bye"),
                _ => {
                    self.fault(format!("in state {state}: {line:?}"));
                    return self.say("500 what?");
                }
            };
        }
    }

    fn pass(&mut self, step: &'static str) -> io::Result<()> {
        self.desk.pass(step, &mut self.stream.get_mut().sock)
    }

    /// Up to the line with a dot, with the dots of transparency taken off (RFC 5321 4.5.2).
    fn data(&mut self) -> io::Result<String> {
        let mut mail = String::new();
        loop {
            let line = self.line()?;
            match line.strip_prefix('.') {
                Some("") => return Ok(mail),
                Some(rest) if rest.starts_with('.') => mail.push_str(rest),
                Some(_) => self.fault(format!("a dot alone in {line:?}")),
                None => mail.push_str(&line),
            }
            mail.push_str("\r\n");
        }
    }

    /// A line that ends in CR LF, holds neither, and is no longer than 998 octets (RFC 5321 4.5.3.1.6).
    fn line(&mut self) -> io::Result<String> {
        let mut octets = Vec::new();
        if self.stream.read_until(b'\n', &mut octets)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = octets.strip_suffix(b"\r\n").unwrap_or(&octets).to_vec();
        if text.len() + 2 != octets.len() || text.contains(&b'\r') || text.len() > 998 || text.contains(&0) {
            self.fault(format!("a bad line: {:?}", String::from_utf8_lossy(&octets)));
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn fault(&self, what: String) {
        self.desk.post.lock().unwrap().faults.push(what);
    }

    fn say(&mut self, answer: &str) -> io::Result<()> {
        let answer = format!("{answer}\r\n");
        let is_slow = self.desk.trouble() == Trouble::Slow;
        self.desk.met.fetch_add(usize::from(is_slow), Ordering::Relaxed);
        let stream = self.stream.get_mut();
        for piece in answer.as_bytes().chunks(if is_slow { 1 } else { answer.len() }) {
            stream.write_all(piece)?;
            stream.flush()?;
            if is_slow {
                thread::sleep(Duration::from_secs(1));
            }
        }
        Ok(())
    }
}
