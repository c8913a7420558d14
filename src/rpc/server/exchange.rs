//! One connection: TLS, then HTTP/1.1 requests one after the other, each an XML-RPC call.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        connection::Connection,
        fault,
        methods::{Answer, Caller, Methods},
        wire::{self, parse_call, write_fault},
    },
    Limits,
    deadline::{Deadline, Watched},
    places::Progress,
};

/// Longest request header, in octets (hyper's smallest buffer).
const HEADER: usize = 8192;

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    tls: Arc<rustls::ServerConfig>,
    methods: Methods,
    limits: Limits,
    stopping: CancellationToken,
    progress: Arc<Progress>,
) {
    let (connection, _lifeline) = Connection::open(peer);
    let handshake = tokio::time::timeout(limits.handshake, TlsAcceptor::from(tls).accept(stream));
    let stream = tokio::select! {
        () = stopping.cancelled() => return,
        done = handshake => match done {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "TLS handshake failed");
                return;
            }
            Err(_) => {
                tracing::debug!(%peer, "TLS handshake took too long");
                return;
            }
        },
    };

    let deadline = Deadline::new(limits);
    let caller = Arc::new(Caller { connection, stopping: stopping.clone() });
    let service = service_fn(|request| {
        let (caller, methods) = (Arc::clone(&caller), methods.clone());
        let (deadline, progress) = (deadline.clone(), Arc::clone(&progress));
        async move {
            let _busy = deadline.busy();
            Ok::<_, Infallible>(respond(request, &caller, &methods, limits, &progress).await)
        }
    });
    let mut http = http1::Builder::new();
    // The connection's own deadline covers this one.
    http.header_read_timeout(None).max_buf_size(HEADER);
    let serving = http.serve_connection(TokioIo::new(Watched::new(stream, deadline.clone())), service);
    tokio::pin!(serving);
    let passed = deadline.passed();
    tokio::pin!(passed);
    let mut told = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection broke");
                }
                return;
            }
            () = passed.as_mut() => {
                tracing::debug!(%peer, "connection was too slow");
                return;
            }
            () = stopping.cancelled(), if !told => {
                told = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn respond(
    request: Request<Incoming>,
    caller: &Caller,
    methods: &Methods,
    limits: Limits,
    progress: &Arc<Progress>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return refuse(StatusCode::NOT_FOUND, "Nothing here.\n");
    }
    if request.method() != Method::POST {
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "This is an XML-RPC interface: use POST.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    // hyper drops the Content-Length beside it, so the two together, which smuggle requests through proxies, cannot be
    // told from this one alone; no XML-RPC client sends it.
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return refuse(StatusCode::BAD_REQUEST, "Send a Content-Length, no Transfer-Encoding.\n");
    }
    let most = wire::Limits::REQUEST.body;
    if request.body().size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.\n");
    }
    let body = match tokio::time::timeout(limits.body, Limited::new(request.into_body(), most).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.\n");
        }
        Ok(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "The request broke off.\n"),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "The request came too slowly.\n"),
    };
    let _working = progress.working();
    let answer = match parse_call(&body, wire::Limits::REQUEST) {
        Ok(call) => methods.call(caller, call).await,
        Err(error) => Err(fault::unreadable(&error)),
    };
    let document = answer.map_or_else(|fault| write_fault(&fault), Answer::into_document);
    with_type(StatusCode::OK, "text/xml; charset=utf-8", document.into())
}

/// An answer below XML-RPC; the connection ends with it, since what the peer sends next cannot be trusted to be a request.
fn refuse(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = with_type(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
