//! A request as the settings say: `method`, `url` (or `elsewhere`, if that is set), one `header` (`name: value`), a
//! `body`; `times` of it. Answers with status, headers and body, so that tests see what a guest sees.

use crate::gatehouse::connector::journal;
use crate::misdeeds::often;
use crate::setting;
use crate::types::Failure;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// Sends the request; the last answer as text, or what went wrong as `unavailable`.
pub fn fetch() -> Result<String, Failure> {
    let times = setting("times").parse().unwrap_or(1_u32);
    let mut answer = String::new();
    for done in 1..=times {
        answer = once().map_err(Failure::Unavailable)?;
        journal::progress(done.into(), Some(times.into()));
    }
    Ok(answer)
}

fn once() -> Result<String, String> {
    let elsewhere = setting("elsewhere");
    let url = if elsewhere.is_empty() { setting("url") } else { elsewhere };
    send(&url, &setting("body"))
}

/// Sends one request to this address, with this body: what came back, or why nothing did.
pub fn ask(url: &str, body: &str) -> Result<String, String> {
    send(url, if setting("method").is_empty() { "" } else { body })
}

fn send(url: &str, content: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").ok_or("no url")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers = Fields::new();
    if let Some((name, value)) = setting("header").split_once(": ") {
        let value = if value == "large" { "x".repeat(often(1 << 20)) } else { value.to_owned() };
        headers.append(name, value.as_bytes()).map_err(|error| format!("header: {error:?}"))?;
    }
    let request = OutgoingRequest::new(headers);
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(|()| "path")?;
    request.set_method(&method()).map_err(|()| "method")?;
    let body = request.body().map_err(|()| "body")?;
    let pending = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    match content {
        // A body of any length, out of little.
        "large" => write(body, &vec![b'x'; often(8 << 20)])?,
        text => write(body, text.as_bytes())?,
    }
    pending.subscribe().block();
    let response = pending.get().ok_or("not ready")?.map_err(|()| "taken")?.map_err(|code| format!("{code:?}"))?;
    read(&response)
}

fn method() -> Method {
    match setting("method").as_str() {
        "" | "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    }
}

fn write(body: OutgoingBody, mut bytes: &[u8]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "stream")?;
    while !bytes.is_empty() {
        let chunk = bytes.len().min(4_096);
        stream.blocking_write_and_flush(&bytes[..chunk]).map_err(|error| format!("write: {error:?}"))?;
        bytes = &bytes[chunk..];
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| format!("finish: {code:?}"))
}

fn read(response: &IncomingResponse) -> Result<String, String> {
    let mut text = format!("{}", response.status());
    for (name, value) in response.headers().entries() {
        text.push_str(&format!("\n{name}: {}", String::from_utf8_lossy(&value)));
    }
    text.push_str("\n\n");
    let body = response.consume().map_err(|()| "consume")?;
    let stream = body.stream().map_err(|()| "stream")?;
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => text.push_str(&String::from_utf8_lossy(&chunk)),
            Err(StreamError::Closed) => return Ok(text),
            Err(error) => return Err(format!("read: {error:?}")),
        }
    }
}
