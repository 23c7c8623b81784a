//! ID tokens (OpenID Connect Core 1.0 §3.1.3.7): who signed in. Nothing in one is believed before its signature.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde_json::Value;
use vault_core::secret::SecretString;

use crate::clock::UnixTime;
use crate::jwks::{Algorithm, KeySet};
use crate::server_text::ServerText;

/// The most bytes of an ID token.
const MAX_LEN: usize = 64 << 10;

/// How far the clocks of issuer and machine may be apart, in seconds.
const LEEWAY: i64 = 300;

/// The most bytes of a subject (OpenID Connect Core 1.0 §2).
const MAX_SUBJECT: usize = 255;

/// Why an ID token is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdTokenError {
    /// It is signed in a way that is not accepted.
    #[error("the ID token is signed with {found}, which is not accepted")]
    Algorithm {
        /// The algorithm in its header.
        found: ServerText,
    },
    /// It is for another program.
    #[error("the ID token is for another client")]
    Audience,
    /// It is over already.
    #[error("the ID token ended {ago} s ago by this machine's clock")]
    Expired {
        /// Since when, in seconds.
        ago: i64,
    },
    /// It comes from someone else.
    #[error("the ID token is of another issuer: {found}")]
    Issuer {
        /// The issuer that it names.
        found: ServerText,
    },
    /// It is no ID token.
    #[error("the ID token can't be read")]
    Malformed,
    /// It was made for another login.
    #[error("the ID token answers another login")]
    Nonce,
    /// It is of the future, by this machine's clock.
    #[error("the ID token becomes valid in {ahead} s by this machine's clock, which may be wrong")]
    NotYetValid {
        /// When, in seconds from now.
        ahead: i64,
    },
    /// Nobody of the issuer's keys signed it.
    #[error("the signature of the ID token is not by the issuer")]
    Signature,
    /// The issuer has no key of its name.
    #[error("the issuer has no key that the ID token names")]
    UnknownKey,
}

/// What an ID token has to be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The issuer, byte for byte.
    pub issuer: &'a str,
    /// The client that it is for.
    pub client_id: &'a str,
    /// Where roles stand in it, as a JSON pointer (RFC 6901) such as `/realm_access/roles`.
    pub roles_claim: Option<&'a str>,
}

/// Who signed in, by the word of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person, for ever and at this issuer alone; what is compared at a new login.
    pub subject: String,
    /// The address to show.
    pub email: Option<ServerText>,
    /// The name to show.
    pub name: Option<ServerText>,
    /// The roles, where they were asked for.
    pub roles: Vec<ServerText>,
}

impl Identity {
    /// Verifies an ID token and returns who it is about.
    ///
    /// # Errors
    ///
    /// [`IdTokenError`].
    pub fn verify(
        token: &SecretString,
        keys: &KeySet,
        expected: Expected<'_>,
        now: UnixTime,
    ) -> Result<Self, IdTokenError> {
        let claims = signed_claims(token.expose_secret(), keys)?;
        let said: Claims = serde_json::from_value(claims.clone()).map_err(|_| IdTokenError::Malformed)?;
        said.check(expected, now)?;
        let roles = expected.roles_claim.and_then(|pointer| claims.pointer(pointer));
        Ok(Self {
            subject: said.sub,
            email: said.email.as_deref().map(ServerText::new),
            name: said.name.or(said.preferred_username).as_deref().map(ServerText::new),
            roles: roles.map(texts).unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that have to be understood (RFC 7515 §4.1.11); none is.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<Value>,
    email: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
}

impl Claims {
    fn check(&self, expected: Expected<'_>, now: UnixTime) -> Result<(), IdTokenError> {
        if self.iss != expected.issuer {
            return Err(IdTokenError::Issuer { found: ServerText::new(&self.iss) });
        }
        self.check_audience(expected.client_id)?;
        if self.sub.is_empty() || self.sub.len() > MAX_SUBJECT {
            return Err(IdTokenError::Malformed);
        }
        // The device grant has no nonce: a token with one was asked for by somebody else.
        if self.nonce.is_some() {
            return Err(IdTokenError::Nonce);
        }
        self.check_times(now)
    }

    fn check_audience(&self, client_id: &str) -> Result<(), IdTokenError> {
        let (is_for_us, is_shared) = match &self.aud {
            Value::String(audience) => (audience == client_id, false),
            Value::Array(audiences) => {
                (audiences.iter().any(|audience| audience.as_str() == Some(client_id)), audiences.len() > 1)
            }
            _ => return Err(IdTokenError::Malformed),
        };
        let party_is_us = self.azp.as_deref().map_or(!is_shared, |party| party == client_id);
        if is_for_us && party_is_us { Ok(()) } else { Err(IdTokenError::Audience) }
    }

    fn check_times(&self, now: UnixTime) -> Result<(), IdTokenError> {
        let ago = now.saturating_sub(whole(self.exp)?);
        if ago > LEEWAY {
            return Err(IdTokenError::Expired { ago });
        }
        let begins = whole(self.iat)?.max(self.nbf.map_or(Ok(i64::MIN), whole)?);
        let ahead = begins.saturating_sub(now);
        if ahead > LEEWAY {
            return Err(IdTokenError::NotYetValid { ahead });
        }
        Ok(())
    }
}

/// Returns the claims of a token whose signature is right.
fn signed_claims(token: &str, keys: &KeySet) -> Result<Value, IdTokenError> {
    if token.len() > MAX_LEN {
        return Err(IdTokenError::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(IdTokenError::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(IdTokenError::Malformed)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| IdTokenError::Malformed)?;
    let algorithm = Algorithm::named(&header.alg);
    let algorithm =
        algorithm.ok_or_else(|| IdTokenError::Algorithm { found: ServerText::new(&header.alg) })?;
    if header.crit.is_some() {
        return Err(IdTokenError::Malformed);
    }
    let id = header.kid.as_deref();
    if !keys.has(id) {
        return Err(IdTokenError::UnknownKey);
    }
    if !keys.verifies(algorithm, id, message.as_bytes(), &decode(signature)?) {
        return Err(IdTokenError::Signature);
    }
    serde_json::from_slice(&decode(claims)?).map_err(|_| IdTokenError::Malformed)
}

fn decode(part: &str) -> Result<Vec<u8>, IdTokenError> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| IdTokenError::Malformed)
}

/// Times are numbers that may have a fraction (RFC 7519 §2).
#[allow(clippy::cast_possible_truncation, reason = "checked to be far below the largest number")]
fn whole(time: f64) -> Result<UnixTime, IdTokenError> {
    if time.is_finite() && time.abs() < MAX_TIME {
        Ok(time as UnixTime)
    } else {
        Err(IdTokenError::Malformed)
    }
}

/// A time in the far future, below which numbers with a fraction are exact.
const MAX_TIME: f64 = 1e12;

fn texts(value: &Value) -> Vec<ServerText> {
    match value {
        Value::String(text) => vec![ServerText::new(text)],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).map(ServerText::new).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = 1_800_000_000;
    const EXPECTED: Expected<'_> = Expected {
        issuer: "https://id.example",
        client_id: "keyward",
        roles_claim: Some("/realm_access/roles"),
    };

    struct Issuer {
        pair: EcdsaKeyPair,
        random: SystemRandom,
    }

    impl Issuer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let pair =
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
            Self { pair, random }
        }

        fn keys(&self) -> KeySet {
            let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
            let encode = Base64UrlUnpadded::encode_string;
            let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": encode(x), "y": encode(y) });
            KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap()
        }

        fn sign(&self, header: &Value, claims: &Value) -> SecretString {
            let encode = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
            let message = format!("{}.{}", encode(header), encode(claims));
            let signature = self.pair.sign(&self.random, message.as_bytes()).unwrap();
            SecretString::new(format!("{message}.{}", Base64UrlUnpadded::encode_string(signature.as_ref())))
        }
    }

    fn header() -> Value {
        json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" })
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "sub": "u-1", "aud": "keyward", "exp": NOW + 600, "iat": NOW - 5,
            "email": "ana@example.com", "name": "Ana\u{202e}", "realm_access": { "roles": ["admin", 7, "viewer"] },
        })
    }

    fn verify(header: &Value, claims: &Value) -> Result<Identity, IdTokenError> {
        let issuer = Issuer::new();
        Identity::verify(&issuer.sign(header, claims), &issuer.keys(), EXPECTED, NOW)
    }

    /// The claims with some changed; `null` takes one out.
    fn with(changes: Value) -> Value {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    #[test]
    fn a_right_token_says_who_signed_in() {
        let identity = verify(&header(), &claims()).unwrap();
        assert_eq!(identity.subject, "u-1");
        assert_eq!(identity.email.unwrap().as_str(), "ana@example.com");
        assert!(!identity.name.unwrap().as_str().contains('\u{202e}'));
        assert_eq!(identity.roles, [ServerText::new("admin"), ServerText::new("viewer")]);
    }

    #[test]
    fn audiences_and_times_as_issuers_write_them() {
        for changes in [
            json!({ "aud": ["keyward"] }),
            json!({ "aud": ["keyward", "api"], "azp": "keyward" }),
            json!({ "exp": NOW as f64 - 299.5 }),
            json!({ "iat": NOW + 299, "nbf": NOW + 299 }),
            json!({ "email": null, "name": null, "realm_access": null }),
        ] {
            assert!(verify(&header(), &with(changes.clone())).is_ok(), "{changes}");
        }
    }

    #[test]
    fn claims_that_are_not_for_this_login_are_refused() {
        for (changes, refusal) in [
            (
                json!({ "iss": "https://id.example/" }),
                IdTokenError::Issuer { found: ServerText::new("https://id.example/") },
            ),
            (json!({ "aud": "other" }), IdTokenError::Audience),
            (json!({ "aud": [] }), IdTokenError::Audience),
            (json!({ "aud": ["keyward", "api"] }), IdTokenError::Audience),
            (json!({ "azp": "other" }), IdTokenError::Audience),
            (json!({ "aud": 7 }), IdTokenError::Malformed),
            (json!({ "nonce": "n" }), IdTokenError::Nonce),
            (json!({ "sub": "" }), IdTokenError::Malformed),
            (json!({ "sub": "u".repeat(256) }), IdTokenError::Malformed),
            (json!({ "exp": NOW - 301 }), IdTokenError::Expired { ago: 301 }),
            (json!({ "iat": NOW + 301 }), IdTokenError::NotYetValid { ahead: 301 }),
            (json!({ "nbf": NOW + 900 }), IdTokenError::NotYetValid { ahead: 900 }),
            (json!({ "exp": 1e300 }), IdTokenError::Malformed),
            (json!({ "exp": "soon" }), IdTokenError::Malformed),
            (json!({ "exp": null }), IdTokenError::Malformed),
            (json!({ "iat": null }), IdTokenError::Malformed),
            (json!({ "iss": null }), IdTokenError::Malformed),
            (json!({ "sub": null }), IdTokenError::Malformed),
            (json!({ "aud": null }), IdTokenError::Malformed),
        ] {
            assert_eq!(verify(&header(), &with(changes.clone())), Err(refusal), "{changes}");
        }
    }

    #[test]
    fn a_skewed_clock_is_named_as_what_may_be_wrong() {
        let refused = verify(&header(), &with(json!({ "iat": NOW + 3_600 }))).unwrap_err().to_string();
        assert_eq!(
            refused,
            "the ID token becomes valid in 3600 s by this machine's clock, which may be wrong"
        );
    }

    #[test]
    fn tokens_without_the_issuers_signature_are_refused() {
        for name in ["none", "HS256", "\u{1b}[2J"] {
            let refused = verify(&json!({ "alg": name, "kid": "k1" }), &claims());
            assert!(matches!(refused, Err(IdTokenError::Algorithm { .. })), "{name}");
        }
        let other_key = verify(&json!({ "alg": "ES256", "kid": "k2" }), &claims());
        assert_eq!(other_key, Err(IdTokenError::UnknownKey));
        let confused = verify(&json!({ "alg": "RS256", "kid": "k1" }), &claims());
        assert_eq!(confused, Err(IdTokenError::Signature));
        let critical = verify(&json!({ "alg": "ES256", "kid": "k1", "crit": ["exp"] }), &claims());
        assert_eq!(critical, Err(IdTokenError::Malformed));
        let (issuer, stranger) = (Issuer::new(), Issuer::new());
        let foreign = Identity::verify(&stranger.sign(&header(), &claims()), &issuer.keys(), EXPECTED, NOW);
        assert_eq!(foreign, Err(IdTokenError::Signature));
    }

    #[test]
    fn a_token_changed_in_any_part_is_refused() {
        let issuer = Issuer::new();
        let token = issuer.sign(&header(), &claims());
        let token = token.expose_secret();
        let verify = |text: String| Identity::verify(&SecretString::new(text), &issuer.keys(), EXPECTED, NOW);
        assert!(verify(token.to_owned()).is_ok());
        for at in (0..token.len()).step_by(7) {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(verify(String::from_utf8(bytes).unwrap()).is_err(), "byte {at}");
            assert!(verify(token[..at].to_owned()).is_err(), "cut at {at}");
        }
        for text in
            [String::new(), "..".into(), "a.b.c".into(), format!("{token}.x"), "x".repeat(MAX_LEN + 1)]
        {
            assert!(verify(text).is_err());
        }
    }
}
