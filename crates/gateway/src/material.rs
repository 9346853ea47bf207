//! Keys made on the spot: API keys and user JWTs.

use std::time::Duration;

use anyhow::Context;
use fanfare_types::{AppId, Secret, Timestamp, UserId};
use jsonwebtoken::{EncodingKey, Header};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 40 characters of 62 are 238 bits.
const KEY_CHARACTERS: usize = 40;

/// A new API key, `ffk_<app>_<40 base62 characters>`.
pub fn api_key(app: &AppId) -> anyhow::Result<Secret<String>> {
    let mut key = format!("ffk_{app}_");
    let until = key.len() + KEY_CHARACTERS;
    while key.len() < until {
        let mut random = [0; 64];
        aws_lc_rs::rand::fill(&mut random).context("the system gives no random numbers")?;
        // Bytes of 248 and above would favour the first characters.
        let fair = random.iter().filter(|byte| **byte < 248);
        key.extend(
            fair.map(|byte| char::from(BASE62[usize::from(byte % 62)]))
                .take(until - key.len()),
        );
    }
    Ok(Secret::new(key))
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// An HS256 JWT for a user.
pub fn user_jwt(
    secret: &[u8],
    user: &UserId,
    now: Timestamp,
    ttl: Duration,
    claims: &[(String, serde_json::Value)],
) -> anyhow::Result<String> {
    let mut all = serde_json::Map::new();
    all.insert("sub".to_owned(), user.as_str().into());
    all.insert("iat".to_owned(), now.as_seconds().into());
    all.insert("exp".to_owned(), (now + ttl).as_seconds().into());
    all.extend(claims.iter().cloned());
    jsonwebtoken::encode(&Header::default(), &all, &EncodingKey::from_secret(secret))
        .context("signing the token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_keys_have_their_form_and_differ() {
        let app = AppId::new("shop").unwrap();
        let (one, other) = (api_key(&app).unwrap(), api_key(&app).unwrap());
        let tail = one.expose().strip_prefix("ffk_shop_").unwrap();
        assert_eq!(tail.len(), 40);
        assert!(tail.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }
}
