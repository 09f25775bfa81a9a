use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{Method, StatusCode, Version, header};
use http_body::{Frame, SizeHint};
use uuid::Uuid;

use super::access_log::{AccessLog, without_token};
use crate::metrics::{InFlight, Metrics};

/// The peer's address, put into a request's extensions by whoever accepted its connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What is remembered of a request until the last byte of its answer is gone: then it is logged and counted, also when
/// the client has left.
pub(super) struct Record {
    metrics: Arc<Metrics>,
    log: AccessLog,
    start: Instant,
    handler: &'static str,
    method: Method,
    path: String,
    version: Version,
    peer: Option<SocketAddr>,
    agent: String,
    id: Uuid,
    user: Option<String>,
    received: u64,
    status: StatusCode,
    sent: u64,
    _in_flight: InFlight,
}

impl Record {
    pub(super) fn start(
        metrics: &Arc<Metrics>,
        log: AccessLog,
        handler: &'static str,
        request: &Request,
    ) -> Self {
        let text =
            |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            metrics: Arc::clone(metrics),
            log,
            start: Instant::now(),
            handler,
            method: request.method().clone(),
            path: without_token(request.uri().path()),
            version: request.version(),
            peer: request.extensions().get::<Peer>().map(|peer| peer.0),
            agent: text(header::USER_AGENT).to_owned(),
            id: Uuid::new_v4(),
            user: None,
            received: text(header::CONTENT_LENGTH).parse().unwrap_or_default(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
            sent: 0,
            _in_flight: metrics.in_flight(handler),
        }
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn user(&mut self, name: Option<&str>) {
        self.user = name.map(ToOwned::to_owned);
    }

    /// Follows the answer to its end.
    pub(super) fn follow(mut self, response: Response) -> Response {
        self.status = response.status();
        response.map(|inner| Body::new(Followed { inner, record: self }))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.start.elapsed();
        let status = self.status.as_u16();
        self.metrics.request(self.handler, &self.method, status, duration, self.received, self.sent);
        if self.log == AccessLog::Disabled {
            return;
        }
        tracing::info!(
            target: "access",
            remote = self.peer.map(tracing::field::display),
            user = self.user.as_deref().unwrap_or("-"),
            method = %self.method,
            path = self.path,
            version = ?self.version,
            status,
            bytes = self.sent,
            microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            agent = self.agent,
            request = %self.id,
        );
    }
}

/// A body that counts what goes out.
struct Followed {
    inner: Body,
    record: Record,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.record.sent += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        if let Poll::Ready(Some(Err(error))) = &polled {
            tracing::error!(%error, request = %self.record.id, "an answer broke off");
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
