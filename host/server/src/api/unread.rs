//! What becomes of a body that nobody reads to its end, because the call is refused before: it is read and thrown
//! away, so that who is still sending gets to read the answer. It never holds up the answer, and never reads on
//! without a bound.

use super::UPLOAD;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;

/// The longest that is read on.
const LONGEST: Duration = Duration::from_secs(10);

/// A connection that is closed with something unread in it is reset, and an answer on its way is lost with it (RFC
/// 9112 section 9.6).
pub(super) async fn throw_away(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // Who waits for a word before sending the body (RFC 9110 section 10.1.1) sends none without it.
    let sent = !parts.headers.contains_key(header::EXPECT);
    let body = Body::new(ReadOn { body, sent });
    next.run(Request::from_parts(parts, body)).await
}

/// A body that is read on when it is dropped.
struct ReadOn {
    body: Body,
    /// Whether there is more to come, as far as is known.
    sent: bool,
}

impl HttpBody for ReadOn {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.sent = !matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReadOn {
    fn drop(&mut self) {
        if !self.sent || self.body.is_end_stream() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let body = std::mem::take(&mut self.body);
        runtime.spawn(tokio::time::timeout(LONGEST, read_on(body)));
    }
}

async fn read_on(body: Body) {
    let mut pieces = body.into_data_stream();
    let mut left = UPLOAD;
    while let Some(Ok(piece)) = pieces.next().await {
        let Some(less) = left.checked_sub(piece.len()) else { return };
        left = less;
    }
}
