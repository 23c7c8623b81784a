//! Does a text look like a secret? Asked where a name or a plain setting is wanted, to catch a token that was
//! given in its place. It sees what services print on their keys and what chance makes; a password that is a
//! word looks like a word.

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::provider::shape::Shape;
use crate::provider::{ProviderKey, Registry};
use crate::source::recovery::RecoveryCode;

/// The shortest run of letters and digits that can be told from words by its letters alone.
const LEAST_RANDOM: usize = 20;
/// The shortest text that a pattern without a known beginning decides about.
const LEAST_GENERIC: usize = 32;
/// The most letters that a word has.
const LONGEST_WORD: usize = 15;
/// The least characters of one kind that stand together in what people write, on average.
const SHORTEST_STRETCH: usize = 4;
/// The least bits a character, after Shannon, of a text that chance made.
const LEAST_ENTROPY: f64 = 3.0;

/// keyward's own: a key text (`FORMAT.md §8`), an API key.
const OWN_KEYS: &str = "kwk1_[A-Za-z0-9_-]{20}|kw_(?:live|test)_[0-9A-Za-z]{12}";

/// The registry's patterns, compiled when the first text is looked at.
static SHAPES: LazyLock<Vec<KeyShape>> = LazyLock::new(|| {
    let known = Registry::built_in();
    let keys = known.iter().flat_map(|provider| provider.keys);
    keys.filter_map(KeyShape::new).collect()
});
static OWN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(OWN_KEYS).ok());

struct KeyShape {
    shape: Shape,
    secret: bool,
    known_beginning: bool,
}

impl KeyShape {
    fn new(key: &ProviderKey) -> Option<Self> {
        let shape = key.shape()?;
        Some(Self { shape, secret: key.secret, known_beginning: key.has_known_beginning() })
    }

    fn fits(&self, text: &str) -> bool {
        self.shape.matches(text) == Some(true)
    }
}

/// Tells whether a text looks like a key, a token or a password in an address.
#[must_use]
pub fn looks_like_a_secret(text: &str) -> bool {
    OWN.as_ref().is_some_and(|own| own.is_match(text))
        || RecoveryCode::parse(text).is_ok()
        || text.split_whitespace().any(is_secret_word)
}

/// Tells whether a text looks like a secret, or has the shape that a provider of the user's own gives to a key.
#[must_use]
pub fn looks_like_a_secret_of(known: &Registry, text: &str) -> bool {
    looks_like_a_secret(text) || {
        let own: Vec<_> = known.own().flat_map(|provider| provider.keys).filter_map(KeyShape::new).collect();
        text.split_whitespace().any(|word| own.iter().any(|shape| is_of_own_shape(shape, word)))
    }
}

/// A shape of the user's own with a known beginning is taken at its word. Without a small letter a text is taken for
/// a name: some beginnings are those of names.
fn is_of_own_shape(shape: &KeyShape, word: &str) -> bool {
    let inner = without_marks(word);
    let has_small = word.bytes().any(|byte| byte.is_ascii_lowercase());
    let fits = shape.fits(word) || shape.fits(inner);
    let is_telling = shape.known_beginning || (inner.len() >= LEAST_GENERIC && !reads_like_words(inner));
    shape.secret && has_small && fits && is_telling
}

/// Returns a word without the quotes and full stops around it.
fn without_marks(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// Looks at a text without white space.
fn is_secret_word(word: &str) -> bool {
    let inner = without_marks(word);
    if is_public(inner) {
        return false;
    }
    if has_known_shape(word) || has_known_shape(inner) || is_random_whole(inner) {
        return true;
    }
    match word.split_once("://") {
        Some((_, address)) => is_secret_address(address),
        None => has_secret_part(word),
    }
}

/// Looks at an address behind its scheme. A host is no secret, whatever it looks like, and a user without a
/// password may be an id in hexadecimal, as in the address that Sentry is given; the rest of an address has parts as every text has them.
fn is_secret_address(address: &str) -> bool {
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (authority, rest) = address.split_at(end);
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let has_password = user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
    let is_id = user.bytes().all(|byte| byte.is_ascii_hexdigit());
    has_password || (has_known_shape(user) && !is_id) || has_secret_part(rest)
}

fn has_secret_part(text: &str) -> bool {
    let is_joint = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+'));
    text.split(is_joint).any(|part| !is_public(part) && (has_known_shape(part) || has_random_run(part)))
}

/// Tells whether the registry knows the shape as that of something that may be shown, such as an account id.
/// An address is looked at in its parts: what is known of some addresses is how they begin.
fn is_public(text: &str) -> bool {
    !text.contains("://")
        && SHAPES.iter().any(|shape| !shape.secret && shape.known_beginning && shape.fits(text))
}

/// Tells whether a text has the beginning and the shape of some service's key.
fn has_known_shape(text: &str) -> bool {
    let fits = |shape: &KeyShape| shape.secret && shape.known_beginning && shape.fits(text);
    let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    has_letter && !reads_like_words(text) && SHAPES.iter().any(fits)
}

/// Tells whether a long text has the shape of some key and looks like chance from end to end.
fn is_random_whole(text: &str) -> bool {
    let fits = |shape: &KeyShape| shape.secret && !shape.known_beginning && shape.fits(text);
    text.len() >= LEAST_GENERIC
        && !is_uuid(text)
        && !reads_like_words(text)
        && changes_often(text)
        && SHAPES.iter().any(fits)
}

/// Tells whether a text has a run of letters and digits that looks like chance.
fn has_random_run(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    runs.filter(|run| run.len() >= LEAST_RANDOM).any(is_random)
}

fn is_random(run: &str) -> bool {
    let has_both =
        run.bytes().any(|byte| byte.is_ascii_digit()) && run.bytes().any(|byte| byte.is_ascii_alphabetic());
    has_both && changes_often(run) && entropy(run) >= LEAST_ENTROPY
}

/// Tells whether a text changes between small letters, capitals and digits more often than words and dates do.
/// A capital before small letters is how words begin, so it is no change.
fn changes_often(text: &str) -> bool {
    let mut stretches = 0;
    let mut length = 0;
    let mut before = None;
    for class in text.bytes().map(Class::of) {
        let goes_on = before == Some(class) || (before == Some(Class::Capital) && class == Class::Small);
        stretches += usize::from(class != Class::Other && !goes_on);
        length += usize::from(class != Class::Other);
        before = Some(class);
    }
    length < stretches * SHORTEST_STRETCH
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Capital,
    Digit,
    Other,
    Small,
}

impl Class {
    const fn of(byte: u8) -> Self {
        match byte {
            b'A'..=b'Z' => Self::Capital,
            b'0'..=b'9' => Self::Digit,
            b'a'..=b'z' => Self::Small,
            _ => Self::Other,
        }
    }
}

/// Returns the entropy of the characters in bits, after Shannon.
#[expect(clippy::cast_precision_loss, reason = "texts are far shorter than 2^52 bytes")]
fn entropy(text: &str) -> f64 {
    let mut counts = [0_usize; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let share = |count: usize| count as f64 / text.len() as f64;
    counts.into_iter().filter(|count| *count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

/// Tells whether every part of a text is a word, a short number, or a word with one: `re_index_2024` has the
/// beginning of a key and is none. An address is no such text.
fn reads_like_words(text: &str) -> bool {
    let is_word = |part: &str| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic()) && word.len() <= LONGEST_WORD;
        part.len() <= 4 || (letters && part.len() - word.len() <= 4)
    };
    !text.contains("://") && text.split(|c: char| !c.is_ascii_alphanumeric()).all(is_word)
}

/// Tells whether a text is a UUID (RFC 9562 §4), which many services use as an id.
fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let groups = text.split('-').map(str::len);
    groups.eq(lengths) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None of these was ever anybody's: they are made up, or stand in the services' documentation.
    const SECRETS: [&str; 48] = [
        "sk-proj-4f9KQ2mZx7LcA1b2C3d4E5f6",
        "sk-abcdefghijklmnopqrstuvwx",
        "sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "gsk_0123456789012345678901234567890123456789012345678901",
        "xoxb-123456789012-abcdefghij",
        "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
        "xoxp-1234567890-abcdef",
        "xapp-1-A012345-1234567890-abcdef0123456789",
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        "https://discord.com/api/webhooks/1234567890/abc-DEF_123",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "github_pat_11ABCDEFG0123456789012_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTU",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "lin_api_abcdefghijklmnopqrstuvwxyz0123456789ABCD",
        "SG.abcdefghijklmnopqrst12.abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "sk_test_abcdefghijklmnopqrstuvwx",
        "rk_live_51H0123456789abcdefghij",
        "whsec_0123456789abcdef0123456789abcdef",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "r8_0123456789abcdefghijklmnopqrstuvwxyzA",
        "nvapi-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr",
        "sntrys_eyJpYXQiOjE2ODczMzY1NDMuNjk4NTksInVybCI6bnVsbH0=_abc",
        "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k",
        "kw_live_0000000000AA_00000000000000000000000000000000000000000004OtDhs",
        "kw_test_3f9KQ2mZx7Lc_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v13Rei5",
        "04HMA-SW9NF-6YZZP-WQAC7-CN1J2-03SZC",
        "04hma sw9nf 6yzzp wqac7 cn1j2 03szc",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "0123456789abcdef0123456789abcdef",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA0K",
        "q7Xk2Vb9Tn4Lz8Wc1Rf6",
        "7hd82kq0x1mz94bn5c3v",
        "postgres://app:hunter2@db.example.com/app",
        "https://user:secret@example.com/path",
        "https://ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com/team/repository",
        "https://example.com/hook?token=q7Xk2Vb9Tn4Lz8Wc1Rf6",
        "https://example.com/hook/9f86d081884c7d659a2feaa0c55ad015",
        "https://my-resource.openai.azure.com/?api-key=0123456789abcdef0123456789abcdef",
        "Bearer q7Xk2Vb9Tn4Lz8Wc1Rf6",
        "the token is xoxb-123456789012-abcdefghij, keep it",
        "'sk_live_4eC39HqLyjWDarjtT1zdp7dc'",
        "'ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
        "key:q7Xk2Vb9Tn4Lz8Wc1Rf6",
    ];

    const PLAIN: [&str; 65] = [
        "",
        "a",
        "SLACK_BOT_TOKEN",
        "SLACK_BOT_TOKEN_PRODUCTION_EU",
        "SLACK_BOT_TOKEN_PROD",
        "S3_BUCKET_NAME_PROD1",
        "AWS_SECRET_ACCESS_KEY_FOR_THE_BACKUP_ACCOUNT_2024_V2",
        "OPENAI_API_KEY_2",
        "db/production/password",
        "payments-service-stripe-live-key",
        "stripeLiveKeyForPayments",
        "MyCompanyProductionDatabasePassword2024",
        "re_engagement_campaign_key",
        "re_index_2024_v2",
        "sk_test_key",
        "kw_production_key",
        "kwk1_",
        "Alerts for the on-call team (EU), since 2024-11-22",
        "Zahlungen für Müller & Söhne",
        "internationalization",
        "https://hooks.example.com/team/a",
        "https://hooks.slack.com",
        "https://api.eu-central-1.amazonaws.com/v1/projects/web-production",
        "https://example.com:8443/path/to/resource?page=2&sort=name#top",
        "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com",
        "https://0123456789abcdef0123456789abcdef@o123456.ingest.sentry.io/4501234567890123",
        "https://user@example.com/inbox",
        "https://my-resource.openai.azure.com/",
        "http://localhost:11434",
        "s3://my-bucket-production-eu-west-1/backups/2024/11/22",
        "my-company-backups-123456789012-eu-west-1",
        "prod-eu-west-1-db-2-replica-3-az-1c",
        "arn:aws:sns:eu-west-1:123456789012:alerts",
        "arn:aws:iam::123456789012:role/service-role/backup-writer",
        "ec2-54-12-34-56.eu-west-1.compute.amazonaws.com",
        "AKIAIOSFODNN7EXAMPLE",
        "aBcDeFgHiJkLmNoPqRsTu",
        "qwer5829tyui3746asdf",
        "ABCDEFGHI1JKLMNOPQR2ST",
        "k3j4x,q8w7e,z5n6m,p2r9t,b4v7c,d8f1g",
        "AC0123456789abcdef0123456789abcdef",
        "AC9f86d081884c7d659a2feaa0c55ad015",
        "pk_live_51H0123456789abcdefghij",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "3F2504E0-4F89-11D3-9A0C-0305E82C3301",
        "alerts+production@example.com",
        "first.last@subdomain.example.co.uk",
        "/var/log/app/production/error.log",
        "./src/main/resources/application-production.yml",
        "C:/Users/somebody/Documents/report-2024.pdf",
        "#deployments",
        "C024BE91L",
        "+49 30 1234567890",
        "0 3 * * 1-5",
        "*/15 * * * *",
        "2024-11-22T06:39:43Z",
        "1700000000",
        "123456789012345678901234567890",
        "00000000000000000000000000000000",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "gpt-4o-mini-2024-07-18",
        "claude-3-5-sonnet-20241022",
        "INSERT,UPDATE,DELETE on public.orders",
        "owner/repository-with-a-long-name",
        "v1.2.3-rc.1+build.20241122",
    ];

    #[test]
    fn what_looks_like_a_token_is_found() {
        let missed: Vec<_> = SECRETS.iter().filter(|text| !looks_like_a_secret(text)).collect();
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn names_addresses_and_ids_are_no_tokens() {
        let refused: Vec<_> = PLAIN.iter().filter(|text| looks_like_a_secret(text)).collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }

    #[test]
    fn every_canonical_name_of_the_registry_is_a_name() {
        let known = Registry::built_in();
        let keys = known.iter().flat_map(|provider| provider.keys);
        for name in keys.flat_map(|key| key.aliases.iter().chain([&key.env])) {
            assert!(!looks_like_a_secret(name), "{name}");
        }
    }

    #[test]
    fn almost_all_random_texts_are_found() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        for (letters, length) in [(&alphabet[..], 24), (&alphabet[26..], 32), (b"0123456789abcdef", 32)] {
            let random = |_| {
                let bytes: [u8; 64] = crate::crypto::generate();
                let text = bytes[..length]
                    .iter()
                    .map(|byte| char::from(letters[usize::from(*byte) % letters.len()]));
                text.collect::<String>()
            };
            let found = (0..1000).map(random).filter(|text| looks_like_a_secret(text)).count();
            assert!(found > 880, "{found} of 1000 with {} letters", letters.len());
        }
    }

    #[test]
    fn texts_at_the_edge_are_no_tokens() {
        let long = "a1".repeat(5000);
        let face = "\u{1f600}".repeat(30);
        for text in ["\0", "\u{e9}", "://", "https://:@", "https://@", "-----", "===", &long, &face] {
            assert!(!looks_like_a_secret(text), "{text:?}");
        }
    }

    /// The built-in providers and one whose key has this shape.
    fn registry_with(pattern: &str, secret: bool) -> Registry {
        let directory = tempfile::TempDir::new().unwrap();
        let text = format!(
            "[[provider]]\nid = 'acme'\nname = 'Acme'\nkind = 'webhook'\ncloud = true\nrequire = [['ACME_TOKEN']]\n\
             [[provider.key]]\nenv = 'ACME_TOKEN'\npattern = '{pattern}'\nsecret = {secret}\n"
        );
        std::fs::write(directory.path().join("acme.toml"), text).unwrap();
        Registry::load(directory.path()).unwrap()
    }

    #[test]
    fn a_shape_of_the_users_own_is_known_to_who_asks_for_it() {
        let known = registry_with("^ac_[a-z]+$", true);
        for text in ["ac_canary", "the token is ac_canary, keep it", "\"ac_canary\""] {
            assert!(looks_like_a_secret_of(&known, text), "{text}");
            assert!(!looks_like_a_secret(text), "{text}");
        }
        let known_by_length = registry_with("^[a-z0-9.]{20,}$", true);
        let (short, long) = (["7q7qx."; 5].concat(), ["7q7qx."; 6].concat());
        assert!(looks_like_a_secret_of(&known_by_length, &long) && !looks_like_a_secret(&long));
        assert!(
            !looks_like_a_secret_of(&known_by_length, &short),
            "too short for a shape without a beginning"
        );
        assert!(SECRETS.iter().all(|text| looks_like_a_secret_of(&known, text)));
        assert!(!PLAIN.iter().any(|text| looks_like_a_secret_of(&known, text)));
    }

    #[test]
    fn a_shape_of_the_users_own_that_fits_nearly_all_makes_no_name_a_token() {
        for (pattern, secret) in [("^[A-Za-z0-9_-]+$", true), ("^ac_", false), ("^ACME_[A-Z_]+$", true)] {
            let known = registry_with(pattern, secret);
            for text in
                ["ACME_TOKEN", "ac_canary", "payments-service-stripe-live-key-of-the-team", "C024BE91L"]
            {
                assert!(!looks_like_a_secret_of(&known, text), "{pattern}: {text}");
            }
        }
    }

    #[test]
    fn an_own_provider_in_the_place_of_a_built_in_one_takes_no_built_in_shape_away() {
        let directory = tempfile::TempDir::new().unwrap();
        let text = "[[provider]]\nid = 'slack'\nname = 'Own'\nkind = 'slack'\ncloud = true\nrequire = []\n";
        std::fs::write(directory.path().join("own.toml"), text).unwrap();
        let known = Registry::load(directory.path()).unwrap();
        assert!(looks_like_a_secret_of(&known, "xoxb-123456789012-abcdefghij"));
    }
}
