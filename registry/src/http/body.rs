use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http_body::Body as _;
use tokio::time::{Instant, Sleep};

use super::rate::Rate;
use crate::{
    domain::DomainError,
    store::{BodyError, BodyStream},
};

/// A client that is told no while it is still sending gets this much more of its body taken, and this long, before the
/// connection ends. Were it cut at once, many clients would report a broken pipe instead of the answer.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The body of a request. Whatever of it nobody has read can be got back once the request has been answered.
#[derive(Clone)]
pub(super) struct RequestBody(Arc<Mutex<Source>>);

struct Source {
    body: Body,
    /// A body of unknown length does not say by itself that it has ended.
    ended: bool,
}

impl RequestBody {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Source { body, ended: false })))
    }

    /// Its bytes. Ends with [`BodyError::Slow`] when the sender is not even slow.
    pub(super) fn stream(&self) -> BodyStream<'static> {
        Incoming { source: Arc::clone(&self.0), rate: Rate::default(), wait: None }.boxed()
    }

    /// All of it, at most `limit` bytes.
    pub(super) async fn collect(&self, announced: Option<u64>, limit: u64) -> Result<Vec<u8>, DomainError> {
        let too_large = |size| DomainError::ManifestTooLarge { size, limit };
        if let Some(size) = announced.filter(|size| *size > limit) {
            return Err(too_large(size));
        }
        let mut collected = BytesMut::new();
        let mut stream = self.stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            let size = collected.len() as u64 + chunk.len() as u64;
            if size > limit {
                return Err(too_large(size));
            }
            collected.extend_from_slice(&chunk);
        }
        Ok(collected.into())
    }

    /// Whether the client has more to send.
    pub(super) fn is_unread(&self) -> bool {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !source.ended && !source.body.is_end_stream()
    }

    /// Takes the rest and throws it away, within bounds.
    pub(super) async fn drain(self) {
        let mut stream = self.stream();
        let rest = async {
            let mut left = DRAIN_BYTES;
            while let Some(Ok(chunk)) = stream.next().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    break;
                }
            }
        };
        // Either way the connection ends now.
        let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
    }
}

struct Incoming {
    source: Arc<Mutex<Source>>,
    rate: Rate,
    wait: Option<Wait>,
}

/// The sender is being waited for.
struct Wait {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl Stream for Incoming {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let polled = {
                let mut source = this.source.lock().unwrap_or_else(PoisonError::into_inner);
                let polled = Pin::new(&mut source.body).poll_frame(context);
                source.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
                polled
            };
            match polled {
                Poll::Pending => {
                    if ready!(this.poll_wait(context)) {
                        return Poll::Ready(Some(Err(BodyError::Slow)));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(BodyError::Interrupted(error.into()))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if this.end_wait() {
                        return Poll::Ready(Some(Err(BodyError::Slow)));
                    }
                    // Trailers carry nothing that we read.
                    if let Ok(data) = frame.into_data() {
                        this.rate.received(data.len() as u64);
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

impl Incoming {
    /// Ready with true: too slow; with false: look again.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let patience = self.rate.patience();
        let wait = self.wait.get_or_insert_with(|| Wait {
            since: Instant::now(),
            end: Box::pin(tokio::time::sleep(patience)),
        });
        ready!(wait.end.as_mut().poll(context));
        Poll::Ready(self.end_wait())
    }

    fn end_wait(&mut self) -> bool {
        let waited = self.wait.take().map(|wait| wait.since.elapsed());
        waited.is_some_and(|time| self.rate.waited(time))
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::http::rate::WINDOW;

    /// A body that sends `size` bytes every `pause`, `times` times.
    fn sender(size: usize, pause: Duration, times: usize) -> RequestBody {
        let chunks = stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::convert::Infallible>(Bytes::from(vec![0; size]))
        });
        RequestBody::new(Body::from_stream(chunks))
    }

    async fn total(body: &RequestBody) -> Result<usize, String> {
        let mut stream = body.stream();
        let mut total = 0;
        while let Some(chunk) = stream.next().await {
            total += chunk.map_err(|error| error.to_string())?.len();
        }
        Ok(total)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_sender_is_waited_for() {
        assert_eq!(total(&sender(2048, Duration::from_secs(1), 100)).await, Ok(204_800));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_not() {
        let slow = Err("the request's body came too slowly".into());
        assert_eq!(total(&sender(10, Duration::from_secs(1), 100)).await, slow);
        assert_eq!(total(&sender(10, 2 * WINDOW, 1)).await, slow);
    }

    #[tokio::test]
    async fn what_is_collected_is_bounded() {
        let body = || RequestBody::new(Body::from("12345"));
        assert_eq!(body().collect(None, 5).await.unwrap(), b"12345");
        let error = |announced| async move { body().collect(announced, 4).await.unwrap_err().to_string() };
        assert_eq!(error(None).await, "the manifest has 5 bytes; at most 4 are accepted");
        assert_eq!(error(Some(6)).await, "the manifest has 6 bytes; at most 4 are accepted");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_read_is_drained_within_bounds() {
        let body = sender(1 << 20, Duration::from_millis(1), 100);
        body.clone().drain().await;
        assert!(body.is_unread());
        let silent = sender(1, Duration::from_mins(1), 1);
        let start = Instant::now();
        silent.drain().await;
        assert_eq!(start.elapsed(), DRAIN_TIME);
    }
}
