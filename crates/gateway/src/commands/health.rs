//! `fanfare health`: asks a gateway whether it lives, for images that have no other program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::config;

/// Ask the gateway on this machine whether it is alive, or ready.
///
/// For health checks of containers and service managers; it reads where the gateway listens from its configuration.
/// Ends with status 0 when it is, 1 when not, or when it does not answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gateway's configuration file, for `admin` or `listen`.
    #[arg(long, default_value = "fanfare.toml")]
    config: PathBuf,
    /// Where it serves operations; no configuration is read then.
    #[arg(long, conflicts_with = "config")]
    url: Option<String>,
    /// Ask whether traffic should come here, and print why not.
    #[arg(long)]
    ready: bool,
    /// Longest wait for the answer.
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = super::duration)]
    timeout: Duration,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let url = match &args.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let settings = config::load(&args.config)?.settings;
            format!(
                "http://{}",
                reached(settings.admin.unwrap_or(settings.listen))
            )
        }
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    super::runtime()?.block_on(async {
        let client = reqwest::Client::builder().timeout(args.timeout).build()?;
        let answer = client.get(format!("{url}{path}")).send().await;
        let answer = answer.with_context(|| format!("{url} does not answer"))?;
        let status = answer.status();
        let body = answer.text().await.unwrap_or_default();
        println!("{body}");
        if !status.is_success() {
            bail!("{path} answered {status}");
        }
        Ok(())
    })
}

/// What listens on every address is reached at this machine's own.
fn reached(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, at.port())
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn everywhere_is_also_here() {
        for (listens, expected) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(reached(listens.parse().unwrap()).to_string(), expected);
        }
    }
}
