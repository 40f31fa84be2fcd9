//! The way out of a component: `wasi:http/outgoing-handler`, behind which stands the host's egress gate.

use crate::{Method, Request, Response, Transport, TransportError};
use std::io::{Read, Write};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method as WasiMethod, OutgoingBody,
    OutgoingRequest, Scheme,
};

pub(super) struct WasiHttp;

impl Transport for WasiHttp {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let (outgoing, body) = outgoing(request)?;
        // The body is written after the request is on its way: what is written before that has nowhere to go.
        let answer = handle(outgoing, None).map_err(error)?;
        write_body(body, request.body.as_deref().unwrap_or_default());
        response(&wait_for(&answer).map_err(error)?)
    }
}

fn outgoing(request: &Request) -> Result<(OutgoingRequest, OutgoingBody), TransportError> {
    let refused = |what: &str| TransportError::Refused(format!("the request cannot be sent: {what}"));
    let mut headers: Vec<(String, Vec<u8>)> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    if let Some(body) = &request.body {
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    let fields = Fields::from_list(&headers).map_err(|_| refused("a header is refused"))?;
    let outgoing = OutgoingRequest::new(fields);
    let scheme = if request.url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
    outgoing.set_method(&method(request.method)).map_err(|()| refused("its method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| refused("its scheme"))?;
    outgoing.set_authority(Some(request.url.authority())).map_err(|()| refused("its host"))?;
    outgoing.set_path_with_query(Some(&request.url.path_and_query())).map_err(|()| refused("its path"))?;
    let body = outgoing.body().map_err(|()| refused("its body"))?;
    Ok((outgoing, body))
}

fn method(method: Method) -> WasiMethod {
    match method {
        Method::Get => WasiMethod::Get,
        Method::Head => WasiMethod::Head,
        Method::Post => WasiMethod::Post,
        Method::Put => WasiMethod::Put,
        Method::Patch => WasiMethod::Patch,
        Method::Delete => WasiMethod::Delete,
        Method::Options => WasiMethod::Options,
    }
}

/// Writes the body and ends it. What goes wrong here shows in the answer, or in its absence: a target that answers
/// before it has read everything has answered all the same.
fn write_body(body: OutgoingBody, bytes: &[u8]) {
    if !bytes.is_empty()
        && let Ok(mut stream) = body.write()
    {
        // Ended in any case: the host must not wait for more.
        let _ = stream.write_all(bytes).and_then(|()| Write::flush(&mut stream));
    }
    let _ = OutgoingBody::finish(body, None);
}

fn wait_for(answer: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(answer)) => answer,
        _ => Err(ErrorCode::InternalError(Some("the host gave no answer".to_owned()))),
    }
}

fn response(answer: &IncomingResponse) -> Result<Response, TransportError> {
    let broken = |why: String| TransportError::Unreachable(format!("the answer broke off: {why}"));
    let headers = answer.headers().entries();
    let headers = headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
    let incoming = answer.consume().map_err(|()| broken("it has no body".to_owned()))?;
    let mut stream = incoming.stream().map_err(|()| broken("its body cannot be read".to_owned()))?;
    let mut body = Vec::new();
    stream.read_to_end(&mut body).map_err(|why| broken(why.to_string()))?;
    drop(stream);
    drop(IncomingBody::finish(incoming));
    Ok(Response { status: answer.status(), headers: headers.collect(), body })
}

fn error(code: ErrorCode) -> TransportError {
    match code {
        ErrorCode::HttpRequestDenied => {
            TransportError::Denied("refused by the egress gate; the host has recorded which rule did".to_owned())
        }
        ErrorCode::DestinationIpProhibited => {
            TransportError::Denied("its name leads to an address that is not granted".to_owned())
        }
        ErrorCode::HttpResponseBodySize(_) | ErrorCode::HttpResponseHeaderSectionSize(_) => {
            TransportError::Refused("the answer is larger than the host takes".to_owned())
        }
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_) => {
            TransportError::Refused("the host does not take a request of this shape or size".to_owned())
        }
        ErrorCode::InternalError(Some(why)) => TransportError::Unreachable(why),
        other => TransportError::Unreachable(unreachable(&other).to_owned()),
    }
}

fn unreachable(code: &ErrorCode) -> &'static str {
    match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => "its name is not known",
        ErrorCode::ConnectionRefused => "the connection was refused",
        ErrorCode::ConnectionTerminated => "the connection was broken off",
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => "it cannot be reached",
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => "it did not answer in time",
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => "no secure connection could be made",
        ErrorCode::TlsCertificateError => "its certificate is not trusted",
        ErrorCode::HttpResponseIncomplete => "the answer broke off",
        _ => "it did not answer as HTTP asks",
    }
}
