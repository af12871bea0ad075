//! Names of users and groups, asked for once.

use std::collections::HashMap;
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
fn cached<K: std::hash::Hash + Eq + Clone, V: Clone>(
    cache: &Mutex<HashMap<K, V>>,
    key: K,
    ask: impl FnOnce(&K) -> V,
) -> V {
    if let Some(found) = lock(cache).get(&key) {
        return found.clone();
    }
    let answer = ask(&key);
    lock(cache).insert(key, answer.clone());
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
        cached(&self.users, uid, |uid| {
            sys::user_name(*uid).unwrap_or_default()
        })
    }

    /// Returns a group's name, empty if it has none.
    pub fn group(&self, gid: u32) -> Vec<u8> {
        cached(&self.groups, gid, |gid| {
            sys::group_name(*gid).unwrap_or_default()
        })
    }

    /// Returns the number that belongs to `name` here, or `number` if the name is empty or unknown.
    pub fn uid(&self, name: &[u8], number: u32) -> u32 {
        if name.is_empty() {
            return number;
        }
        cached(&self.user_ids, name.to_vec(), |name| sys::user_id(name)).unwrap_or(number)
    }

    /// As [`Self::uid`], for groups.
    pub fn gid(&self, name: &[u8], number: u32) -> u32 {
        if name.is_empty() {
            return number;
        }
        cached(&self.group_ids, name.to_vec(), |name| sys::group_id(name)).unwrap_or(number)
    }
}
