//! The world around the gateway that is attacked: virtual modems, a mail server, a client, and what is to be kept from it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::runtime::{Builder, Runtime};

use super::Greeting;
use crate::{
    cli::{
        client::{Client, Endpoint},
        exit::{Exit, Failure},
    },
    config::Seccomp,
    config_files::GATEWAY_FILE,
    demo::{
        mailbox::Mailbox,
        network::Network,
        setup::{SIMS, Setup},
        start_emulator,
        story::Scene,
    },
    rpc::wire::Value,
    sandbox::{
        Confined,
        attacks::{EXECUTE, Expected, Outcome, Targets},
    },
    tls,
};

/// Longest anything may take; modems need some seconds to come up.
const PATIENCE: Duration = Duration::from_secs(45);
/// Longest one call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(50);
/// Belongs to nobody of the pool.
const STRANGER: &str = "+4915112345678";

/// Everything around the gateway.
pub(super) struct Site {
    gateway: Child,
    answers: BufReader<ChildStdout>,
    greeting: Greeting,
    mailbox: Mailbox,
    network: Network,
    /// Runs modems and mail server.
    runtime: Runtime,
    rounds: usize,
    setup: Setup,
    outside: Outside,
}

impl Site {
    /// Starts everything, and the gateway with the sandbox in this mode.
    pub(super) fn start(mode: Seccomp) -> Result<Self, Failure> {
        tls::install_provider();
        let setup = Setup::begin(None, false)?;
        let outside = Outside::make()?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(system)?;
        let (_, network) = runtime.block_on(start_emulator(&setup))?;
        let (certificate, _) = tls::Reloader::load(&setup.path("cert.pem"), &setup.path("key.pem"), &[])
            .map_err(|error| Failure::new(Exit::System, error.to_string()))?;
        let certificate = Arc::clone(&certificate.subscribe().borrow());
        let (mailbox, mail) = runtime.block_on(Mailbox::start(certificate)).map_err(system)?;
        setup.configure(mail)?;
        write_mode(&setup, mode).map_err(system)?;
        let (gateway, answers, greeting) = start_gateway(&setup)?;
        Ok(Self { gateway, answers, greeting, mailbox, network, runtime, rounds: 0, setup, outside })
    }

    /// What the gateway says that confines it.
    pub(super) const fn confined(&self) -> Confined {
        self.greeting.confined
    }

    /// Whether the gateway does its work: answers, takes an SMS in and mails it, sends one and hears of its delivery.
    pub(super) fn works(&mut self) -> Result<(), Failure> {
        self.rounds += 1;
        let (to, text) = (SIMS[0].number, format!("round {} of the sandbox test", self.rounds));
        self.client("get_health_state")?.call("get_health_state", &[])?;
        let scene = Scene { from: STRANGER, text: text.clone(), flash: false, shuffled: false };
        self.runtime.block_on(self.network.play(&scene, to)).map_err(system)?;
        let reader = self.client("get_sms")?;
        until("the SMS that came in cannot be read", || {
            let messages = reader.call("get_sms", &[Value::string(to)])?;
            let is_ours = |message: &Value| message.member("text").and_then(Value::as_str) == Some(&text);
            Ok(messages.as_array().is_some_and(|messages| messages.iter().any(is_ours)))
        })?;
        let mailbox = &self.mailbox;
        until("the SMS that came in was not mailed", || {
            Ok(mailbox.latest(usize::MAX).iter().any(|mail| mail.sms_text().is_some_and(|body| body.contains(&text))))
        })?;
        let sender = self.client("send_sms")?;
        let id = sender.call("send_sms", &[to, STRANGER, &text].map(Value::string))?;
        until("the SMS that went out was not delivered", || {
            let delivered = sender.call("get_delivery_status", std::slice::from_ref(&id))?;
            Ok(delivered.as_bool() == Some(true))
        })
    }

    /// Lets the gateway attack; what came of it. If the last attack succeeds, the gateway is no more.
    pub(super) fn attack(&mut self) -> Result<Vec<Outcome>, Failure> {
        let targets = self.outside.targets(&self.setup)?;
        let orders = self.gateway.stdin.as_mut().ok_or_else(|| bad_news("the gateway does not listen"))?;
        writeln!(orders, "{}", serde_json::to_string(&targets)?)?;
        let mut outcomes: Vec<Outcome> = Vec::new();
        while outcomes.last().is_none_or(|last| last.attack != EXECUTE) {
            let mut line = String::new();
            if self.answers.read_line(&mut line).map_err(system)? == 0 {
                return Err(bad_news("the gateway ended under the attack"));
            }
            outcomes.push(serde_json::from_str(&line).unwrap_or_else(|_| Outcome {
                attack: EXECUTE.to_owned(),
                expected: Expected::Refused,
                repelled: false,
                said: format!("it became `{}`", line.trim()),
            }));
        }
        Ok(outcomes)
    }

    /// Tells the gateway to end, as systemd would.
    pub(super) fn stop(&mut self) -> Result<(), Failure> {
        let id = i32::try_from(self.gateway.id()).map_err(|_| bad_news("the gateway has no id"))?;
        kill(Pid::from_raw(id), Signal::SIGTERM).map_err(|errno| system(errno.into()))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.gateway.try_wait().map_err(system)? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(bad_news(format!("the gateway ended badly: {status}"))),
                None => std::thread::sleep(INTERVAL),
            }
        }
        Err(bad_news("the gateway does not end"))
    }

    fn client(&self, function: &str) -> Result<Client, Failure> {
        let ca = Some(self.setup.path("ca.pem"));
        let endpoint = Endpoint { host: "localhost".to_owned(), port: self.greeting.port, ca };
        Ok(Client::new(endpoint, self.setup.token(function), CALL_DEADLINE)?)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

/// What is none of the gateway's business.
struct Outside {
    folder: PathBuf,
    service: TcpListener,
}

impl Outside {
    fn make() -> Result<Self, Failure> {
        let name = uuid::Uuid::now_v7().simple().to_string();
        let folder = std::env::temp_dir().join(format!("smsgate-outside-{}", name.get(24..).unwrap_or_default()));
        fs::create_dir(&folder).map_err(system)?;
        let service = TcpListener::bind(("127.0.0.1", 0)).map_err(system)?;
        let outside = Self { folder, service };
        for file in ["secret", "truncated"] {
            fs::write(outside.folder.join(file), "nobody else's business").map_err(system)?;
        }
        Ok(outside)
    }

    fn targets(&self, setup: &Setup) -> Result<Targets, Failure> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(system);
        Ok(Targets {
            secret: self.folder.join("secret"),
            folder: self.folder.clone(),
            own_folder: setup.folder().to_owned(),
            service: address(&self.service)?,
            // Free again at the end of this line.
            free_port: address(&TcpListener::bind(("127.0.0.1", 0)).map_err(system)?)?,
            process: i32::try_from(std::process::id()).map_err(|_| bad_news("this process has no id"))?,
        })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // The system empties its temporary folder some day.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write_mode(setup: &Setup, mode: Seccomp) -> std::io::Result<()> {
    let (enabled, mode) = match mode {
        Seccomp::Off => ("False", "enforce"),
        Seccomp::Log => ("True", "log"),
        Seccomp::Enforce => ("True", "enforce"),
    };
    let file = setup.path(GATEWAY_FILE);
    let text = fs::read_to_string(&file)?;
    // A certain port, since with any port listening is not restricted.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let text = text.replace("\nport = 0\n", &format!("\nport = {port}\n"));
    fs::write(file, format!("{text}\n[seccomp]\nenabled = {enabled}\nmode = {mode}\n"))
}

fn start_gateway(setup: &Setup) -> Result<(Child, BufReader<ChildStdout>, Greeting), Failure> {
    let log = setup.path("daemon.log");
    let file = fs::File::create(&log).map_err(system)?;
    let mut gateway = Command::new(std::env::current_exe().map_err(system)?)
        .args(["sandbox-test", "--inside", "--config"])
        .arg(setup.folder())
        // Whoever runs the test may have systemd's variables; the gateway is not to speak to it.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM")
        .env_remove("STATE_DIRECTORY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(file))
        .spawn()
        .map_err(system)?;
    let output = gateway.stdout.take().ok_or_else(|| bad_news("the gateway has no output"))?;
    let mut answers = BufReader::new(output);
    let mut line = String::new();
    answers.read_line(&mut line).map_err(system)?;
    match serde_json::from_str(&line) {
        Ok(greeting) => Ok((gateway, answers, greeting)),
        Err(_) => {
            let _ = gateway.kill();
            let _ = gateway.wait();
            let said = fs::read_to_string(&log).unwrap_or_default();
            Err(Failure::new(Exit::Unavailable, format!("the gateway does not start. It says:\n{said}")))
        }
    }
}

fn until(otherwise: &str, mut condition: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > deadline {
            return Err(bad_news(otherwise));
        }
        std::thread::sleep(INTERVAL);
    }
    Ok(())
}

fn system(error: std::io::Error) -> Failure {
    Failure::new(Exit::System, format!("the system refuses: {error}"))
}

fn bad_news(finding: impl Into<String>) -> Failure {
    Failure::new(Exit::Negative, finding)
}
