//! A request to a provider: what many of them share, and what each has of its own.
//!
//! Providers encode into it and links write it, so that neither builds anew for each push what is equal for all
//! pushes of a message.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, Request as HttpRequest, Uri, header};

/// What requests of one message and credential share: a `POST` over `https`.
pub struct Head {
    authority: Authority,
    path: PathAndQuery,
    fields: Vec<(HeaderName, HeaderValue)>,
    authorization: Option<HeaderValue>,
}

impl Head {
    /// `path` begins every request's path. `fields` in the order in which they are written: a value marked sensitive
    /// is not indexed by HPACK, since it is another one for the next message. `authorization` may be indexed: one
    /// value serves a connection for most of an hour, and takes more bytes than all the rest of a head.
    pub fn new(
        authority: Authority,
        path: PathAndQuery,
        fields: Vec<(HeaderName, HeaderValue)>,
        authorization: Option<HeaderValue>,
    ) -> Self {
        Head {
            authority,
            path,
            fields,
            authorization,
        }
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    pub fn path(&self) -> &PathAndQuery {
        &self.path
    }

    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }

    /// The provider token's header value; none where the client's certificate speaks for it.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// It holds a provider token.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({} fields)", self.fields.len())
    }
}

/// One request.
pub struct Request {
    pub head: Arc<Head>,
    /// Follows the head's path: an address, or nothing. Characters of a path segment only (RFC 3986, 3.3).
    pub rest: Bytes,
    /// A header that no other request has (`apns-id`). Written without being indexed.
    pub own: Option<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

impl Request {
    /// As the `http` crate has it.
    ///
    /// # Errors
    /// A `rest` that is not part of a path.
    pub fn into_http(self) -> Result<HttpRequest<Bytes>, http::Error> {
        let head = &self.head;
        let path = match self.rest.is_empty() {
            true => head.path.clone(),
            false => {
                let mut path = Vec::with_capacity(head.path.as_str().len() + self.rest.len());
                path.extend_from_slice(head.path.as_str().as_bytes());
                path.extend_from_slice(&self.rest);
                PathAndQuery::from_maybe_shared(Bytes::from(path))?
            }
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(http::uri::Scheme::HTTPS);
        parts.authority = Some(head.authority.clone());
        parts.path_and_query = Some(path);
        let mut request = HttpRequest::new(self.body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(parts)?;
        let headers = request.headers_mut();
        headers.reserve(head.fields.len() + 2);
        for (name, value) in head.fields.iter().cloned().chain(self.own) {
            headers.append(name, value);
        }
        if let Some(authorization) = &head.authorization {
            headers.append(header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

/// Path, headers and body hold addresses, tokens and payload.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} bytes)", self.body.len())
    }
}
