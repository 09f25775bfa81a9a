//! Two replicas and an API server in memory, on a clock that jumps.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::json;

use super::*;

/// One Lease with the API server's rules: create once, replace by resourceVersion.
#[derive(Default)]
struct Server {
    lease: Option<Lease>,
    version: u64,
    down: bool,
}

type Shared = Arc<Mutex<Server>>;

fn client(server: &Shared) -> Client {
    let server = Arc::clone(server);
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (code, json) = server.lock().unwrap().answer(&parts.method, &body);
            let status = StatusCode::from_u16(code).unwrap();
            Ok::<_, Infallible>(
                Response::builder().status(status).body(Body::from(json.into_bytes())).unwrap(),
            )
        }
    });
    Client::new(service, "entrepot-system")
}

fn failure(code: u16, reason: &str) -> (u16, String) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": reason, "metadata": {}});
    (code, status.to_string())
}

impl Server {
    fn answer(&mut self, method: &Method, body: &[u8]) -> (u16, String) {
        if self.down {
            return failure(503, "ServiceUnavailable");
        }
        if method == Method::GET {
            return match &self.lease {
                Some(lease) => (200, serde_json::to_string(lease).unwrap()),
                None => failure(404, "NotFound"),
            };
        }
        let mut lease: Lease = serde_json::from_slice(body).unwrap();
        let live = self.lease.as_ref().map(|lease| lease.metadata.resource_version.clone());
        match (method == Method::POST, live) {
            (true, Some(_)) => return failure(409, "AlreadyExists"),
            (false, None) => return failure(404, "NotFound"),
            (false, Some(live)) if live != lease.metadata.resource_version => {
                return failure(409, "Conflict");
            }
            _ => {}
        }
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        (200, serde_json::to_string(&lease).unwrap())
    }

    fn holder(&self) -> String {
        self.lease.as_ref().unwrap().spec.as_ref().unwrap().holder_identity.clone().unwrap()
    }

    fn term(&self) -> (String, i32) {
        let transitions = self.lease.as_ref().unwrap().spec.as_ref().unwrap().lease_transitions.unwrap();
        (self.holder(), transitions)
    }
}

fn election(server: &Shared, identity: &str, clock: Clock) -> Election {
    Election::new(client(server), "entrepot-system", "entrepot-operator", identity.to_owned(), clock)
}

/// Every look at it is a second later: a renewal is seen by the change of its time.
fn now() -> Timestamp {
    static SECONDS: AtomicI64 = AtomicI64::new(1_900_000_000);
    Timestamp::from_second(SECONDS.fetch_add(1, Ordering::Relaxed)).unwrap()
}

/// A machine whose clock is a year behind.
fn behind() -> Timestamp {
    now() - jiff::SignedDuration::from_hours(365 * 24)
}

#[tokio::test(start_paused = true)]
async fn the_first_replica_gets_it_and_the_second_waits() {
    let server = Shared::default();
    let mut first = election(&server, "a", now);
    first.acquire(|| {}).await;
    let term = tokio::spawn(async move { first.hold().await });
    let mut second = election(&server, "b", behind);
    let waited = timeout(Duration::from_mins(5), second.acquire(|| {})).await;
    assert!(waited.is_err(), "the second took a Lease that is renewed");
    assert_eq!(server.lock().unwrap().term(), ("a".to_owned(), 0));
    term.abort();
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_vanished_is_replaced_when_its_term_has_passed_unrenewed() {
    let server = Shared::default();
    election(&server, "a", now).acquire(|| {}).await;
    let mut second = election(&server, "b", behind);
    let started = Instant::now();
    second.acquire(|| {}).await;
    assert!(started.elapsed() >= LEASE_DURATION, "took over after {:?}", started.elapsed());
    assert_eq!(server.lock().unwrap().term(), ("b".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_release_lets_the_next_in_at_once() {
    let server = Shared::default();
    let mut first = election(&server, "a", now);
    first.acquire(|| {}).await;
    first.release().await;
    assert_eq!(server.lock().unwrap().holder(), "");
    let started = Instant::now();
    election(&server, "b", now).acquire(|| {}).await;
    assert!(started.elapsed() < RETRY_PERIOD);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_steps_down_before_a_rival_may_take_over() {
    let server = Shared::default();
    let mut first = election(&server, "a", now);
    first.acquire(|| {}).await;
    server.lock().unwrap().down = true;
    let started = Instant::now();
    let lost = first.hold().await;
    assert!(matches!(lost, LeaseLost::NotRenewed { .. }), "{lost}");
    assert!(started.elapsed() < LEASE_DURATION, "worked on for {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_failed_renewal_is_no_reason_to_step_down() {
    let server = Shared::default();
    let mut first = election(&server, "a", now);
    first.acquire(|| {}).await;
    server.lock().unwrap().down = true;
    let shared = Arc::clone(&server);
    tokio::spawn(async move {
        sleep(Duration::from_secs(7)).await;
        shared.lock().unwrap().down = false;
    });
    assert!(timeout(Duration::from_mins(2), first.hold()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_replaced_learns_by_whom() {
    let server = Shared::default();
    let mut first = election(&server, "a", now);
    first.acquire(|| {}).await;
    // As if the process had been stopped for longer than its term.
    election(&server, "b", now).acquire(|| {}).await;
    let lost = first.hold().await;
    assert!(matches!(&lost, LeaseLost::Taken { holder, .. } if holder == "b"), "{lost}");
    first.release().await;
    assert_eq!(server.lock().unwrap().holder(), "b", "a release must not end another's term");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again_by_its_holder() {
    let server = Shared::default();
    let mut first = election(&server, "a", now);
    first.acquire(|| {}).await;
    server.lock().unwrap().lease = None;
    assert!(timeout(Duration::from_secs(5), first.hold()).await.is_err());
    assert_eq!(server.lock().unwrap().holder(), "a");
}

#[tokio::test(start_paused = true)]
async fn of_many_at_once_exactly_one_wins() {
    let server = Shared::default();
    let mut rivals: Vec<_> = (0..8).map(|n| election(&server, &format!("r{n}"), now)).collect();
    let attempts = futures::future::join_all(rivals.iter_mut().map(Election::attempt)).await;
    let held = attempts.into_iter().filter(|attempt| matches!(attempt, Ok(Attempt::Held))).count();
    assert_eq!(held, 1);
}
