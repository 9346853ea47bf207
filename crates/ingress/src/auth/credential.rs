//! Finding a credential in a request's headers.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

/// What an API key starts with.
pub(super) const KEY_PREFIX: &str = "ffk_";

/// Most cookies looked at in one request that could hold a JWT.
const COOKIES_MAX: usize = 8;

/// A credential as it came, unverified.
pub(super) enum Credential {
    Key(String),
    Jwt(String),
    /// Name and value of each cookie that some app takes.
    Cookies(Vec<(String, String)>),
}

/// `Authorization: Bearer` counts before cookies; another scheme (a proxy's own) is passed over.
pub(super) fn of<'a>(
    headers: &HeaderMap,
    cookies: impl Iterator<Item = &'a str>,
) -> Option<Credential> {
    if let Some(token) = bearer(headers) {
        return Some(if token.starts_with(KEY_PREFIX) {
            Credential::Key(token)
        } else {
            Credential::Jwt(token)
        });
    }
    let wanted: Vec<&str> = cookies.collect();
    let found: Vec<_> = cookies_named(headers, &wanted).take(COOKIES_MAX).collect();
    (!found.is_empty()).then_some(Credential::Cookies(found))
}

/// Whether [`of`] takes the credential from `Authorization`, which no browser sends by itself.
pub(crate) fn is_bearer(headers: &HeaderMap) -> bool {
    bearer(headers).is_some()
}

/// RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<String> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
    })
}

/// RFC 6265 section 4.2; HTTP/2 may send several `Cookie` headers (RFC 9113 section 8.2.3).
fn cookies_named<'a>(
    headers: &'a HeaderMap,
    wanted: &'a [&'a str],
) -> impl Iterator<Item = (String, String)> + 'a {
    let texts = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';'));
    pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        let value = value.trim().trim_matches('"');
        (wanted.contains(&name) && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    })
}
