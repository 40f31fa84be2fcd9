//! A target that gives back what it is sent, in every way it can, and a collector of traces that keeps what it gets.
#![allow(missing_docs)]

use crate::search::{hex, percent, standard_base64};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The ways to reflect, each a path. `/own` reflects only what the connector itself sent.
pub const PATHS: [&str; 17] = [
    "/plain",
    "/json",
    "/base64",
    "/base64-1",
    "/base64-2",
    "/hex",
    "/percent",
    "/reversed",
    "/header",
    "/location",
    "/error",
    "/cookie",
    "/gzip",
    "/split",
    "/reason",
    "/trailer",
    "/own",
];

/// The target.
pub struct Mirror {
    url: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

struct Asked {
    path: String,
    /// The header section, the credential in it.
    head: String,
    /// What the credential's header says, decoded where it is `Basic`.
    secret: String,
    body: Vec<u8>,
}

impl Mirror {
    pub fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let url = serve(move |asked| {
            let mut kept = kept.lock().unwrap();
            kept.extend_from_slice(asked.head.as_bytes());
            kept.extend_from_slice(asked.secret.as_bytes());
            kept.extend_from_slice(&asked.body);
            reflect(asked)
        });
        Self { url, seen }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn saw(&self, text: &str) -> bool {
        memchr::memmem::find(&self.seen.lock().unwrap(), text.as_bytes()).is_some()
            || memchr::memmem::find(&self.seen.lock().unwrap(), standard_base64(text.as_bytes()).as_bytes()).is_some()
            || memchr::memmem::find(&self.seen.lock().unwrap(), format!("{text:?}").trim_matches('"').as_bytes())
                .is_some()
    }
}

fn reflect(asked: &Asked) -> Vec<u8> {
    let (head, secret) = (&asked.head, &asked.secret);
    let answer = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
            .into_bytes()
    };
    let ok = |body: &str| answer("200 OK", "", body);
    match asked.path.as_str() {
        "/json" => ok(&serde_json::json!({"headers": head, "secret": secret}).to_string()),
        "/base64" => ok(&standard_base64(head.as_bytes())),
        "/base64-1" => ok(&standard_base64(format!("x{secret}").as_bytes())),
        "/base64-2" => ok(&standard_base64(format!("xy{secret}").as_bytes())),
        "/hex" => ok(&hex(format!("{head}{secret}").as_bytes())),
        "/percent" => ok(&percent(secret.as_bytes(), |_| false)),
        "/reversed" => ok(&secret.chars().rev().collect::<String>()),
        "/header" => answer("200 OK", &format!("x-echo: {secret}\r\n"), "see the headers"),
        "/location" => {
            let there = percent(secret.as_bytes(), |byte| byte.is_ascii_alphanumeric());
            answer("302 Found", &format!("location: /?token={there}\r\n"), "")
        }
        "/error" => answer("500 Oh", "", &format!("cannot handle {head} of {secret}")),
        "/cookie" => answer("200 OK", &format!("set-cookie: session={secret}\r\n"), "a cookie"),
        "/gzip" => answer("200 OK", "content-encoding: gzip\r\n", secret),
        "/split" => {
            let chunks: String = secret.chars().map(|c| format!("{:x}\r\n{c}\r\n", c.len_utf8())).collect();
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunks}0\r\n\r\n")
                .into_bytes()
        }
        "/reason" => answer(&format!("200 {secret}"), "", "see the reason"),
        "/trailer" => format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-echo\r\nconnection: close\r\n\r\n\
             3\r\nend\r\n0\r\nx-echo: {secret}\r\n\r\n"
        )
        .into_bytes(),
        "/own" => ok(&String::from_utf8_lossy(&asked.body)),
        _ => ok(&format!("{head}\n{secret}")),
    }
}

/// A collector of traces: keeps the bodies as they come.
pub struct Sink {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Sink {
    pub fn start() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = received.clone();
        let url = serve(move |asked| {
            kept.lock().unwrap().extend_from_slice(&asked.body);
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                .to_vec()
        });
        Self { url, received }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                if let Some(asked) = read(&stream) {
                    let _ = (&stream).write_all(&answer(&asked));
                }
            });
        }
    });
    url
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.split('?').next()?.to_owned();
    let (mut head, mut secret, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" | "x-api-key" => secret = decoded(value),
            _ => {}
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, head, secret, body })
}

/// The secret itself, whatever the scheme.
fn decoded(value: &str) -> String {
    match value.split_once(' ') {
        Some(("Basic", encoded)) => from_base64(encoded),
        Some((_, token)) => token.to_owned(),
        None => value.to_owned(),
    }
}

fn from_base64(text: &str) -> String {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(u32::from).collect();
    let mut bytes = Vec::new();
    for chunk in digits.chunks(4) {
        let joined = chunk.iter().fold(0, |joined, digit| joined << 6 | digit) << (6 * (4 - chunk.len()));
        bytes.extend_from_slice(&joined.to_be_bytes()[1..chunk.len()]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
