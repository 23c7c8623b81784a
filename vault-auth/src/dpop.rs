//! The device key, and what it proves: that a request comes from where the tokens were given to (RFC 9449).
//!
//! It is a P-256 key, because ES256 is what nearly every server with DPoP takes and Ed25519 is what few take;
//! one key serves DPoP and the binding of API keys alike.

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use sha2::{Digest, Sha256};
use vault_core::secret::{SecretBytes, SecretString};

use crate::address::Address;
use crate::clock::UnixTime;

/// The algorithm of proofs, as servers list it.
pub const ALGORITHM: &str = "ES256";

/// Why there is no device key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceKeyError {
    /// The stored bytes are no key.
    #[error("the stored device key is damaged")]
    Damaged,
    /// The system gave no randomness.
    #[error("the system gave no random bytes for a device key")]
    NoRandomness,
}

/// The key pair of this installation.
pub struct DeviceKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

/// What one proof is for.
#[derive(Debug)]
pub struct Proof<'a> {
    /// The method of the request.
    pub method: &'static str,
    /// Where the request goes.
    pub address: &'a Address,
    /// The access token that the request presents; none at a token endpoint.
    pub access_token: Option<&'a SecretString>,
    /// The nonce that the server asked for.
    pub nonce: Option<&'a str>,
    /// The time, as the server has it where that is known.
    pub issued_at: UnixTime,
}

impl DeviceKey {
    /// Generates a key; returns its PKCS#8 bytes, which [`Self::open`] takes and which belong into a sealed file.
    ///
    /// # Errors
    ///
    /// [`DeviceKeyError::NoRandomness`].
    pub fn generate() -> Result<SecretBytes, DeviceKeyError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let pkcs8 = pkcs8.map_err(|_| DeviceKeyError::NoRandomness)?;
        Ok(SecretBytes::new(pkcs8.as_ref().to_vec()))
    }

    /// Opens a key that was generated before.
    ///
    /// # Errors
    ///
    /// [`DeviceKeyError::Damaged`].
    pub fn open(pkcs8: &SecretBytes) -> Result<Self, DeviceKeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose_secret(), &random);
        Ok(Self { pair: pair.map_err(|_| DeviceKeyError::Damaged)?, random })
    }

    /// Returns the name of the key: 16 hexadecimal digits of the SHA-256 of the public key, an uncompressed
    /// point (SEC 1 §2.3.3).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.pair.public_key().as_ref());
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Signs a proof (RFC 9449 §4.2). Each has an id of its own: a proof is used once.
    ///
    /// # Errors
    ///
    /// [`DeviceKeyError::NoRandomness`].
    pub fn prove(&self, proof: &Proof<'_>) -> Result<SecretString, DeviceKeyError> {
        let (x, y) = self.point();
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        let header = json!({ "typ": "dpop+jwt", "alg": ALGORITHM, "jwk": jwk });
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| DeviceKeyError::NoRandomness)?;
        let mut claims = json!({
            "jti": Base64UrlUnpadded::encode_string(&id),
            "htm": proof.method,
            "htu": format!("{}{}", proof.address.origin(), proof.address.path()),
            "iat": proof.issued_at,
        });
        if let Some(token) = proof.access_token {
            let hash = Sha256::digest(token.expose_secret());
            claims["ath"] = Base64UrlUnpadded::encode_string(&hash).into();
        }
        if let Some(nonce) = proof.nonce {
            claims["nonce"] = nonce.into();
        }
        self.sign(&header.to_string(), &claims.to_string())
    }

    fn sign(&self, header: &str, claims: &str) -> Result<SecretString, DeviceKeyError> {
        let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes());
        let signature = signature.map_err(|_| DeviceKeyError::NoRandomness)?;
        let signature = Base64UrlUnpadded::encode_string(signature.as_ref());
        Ok(SecretString::new(format!("{signed}.{signature}")))
    }

    /// The coordinates of the public point, encoded.
    fn point(&self) -> (String, String) {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        (Base64UrlUnpadded::encode_string(x), Base64UrlUnpadded::encode_string(y))
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceKey").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    fn key() -> DeviceKey {
        DeviceKey::open(&DeviceKey::generate().unwrap()).unwrap()
    }

    fn parts(proof: &SecretString) -> (Value, Value) {
        let mut parts =
            proof.expose_secret().split('.').map(|part| Base64UrlUnpadded::decode_vec(part).unwrap());
        let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        (next(), next())
    }

    fn proof<'a>(address: &'a Address, token: Option<&'a SecretString>, nonce: Option<&'a str>) -> Proof<'a> {
        Proof { method: "POST", address, access_token: token, nonce, issued_at: 1_700_000_000 }
    }

    #[test]
    fn a_proof_names_the_request_and_is_signed_by_the_key_in_it() {
        let (key, address) = (key(), Address::parse("https://ID.example:443/token?x=canary").unwrap());
        let signed = key.prove(&proof(&address, None, None)).unwrap();
        let (header, claims) = parts(&signed);
        assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("dpop+jwt"), Some("ES256")));
        assert_eq!(
            (claims["htm"].as_str(), claims["htu"].as_str()),
            (Some("POST"), Some("https://id.example/token"))
        );
        assert!(
            claims["iat"] == 1_700_000_000 && claims.get("ath").is_none() && claims.get("nonce").is_none()
        );
        let (message, signature) = signed.expose_secret().rsplit_once('.').unwrap();
        let coordinate =
            |name: &str| Base64UrlUnpadded::decode_vec(header["jwk"][name].as_str().unwrap()).unwrap();
        let public = [vec![4], coordinate("x"), coordinate("y")].concat();
        let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
        assert!(public.verify(message.as_bytes(), &signature).is_ok());
        assert!(public.verify(b"another message", &signature).is_err());
    }

    /// The access token and its hash are those of RFC 9449 §7.1.
    #[test]
    fn a_proof_binds_the_access_token_and_the_nonce() {
        let (key, address) =
            (key(), Address::parse("https://resource.example.org/protectedresource").unwrap());
        let token = SecretString::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".into());
        let (_, claims) = parts(&key.prove(&proof(&address, Some(&token), Some("n-1"))).unwrap());
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(claims["nonce"], "n-1");
    }

    #[test]
    fn every_proof_has_an_id_of_its_own() {
        let (key, address) = (key(), Address::parse("https://id.example/token").unwrap());
        let ids: Vec<Value> = (0..8)
            .map(|_| parts(&key.prove(&proof(&address, None, None)).unwrap()).1["jti"].clone())
            .collect();
        assert!(ids.iter().enumerate().all(|(nth, id)| !ids[..nth].contains(id)), "{ids:?}");
    }

    #[test]
    fn se_03_the_fingerprint_stays_with_the_stored_key() {
        let stored = DeviceKey::generate().unwrap();
        let (first, again) = (DeviceKey::open(&stored).unwrap(), DeviceKey::open(&stored).unwrap());
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().len(), 16);
        assert_ne!(first.fingerprint(), key().fingerprint());
    }

    #[test]
    fn damaged_bytes_are_no_key() {
        let stored = DeviceKey::generate().unwrap();
        let cut = SecretBytes::new(stored.expose_secret()[1..].to_vec());
        let mut flipped = stored.expose_secret().to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        for bytes in [SecretBytes::new(Vec::new()), cut, SecretBytes::new(flipped)] {
            assert!(matches!(DeviceKey::open(&bytes), Err(DeviceKeyError::Damaged)));
        }
    }

    #[test]
    fn debug_shows_the_fingerprint_and_nothing_else() {
        let key = key();
        assert_eq!(format!("{key:?}"), format!("DeviceKey {{ fingerprint: {:?}, .. }}", key.fingerprint()));
    }
}
