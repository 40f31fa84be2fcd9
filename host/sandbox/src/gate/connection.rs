//! One connection to a target: the sender that requests are given to, and the line that carries them. The line moves
//! only while somebody waits for something over it, on that one's thread; in between nothing of it runs.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use wasmtime_wasi_http::Error;

/// A connection after its handshake.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) line: Line,
}

/// The bytes of a connection, both ways. Nothing once it has ended.
pub(super) struct Line(Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>);

impl Connection {
    /// The handshake of HTTP over a stream that is connected.
    pub(super) async fn new<S>(builder: &http1::Builder, stream: S) -> Result<Self, Error>
    where
        S: Read + Write + Send + Unpin + 'static,
    {
        let (sender, driver) = builder.handshake(stream).await.map_err(Error::Hyper)?;
        Ok(Self { sender, line: Line(Some(Box::pin(driver))) })
    }

    /// Whether another request can be sent: the answer before was read to its end, and the target has not hung up
    /// since.
    pub(super) fn is_ready(&mut self) -> bool {
        self.line.go_on(&mut Context::from_waker(Waker::noop()));
        self.sender.is_ready() && !self.sender.is_closed()
    }
}

impl Line {
    /// Waits for something that comes over this line.
    pub(super) async fn carry<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            self.go_on(context);
            work.as_mut().poll(context)
        })
        .await
    }

    fn go_on(&mut self, context: &mut Context<'_>) {
        let Some(driver) = &mut self.0 else { return };
        let Poll::Ready(ended) = driver.as_mut().poll(context) else { return };
        self.0 = None;
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}
