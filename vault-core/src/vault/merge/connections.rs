//! Connections that come from elsewhere. Two of them are the same if all is equal that a person said of them:
//! when they were stored is no part of that.

use std::collections::BTreeMap;

use crate::connection::{Connection, MAX_CONNECTIONS};
use crate::format::FormatError;
use crate::name::{ConnectionId, Scope};
use crate::vault::draft::{ChangeError, Draft};
use crate::vault::merge::{OnConflict, Standing};

/// The connections of a vault by what tells them apart.
type Known = BTreeMap<(Scope, ConnectionId), Connection>;

impl Draft<'_> {
    /// Merges connections from elsewhere, of which no two have one scope and id, and returns how each of them
    /// stood to the vault before. One that takes the place of another keeps the time when that was made.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OtherConnections`] with [`OnConflict::Fail`], else [`ChangeError::TooManyConnections`].
    pub fn merge_connections(
        &mut self,
        incoming: &[Connection],
        on_conflict: OnConflict,
        now: u64,
    ) -> Result<Vec<Standing>, ChangeError> {
        if incoming.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = self.known()?;
        let standings: Vec<Standing> = incoming.iter().map(|found| standing(&known, found)).collect();
        if on_conflict == OnConflict::Fail && standings.contains(&Standing::Conflict) {
            return Err(ChangeError::OtherConnections(conflicting(incoming, &standings)));
        }
        for (connection, standing) in incoming.iter().zip(&standings) {
            if is_taken(*standing, on_conflict) {
                let replaced = known.remove(&key(connection));
                let created = replaced.map_or(now, |replaced| replaced.created);
                known.insert(key(connection), Connection { created, updated: now, ..connection.clone() });
            }
        }
        if known.len() > MAX_CONNECTIONS {
            return Err(ChangeError::TooManyConnections);
        }
        self.index.set_connections(&known.into_values().collect::<Vec<_>>())?;
        Ok(standings)
    }

    /// Compares connections from elsewhere with those of the vault, each with the one of its scope and id.
    pub(in crate::vault) fn compare_connections(
        &self,
        incoming: &[Connection],
    ) -> Result<Vec<Standing>, FormatError> {
        if incoming.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.known()?;
        Ok(incoming.iter().map(|found| standing(&known, found)).collect())
    }

    fn known(&self) -> Result<Known, FormatError> {
        Ok(self.index.connections()?.into_iter().map(|known| (key(&known), known)).collect())
    }
}

fn key(connection: &Connection) -> (Scope, ConnectionId) {
    (connection.scope.clone(), connection.id.clone())
}

fn standing(known: &Known, incoming: &Connection) -> Standing {
    let Some(known) = known.get(&key(incoming)) else { return Standing::New };
    let Connection { created, updated, .. } = *known;
    let is_same = *known == Connection { created, updated, ..incoming.clone() };
    if is_same { Standing::Unchanged } else { Standing::Conflict }
}

fn is_taken(standing: Standing, on_conflict: OnConflict) -> bool {
    match standing {
        Standing::Conflict => on_conflict == OnConflict::Overwrite,
        Standing::New => true,
        Standing::Unchanged => false,
    }
}

fn conflicting(incoming: &[Connection], standings: &[Standing]) -> Vec<ConnectionId> {
    let each = incoming.iter().zip(standings);
    each.filter(|(_, standing)| **standing == Standing::Conflict).map(|(found, _)| found.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Auth, Label, Settings};
    use crate::name::TenantId;
    use crate::provider::Kind;
    use crate::store::VaultStore;
    use crate::store::memory::MemoryStore;
    use crate::vault::commit::CommitError;
    use crate::vault::samples::{change, content, name, sample, scope, unlocked};

    use OnConflict::{Fail, Overwrite, Skip};
    use Standing::{Conflict, New, Unchanged};

    fn connection(id: &str) -> Connection {
        Connection {
            scope: scope(),
            id: ConnectionId::parse(id).unwrap(),
            kind: Kind::Github,
            label: Label::parse("Code").unwrap(),
            auth: Auth::Secret { scope: scope(), name: name("A") },
            settings: Settings::default(),
            created: 7,
            updated: 8,
        }
    }

    /// A connection that differs from [`connection`] in what a person said of it.
    fn other(id: &str) -> Connection {
        Connection { auth: Auth::None, ..connection(id) }
    }

    /// A vault with the connections `one` and `two`, stored at 5.
    fn connected() -> MemoryStore {
        let store = sample(&[("A", "a")]);
        merge(&store, &[connection("one"), connection("two")], Fail, 5).unwrap();
        store
    }

    fn merge(
        store: &MemoryStore,
        connections: &[Connection],
        on_conflict: OnConflict,
        now: u64,
    ) -> Result<Vec<Standing>, CommitError> {
        let merged = change(store, |draft| draft.merge_connections(connections, on_conflict, now));
        merged.map(|committed| committed.outcome)
    }

    fn stored(store: &MemoryStore) -> Vec<Connection> {
        unlocked(store).index().unwrap().connections().unwrap()
    }

    fn at(created: u64, updated: u64, connection: Connection) -> Connection {
        Connection { created, updated, ..connection }
    }

    #[test]
    fn a_connection_is_new_unchanged_or_a_conflict_whenever_it_was_stored() {
        let store = connected();
        let found = [other("one"), at(1, 2, connection("two")), connection("three")];
        let vault = unlocked(&store);
        let draft = Draft::new(&vault, vault.index().unwrap());
        assert_eq!(draft.compare_connections(&found).unwrap(), [Conflict, Unchanged, New]);
    }

    #[test]
    fn every_part_that_a_person_gave_makes_a_conflict() {
        let tenant = Scope::Tenant(TenantId::default());
        let settings = Settings::new(vec!["a=b".parse().unwrap()]).unwrap();
        let vault = unlocked(&connected());
        let draft = Draft::new(&vault, vault.index().unwrap());
        for changed in [
            Connection { kind: Kind::Slack, ..connection("one") },
            Connection { label: Label::parse("code").unwrap(), ..connection("one") },
            Connection { auth: Auth::None, ..connection("one") },
            Connection { auth: Auth::Secret { scope: scope(), name: name("B") }, ..connection("one") },
            Connection { auth: Auth::Secret { scope: tenant, name: name("A") }, ..connection("one") },
            Connection { settings, ..connection("one") },
        ] {
            assert_eq!(draft.compare_connections(&[changed]).unwrap(), [Conflict]);
        }
    }

    #[test]
    fn the_same_id_in_another_scope_is_new() {
        let store = connected();
        let tenant = Connection { scope: Scope::Tenant(TenantId::default()), ..other("one") };
        assert_eq!(merge(&store, &[tenant], Fail, 9).unwrap(), [New]);
        assert_eq!(stored(&store).len(), 3);
    }

    #[test]
    fn one_conflict_stops_everything_and_names_the_connection() {
        let store = connected();
        let before = store.current();
        let refused = merge(&store, &[connection("new"), other("two")], Fail, 9).unwrap_err();
        assert_eq!(refused.to_string(), "nothing was stored, the vault has other connections: two");
        assert_eq!(store.current(), before);
    }

    #[test]
    fn overwriting_keeps_the_time_when_it_was_made_and_skipping_all() {
        let store = connected();
        let found = [other("one"), at(1, 2, connection("two")), connection("new")];
        assert_eq!(merge(&store, &found, Skip, 9).unwrap(), [Conflict, Unchanged, New]);
        let kept = ["one", "two"].map(|id| at(5, 5, connection(id)));
        let [one, two] = kept;
        let new = at(9, 9, connection("new"));
        assert_eq!(stored(&store), [new.clone(), one, two.clone()]);
        assert_eq!(merge(&store, &found, Overwrite, 10).unwrap(), [Conflict, Unchanged, Unchanged]);
        assert_eq!(stored(&store), [new, at(5, 10, other("one")), two]);
        assert_eq!(content(&store), ["A/1=a"]);
    }

    #[test]
    fn ten_thousand_connections_are_merged_and_no_more() {
        let store = connected();
        let many: Vec<_> = (2..MAX_CONNECTIONS).map(|nth| connection(&format!("{nth:05}"))).collect();
        merge(&store, &many, Fail, 9).unwrap();
        assert_eq!(stored(&store).len(), MAX_CONNECTIONS);
        let refused = merge(&store, &[connection("one-more")], Fail, 9);
        assert!(matches!(refused, Err(CommitError::Change(ChangeError::TooManyConnections))), "{refused:?}");
        assert!(store.open().unwrap().is_some());
    }
}
