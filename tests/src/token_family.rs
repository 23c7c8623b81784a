//! Grants as a strict authorization server keeps them: a refresh token is good once, and using it again ends the
//! whole grant (RFC 9700 §4.14.2). With a grace window it is good for a moment longer, as other servers have it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What becomes of a refresh token that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It is spent, and to use it again is refused; nothing else happens.
    Lenient,
    /// It is not spent.
    Off,
    /// It is spent; within the window it gives the same tokens again, after it ends the grant.
    Grace(Duration),
    /// It is spent, and to use it again ends the grant.
    Strict,
}

/// The tokens of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// All grants of a server, and what it saw.
#[derive(Debug)]
pub struct Grants {
    rotation: Rotation,
    families: Vec<Family>,
    refresh_tokens: BTreeMap<String, (usize, u64)>,
    /// Refreshes that gave new tokens.
    pub refreshes: u64,
    /// Spent tokens that were used again.
    pub replays: u64,
    /// Requests with tokens that are not good for anything.
    pub refusals: u64,
}

#[derive(Debug)]
struct Family {
    generation: u64,
    rotated: Instant,
    is_alive: bool,
}

impl Grants {
    /// Makes a server without grants.
    pub const fn new(rotation: Rotation) -> Self {
        Self {
            rotation,
            families: Vec::new(),
            refresh_tokens: BTreeMap::new(),
            refreshes: 0,
            replays: 0,
            refusals: 0,
        }
    }

    /// Grants: the first tokens of a family.
    pub fn grant(&mut self) -> Pair {
        self.families.push(Family { generation: 0, rotated: Instant::now(), is_alive: true });
        self.pair(self.families.len() - 1)
    }

    /// Exchanges a refresh token; `None` is `invalid_grant`.
    pub fn refresh(&mut self, token: &str) -> Option<Pair> {
        let Some((family, generation)) = self.refresh_tokens.get(token).copied() else {
            self.refusals += 1;
            return None;
        };
        if !self.families[family].is_alive {
            self.refusals += 1;
            return None;
        }
        if generation == self.families[family].generation {
            self.refreshes += 1;
            return Some(self.next(family));
        }
        self.replay(family, generation)
    }

    /// Revokes the grant of a token, of whichever kind.
    pub fn revoke(&mut self, token: &str) {
        let family = self.refresh_tokens.get(token).map(|(family, _)| *family);
        if let Some(family) = family.or_else(|| self.family_of_access(token)) {
            self.families[family].is_alive = false;
        }
    }

    /// Tells whether an access token is good.
    pub fn accepts(&self, access: &str) -> bool {
        self.family_of_access(access).is_some_and(|family| self.families[family].is_alive)
    }

    /// Changes what becomes of refresh tokens from now on.
    pub const fn set_rotation(&mut self, rotation: Rotation) {
        self.rotation = rotation;
    }

    fn next(&mut self, family: usize) -> Pair {
        if self.rotation != Rotation::Off {
            self.families[family].generation += 1;
            self.families[family].rotated = Instant::now();
        }
        self.pair(family)
    }

    fn replay(&mut self, family: usize, generation: u64) -> Option<Pair> {
        self.replays += 1;
        let last = &self.families[family];
        match self.rotation {
            Rotation::Grace(window)
                if generation + 1 == last.generation && last.rotated.elapsed() <= window =>
            {
                return Some(self.pair(family));
            }
            Rotation::Grace(_) | Rotation::Strict => self.families[family].is_alive = false,
            Rotation::Lenient | Rotation::Off => (),
        }
        None
    }

    fn pair(&mut self, family: usize) -> Pair {
        let generation = self.families[family].generation;
        let refresh = format!("refresh-{family}-{generation}");
        self.refresh_tokens.insert(refresh.clone(), (family, generation));
        Pair { access: format!("access-{family}-{generation}"), refresh }
    }

    fn family_of_access(&self, access: &str) -> Option<usize> {
        let family = access.strip_prefix("access-")?.split('-').next()?.parse().ok()?;
        (family < self.families.len()).then_some(family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_ends_a_strict_grant_and_no_other() {
        let mut grants = Grants::new(Rotation::Strict);
        let (first, other) = (grants.grant(), grants.grant());
        let second = grants.refresh(&first.refresh).expect("the first refresh");
        assert!(grants.accepts(&second.access));
        assert_eq!(grants.refresh(&first.refresh), None);
        assert_eq!(grants.refresh(&second.refresh), None);
        assert!(!grants.accepts(&second.access) && grants.accepts(&other.access));
        assert_eq!((grants.refreshes, grants.replays, grants.refusals), (1, 1, 1));
    }

    #[test]
    fn a_grace_window_gives_the_same_tokens_again() {
        let mut grants = Grants::new(Rotation::Grace(Duration::from_secs(600)));
        let first = grants.grant();
        let second = grants.refresh(&first.refresh);
        assert_eq!(grants.refresh(&first.refresh), second);
        grants.set_rotation(Rotation::Grace(Duration::ZERO));
        assert_eq!(grants.refresh(&first.refresh), None);
    }
}
