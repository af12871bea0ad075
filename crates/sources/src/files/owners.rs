//! Names of users and groups, asked for once.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;

use crate::sys;

/// Account names by number and numbers by name, each asked of the system once: a name service may be a
/// server far away. May be shared between threads.
#[derive(Debug, Default)]
pub struct Owners {
    users: Mutex<HashMap<u32, Vec<u8>>>,
    groups: Mutex<HashMap<u32, Vec<u8>>>,
    user_ids: Mutex<HashMap<Vec<u8>, Option<u32>>>,
    group_ids: Mutex<HashMap<Vec<u8>, Option<u32>>>,
}

/// Returns the cached answer, asking for it first if there is none. The lock is not held while asking.
fn cached<K, Q, V>(cache: &Mutex<HashMap<K, V>>, key: &Q, ask: impl FnOnce(&Q) -> V) -> V
where
    K: Borrow<Q> + Eq + Hash,
    Q: ToOwned<Owned = K> + Eq + Hash + ?Sized,
    V: Clone,
{
    if let Some(found) = lock(cache).get(key) {
        return found.clone();
    }
    let answer = ask(key);
    lock(cache).insert(key.to_owned(), answer.clone());
    answer
}

/// Locks a cache; a thread that panicked with it left it whole, as every change is one insertion.
fn lock<T>(cache: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    cache
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Owners {
    /// Returns a user's name, empty if it has none.
    pub fn user(&self, uid: u32) -> Vec<u8> {
        cached(&self.users, &uid, |uid| {
            sys::user_name(*uid).unwrap_or_default()
        })
    }

    /// Returns a group's name, empty if it has none.
    pub fn group(&self, gid: u32) -> Vec<u8> {
        cached(&self.groups, &gid, |gid| {
            sys::group_name(*gid).unwrap_or_default()
        })
    }

    /// Returns the number that belongs to `name` here, or `number` if the name is empty or unknown.
    pub fn uid(&self, name: &[u8], number: u32) -> u32 {
        if name.is_empty() {
            return number;
        }
        cached(&self.user_ids, name, sys::user_id).unwrap_or(number)
    }

    /// As [`Self::uid`], for groups.
    pub fn gid(&self, name: &[u8], number: u32) -> u32 {
        if name.is_empty() {
            return number;
        }
        cached(&self.group_ids, name, sys::group_id).unwrap_or(number)
    }
}
