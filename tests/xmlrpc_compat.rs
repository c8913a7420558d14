//! Clients that must work unchanged, against a real server: Python, curl, Perl, PHP, Ruby.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail, its helpers too"
)]

mod support;

use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use smsgate::{
    config::Config,
    model::{Health, HealthLevel, OutgoingState},
    rpc::{
        Answer, Caller, Connection, Limits,
        wire::{Call, Value, write_response},
    },
};
use support::{Gateway, run};

async fn with_messages() -> Gateway {
    let gateway = Gateway::start().await;
    gateway.receive("one").await;
    gateway.receive("two \u{1f600}").await;
    gateway
}

fn script(gateway: &Gateway, program: &str, file: &str) -> Command {
    let mut command = gateway.client(program);
    command.arg(file);
    command
}

fn python(gateway: &Gateway, code: &str) -> Command {
    const PRELUDE: &str = "import os, ssl, sys, time, xmlrpc.client\n\
        context = ssl.create_default_context(cafile=os.environ['SMSGATE_CA'])\n\
        gateway = xmlrpc.client.ServerProxy(os.environ['SMSGATE_URL'], context=context)\n";
    let mut command = gateway.client("python3");
    command.arg("-c").arg(format!("{PRELUDE}{code}"));
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_calls_every_method() {
    let gateway = with_messages().await;
    run(script(&gateway, "python3", "client.py"), "python3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn perl_guesses_types() {
    let gateway = with_messages().await;
    run(script(&gateway, "perl", "client.pl"), "librpc-xml-perl liblwp-protocol-https-perl").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn perl_with_frontier() {
    let gateway = with_messages().await;
    run(script(&gateway, "perl", "frontier.pl"), "libfrontier-rpc-perl liblwp-protocol-https-perl").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_declares_iso_8859_1() {
    let gateway = with_messages().await;
    run(script(&gateway, "php", "client.php"), "php-cli php-curl php-xml").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_keeps_its_connection() {
    let gateway = with_messages().await;
    run(script(&gateway, "ruby", "client.rb"), "ruby-xmlrpc").await;
}

fn curl(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = gateway.client("curl");
    command.args(["--silent", "--show-error", "--cacert"]).arg(&gateway.ca).args(arguments);
    command.arg(format!("https://localhost:{}/", gateway.address.port()));
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_sees_upstreams_octets_and_plain_refusals() {
    let gateway = Gateway::start().await;
    let call =
        "<methodCall><methodName>get_stats</methodName><params><param><value>bad</value></param></params></methodCall>";
    let answer = run(curl(&gateway, &["--include", "--data", call]), "curl").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.to_lowercase().contains("content-type: text/xml; charset=utf-8"), "{head}");
    assert_eq!(
        body,
        "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n\
         <value><int>401</int></value>\n</member>\n<member>\n<name>faultString</name>\n\
         <value><string>Invalid API token.</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n"
    );
    let large = format!("@{}", gateway.folder().join("large").display());
    std::fs::write(gateway.folder().join("large"), vec![b'a'; 300_000]).unwrap();
    let code = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    for (arguments, status) in [
        (&["--include"][..], "405"),
        (&["--data", "x", "--request", "PUT"], "405"),
        (&["--data", call, "--header", "Transfer-Encoding: chunked"], "400"),
        (&["--data", call, "--header", "Transfer-Encoding: chunked", "--header", "Content-Length: 3"], "400"),
        (&["--data", call, "--header", &format!("X-Long: {}", "a".repeat(9000))], "431"),
        (&["--data-binary", &large], "413"),
        (&["--data", "no xml"], "200"),
    ] {
        let seen = run(curl(&gateway, &[&code, arguments].concat()), "curl").await;
        assert_eq!(seen, status, "{arguments:?}");
    }
    let mut api = curl(&gateway, &code);
    api.args(["--data", call, "--next", "--silent", "--cacert"]).arg(&gateway.ca);
    api.args(["--write-out", "%{http_code}", "--output", "/dev/null", "--data", call]);
    api.arg(format!("https://localhost:{}/api/v1", gateway.address.port()));
    assert_eq!(run(api, "curl").await, "200404");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_tls_1_2_and_1_3() {
    let gateway = Gateway::start().await;
    for (version, fits) in [("1.0", false), ("1.1", false), ("1.2", true), ("1.3", true)] {
        let floor = format!("--tlsv{version}");
        let mut command =
            curl(&gateway, &[&floor, "--tls-max", version, "--ciphers", "DEFAULT@SECLEVEL=0", "--data", "x"]);
        let output = tokio::task::spawn_blocking(move || command.output().expect("curl")).await.unwrap();
        assert_eq!(output.status.success(), fits, "{version}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_functions_come_before_the_token() {
    let gateway = Gateway::start_with(Limits::default(), |api| {
        api.enable_send_sms = false;
        api.enable_send_ussd = false;
    })
    .await;
    let code = "for call in (lambda: gateway.send_sms('bad', '', 'bad', '', False), lambda: gateway.send_ussd('bad', 'bad', 'bad')):\n\
        \ttry:\n\t\tcall()\n\texcept xmlrpc.client.Fault as fault:\n\
        \t\tassert (fault.faultCode, fault.faultString) == (405, 'This API function is not enabled.'), fault\n\
        \telse:\n\t\tsys.exit('no fault')\n";
    run(python(&gateway, code), "python3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_read_from_what_was_judged_before() {
    let gateway = Gateway::start().await;
    gateway.health.send_replace(Health::of(HealthLevel::Critical, "Mail: 535 no"));
    let seen = run(python(&gateway, "print(gateway.get_health_state('tok-health'))"), "python3").await;
    assert_eq!(seen.trim(), "['CRITICAL', 'Mail: 535 no']");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_sms_returns_with_the_message() {
    let gateway = Gateway::start().await;
    let mut client = python(
        &gateway,
        "print('ready', flush=True)\nfound = gateway.wait_sms('tok-00', '', 60, '')\nassert [m['text'] for m in found] == ['late'], found\n",
    );
    let mut child = client.stdout(Stdio::piped()).spawn().expect("python3");
    let stdout = child.stdout.take().unwrap();
    let ready = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).map(|_| line)
    });
    assert_eq!(ready.await.unwrap().unwrap().trim(), "ready");
    let start = Instant::now();
    gateway.receive("late").await;
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert!(status.success());
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_ends_waiting_calls_with_an_answer() {
    let mut gateway = Gateway::start().await;
    let (connection, _lifeline) = Connection::open(Ipv4Addr::LOCALHOST.into());
    let caller = Caller { connection, stopping: gateway.stop.clone() };
    let params = vec![Value::string("tok-00"), Value::string(""), Value::int(60), Value::string("")];
    let waiting = gateway.methods.call(&caller, Call { method: "wait_sms".into(), params });
    let stopped = async { tokio::join!(waiting, async { gateway.stop.cancel() }) };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("an answer at once");
    assert_eq!(answer.map(Answer::into_document), Ok(write_response(&Value::Array(vec![]))));
    tokio::time::timeout(Duration::from_secs(5), &mut gateway.server).await.expect("a quick end").unwrap();
}

#[tokio::test]
async fn a_waiting_call_ends_when_the_configuration_changes_and_its_token_is_checked_again() {
    let gateway = Gateway::start().await;
    let (connection, _lifeline) = Connection::open(Ipv4Addr::LOCALHOST.into());
    let caller = Caller { connection, stopping: gateway.stop.clone() };
    let call = || {
        let params = vec![Value::string("tok-00"), Value::string(""), Value::int(60), Value::string("")];
        gateway.methods.call(&caller, Call { method: "wait_sms".into(), params })
    };
    let configure = async {
        let mut config = Config::clone(&gateway.configure.borrow());
        config.gateway.api.token_get_sms.clear();
        gateway.configure.send_replace(Arc::new(config));
        gateway.receive("not for them").await;
    };
    let both = async { tokio::join!(call(), configure) };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(5), both).await.expect("an answer at once");
    assert_eq!(answer.map(Answer::into_document), Ok(write_response(&Value::Array(vec![]))));
    assert_eq!(call().await.unwrap_err().code, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_used_without_a_restart() {
    let gateway = Gateway::start().await;
    run(python(&gateway, "assert gateway.ping() == 'OK'"), "python3").await;
    gateway.renew_certificate();
    let refused = "try:\n\tgateway.ping()\nexcept ssl.SSLError:\n\tpass\nelse:\n\tsys.exit('trusted')\n";
    run(python(&gateway, refused), "python3").await;
    gateway.reload_certificate();
    run(python(&gateway, "assert gateway.ping() == 'OK'"), "python3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_message_is_in_the_store() {
    let gateway = Gateway::start().await;
    let code = "print(gateway.send_sms('tok-send', '+491760000001', '+491701234567', 'text', True))";
    let id = run(python(&gateway, code), "python3").await;
    let id = smsgate::model::MessageId::parse(&id).expect("an id");
    let message = gateway.store.outgoing(id).await.unwrap().expect("a row");
    assert_eq!((message.state, message.flash, message.text.as_str()), (OutgoingState::Queued, true, "text"));
}
