use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// A TCP address to listen on: `:5000`, `0.0.0.0:5000`, `[::1]:5000`, `localhost:5000`.
///
/// The host is not resolved here; an empty host means every address of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

/// The text is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be HOST:PORT or :PORT, with a port from 0 to 65535, an IPv6 host in square brackets")]
pub struct ListenAddressError;

impl ListenAddress {
    /// Every IPv4 address, at `port`.
    pub fn any_v4(port: u16) -> Self {
        Self { host: "0.0.0.0".into(), port }
    }

    /// Every address of either family, at `port`.
    pub fn any(port: u16) -> Self {
        Self { host: String::new(), port }
    }

    /// Host name or address, without brackets; empty for every address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// 0 asks the kernel for a free one.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
            None if host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')) => host,
            _ => return Err(ListenAddressError),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ListenAddressError);
        }
        let port = port.parse().map_err(|_| ListenAddressError)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(":5000", "", 5000)]
    #[case("0.0.0.0:0", "0.0.0.0", 0)]
    #[case("localhost:65535", "localhost", 65535)]
    #[case("[::1]:5000", "::1", 5000)]
    fn reads_and_writes(#[case] text: &str, #[case] host: &str, #[case] port: u16) {
        let address: ListenAddress = text.parse().unwrap();
        assert_eq!((address.host(), address.port()), (host, port));
        assert_eq!(address.to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("5000")]
    #[case("::1:5000")]
    #[case("[::1]")]
    #[case("[x]:1")]
    #[case(":65536")]
    #[case(":+1")]
    #[case("http://x:80")]
    #[case("a b:80")]
    fn refuses(#[case] text: &str) {
        assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError));
    }
}
