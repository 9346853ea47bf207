//! Provider credentials: read, checked, and made ready to use.

use std::sync::Arc;

use fanfare_actors::{ApnsCredential, FcmCredential};
use fanfare_link::{Endpoint, tls};
use fanfare_providers::{apns as apns_provider, fcm as fcm_provider};

use super::section::Section;

const CONNECTIONS_DEFAULT: usize = 4;

pub(crate) fn apns(section: Section<'_>) -> Option<Arc<ApnsCredential>> {
    let topic = section.required_text("topic").map(str::to_owned);
    let production = endpoint(&section, "endpoint_production", "api.push.apple.com");
    let sandbox = endpoint(&section, "endpoint_sandbox", "api.sandbox.push.apple.com");
    let connections_max = section.integer("connections", CONNECTIONS_DEFAULT, 1..=1000);
    let ca = section.file("ca_file");
    let with_certificate = section.has("certificate") || section.has("certificate_file");
    let certificate = section.secret("certificate", "certificate_file");
    let key = section.secret("key", "key_file");
    if !section.has("key") && !section.has("key_file") {
        section.fault(
            "key_file",
            "is required (an Apple .p8 key, or the private key of certificate_file)",
        );
    }
    let signer = if with_certificate {
        None
    } else {
        signer(&section, key.as_ref().map(|key| key.expose().as_slice()))
    };
    let identity = certificate.as_ref().zip(key.as_ref());
    let identity =
        identity.map(|(chain, key)| (chain.expose().as_slice(), key.expose().as_slice()));
    let tls = tls_client(
        &section,
        ca.as_deref(),
        if with_certificate { identity } else { None },
    );
    section.finish();
    if with_certificate {
        identity.map(drop)
    } else {
        signer.as_ref().map(drop)
    }?;
    Some(Arc::new(ApnsCredential {
        signer,
        tls: tls?,
        topic: topic?,
        production: production?,
        sandbox: sandbox?,
        connections_max,
    }))
}

fn signer(section: &Section<'_>, key: Option<&[u8]>) -> Option<apns_provider::Signer> {
    let ids = (
        section.required_text("key_id"),
        section.required_text("team_id"),
    );
    let (Some(key_id), Some(team_id)) = ids else {
        return None;
    };
    match apns_provider::Signer::new(key?, key_id, team_id) {
        Ok(signer) => Some(signer),
        Err(error) => {
            section.fault("key_file", error.to_string());
            None
        }
    }
}

pub(crate) fn fcm(section: Section<'_>) -> Option<Arc<FcmCredential>> {
    let account = section.secret("service_account", "service_account_file");
    if !section.has("service_account") && !section.has("service_account_file") {
        section.fault(
            "service_account_file",
            "is required (the JSON file from the Firebase console)",
        );
    }
    let account =
        account.and_then(
            |json| match fcm_provider::ServiceAccount::parse(json.expose()) {
                Ok(account) => Some(account),
                Err(error) => {
                    section.fault("service_account_file", error.to_string());
                    None
                }
            },
        );
    let endpoint = endpoint(&section, "endpoint", "fcm.googleapis.com");
    let connections_max = section.integer("connections", CONNECTIONS_DEFAULT, 1..=1000);
    let rate_max =
        u32::try_from(section.integer("rate_max", 10_000, 1..=10_000_000)).unwrap_or(u32::MAX);
    let ca = section.file("ca_file");
    let tls = tls_client(&section, ca.as_deref(), None);
    section.finish();
    Some(Arc::new(FcmCredential {
        account: account?,
        tls: tls?,
        endpoint: endpoint?,
        connections_max,
        rate_max,
    }))
}

fn tls_client(
    section: &Section<'_>,
    ca: Option<&[u8]>,
    identity: Option<(&[u8], &[u8])>,
) -> Option<tls::Client> {
    match tls::Client::new(ca, identity) {
        Ok(client) => Some(client),
        Err(error) => {
            let name = if identity.is_some() {
                "certificate_file"
            } else {
                "ca_file"
            };
            section.fault(name, error.to_string());
            None
        }
    }
}

/// `https://host[:port]`, as the provider's documentation writes it.
fn endpoint(section: &Section<'_>, name: &'static str, default: &str) -> Option<Endpoint> {
    let Some(text) = section.text(name) else {
        return Some(Endpoint {
            host: default.to_owned(),
            port: 443,
        });
    };
    let parsed = parse_endpoint(text);
    if parsed.is_none() {
        section.fault(name, "must be https://host or https://host:port");
    }
    parsed
}

fn parse_endpoint(text: &str) -> Option<Endpoint> {
    let authority = text.strip_prefix("https://")?;
    let authority: http::uri::Authority = authority
        .strip_suffix('/')
        .unwrap_or(authority)
        .parse()
        .ok()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Some(Endpoint {
        host,
        port: authority.port_u16().unwrap_or(443),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let endpoint = |host: &str, port| {
            Some(Endpoint {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(
            parse_endpoint("https://api.push.apple.com"),
            endpoint("api.push.apple.com", 443)
        );
        assert_eq!(
            parse_endpoint("https://127.0.0.1:2197/"),
            endpoint("127.0.0.1", 2197)
        );
        assert_eq!(parse_endpoint("https://[::1]:2197"), endpoint("::1", 2197));
        for wrong in [
            "api.push.apple.com",
            "http://a",
            "https://",
            "https://a/3/device",
            "https://u@a",
        ] {
            assert_eq!(parse_endpoint(wrong), None, "{wrong}");
        }
    }
}
