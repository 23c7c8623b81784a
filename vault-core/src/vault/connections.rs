//! Changes of connections, and what they mean for the secrets that they refer to.

use crate::connection::{Connection, MAX_CONNECTIONS};
use crate::format::FormatError;
use crate::name::{ConnectionId, Scope, SecretName};
use crate::vault::draft::{ChangeError, Draft};

impl Draft<'_> {
    /// Stores a connection and returns the one whose place it takes. `created` stays that of the first one.
    /// Whether there is a secret to which it refers is not looked at: see [`Index::has_secret`].
    ///
    /// [`Index::has_secret`]: crate::format::index::Index::has_secret
    ///
    /// # Errors
    ///
    /// [`ChangeError::TooManyConnections`].
    pub fn set_connection(&mut self, connection: Connection) -> Result<Option<Connection>, ChangeError> {
        let mut connections = self.index.connections()?;
        let replaced = take(&mut connections, &connection.scope, &connection.id);
        if connections.len() >= MAX_CONNECTIONS {
            return Err(ChangeError::TooManyConnections);
        }
        let created = replaced.as_ref().map_or(connection.created, |replaced| replaced.created);
        connections.push(Connection { created, ..connection });
        self.index.set_connections(&connections)?;
        Ok(replaced)
    }

    /// Removes a connection and returns it. The secret to which it refers stays.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NoConnection`].
    pub fn remove_connection(&mut self, scope: &Scope, id: &ConnectionId) -> Result<Connection, ChangeError> {
        let mut connections = self.index.connections()?;
        let removed = take(&mut connections, scope, id)
            .ok_or_else(|| ChangeError::NoConnection { id: id.clone(), scope: scope.clone() })?;
        self.index.set_connections(&connections)?;
        Ok(removed)
    }

    /// Refuses if a connection refers to the secret, wherever in the vault the connection is.
    ///
    /// # Errors
    ///
    /// [`ChangeError::SecretInUse`].
    pub fn check_unused(&self, scope: &Scope, name: &SecretName) -> Result<(), ChangeError> {
        let connections = self.uses(scope, name)?;
        if connections.is_empty() {
            return Ok(());
        }
        Err(ChangeError::SecretInUse { name: name.clone(), scope: scope.clone(), connections })
    }

    /// Returns the connections that refer to a secret.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the connections are not as they were written.
    pub fn uses(&self, scope: &Scope, name: &SecretName) -> Result<Vec<Connection>, FormatError> {
        let mut connections = self.index.connections()?;
        connections.retain(|connection| connection.uses(scope, name));
        Ok(connections)
    }
}

fn take(connections: &mut Vec<Connection>, scope: &Scope, id: &ConnectionId) -> Option<Connection> {
    let at = connections.iter().position(|known| known.scope == *scope && known.id == *id)?;
    Some(connections.remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Auth, Label, Settings};
    use crate::name::TenantId;
    use crate::provider::Kind;
    use crate::slot::SlotKind;
    use crate::store::memory::MemoryStore;
    use crate::store::{Previous, VaultStore};
    use crate::vault::commit::CommitError;
    use crate::vault::samples::{
        SLOTS, change, content, damage_value, locked, name, put, sample, scope, slot_key, unlocked,
    };
    use crate::vault::{commit, restore};

    fn connection(id: &str, secret: &str, created: u64) -> Connection {
        Connection {
            scope: scope(),
            id: ConnectionId::parse(id).unwrap(),
            kind: Kind::Github,
            label: Label::parse("Code").unwrap(),
            auth: Auth::Secret { scope: scope(), name: name(secret) },
            settings: Settings::default(),
            created,
            updated: created,
        }
    }

    /// A vault with the secret `A` and a connection `one` that refers to it.
    fn connected() -> MemoryStore {
        let store = sample(&[("A", "a")]);
        set(&store, connection("one", "A", 5));
        store
    }

    fn set(store: &MemoryStore, connection: Connection) -> Option<Connection> {
        change(store, |draft| draft.set_connection(connection)).unwrap().outcome
    }

    fn stored(store: &MemoryStore) -> Vec<Connection> {
        unlocked(store).index().unwrap().connections().unwrap()
    }

    #[test]
    fn a_connection_is_stored_and_removed() {
        let store = connected();
        assert_eq!(stored(&store), [connection("one", "A", 5)]);
        let id = ConnectionId::parse("one").unwrap();
        let removed = change(&store, |draft| draft.remove_connection(&scope(), &id)).unwrap().outcome;
        assert_eq!(removed, connection("one", "A", 5));
        assert!(stored(&store).is_empty());
        assert_eq!(content(&store), ["A/1=a"], "the secret stays");
    }

    #[test]
    fn a_connection_that_is_replaced_keeps_the_time_when_it_was_made() {
        let store = connected();
        assert_eq!(set(&store, connection("one", "B", 9)), Some(connection("one", "A", 5)));
        assert_eq!(stored(&store), [Connection { created: 5, ..connection("one", "B", 9) }]);
    }

    #[test]
    fn one_id_in_two_scopes_is_two_connections() {
        let store = connected();
        let tenant = Scope::Tenant(TenantId::default());
        let other = Connection { scope: tenant.clone(), auth: Auth::None, ..connection("one", "A", 6) };
        assert_eq!(set(&store, other), None);
        assert_eq!(stored(&store).len(), 2);
        let id = ConnectionId::parse("one").unwrap();
        change(&store, |draft| draft.remove_connection(&tenant, &id)).unwrap();
        assert_eq!(stored(&store), [connection("one", "A", 5)]);
    }

    #[test]
    fn a_connection_that_is_not_there_is_not_removed() {
        let store = connected();
        let before = store.current();
        let absent = |scope: &Scope, id: &str| {
            let id = ConnectionId::parse(id).unwrap();
            change(&store, |draft| draft.remove_connection(scope, &id)).map(drop)
        };
        for refused in [absent(&scope(), "two"), absent(&Scope::Tenant(TenantId::default()), "one")] {
            assert!(
                matches!(refused, Err(CommitError::Change(ChangeError::NoConnection { .. }))),
                "{refused:?}"
            );
        }
        assert_eq!(store.current(), before);
    }

    #[test]
    fn a_secret_that_a_connection_refers_to_is_in_use() {
        let store = connected();
        let check = |scope: &Scope, secret: &str| {
            change(&store, |draft| draft.check_unused(scope, &name(secret))).map(drop)
        };
        let refused = check(&scope(), "A").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "A in workspace default is used by 1 connection: one (workspace default)"
        );
        assert!(check(&scope(), "B").is_ok());
        assert!(check(&Scope::Tenant(TenantId::default()), "A").is_ok(), "a name in another scope");
    }

    #[test]
    fn a_long_list_of_connections_that_use_a_secret_is_cut() {
        let connections = (10..22).map(|nth| connection(&format!("c{nth}"), "A", 1)).collect();
        let refused = ChangeError::SecretInUse { name: name("A"), scope: scope(), connections }.to_string();
        assert!(
            refused.starts_with("A in workspace default is used by 12 connections: c10 (workspace"),
            "{refused}"
        );
        assert!(refused.ends_with("c19 (workspace default), and 2 more"), "{refused}");
    }

    #[test]
    fn put_remove_and_rekey_keep_the_connections() {
        let store = connected();
        change(&store, |draft| put(draft, "B", "b")).unwrap();
        change(&store, |draft| draft.remove(&scope(), &name("A"))).unwrap();
        change(&store, |draft| {
            draft.rekey()?;
            draft.add_slot(SlotKind::Env, SLOTS[0], &slot_key(1))
        })
        .unwrap();
        assert_eq!(stored(&store), [connection("one", "A", 5)], "its reference may dangle");
    }

    #[test]
    fn restore_brings_the_connections_of_the_previous_generation_back() {
        let store = connected();
        let id = ConnectionId::parse("one").unwrap();
        change(&store, |draft| draft.remove_connection(&scope(), &id)).unwrap();
        damage_value(&store, 0);
        let previous = restore::open_previous(&store, locked(&store).header().purpose).unwrap().unwrap();
        let mut source = crate::vault::samples::OneKey { kind: "env", key: 1 };
        let previous = previous.unlock(&mut [&mut source]).unwrap().vault;
        restore::restore(&store, previous).unwrap();
        assert_eq!(stored(&store), [connection("one", "A", 5)]);
    }

    #[test]
    fn verify_finds_connections_that_are_not_as_they_were_written() {
        let store = connected();
        let vault = unlocked(&store);
        let mut index = vault.index().unwrap();
        assert!(vault.verify(&index).unwrap().is_empty());
        index.connection_bytes.to_mut().push(0);
        assert!(matches!(vault.verify(&index), Err(FormatError::Damaged(_))));
    }

    #[test]
    fn a_vault_takes_ten_thousand_connections_and_no_more() {
        let store = connected();
        let many: Vec<_> = (0..MAX_CONNECTIONS).map(|nth| connection(&format!("{nth:05}"), "A", 1)).collect();
        let vault = unlocked(&store);
        let refused = commit::commit(&store, vault, Previous::Keep, |draft| {
            draft.index.set_connections(&many)?;
            assert!(draft.set_connection(many[7].clone()).is_ok(), "in the place of another");
            draft.set_connection(connection("one-more", "A", 1))
        });
        assert!(matches!(refused, Err(CommitError::Change(ChangeError::TooManyConnections))));
        assert!(store.open().unwrap().is_some());
    }
}
