//! Why a credential cannot be used. Provider answers are never errors; they are verdicts.

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A credential that cannot be read or used. The text never holds key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is not what it should be (PEM, PKCS#8, JSON), and what it should be.
    #[error("{what} is unusable: {why}")]
    Credential { what: &'static str, why: String },
    /// The token endpoint refused us: the credential is wrong (HTTP 4xx).
    #[error("token endpoint refused the credential: {0}")]
    TokenRefused(String),
    /// The token endpoint is in trouble (5xx, nonsense): try again.
    #[error("token endpoint unavailable: {0}")]
    TokenUnavailable(String),
}

impl Error {
    /// Stable word for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Error::Credential { .. } => "credential_unusable",
            Error::TokenRefused(_) => "token_refused",
            Error::TokenUnavailable(_) => "token_unavailable",
        }
    }
}
