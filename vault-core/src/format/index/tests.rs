//! What an index may be, and what is refused.

use super::*;
use crate::crypto::seal::TAG_LEN;

fn value(scope: u32, name: &str, version: u32) -> ValueRecord<'_> {
    let id = ValueId::new([7; 16]);
    ValueRecord { scope, name, version, created: 1, id, sealed_len: 144, sha256: [9; 32] }
}

fn scopes(count: usize) -> Vec<ScopeRecord<'static>> {
    let ids = ["a", "b", "c"];
    let scope = |id: &&str| Scope::Workspace(TenantId::default(), WorkspaceId::parse(id).unwrap());
    ids[..count].iter().map(|id| ScopeRecord::new(&scope(id))).collect()
}

fn index<'a>(scope_count: usize, values: Vec<ValueRecord<'a>>) -> Index<'a> {
    Index { scopes: scopes(scope_count), values: values.into_iter().collect(), ..Index::default() }
}

fn plaintext(index: &Index<'_>) -> Vec<u8> {
    let message = encode_index(index).unwrap();
    message[PREFIX_LEN..message.len() - TAG_LEN].to_vec()
}

#[test]
fn a_valid_index_decodes_to_itself() {
    let mut index = index(2, vec![value(0, "A", 2), value(0, "A", 1), value(0, "B", 1), value(1, "A", 1)]);
    index.bindings.push(BindingRecord {
        tenant: "default".into(),
        workspace: "a".into(),
        directory: b"/src/\xff".as_slice().into(),
    });
    assert_eq!(Index::decode(&plaintext(&index)).unwrap(), index);
}

#[test]
fn an_index_of_unordered_or_repeated_records_is_refused() {
    let cases = [
        index(1, vec![value(0, "B", 1), value(0, "A", 1)]),
        index(1, vec![value(0, "A", 1), value(0, "A", 1)]),
        index(1, vec![value(0, "A", 1), value(0, "A", 2)]),
        index(2, vec![value(1, "A", 1), value(0, "A", 1)]),
    ];
    for index in cases {
        let bytes = plaintext(&index);
        let refused = Index::decode(&bytes);
        assert!(matches!(refused, Err(FormatError::Damaged("the values are not in order"))), "{refused:?}");
    }
}

#[test]
fn an_index_of_impossible_values_is_refused() {
    let altered = |change: fn(&mut ValueRecord<'_>)| {
        let mut record = value(0, "A", 1);
        change(&mut record);
        record
    };
    let cases = [
        altered(|record| record.name = ""),
        altered(|record| record.name = "A=B"),
        altered(|record| record.name = "A\0"),
        altered(|record| record.version = 0),
        altered(|record| record.sealed_len = 0),
        altered(|record| record.sealed_len = 80),
        altered(|record| record.sealed_len = 145),
    ];
    for record in cases {
        let refused = Index::decode(&plaintext(&index(1, vec![record]))).map(|_| ());
        assert!(matches!(refused, Err(FormatError::Damaged(_))), "{record:?}");
    }
}

#[test]
fn scopes_without_values_or_values_without_scopes_are_refused() {
    for case in [index(1, vec![]), index(1, vec![value(1, "A", 1)]), index(2, vec![value(1, "A", 1)])] {
        assert!(matches!(Index::decode(&plaintext(&case)), Err(FormatError::Damaged(_))), "{case:?}");
    }
    let gap = index(3, vec![value(0, "A", 1), value(2, "A", 1)]);
    assert!(Index::decode(&plaintext(&gap)).is_err());
}

#[test]
fn a_twelfth_version_is_refused() {
    let versions = |count: u32| index(1, (1..=count).rev().map(|version| value(0, "A", version)).collect());
    assert!(Index::decode(&plaintext(&versions(11))).is_ok());
    assert!(matches!(Index::decode(&plaintext(&versions(12))), Err(FormatError::TooLarge(_))));
}

#[test]
fn what_is_above_a_limit_is_too_large_and_not_damaged() {
    let long = "n".repeat(257);
    let mut large = value(0, "A", 1);
    large.sealed_len = 1_048_720 + 64;
    let mut wide = index(1, vec![value(0, "A", 1)]);
    wide.scopes[0].workspace = "i".repeat(65).into();
    for index in [index(1, vec![value(0, &long, 1)]), index(1, vec![large]), wide] {
        let bytes = plaintext(&index);
        assert!(matches!(Index::decode(&bytes), Err(FormatError::TooLarge(_))), "{index:?}");
    }
}

#[test]
fn a_newer_schema_is_no_damage() {
    let mut bytes = plaintext(&Index::default());
    bytes[0] = 3;
    assert!(matches!(Index::decode(&bytes), Err(FormatError::Newer { what: "schema", found: 3 })));
    bytes[0] = 0;
    assert!(matches!(Index::decode(&bytes), Err(FormatError::Damaged(_))));
}

#[test]
fn hostile_lengths_are_refused_without_allocation() {
    let full = plaintext(&index(1, vec![value(0, "A", 1)]));
    for position in [4, 12, 20] {
        for hostile in [u64::MAX, 1 << 63, 1 << 40, 0] {
            let mut bytes = full.clone();
            bytes[position..position + 8].copy_from_slice(&hostile.to_le_bytes());
            assert!(Index::decode(&bytes).is_err(), "{hostile:#x} at {position}");
        }
    }
}

#[test]
fn the_smallest_records_have_the_sizes_by_which_counts_are_judged() {
    let scope = ScopeRecord { kind: 0, tenant: "".into(), workspace: "".into() };
    let binding = BindingRecord { tenant: "".into(), workspace: "".into(), directory: b"".as_slice().into() };
    assert_eq!(encode(&scope).unwrap().len(), SCOPE_LEN);
    assert_eq!(encode(&value(0, "", 1)).unwrap().len(), VALUE_LEN);
    assert_eq!(encode(&binding).unwrap().len(), BINDING_LEN);
    assert_eq!(DECODE_LIMIT as u64, MAX_SEALED_INDEX - OVERHEAD as u64 + INDEX_BLOCK as u64);
}

#[test]
fn a_count_above_what_the_bytes_can_hold_is_refused_before_a_record_is_read() {
    for (count, spare, is_read) in [(2, 2 * VALUE_LEN, true), (2, 2 * VALUE_LEN - 1, false), (1, 0, false)] {
        let bytes = [&u64::to_le_bytes(count)[..], &vec![0; spare]].concat();
        assert_eq!(read_count(&mut &*bytes, VALUE_LEN).is_ok(), is_read, "{count} in {spare} bytes");
    }
}

#[test]
fn an_index_is_encoded_up_to_the_limit_and_not_above() {
    let of_size = |body_len: usize| {
        // Three counts of zero stand before the connections.
        let connection_bytes = vec![1; body_len - 24].into();
        encode_index(&Index { connection_bytes, ..Index::default() }).map(|message| message.len() as u64)
    };
    let most = 32_767 * 4096 - PREAMBLE_LEN;
    assert_eq!(of_size(most).unwrap(), MAX_SEALED_INDEX);
    assert!(matches!(of_size(most + 1), Err(FormatError::TooLarge("the size of the index"))));
}

#[test]
fn a_secret_is_there_by_its_scope_and_name_alone() {
    let index = index(2, vec![value(0, "A", 2), value(0, "A", 1), value(1, "B", 1)]);
    let has = |workspace: &str, name: &str| {
        let scope = Scope::Workspace(TenantId::default(), WorkspaceId::parse(workspace).unwrap());
        index.has_secret(&scope, &SecretName::parse(name).unwrap())
    };
    assert!(has("a", "A") && has("b", "B"));
    assert!(!has("a", "B") && !has("b", "A") && !has("c", "A"));
}

#[test]
fn padding_and_spare_bytes_are_refused() {
    let full = plaintext(&Index::default());
    let mut dirty = full.clone();
    *dirty.last_mut().unwrap() = 1;
    assert!(Index::decode(&dirty).is_err());
    assert!(Index::decode(&[full.clone(), vec![0; INDEX_BLOCK]].concat()).is_err());
    assert!(Index::decode(&full[..full.len() - 1]).is_err());
    let mut spare = full;
    spare[4] += 1;
    assert!(Index::decode(&spare).is_err());
}

#[test]
fn invalid_utf8_in_a_name_is_refused() {
    let mut bytes = plaintext(&index(1, vec![value(0, "AZ", 1)]));
    let at = bytes.windows(2).position(|window| window == b"AZ").unwrap();
    bytes[at] = 0xff;
    assert!(Index::decode(&bytes).is_err());
}
