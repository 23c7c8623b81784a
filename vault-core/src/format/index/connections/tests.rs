//! Which connections come back from their encoding, and which are refused.

use bincode::borrow_decode_from_slice;
use bincode::config::legacy;

use super::*;
use crate::crypto::seal::{PREFIX_LEN, TAG_LEN};
use crate::format::DOCUMENT;
use crate::format::index::encode_index;
use crate::name::{TenantId, WorkspaceId};

fn connection(workspace: &str, id: &str) -> Connection {
    let workspace = WorkspaceId::parse(workspace).unwrap();
    let scope = Scope::Workspace(TenantId::default(), workspace);
    let settings = ["channel=#a", "region=eu"].map(|setting| setting.parse().unwrap());
    Connection {
        id: ConnectionId::parse(id).unwrap(),
        kind: Kind::Slack,
        label: Label::parse("Alerts").unwrap(),
        auth: Auth::Secret { scope: scope.clone(), name: SecretName::parse("TOKEN").unwrap() },
        settings: Settings::new(settings.into()).unwrap(),
        created: 1,
        updated: 2,
        scope,
    }
}

fn index_of(connections: &[Connection]) -> Index<'static> {
    let mut index = Index::default();
    index.set_connections(connections).unwrap();
    index
}

/// An index whose connections have these bytes.
fn index_with(bytes: Vec<u8>) -> Index<'static> {
    Index { connection_bytes: bytes.into(), ..Index::default() }
}

/// Reads the connections of an index whose records are these, right or wrong.
fn read(records: &[ConnectionRecord<'_>]) -> Result<Vec<Connection>, FormatError> {
    index_with(encode(&records).unwrap()).connections()
}

/// Reads one connection after a change of its record.
fn altered(change: impl FnOnce(&mut ConnectionRecord<'_>)) -> Result<Vec<Connection>, FormatError> {
    let connection = connection("web", "a");
    let mut record = ConnectionRecord::new(&connection);
    change(&mut record);
    read(&[record])
}

fn plaintext(index: &Index<'_>) -> Vec<u8> {
    let message = encode_index(index).unwrap();
    message[PREFIX_LEN..message.len() - TAG_LEN].to_vec()
}

#[test]
fn connections_come_back_in_order_through_a_whole_index() {
    let plain = Connection {
        scope: Scope::Tenant(TenantId::default()),
        auth: Auth::None,
        settings: Settings::default(),
        ..connection("web", "x")
    };
    let in_order = [connection("api", "b"), connection("web", "a"), connection("web", "a-1"), plain];
    let mut shuffled = in_order.to_vec();
    shuffled.reverse();
    let plaintext = plaintext(&index_of(&shuffled));
    assert_eq!(plaintext[..4], [2, 0, 0, 0], "the schema");
    assert_eq!(Index::decode(&plaintext).unwrap().connections().unwrap(), in_order);
}

#[test]
fn an_index_without_connections_keeps_the_schema_of_older_readers() {
    let index = index_of(&[]);
    assert_eq!(index, Index::default());
    let plaintext = plaintext(&index);
    assert_eq!(plaintext[..4], [1, 0, 0, 0], "the schema");
    assert!(Index::decode(&plaintext).unwrap().connections().unwrap().is_empty());
}

#[test]
fn a_schema_that_does_not_fit_the_content_is_refused() {
    for (index, schema) in [(index_of(&[connection("web", "a")]), 1), (Index::default(), 2)] {
        let mut plaintext = plaintext(&index);
        plaintext[0] = schema;
        assert!(matches!(Index::decode(&plaintext), Err(FormatError::Damaged(_))), "{schema}");
    }
}

#[test]
fn an_index_opens_without_a_look_at_its_connections() {
    let plaintext = plaintext(&index_with(vec![0xff; 40]));
    let index = Index::decode(&plaintext).unwrap();
    assert!(index.connections().is_err());
    assert_eq!(index, index_with(vec![0xff; 40]), "and they are written again as they were");
}

#[test]
fn a_vector_of_no_connections_is_refused() {
    assert!(matches!(index_with(vec![0; 8]).connections(), Err(FormatError::Damaged(_))));
}

#[test]
fn connections_out_of_order_or_twice_are_refused() {
    let [a, b] = [connection("web", "a"), connection("web", "b")];
    let other = connection("api", "a");
    for pair in [[&b, &a], [&a, &a], [&a, &other]] {
        let refused = read(&pair.map(ConnectionRecord::new));
        assert!(
            matches!(refused, Err(FormatError::Damaged("the connections are not in order"))),
            "{refused:?}"
        );
    }
}

#[test]
fn connections_of_impossible_fields_are_refused() {
    let cases: [fn(&mut ConnectionRecord<'_>); 14] = [
        |record| record.id = "A".into(),
        |record| record.id = "".into(),
        |record| record.kind = 0,
        |record| record.kind = 17,
        |record| record.label = "".into(),
        |record| record.label = "a\u{202e}b".into(),
        |record| record.auth = 3,
        |record| record.auth = 0,
        |record| record.secret = "".into(),
        |record| record.secret = "A=B".into(),
        |record| record.settings.0.reverse(),
        |record| record.settings.0[1].key = "channel".into(),
        |record| record.settings.0[0].key = "".into(),
        |record| record.settings.0[0].value = "\u{1b}[0m".into(),
    ];
    for (nth, change) in cases.into_iter().enumerate() {
        let refused = altered(change);
        assert!(matches!(refused, Err(FormatError::Damaged(_))), "{nth}: {refused:?}");
    }
    assert!(altered(|_| {}).is_ok());
}

#[test]
fn a_connection_of_a_tenant_refers_to_no_workspace() {
    let tenant = Scope::Tenant(TenantId::default());
    let refused = altered(|record| record.scope = ScopeRecord::new(&tenant));
    assert!(matches!(refused, Err(FormatError::Damaged("the index has an invalid reference"))));
    let read = altered(|record| {
        record.scope = ScopeRecord::new(&tenant);
        record.auth = ConnectionRecord::SECRET_OF_TENANT;
    });
    assert!(matches!(&read.unwrap()[0].auth, Auth::Secret { scope, .. } if *scope == tenant));
}

#[test]
fn what_is_above_a_limit_is_too_large_and_not_damaged() {
    let long = |length: usize| Cow::from("x".repeat(length));
    let refused = [
        altered(|record| record.id = long(64)),
        altered(|record| record.label = long(257)),
        altered(|record| record.secret = long(257)),
        altered(|record| record.settings.0[1].key = long(65)),
        altered(|record| record.settings.0[0].value = long(4097)),
        altered(|record| {
            let setting = |nth: usize| SettingRecord { key: format!("{nth:02}").into(), value: "".into() };
            record.settings = SettingRecords((0..65).map(setting).collect());
        }),
    ];
    for (nth, refused) in refused.iter().enumerate() {
        assert!(matches!(refused, Err(FormatError::TooLarge(_))), "{nth}: {refused:?}");
    }
}

#[test]
fn the_smallest_connection_has_the_size_by_which_counts_are_judged() {
    let connection = connection("web", "a");
    let scope = ScopeRecord { kind: 0, tenant: "".into(), workspace: "".into() };
    let (id, label, secret, settings) = ("".into(), "".into(), "".into(), SettingRecords(Vec::new()));
    let smallest =
        ConnectionRecord { scope, id, label, secret, settings, ..ConnectionRecord::new(&connection) };
    assert_eq!(encode(&smallest).unwrap().len(), CONNECTION_LEN);
}

#[test]
fn a_connection_has_as_many_settings_as_allowed_and_no_more() {
    let with_settings = |count: usize| {
        altered(|record| {
            let setting = |nth| SettingRecord { key: format!("k{nth:03}").into(), value: "v".into() };
            record.settings = SettingRecords((0..count).map(setting).collect());
        })
    };
    assert_eq!(with_settings(64).unwrap()[0].settings.iter().count(), 64);
    assert!(matches!(with_settings(65), Err(FormatError::TooLarge("the number of settings"))));
}

#[test]
fn a_count_above_the_limit_is_refused_before_anything_is_read() {
    for count in [10_001, 1 << 40, u64::MAX] {
        let refused = index_with(count.to_le_bytes().to_vec()).connections();
        assert!(matches!(refused, Err(FormatError::TooLarge("the number of connections"))), "{count}");
    }
    let mut many: Vec<_> = (0..10_000).map(|nth| connection("web", &format!("{nth:05}"))).collect();
    assert_eq!(index_of(&many).connections().unwrap().len(), 10_000);
    many.push(connection("web", "one-more"));
    assert!(matches!(Index::default().set_connections(&many), Err(FormatError::TooLarge(_))));
}

#[test]
fn connections_that_are_cut_off_or_continued_are_refused() {
    let whole = index_of(&[connection("web", "a")]).connection_bytes;
    for end in 1..whole.len() {
        assert!(index_with(whole[..end].to_vec()).connections().is_err(), "{end}");
    }
    assert!(index_with([&*whole, &[0]].concat()).connections().is_err());
}

#[test]
fn an_altered_byte_is_refused_or_is_itself_the_encoding_of_another_connection() {
    let whole = index_of(&[connection("web", "a")]).connection_bytes;
    for at in 0..whole.len() {
        for byte in [0, 1, b'a', 0x80, 0xff] {
            let mut bytes = whole.to_vec();
            bytes[at] = byte;
            if let Ok(read) = index_with(bytes.clone()).connections() {
                assert_eq!(*index_of(&read).connection_bytes, bytes, "{byte} at {at}");
            }
        }
    }
}

#[test]
fn hostile_lengths_in_a_connection_are_refused() {
    let whole = index_of(&[connection("web", "a")]).connection_bytes;
    let times = whole.len() - 16;
    for at in 8..times - 8 {
        for hostile in [u64::MAX, 1 << 63, 1 << 40] {
            let mut bytes = whole.to_vec();
            bytes[at..at + 8].copy_from_slice(&hostile.to_le_bytes());
            assert!(index_with(bytes).connections().is_err(), "{hostile:#x} at {at}");
        }
    }
}

#[test]
fn a_count_of_settings_takes_no_room_for_settings_that_are_not_there() {
    let little_room = legacy().with_limit::<1024>();
    for count in [1, 1 << 21, u64::MAX] {
        let bytes = count.to_le_bytes();
        let refused = borrow_decode_from_slice::<SettingRecords<'_>, _>(&bytes, little_room);
        assert!(matches!(refused, Err(DecodeError::UnexpectedEnd { .. })), "{count}: {refused:?}");
    }
}

#[test]
fn every_kind_has_the_number_that_the_document_gives_it() {
    let listed = DOCUMENT.split("Kinds: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let listed: Vec<&str> = listed.split_whitespace().collect();
    let ours: Vec<String> = KINDS.iter().map(|kind| format!("{} {kind}", number_of(*kind))).collect();
    assert_eq!(listed.join(" "), ours.join(", "));
    assert!(Kind::ALL.iter().all(|kind| KINDS.contains(kind)));
}
