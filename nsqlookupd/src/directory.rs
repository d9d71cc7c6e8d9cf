//! The registry behind its lock.

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::registry::{Entry, Key, Lifetimes, Limits, Node, Now, Registry};

/// The registry as connections and requests share it.
#[derive(Debug)]
pub struct Directory {
    registry: RwLock<Registry>,
}

impl Directory {
    /// An empty one.
    pub fn new(lifetimes: Lifetimes) -> Self {
        Self { registry: RwLock::new(Registry::new(lifetimes, Limits::DEFAULT)) }
    }

    /// For one question. Not to be held while anything is waited for or encoded.
    pub fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read()
    }

    /// For one change.
    pub fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write()
    }

    /// All active producers, one by one: between two of them others may change the registry. What is said of one is
    /// consistent, what is said of two is of two moments.
    pub fn nodes(&self, now: Now) -> impl Iterator<Item = Node> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let (node, next) = self.read().node(from, now)?;
            from = next;
            Some(node)
        })
    }

    /// All keys that have producers, with these, sorted by the texts of the keys and one by one, as [`Directory::nodes`].
    pub fn dump(&self) -> impl Iterator<Item = (Key, Vec<Entry>)> {
        let keys = self.read().keys();
        let entries = |key: Key| {
            let entries = self.read().entries(&key);
            (key, entries)
        };
        // A key whose last producer has gone meanwhile is as one that was not there.
        keys.into_iter().map(entries).filter(|(_, entries)| !entries.is_empty())
    }
}
