//! The socket itself, with a pool without modems.

use std::io::{BufRead as _, BufReader, Write as _};

use tempfile::TempDir;

use super::*;
use crate::{
    control::{Client, ClientError},
    store::Options,
};

struct Bench {
    path: PathBuf,
    cancel: CancellationToken,
    _folder: TempDir,
}

fn serve() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
    let store = Store::open(&folder.path().join("smsgate.db"), options).unwrap();
    let path = folder.path().join("control.sock");
    // What a killed daemon left.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listening = Listening::bind(&path).unwrap();
    let cancel = CancellationToken::new();
    let backends = Backends { pool: Pool::default(), store, taps: Taps::default() };
    tokio::spawn(listening.serve(backends, cancel.clone()));
    Bench { path, cancel, _folder: folder }
}

/// What comes back for some octets, until the daemon ends the connection or a line is whole.
async fn answer(path: &Path, octets: Vec<u8>) -> String {
    let path = path.to_owned();
    let work = move || {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream.write_all(&octets).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_is_private_and_goes_with_its_owner() {
    let bench = serve();
    assert_eq!(fs::metadata(&bench.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(answer(&bench.path, b"{\"do\":\"sim_list\"}\n".to_vec()).await, "{\"is\":\"sims\",\"cards\":[]}\n");
    bench.cancel.cancel();
    while bench.path.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_told_so() {
    let bench = serve();
    let mut long = vec![b' '; LONGEST_REQUEST];
    long.push(b'\n');
    for (octets, part) in [
        (b"{}\n".to_vec(), "cannot be read"),
        (long, "too long"),
        (b"{\"do\":\"sim_accept\",\"slot\":\"07\"}\n".to_vec(), "no slot `07`"),
        (b"{\"do\":\"trace\",\"slot\":\"07\",\"seconds\":1}\n".to_vec(), "no slot `07`"),
    ] {
        let found = answer(&bench.path, octets).await;
        assert!(found.contains("\"is\":\"error\"") && found.contains(part), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifth_connection_is_turned_away_until_another_ends() {
    let bench = serve();
    let path = bench.path.clone();
    let work = move || {
        let connect = || Client::connect(&path).unwrap();
        let mut held: Vec<Client> = (0..MOST).map(|_| connect()).collect();
        // Each of them has been given its place once it is answered.
        for client in &mut held {
            client.ask(&Request::SimList).unwrap();
        }
        let Err(ClientError::Refused(text)) = connect().ask(&Request::SimList) else { panic!("not refused") };
        assert!(text.contains("too many"), "{text}");
        held.pop();
        while connect().ask(&Request::SimList).is_err() {}
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go() {
    let bench = serve();
    let mut stream = UnixStream::connect(&bench.path).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("no request came"), "{said}");
}
