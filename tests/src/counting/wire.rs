//! HTTP/1.1 by hand, as far as a target needs it: whole requests in, whole answers out, and, for the faults, answers
//! that stop in the middle. A library that keeps to the protocol could not do the last.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

/// The most bytes a head may have, and the most headers.
const MOST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 100;
/// The most bytes a body may have.
const MOST_BODY: usize = 16 << 20;

/// A request, whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// The method in capitals.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent, without the `?`.
    pub query: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The first header of this name (in small letters).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        url::form_urlencoded::parse(self.query.as_bytes()).find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// An answer before it is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    /// Of JSON that is text already.
    pub fn text(status: u16, body: String) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), "application/scim+json".to_owned())], body }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn head(&self, framing: &str) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(framing);
        head.push_str("\r\n\r\n");
        head
    }

    /// The bytes of it, and how many of them are the head.
    fn bytes(&self) -> (Vec<u8>, usize) {
        let mut bytes = self.head(&format!("content-length: {}", self.body.len())).into_bytes();
        let head = bytes.len();
        bytes.extend_from_slice(self.body.as_bytes());
        (bytes, head)
    }
}

/// How much of an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// Half of the head.
    HalfTheHead,
    /// The head and half of the body that it promises.
    HalfTheBody,
    /// The head, and then a body until nobody takes it any more.
    Endless,
}

/// Sends an answer, as far as it goes.
///
/// # Errors
/// The other side is gone.
pub(super) fn send(mut stream: &TcpStream, answer: &Answer, extent: Extent) -> std::io::Result<()> {
    let (bytes, head) = answer.bytes();
    match extent {
        Extent::Whole => stream.write_all(&bytes),
        Extent::HalfTheHead => stream.write_all(&bytes[..head / 2]),
        Extent::HalfTheBody => stream.write_all(&bytes[..head + answer.body.len() / 2]),
        Extent::Endless => {
            stream.write_all(answer.head("transfer-encoding: chunked").as_bytes())?;
            let chunk = format!("{:x}\r\n{}\r\n", 16 << 10, " ".repeat(16 << 10));
            loop {
                stream.write_all(chunk.as_bytes())?;
            }
        }
    }
}

/// Reads the next request; none if the other side has closed the connection between two of them.
///
/// # Errors
/// What came is no request, or the connection broke in the middle of one.
pub(super) fn receive(reader: &mut BufReader<TcpStream>) -> Result<Option<Asked>> {
    let Some(head) = head(reader)? else { return Ok(None) };
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&head).context("the head of a request")?;
    let (path, query) =
        parsed.path.unwrap_or_default().split_once('?').unwrap_or((parsed.path.unwrap_or_default(), ""));
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut asked = Asked {
        method: parsed.method.unwrap_or_default().to_ascii_uppercase(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: parsed.headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect(),
        body: String::new(),
    };
    if asked.header("expect").is_some() {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").context("going on")?;
    }
    asked.body = text(&body(reader, &asked)?);
    Ok(Some(asked))
}

fn head(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        match reader.read_until(b'\n', &mut head) {
            Ok(0) if head.is_empty() => return Ok(None),
            Err(error) if head.is_empty() && error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Ok(0) => bail!("the connection ended in the head of a request"),
            Err(error) => return Err(error).context("the head of a request"),
            Ok(_) if head.len() > MOST_HEAD => bail!("the head of a request is too large"),
            Ok(_) if head[before..] == *b"\r\n" => return Ok(Some(head)),
            Ok(_) => {}
        }
    }
}

fn body(reader: &mut impl BufRead, asked: &Asked) -> Result<Vec<u8>> {
    if asked.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return chunks(reader);
    }
    let length = asked.header("content-length").map_or(Ok(0), |length| length.trim().parse::<usize>());
    exactly(reader, length.context("content-length")?)
}

fn exactly(reader: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    if length > MOST_BODY {
        bail!("a body of {length} bytes is too large");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).context("the body of a request")?;
    Ok(body)
}

fn chunks(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).context("a chunk of a request")?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).with_context(|| format!("the size of a chunk, {line:?}"))?;
        body.extend(exactly(reader, size)?);
        // What ends a chunk; after the last one there may be trailers, which end with an empty line.
        let mut end = String::new();
        while reader.read_line(&mut end).context("the end of a chunk")? > 2 && size == 0 {
            end.clear();
        }
        if size == 0 {
            return Ok(body);
        }
        if body.len() > MOST_BODY {
            bail!("a chunked body is too large");
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Precondition Failed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
