//! Request addresses, checked once and put together cheaply.

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};

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

/// `https://{authority}{path}`; `None` when the path holds what no path may.
pub(crate) fn https(authority: Authority, path: String) -> Option<Uri> {
    let mut parts = Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority);
    parts.path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(path)).ok();
    parts.path_and_query.as_ref()?;
    Uri::from_parts(parts).ok()
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
