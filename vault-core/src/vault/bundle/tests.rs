//! What goes into a bundle comes out of it, and nothing else does.

use super::*;
use crate::connection::{Label, Settings};
use crate::format::header::FIXED_LEN;
use crate::format::{MAX_VALUE, Snapshot};
use crate::name::ConnectionId;
use crate::provider::Kind;
use crate::secret::SecretBytes;
use crate::slot::SlotKind;
use crate::store::memory::MemoryStore;
use crate::vault::LockedVault;
use crate::vault::samples::{
    OneKey, SLOTS, change, damage_value, name, put, sample, scope, slot_key, unlocked,
};

fn tenant() -> Scope {
    Scope::Tenant(TenantId::default())
}

fn connection(scope: Scope, id: &str) -> Connection {
    Connection {
        id: ConnectionId::parse(id).unwrap(),
        kind: Kind::Slack,
        label: Label::parse("Alerts").unwrap(),
        auth: Auth::Secret { scope: scope.clone(), name: name("A") },
        settings: Settings::new(vec!["channel=#a".parse().unwrap()]).unwrap(),
        created: 1,
        updated: 2,
        scope,
    }
}

/// Takes the current version of every secret, and every connection.
fn all(store: &MemoryStore) -> Result<Contents, FormatError> {
    let vault = unlocked(store);
    let index = vault.index()?;
    let positions: Vec<usize> = index.current().map(|(position, _)| position).collect();
    Contents::gather(&vault, &index, &positions, index.connections()?)
}

fn seal(contents: Contents) -> Result<Vec<u8>, ChangeError> {
    contents.seal(7, |draft| draft.add_slot(SlotKind::Recovery, SLOTS[0], &slot_key(3)))
}

fn opened(bytes: &[u8]) -> UnlockedVault {
    let snapshot: Box<dyn Snapshot> = Box::new(bytes.to_vec());
    let locked = LockedVault::open(snapshot, Purpose::Bundle).unwrap();
    locked.unlock(&mut [&mut OneKey { kind: "recovery", key: 3 }]).unwrap().vault
}

/// Describes secrets as `scope name=value`.
fn shown(contents: &Contents) -> Vec<String> {
    let line = |secret: &Incoming| {
        let value = String::from_utf8_lossy(secret.value.expose_secret());
        format!("{} {}={value}", secret.scope, secret.name)
    };
    contents.secrets.iter().map(line).collect()
}

#[test]
fn current_values_of_workspace_and_tenant_arrive_in_those_of_the_opener() {
    let store = sample(&[("A", "old"), ("B", "b")]);
    change(&store, |draft| {
        put(draft, "A", "new")?;
        draft.put(&tenant(), &name("A"), &SecretBytes::new(b"shared".to_vec()), 1)
    })
    .unwrap();
    let bundle = opened(&seal(all(&store).unwrap()).unwrap());
    let (acme, web) = (TenantId::parse("acme").unwrap(), WorkspaceId::parse("web").unwrap());
    let contents = Contents::open(&bundle, &acme, &web).unwrap();
    let of_web = "workspace web of tenant acme";
    assert_eq!(
        shown(&contents),
        [format!("{of_web} A=new"), format!("{of_web} B=b"), "tenant acme A=shared".into()]
    );
}

#[test]
fn no_id_of_the_vault_is_in_the_bundle() {
    let store = sample(&[("A", "value")]);
    let (web, directory) = (WorkspaceId::parse("web").unwrap(), b"/src/web");
    change(&store, |draft| draft.bind(&TenantId::default(), &web, directory)).unwrap();
    let vault = unlocked(&store);
    let bundle = opened(&seal(all(&store).unwrap()).unwrap());
    let (from, index) = (vault.index().unwrap(), bundle.index().unwrap());
    assert_ne!(bundle.header().vault_id, vault.header().vault_id);
    assert_ne!(index.values.at(0).id, from.values.at(0).id);
    assert_ne!(index.values.at(0).sha256, from.values.at(0).sha256);
    assert_eq!((index.bindings.len(), index.values.at(0).created), (0, 7));
    assert_eq!((bundle.header().epoch, bundle.header().generation), (1, 1));
}

#[test]
fn two_bundles_of_the_same_secrets_have_nothing_in_common() {
    let store = sample(&[("A", "value")]);
    let [one, other] = [(); 2].map(|()| seal(all(&store).unwrap()).unwrap());
    // Behind the slot's own record everything is sealed.
    let mut windows = one[FIXED_LEN + 48..].windows(16);
    assert!(!windows.any(|window| other.windows(16).any(|found| found == window)));
}

#[test]
fn a_bundle_is_no_vault_and_a_vault_no_bundle() {
    let store = sample(&[("A", "value")]);
    let bytes = seal(all(&store).unwrap()).unwrap();
    let refusal = |bytes: Vec<u8>, expected| {
        LockedVault::open(Box::new(bytes), expected).map(drop).unwrap_err().to_string()
    };
    assert_eq!(refusal(bytes.clone(), Purpose::Secrets), "the file is a bundle, not a vault");
    assert_eq!(refusal(bytes, Purpose::Sessions), "the file is a bundle, not a file of sessions");
    assert_eq!(refusal(store.current(), Purpose::Bundle), "the file is a vault, not a bundle");
}

#[test]
fn a_damaged_value_of_the_vault_makes_no_bundle() {
    let store = sample(&[("A", "1"), ("B", "2")]);
    damage_value(&store, 1);
    assert!(matches!(all(&store), Err(FormatError::Value { name, .. }) if name == "B"));
}

#[test]
fn every_byte_of_a_bundle_counts() {
    let bytes = seal(all(&sample(&[("A", "value")])).unwrap()).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let opens = LockedVault::open(Box::new(altered), Purpose::Bundle).ok().and_then(|locked| {
            let vault = locked.unlock(&mut [&mut OneKey { kind: "recovery", key: 3 }]).ok()?.vault;
            Contents::open(&vault, &TenantId::default(), &WorkspaceId::default()).ok()
        });
        assert!(opens.is_none(), "byte {at}");
    }
}

#[test]
fn two_secrets_of_one_name_and_kind_of_scope_are_refused() {
    let two =
        || ["web", "api"].map(|id| Scope::Workspace(TenantId::default(), WorkspaceId::parse(id).unwrap()));
    let secrets = two().map(|scope| Incoming { scope, name: name("A"), value: SecretBytes::new(vec![]) });
    assert!(seal(Contents { secrets: secrets.into(), connections: vec![] }).is_err());
}

#[test]
fn a_value_above_the_limit_makes_no_bundle() {
    let value = SecretBytes::new(vec![0; MAX_VALUE + 1]);
    let secrets = vec![Incoming { scope: scope(), name: name("A"), value }];
    assert!(matches!(seal(Contents { secrets, connections: vec![] }), Err(ChangeError::ValueTooLarge(_))));
}

#[test]
fn an_empty_bundle_opens_as_one() {
    let bundle = opened(&seal(Contents { secrets: vec![], connections: vec![] }).unwrap());
    let contents = Contents::open(&bundle, &TenantId::default(), &WorkspaceId::default()).unwrap();
    assert!(contents.secrets.is_empty() && contents.connections.is_empty());
}

#[test]
fn connections_and_their_references_arrive_in_the_scopes_of_the_opener_without_their_times() {
    let store = sample(&[("A", "value")]);
    let shared = Connection { auth: Auth::None, ..connection(tenant(), "shared") };
    let to_tenant = Auth::Secret { scope: tenant(), name: name("GONE") };
    let to_tenant = Connection { auth: to_tenant, ..connection(scope(), "b") };
    for connection in [connection(scope(), "a"), to_tenant, shared] {
        change(&store, |draft| draft.set_connection(connection)).unwrap();
    }
    let bundle = opened(&seal(all(&store).unwrap()).unwrap());
    let (acme, web) = (TenantId::parse("acme").unwrap(), WorkspaceId::parse("web").unwrap());
    let contents = Contents::open(&bundle, &acme, &web).unwrap();
    let [of_web, of_acme] = [Scope::Workspace(acme.clone(), web), Scope::Tenant(acme)];
    let to_tenant = Auth::Secret { scope: of_acme.clone(), name: name("GONE") };
    let expected = [
        connection(of_web.clone(), "a"),
        Connection { auth: to_tenant, ..connection(of_web, "b") },
        Connection { auth: Auth::None, ..connection(of_acme, "shared") },
    ];
    assert_eq!(contents.connections, expected.map(|found| Connection { created: 7, updated: 7, ..found }));
}

#[test]
fn a_bundle_of_connections_alone_opens() {
    let contents = Contents { secrets: vec![], connections: vec![connection(scope(), "a")] };
    let bundle = opened(&seal(contents).unwrap());
    let contents = Contents::open(&bundle, &TenantId::default(), &WorkspaceId::default()).unwrap();
    assert_eq!((contents.secrets.len(), contents.connections.len()), (0, 1));
}

#[test]
fn two_connections_of_one_id_and_kind_of_scope_are_refused() {
    let two = ["web", "api"].map(|id| Scope::Workspace(TenantId::default(), WorkspaceId::parse(id).unwrap()));
    let connections = two.map(|scope| connection(scope, "a")).into();
    assert!(seal(Contents { secrets: vec![], connections }).is_err());
}

#[test]
fn a_connection_of_a_scope_of_its_own_makes_no_bundle() {
    let foreign = Scope::Tenant(TenantId::parse("acme").unwrap());
    let mut index = Index::default();
    index.set_connections(&[connection(scope(), "a"), connection(foreign, "b")]).unwrap();
    assert!(check(&index).is_err());
    index.set_connections(&[connection(scope(), "a"), connection(tenant(), "b")]).unwrap();
    assert!(check(&index).is_ok());
}

#[test]
fn secrets_and_connections_are_merged_together_or_not_at_all() {
    let from = sample(&[("A", "value")]);
    change(&from, |draft| draft.set_connection(connection(scope(), "a"))).unwrap();
    let contents = all(&from).unwrap();
    let into = sample(&[]);
    change(&into, |draft| draft.set_connection(Connection { auth: Auth::None, ..connection(scope(), "a") }))
        .unwrap();
    let (new, conflict) = (vec![Standing::New], vec![Standing::Conflict]);
    let standings = Standings { secrets: new.clone(), connections: conflict };
    assert_eq!(contents.compare(&unlocked(&into)).unwrap(), standings);
    let before = into.current();
    assert!(change(&into, |draft| contents.merge(draft, OnConflict::Fail, 9)).is_err());
    assert_eq!(into.current(), before);
    let merged = change(&into, |draft| contents.merge(draft, OnConflict::Overwrite, 9)).unwrap();
    assert_eq!(merged.outcome, standings);
    let unchanged = vec![Standing::Unchanged];
    let standings = Standings { secrets: unchanged.clone(), connections: unchanged };
    assert_eq!(contents.compare(&unlocked(&into)).unwrap(), standings);
    assert_eq!(Standings::all_new(&contents), Standings { secrets: new.clone(), connections: new });
}
