//! A target on loopback: it notes what it was asked and answers by the path.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// What the target was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A running target.
pub struct Target {
    pub origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<u32>>,
}

impl Target {
    pub async fn start() -> Self {
        Self::listen(None).await
    }

    /// With TLS; the origin is still that of the address, which no certificate is for.
    pub async fn start_tls(config: rustls::ServerConfig) -> Self {
        Self::listen(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let connections: Arc<Mutex<u32>> = Arc::default();
        let (notes, count) = (asked.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let notes = notes.clone();
                match tls.clone() {
                    None => drop(tokio::spawn(serve(stream, notes))),
                    Some(tls) => drop(tokio::spawn(async move {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, notes).await;
                        }
                    })),
                }
            }
        });
        Self { origin, asked, connections }
    }

    /// One that takes connections and never says anything; its origin.
    pub async fn silent() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok(connection) = listener.accept().await {
                taken.push(connection);
            }
        });
        origin
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, notes: Arc<Mutex<Vec<Asked>>>) {
    let service = service_fn(move |request| answer(request, notes.clone()));
    // A guest that goes away in the middle is no fault of the target's.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, notes: Arc<Mutex<Vec<Asked>>>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    notes.lock().unwrap().push(Asked {
        line: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let sent = parts.headers.get("authorization").map(text).unwrap_or_default();
    let secret = sent.trim_start_matches("Bearer ").to_owned();
    let plain = |text: String| Full::new(Bytes::from(text)).boxed();
    let response = Response::builder().header("etag", "\"1\"").header("set-cookie", "a=b");
    let response = match parts.uri.path() {
        "/redirect" => response.status(302).header("location", "http://elsewhere.example/").body(plain("moved".into())),
        "/created" => response.status(201).header("location", "/Users/1").body(plain("made".into())),
        "/reflect-header" => response.header("x-echo", secret).body(plain("ok".into())),
        "/reflect-body" => response.body(plain(format!("you sent {secret}"))),
        "/reflect-in-pieces" => response.body(in_pieces(&secret)),
        "/large-header" => response.header("x-large", "x".repeat(100 << 10)).body(plain("ok".into())),
        "/gzip" => response.header("content-encoding", "gzip").body(plain("not really".into())),
        "/large" => response.body(plain("x".repeat(2 << 20))),
        "/endless" => response.body(endless()),
        "/silent" => std::future::pending().await,
        path if path.starts_with("/bytes/") => response.body(plain("x".repeat(number(path)))),
        path if path.starts_with("/header-bytes/") => {
            response.header("x-large", "x".repeat(number(path))).body(plain("ok".into()))
        }
        path if path.starts_with("/pause/") => {
            tokio::time::sleep(Duration::from_millis(number(path) as u64)).await;
            response.body(plain("ok".into()))
        }
        path if path.starts_with("/drip/") => response.body(dripping(Duration::from_millis(number(path) as u64))),
        "/missing" => response.status(404).body(plain("no such user".into())),
        _ => response.body(plain("ok".into())),
    };
    Ok(response.unwrap())
}

/// One byte a frame, so that no single frame holds the secret.
fn in_pieces(text: &str) -> Body {
    let frames: Vec<_> = text.bytes().map(|byte| Ok(Frame::data(Bytes::copy_from_slice(&[byte])))).collect();
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

/// The number at the end of a path.
fn number(path: &str) -> usize {
    path.rsplit('/').next().unwrap_or_default().parse().unwrap()
}

/// Three bytes, with a pause before each but the first.
fn dripping(pause: Duration) -> Body {
    let frames = futures_util::stream::unfold(0, move |sent| async move {
        if sent > 0 {
            tokio::time::sleep(pause).await;
        }
        (sent < 3).then(|| (Ok(Frame::data(Bytes::from_static(b"x"))), sent + 1))
    });
    StreamBody::new(frames).boxed()
}

fn endless() -> Body {
    let chunk = || Ok(Frame::data(Bytes::from(vec![b'x'; 64 << 10])));
    StreamBody::new(futures_util::stream::repeat_with(chunk)).boxed()
}

/// A target that answers one request with these very bytes; its origin.
pub async fn canned(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await.unwrap() > 0 {}
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    origin
}
