//! Counts of what the server does, by the names that dashboards for distribution already know.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Every metric.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Asked, Histogram>,
    in_flight: Family<Handled, Gauge>,
    request_sizes: Family<Handled, Histogram>,
    response_sizes: Family<Handled, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    handler: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    handler: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    code: u16,
    handler: &'static str,
    method: &'static str,
}

/// A request that is being answered; dropped when it is not any more.
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn seconds() -> Histogram {
    // 1 ms to 1 minute: from a manifest out of the cache to a large layer.
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

fn bytes() -> Histogram {
    Histogram::new(exponential_buckets(1024.0, 8.0, 8))
}

impl Metrics {
    /// With every count at zero.
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("registry");
        let http = registry.sub_registry_with_prefix("http");
        let requests = Family::<Answered, Counter>::default();
        http.register("requests", "Requests answered", requests.clone());
        let durations = Family::<Asked, Histogram>::new_with_constructor(seconds);
        let help = "Time from a request's headers to the end of its answer";
        http.register_with_unit("request_duration", help, Unit::Seconds, durations.clone());
        let in_flight = Family::<Handled, Gauge>::default();
        http.register("in_flight_requests", "Requests being answered", in_flight.clone());
        let request_sizes = Family::<Handled, Histogram>::new_with_constructor(bytes);
        http.register_with_unit(
            "request_size",
            "Length that requests announced",
            Unit::Bytes,
            request_sizes.clone(),
        );
        let response_sizes = Family::<Handled, Histogram>::new_with_constructor(bytes);
        http.register_with_unit(
            "response_size",
            "Length of answers' bodies",
            Unit::Bytes,
            response_sizes.clone(),
        );
        Arc::new(Self { registry, requests, durations, in_flight, request_sizes, response_sizes })
    }

    /// Counts a request as being answered until the result is dropped.
    pub fn in_flight(&self, handler: &'static str) -> InFlight {
        let gauge = self.in_flight.get_or_create_owned(&Handled { handler });
        gauge.inc();
        InFlight(gauge)
    }

    /// Counts an answered request.
    pub fn request(
        &self,
        handler: &'static str,
        method: &http::Method,
        code: u16,
        duration: Duration,
        received: u64,
        sent: u64,
    ) {
        let method = label(method);
        self.requests.get_or_create(&Answered { code, handler, method }).inc();
        self.durations.get_or_create(&Asked { handler, method }).observe(duration.as_secs_f64());
        // A size is drawn, not added up: what a double loses beyond 2^53 bytes nobody sees.
        #[allow(clippy::cast_precision_loss)]
        let (received, sent) = (received as f64, sent as f64);
        self.request_sizes.get_or_create(&Handled { handler }).observe(received);
        self.response_sizes.get_or_create(&Handled { handler }).observe(sent);
    }

    /// All of them, in the `OpenMetrics` text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail; half a text would be told by its missing end mark.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A client may send any word as its method; as labels they would fill the memory.
fn label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "POST" => "post",
        "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        "OPTIONS" => "options",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_named_as_in_distribution() {
        let metrics = Metrics::new();
        let _in_flight = metrics.in_flight("manifest");
        metrics.request("manifest", &http::Method::GET, 200, Duration::from_millis(3), 0, 500);
        metrics.request("base", &"BREW".parse().unwrap(), 405, Duration::ZERO, 0, 0);
        let text = metrics.encode();
        for line in [
            "registry_http_requests_total{code=\"200\",handler=\"manifest\",method=\"get\"} 1",
            "registry_http_requests_total{code=\"405\",handler=\"base\",method=\"other\"} 1",
            "registry_http_request_duration_seconds_count{handler=\"manifest\",method=\"get\"} 1",
            "registry_http_in_flight_requests{handler=\"manifest\"} 1",
            "registry_http_request_size_bytes_sum{handler=\"manifest\"} 0.0",
            "registry_http_response_size_bytes_sum{handler=\"manifest\"} 500.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
