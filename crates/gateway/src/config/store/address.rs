//! Where a node of the database listens.

/// Where CQL is spoken, unless said otherwise.
const PORT: u16 = 9042;

/// `host`, `host:port`, `[IPv6]:port` or an IPv6 address alone, as `host:port`.
pub(super) fn with_port(text: &str) -> Option<String> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(format!("[{text}]:{PORT}"));
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.to_string());
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
        None => (text, PORT),
    };
    let is_fit = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_host = !host.is_empty() && host.len() <= 253 && host.bytes().all(is_fit);
    is_host.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn a_port_may_be_left_out() {
        for (text, expected) in [
            ("scylla-0.scylla", Some("scylla-0.scylla:9042")),
            ("10.0.0.1:19042", Some("10.0.0.1:19042")),
            ("::1", Some("[::1]:9042")),
            ("[::1]:9", Some("[::1]:9")),
            ("", None),
            ("host:", None),
            ("host:0", None),
            ("host:99999", None),
            ("http://host", None),
            ("a b", None),
        ] {
            assert_eq!(with_port(text).as_deref(), expected, "{text}");
        }
    }
}
