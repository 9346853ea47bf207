//! Addresses of requests and links, checked.

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::{Error, Result};

/// Reads `host` or `host:port`.
pub(crate) fn authority(text: &str) -> Result<Authority> {
    let unusable = || Error::Credential {
        what: "provider endpoint",
        why: "it must be a host, or host:port".to_owned(),
    };
    let authority = Authority::try_from(text).map_err(|_| unusable())?;
    match authority.host().is_empty() || text.contains('@') {
        true => Err(unusable()),
        false => Ok(authority),
    }
}

/// Whether a text is an `https` address with a host and no user name in it.
pub(crate) fn is_https(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme() == Some(&Scheme::HTTPS)
            && uri.authority().is_some_and(|authority| {
                !authority.host().is_empty() && !authority.as_str().contains('@')
            })
    })
}
