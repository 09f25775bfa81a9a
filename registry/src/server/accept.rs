use std::time::Duration;

use tokio::{net::TcpListener, sync::watch};
use tokio_util::task::TaskTracker;

use super::connection::Speaker;

/// Waited after an accept that failed: out of descriptors, say, which only time and other connections can mend.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until dropped, each in a task of `tracker`.
pub(super) async fn accept(
    listener: TcpListener,
    speaker: Speaker,
    tracker: TaskTracker,
    stopping: watch::Receiver<bool>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tracker.spawn(speaker.clone().speak(stream, peer, stopping.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
