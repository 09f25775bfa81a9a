use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Timeouts;

/// How many bytes have come in on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Received(Arc<AtomicU64>);

impl Received {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream that counts what comes in.
pub(super) struct Counted<S> {
    stream: S,
    received: Received,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S) -> (Self, Received) {
        let received = Received::default();
        (Self { stream, received: received.clone() }, received)
    }
}

/// hyper's one time limit before a request covers two things: that nothing comes, and that its headers come too slowly.
/// Clients keep connections for later, and one that is closed just as they send a body costs them the request; a
/// peer that sends a byte now and then wants to hold a connection. This timer tells the two apart by what has come in.
pub(super) struct Patience {
    pub(super) timeouts: Timeouts,
    pub(super) received: Received,
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let before = self.received.get();
        // A new connection has no reason to be silent.
        let idle = if before == 0 { self.timeouts.headers } else { self.timeouts.idle };
        Box::pin(Wait {
            sleep: Box::pin(tokio::time::sleep(duration)),
            received: self.received.clone(),
            before,
            last: tokio::time::Instant::now() + idle,
            headers: self.timeouts.headers,
            begun: before == 0,
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }
}

struct Wait {
    sleep: Pin<Box<tokio::time::Sleep>>,
    received: Received,
    before: u64,
    /// However silent, not beyond this.
    last: tokio::time::Instant,
    headers: Duration,
    /// The headers have begun to come, so that this deadline is theirs.
    begun: bool,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            let now = tokio::time::Instant::now();
            let silent = self.received.get() == self.before;
            if self.begun || (silent && now >= self.last) {
                return Poll::Ready(());
            }
            // Looked at once a period, so headers get between one and two of them.
            self.begun = !silent;
            let next = if silent { (now + self.headers).min(self.last) } else { now + self.headers };
            self.sleep.as_mut().reset(next);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.received.0.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many seconds are waited on a connection that had `before` bytes and gets one at each of `times`.
    async fn waited(before: u64, times: &'static [u64]) -> u64 {
        let received = Received::default();
        received.0.store(before, Ordering::Relaxed);
        let (headers, idle) = (Duration::from_secs(10), Duration::from_mins(3));
        let timeouts = Timeouts { headers, idle, ..Timeouts::default() };
        let wait = Patience { timeouts, received: received.clone() }.sleep(headers);
        tokio::spawn(async move {
            let start = tokio::time::Instant::now();
            for second in times {
                tokio::time::sleep_until(start + Duration::from_secs(*second)).await;
                received.0.fetch_add(1, Ordering::Relaxed);
            }
        });
        let start = tokio::time::Instant::now();
        wait.await;
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn headers_must_come_soon_and_silence_may_last() {
        assert_eq!(waited(0, &[]).await, 10);
        assert_eq!(waited(0, &[1, 2, 3]).await, 10);
        assert_eq!(waited(100, &[]).await, 180);
        assert_eq!(waited(100, &[5, 6, 7]).await, 20);
        assert_eq!(waited(100, &[95]).await, 110);
    }
}
