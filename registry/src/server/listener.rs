use std::{io, net::SocketAddr};

use entrepot_registry_config::ListenAddress;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
const BACKLOG: u32 = 4096;

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
    // Found by the kernel within minutes when a peer has vanished without a word.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
