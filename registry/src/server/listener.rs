use std::{io, net::SocketAddr, time::Duration};

use entrepot_registry_config::ListenAddress;
use rustix::net::sockopt::{set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_user_timeout};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
const BACKLOG: u32 = 4096;

/// A silent peer is asked whether it is still there after this long, and again, so often.
const SILENCE: Duration = Duration::from_mins(1);
const QUESTION: Duration = Duration::from_secs(15);
const QUESTIONS: u32 = 4;
/// A peer that takes nothing of what is sent for this long is given up: it holds an open file and memory. Milliseconds.
const NOTHING_TAKEN: u32 = 5 * 60 * 1000;

/// A port that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    address: ListenAddress,
    source: io::Error,
}

/// Listens on `address`. Without a host: on both families where the machine has IPv6, else on IPv4.
pub(super) async fn listen(address: &ListenAddress) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError { address: address.clone(), source };
    if address.host().is_empty() {
        let any = |host: std::net::IpAddr| SocketAddr::new(host, address.port());
        // A kernel without IPv6 refuses the first.
        return bind(any(std::net::Ipv6Addr::UNSPECIFIED.into()))
            .or_else(|_| bind(any(std::net::Ipv4Addr::UNSPECIFIED.into())))
            .map_err(failed);
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for found in lookup_host((address.host(), address.port())).await.map_err(failed)? {
        match bind(found) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else a restart must wait for the last connections of the process before it.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit these.
    socket.set_keepalive(true)?;
    set_tcp_keepidle(&socket, SILENCE)?;
    set_tcp_keepintvl(&socket, QUESTION)?;
    set_tcp_keepcnt(&socket, QUESTIONS)?;
    set_tcp_user_timeout(&socket, NOTHING_TAKEN)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
