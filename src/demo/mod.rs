//! `smsgate demo`: the whole way of an SMS on one host, without hardware.
//!
//! Four modems of different families made of code behind ptys, a mail server, and the daemon that `smsgate run` runs,
//! with a configuration in a folder. Then either a live view (`view`) or one round that is checked (`round`).

mod commands;
mod live;
pub(crate) mod mailbox;
mod mime;
pub(crate) mod network;
mod round;
pub(crate) mod setup;
pub(crate) mod story;
mod view;

use std::{
    fs, io,
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    cli::{
        Exit, Failure,
        client::{Client, Endpoint},
    },
    config::LogLevel,
    config_files,
    daemon::Daemon,
    emulator::{EmulateArgs, UsbArgs, emulate},
    telemetry, tls,
};
use commands::Commands;
use mailbox::Mailbox;
use network::Network;
use setup::{SIMS, Setup};

/// The emulator's control socket, in the demo's folder.
const SOCKET: &str = "control.sock";
/// Longest a call to the gateway may take.
const CALL_DEADLINE: Duration = Duration::from_secs(15);
/// Longest until the emulator's socket is there.
const EMULATOR_DEADLINE: Duration = Duration::from_secs(10);

/// Flags of `demo`.
#[derive(clap::Args, Clone, Debug)]
pub struct DemoArgs {
    /// Folder for configuration, certificate, tokens, store and log; it stays [default: a temporary one, removed at the
    /// end]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Run until interrupted, also without a terminal, and let a temporary folder stay
    #[arg(long)]
    pub keep: bool,
    /// Play one round and check it, also on a terminal
    #[arg(long)]
    pub round: bool,
}

/// Runs the demo. On a terminal it is a live view, else one round whose outcome decides the exit code.
///
/// # Errors
/// [`Failure`]: something does not start, or an SMS went astray.
pub fn run(args: &DemoArgs, out: &mut impl Write) -> Result<(), Failure> {
    tls::install_provider();
    let setup = Setup::begin(args.dir.as_deref(), args.keep)?;
    let log = setup.path("daemon.log");
    let file = fs::File::create(&log)
        .map_err(|error| Failure::new(Exit::CannotCreate, format!("cannot write {}: {error}", log.display())))?;
    telemetry::start_into(file, LogLevel::Info).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let runtime =
        Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| refused(&error))?;
    let result = runtime.block_on(play(args, setup, out));
    wind_up(runtime);
    result
}

/// Reads of standard input and name look-ups may hang on their threads; nothing waits for them.
fn wind_up(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_millis(100));
}

async fn play(args: &DemoArgs, setup: Setup, out: &mut impl Write) -> Result<(), Failure> {
    let mut interrupted = Interrupt::new()?;
    let live = !args.round && io::stdout().is_terminal();
    let stage = tokio::select! {
        stage = Stage::start(setup) => stage?,
        () = interrupted.wait() => return Err(Failure::new(Exit::Interrupted, "interrupted")),
    };
    let result = if live {
        live::show(&stage, &mut interrupted, out).await
    } else {
        play_unattended(args, &stage, &mut interrupted, out).await
    };
    stage.end().await;
    result
}

async fn play_unattended(
    args: &DemoArgs,
    stage: &Stage,
    interrupted: &mut Interrupt,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if args.round || !args.keep {
        tokio::select! {
            result = round::play(stage, out) => result?,
            () = interrupted.wait() => return Err(Failure::new(Exit::Interrupted, "interrupted")),
        }
    }
    if args.keep {
        writeln!(out, "The gateway runs until it is interrupted. Its folder: {}\n", stage.setup.folder().display())?;
        for line in stage.commands.lines() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        tokio::select! {
            never = live::trickle(stage) => match never? {},
            () = interrupted.wait() => {}
        }
    }
    Ok(())
}

/// Everything that runs.
struct Stage {
    daemon: Daemon,
    mailbox: Mailbox,
    network: Network,
    commands: Commands,
    emulator: JoinHandle<io::Result<()>>,
    sender: Arc<Client>,
    reader: Arc<Client>,
    port: u16,
    // Last, so that the folder goes when nothing uses it any more.
    setup: Setup,
}

impl Stage {
    async fn start(setup: Setup) -> Result<Self, Failure> {
        let (emulator, network) = start_emulator(&setup).await?;
        let (certificate, _) = tls::Reloader::load(&setup.path("cert.pem"), &setup.path("key.pem"), &[])
            .map_err(|error| Failure::new(Exit::System, error.to_string()))?;
        let certificate = Arc::clone(&certificate.subscribe().borrow());
        let (mailbox, mail_address) = Mailbox::start(certificate).await.map_err(|error| refused(&error))?;
        setup.configure(mail_address)?;
        let daemon = start_daemon(&setup).await?;
        let port = daemon.local_addr().port();
        setup.announce(port)?;
        let client = |function| {
            let endpoint = Endpoint { host: "localhost".to_owned(), port, ca: Some(setup.path("ca.pem")) };
            Client::new(endpoint, setup.token(function), CALL_DEADLINE).map(Arc::new)
        };
        let (sender, reader) = (client("send_sms")?, client("get_sms")?);
        let binary = std::env::current_exe().map_err(|error| refused(&error))?;
        let commands = Commands::new(&setup, port, &binary);
        Ok(Self { daemon, mailbox, network, commands, emulator, sender, reader, port, setup })
    }

    async fn end(self) {
        let Self { daemon, emulator, sender, reader, setup, .. } = self;
        daemon.stop().await;
        emulator.abort();
        // Their small runtimes must not be dropped on a thread that runs tasks.
        let dropped = tokio::task::spawn_blocking(move || drop((sender, reader)));
        let _ = dropped.await;
        drop(setup);
    }
}

/// The demo's modems, behind ptys in its folder.
pub(crate) async fn start_emulator(setup: &Setup) -> Result<(JoinHandle<io::Result<()>>, Network), Failure> {
    let socket = setup.path(SOCKET);
    let options = EmulateArgs {
        trace: Vec::new(),
        modems: SIMS.len(),
        dir: Some(setup.path("ports")),
        usb: UsbArgs::default(),
        personality: SIMS.iter().map(|sim| sim.slot.to_owned()).collect(),
        seed: 1,
        control: Some(socket.clone()),
        first_number: SIMS[0].number.to_owned(),
        baud: 0,
        submit_time: 0.0,
        quiet: true,
    };
    let links: Vec<PathBuf> = (0..SIMS.len()).map(|index| setup.path(&format!("ports/modem-{index:02}"))).collect();
    let emulator = tokio::spawn(emulate(options));
    let deadline = Instant::now() + EMULATOR_DEADLINE;
    while !emulator.is_finished() && Instant::now() < deadline {
        if links.iter().all(|link| link.exists())
            && let Ok(network) = Network::connect(&socket).await
        {
            return Ok((emulator, network));
        }
        sleep(Duration::from_millis(10)).await;
    }
    let why = if emulator.is_finished() {
        emulator.await.map_err(io::Error::other).and_then(|result| result).err().map(|error| error.to_string())
    } else {
        None
    };
    let why = why.unwrap_or_else(|| "its ports do not appear".to_owned());
    Err(Failure::new(Exit::System, format!("the virtual modems do not start: {why}")))
}

async fn start_daemon(setup: &Setup) -> Result<Daemon, Failure> {
    let broken = |why: String| Failure::new(Exit::Configuration, why);
    let loaded = config_files::load_folder(setup.folder()).map_err(|error| broken(error.to_string()))?;
    let complaints = loaded.render(false);
    let config = loaded.config.ok_or_else(|| broken(complaints))?;
    Daemon::start(config).await.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))
}

/// The signals that end the demo.
struct Interrupt([tokio::signal::unix::Signal; 3]);

impl Interrupt {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| refused(&error));
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

fn refused(error: &io::Error) -> Failure {
    Failure::new(Exit::System, format!("the system refuses: {error}"))
}
