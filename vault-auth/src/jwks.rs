//! The keys that an issuer signs with (RFC 7517): RS256, ES256 and EdDSA, verified by the cryptography that TLS
//! brings along.

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

use crate::address::Address;
use crate::grant::GrantError;
use crate::http::{HttpClient, Request};

/// The most keys of one issuer that are looked at.
const MAX_KEYS: usize = 100;

/// An algorithm that ID tokens may be signed with. There is no `none` here, and none that uses a shared secret:
/// with those a public key would be the key that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2,048 bits and more (RFC 7518 §3.3).
    Rs256,
}

/// The keys of one issuer that can be used.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Ed25519(Vec<u8>),
    /// An uncompressed point.
    P256(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

impl Algorithm {
    /// Returns the algorithm of a token's header, if it may be used.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

impl KeySet {
    /// Fetches the keys of an issuer.
    ///
    /// # Errors
    ///
    /// [`GrantError`], also if what came are no keys.
    pub fn fetch(http: &HttpClient, address: &Address) -> Result<Self, GrantError> {
        let answer = http.send(&Request::get(address))?;
        let keys = if answer.is_success() { Self::parse(answer.body().expose_secret()) } else { None };
        keys.ok_or_else(|| answer.unexpected())
    }

    /// Reads a key set. Keys of other kinds, and for other uses, are left out; `None` if it is no key set.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let said: Said = serde_json::from_slice(json).ok()?;
        let keys = said.keys.into_iter().take(MAX_KEYS);
        let keys = keys.filter_map(|key| serde_json::from_value::<SaidKey>(key).ok()?.into_key());
        Some(Self { keys: keys.collect() })
    }

    /// Tells whether a key of this id is there; a token without an id may be of any key.
    pub(crate) fn has(&self, id: Option<&str>) -> bool {
        self.keys.iter().any(|key| key.may_be(id))
    }

    /// Verifies a signature by the key of this id.
    pub(crate) fn verifies(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let mut candidates = self.keys.iter().filter(|key| key.may_be(id));
        candidates.any(|key| key.material.verifies(algorithm, message, signature))
    }
}

impl PublicKey {
    fn may_be(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| self.id.as_deref() == Some(id))
    }
}

impl Material {
    /// The algorithm has to be the key's own: a token does not choose how its key is read.
    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self, algorithm) {
            (Self::Ed25519(key), Algorithm::EdDsa) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            (Self::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::Rsa { modulus, exponent }, Algorithm::Rs256) => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

#[derive(Deserialize)]
struct Said {
    keys: Vec<serde_json::Value>,
}

/// One key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize)]
struct SaidKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl SaidKey {
    fn into_key(self) -> Option<PublicKey> {
        let is_for_signing = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let has_known_algorithm = self.alg.as_deref().is_none_or(|name| Algorithm::named(name).is_some());
        if !is_for_signing || !has_known_algorithm {
            return None;
        }
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { modulus: number(self.n)?, exponent: number(self.e)? },
            ("EC", Some("P-256")) => {
                Material::P256([vec![4], coordinate(self.x)?, coordinate(self.y)?].concat())
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(self.x)?),
            _ => return None,
        };
        Some(PublicKey { id: self.kid, material })
    }
}

/// A number without leading zeros, which some issuers write and the verification refuses.
fn number(text: Option<String>) -> Option<Vec<u8>> {
    let bytes = Base64UrlUnpadded::decode_vec(&text?).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn coordinate(text: Option<String>) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(&text?).ok().filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 appendix A.2, whose payload is no ID token: the signature alone is shown.
    const A2_KEY: &str = r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#;
    const A2_MESSAGE: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    /// RFC 7515 appendix A.3.
    const A3_KEY: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a3","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    const A3_MESSAGE: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const A3_SIGNATURE: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    /// RFC 8037 appendix A.4.
    const A4_KEY: &str =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    const A4_MESSAGE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const A4_SIGNATURE: &str =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    fn verifies(keys: &str, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        let keys = KeySet::parse(keys.as_bytes()).expect("keys");
        let signature = Base64UrlUnpadded::decode_vec(signature).expect("a signature");
        keys.verifies(algorithm, None, message.as_bytes(), &signature)
    }

    #[test]
    fn published_signatures_verify() {
        assert!(verifies(A2_KEY, Algorithm::Rs256, A2_MESSAGE, A2_SIGNATURE));
        assert!(verifies(A3_KEY, Algorithm::Es256, A3_MESSAGE, A3_SIGNATURE));
        assert!(verifies(A4_KEY, Algorithm::EdDsa, A4_MESSAGE, A4_SIGNATURE));
    }

    #[test]
    fn a_changed_message_or_signature_and_a_foreign_key_or_algorithm_are_refused() {
        let changed = A2_MESSAGE.replace("eyJpc3Mi", "eyJpc3Nj");
        assert!(!verifies(A2_KEY, Algorithm::Rs256, &changed, A2_SIGNATURE));
        assert!(!verifies(A2_KEY, Algorithm::Rs256, A2_MESSAGE, &A2_SIGNATURE.replace("cC4h", "cC5h")));
        assert!(!verifies(A2_KEY, Algorithm::Rs256, A2_MESSAGE, ""));
        assert!(!verifies(A3_KEY, Algorithm::Es256, A3_MESSAGE, &A3_SIGNATURE[..A3_SIGNATURE.len() - 2]));
        assert!(!verifies(A3_KEY, Algorithm::Rs256, A2_MESSAGE, A2_SIGNATURE));
        assert!(!verifies(A3_KEY, Algorithm::EdDsa, A3_MESSAGE, A3_SIGNATURE));
        assert!(!verifies(r#"{"keys":[]}"#, Algorithm::Es256, A3_MESSAGE, A3_SIGNATURE));
    }

    #[test]
    fn a_key_is_chosen_by_its_id() {
        let keys = KeySet::parse(A3_KEY.as_bytes()).unwrap();
        let signature = Base64UrlUnpadded::decode_vec(A3_SIGNATURE).unwrap();
        let verifies = |id| keys.verifies(Algorithm::Es256, id, A3_MESSAGE.as_bytes(), &signature);
        assert!(verifies(None) && verifies(Some("a3")) && !verifies(Some("a4")));
        assert!(keys.has(Some("a3")) && !keys.has(Some("a4")));
    }

    #[test]
    fn no_algorithm_without_a_public_key_has_a_name() {
        for name in ["none", "None", "HS256", "hs256", "RS1", "PS256", "ES384", "rs256", ""] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }

    #[test]
    fn keys_that_can_not_be_used_are_left_out() {
        for key in [
            A3_KEY.replace("\"kid\":\"a3\"", "\"use\":\"enc\""),
            A3_KEY.replace("\"kid\":\"a3\"", "\"alg\":\"ES512\""),
            A3_KEY.replace("P-256", "P-521"),
            A3_KEY.replace("f83O", "AAAA"),
            A3_KEY.replace("f83OJ3D2", ""),
            A3_KEY.replace("\"EC\"", "7"),
            r#"{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#.into(),
            r#"{"keys":["x",7,null]}"#.into(),
        ] {
            assert!(!verifies(&key, Algorithm::Es256, A3_MESSAGE, A3_SIGNATURE), "{key}");
        }
        for text in ["", "[]", "{}", "{\"keys\":7}"] {
            assert!(KeySet::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn rsa_keys_below_2048_bits_are_refused() {
        // The modulus of A.2, cut to 1,024 bits; and with its leading zero, as some issuers write it.
        let short = A2_KEY.replacen("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-", "", 1);
        assert_ne!(short, A2_KEY);
        assert!(!verifies(&short, Algorithm::Rs256, A2_MESSAGE, A2_SIGNATURE));
        let modulus = Base64UrlUnpadded::decode_vec(&A2_KEY[27..369]).unwrap();
        let padded = Base64UrlUnpadded::encode_string(&[vec![0], modulus].concat());
        let padded = format!("{}{padded}{}", &A2_KEY[..27], &A2_KEY[369..]);
        assert!(verifies(&padded, Algorithm::Rs256, A2_MESSAGE, A2_SIGNATURE));
    }
}
