//! The head that requests of one rendering share: made anew only when the provider token is another one.

use std::sync::Arc;

use fanfare_types::{Head, Secret};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue};

/// Where requests go.
pub(crate) struct Place {
    pub(crate) authority: Authority,
    pub(crate) path: PathAndQuery,
}

/// Header fields, and the last head made of them.
pub(crate) struct Heads {
    fields: Vec<(HeaderName, HeaderValue)>,
    last: Option<Arc<Head>>,
}

impl Heads {
    pub(crate) fn new(fields: Vec<(HeaderName, HeaderValue)>) -> Self {
        Heads { fields, last: None }
    }

    /// The head for requests with this token.
    pub(crate) fn with(&mut self, place: &Place, token: Option<&Secret<HeaderValue>>) -> Arc<Head> {
        let token = token.map(Secret::expose);
        match &self.last {
            Some(last) if last.authorization() == token => last.clone(),
            _ => {
                let (authority, path) = (place.authority.clone(), place.path.clone());
                let head = Head::new(authority, path, self.fields.clone(), token.cloned());
                self.last.insert(Arc::new(head)).clone()
            }
        }
    }
}
