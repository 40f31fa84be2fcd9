//! What the host does for a call while it runs: its requests, and the connections they go over. It is done on the
//! call's own thread, so that it counts as the call's computing, gives way when the call does, and ends when it ends.
//! It never runs the guest.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

type Chore = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where chores are handed in.
#[derive(Clone)]
pub(crate) struct Errands(mpsc::UnboundedSender<Chore>);

/// The chores of one call. As many as it has requests under way, which its handles bound.
pub(crate) struct Chores {
    new: mpsc::UnboundedReceiver<Chore>,
    running: FuturesUnordered<Chore>,
}

pub(crate) fn chores() -> (Errands, Chores) {
    let (sender, new) = mpsc::unbounded_channel();
    (Errands(sender), Chores { new, running: FuturesUnordered::new() })
}

impl Errands {
    /// Has something done on the call's thread. None if the call is over; it is dropped when nobody waits for it.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (mut tell, told) = oneshot::channel();
        let chore = async move {
            tokio::select! {
                biased;
                () = tell.closed() => {}
                done = work => drop(tell.send(done)),
            }
        };
        self.0.send(Box::pin(chore)).ok()?;
        told.await.ok()
    }
}

impl Chores {
    /// Goes on with all of them; whoever polls is woken when there is more to do.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some(chore)) = self.new.poll_recv(context) {
            self.running.push(chore);
        }
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A call as far as its chores go.
    async fn on_their_own(mut chores: Chores, call: impl Future<Output = ()>) {
        let mut call = std::pin::pin!(call);
        std::future::poll_fn(|context| {
            chores.poll(context);
            call.as_mut().poll(context)
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn chores_are_done_on_the_thread_of_the_call_whoever_asks_for_them() {
        let (errands, chores) = chores();
        let own = std::thread::current().id();
        let asked = tokio::spawn(async move {
            let first = errands.run(async { std::thread::current().id() }).await;
            (first, errands.run(async { 7 }).await)
        });
        // The test's own future stays on its thread.
        on_their_own(chores, async { assert_eq!(asked.await.unwrap(), (Some(own), Some(7))) }).await;
    }

    #[tokio::test]
    async fn a_chore_ends_with_its_call_and_is_dropped_when_nobody_waits_for_it() {
        let (errands, chores) = chores();
        let (held, mut dropped) = mpsc::channel::<()>(1);
        {
            let waited = errands.run(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
            let call = async {
                tokio::select! { biased; _ = waited => panic!("it never ends"), () = tokio::task::yield_now() => {} }
                assert_eq!(dropped.recv().await, None, "and the call goes on");
            };
            on_their_own(chores, call).await;
        }
        assert_eq!(errands.run(async { 7 }).await, None);
    }
}
