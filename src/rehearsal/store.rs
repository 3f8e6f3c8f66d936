//! Objects with resource versions and their history, as etcd and the watch cache keep them.

use super::objects::Place;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Namespace and name.
pub type Key = (String, String);
/// The objects of one kind, in the order in which the API lists them.
pub type Objects = BTreeMap<Key, Arc<Value>>;

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub struct Happening {
    /// Resource version that it got.
    pub version: u64,
    /// Where.
    pub place: Place,
    /// The object as it is now, or was last.
    pub object: Arc<Value>,
    /// It was deleted.
    pub deleted: bool,
    /// The object before; None for a new one.
    before: Option<Arc<Value>>,
}

/// All objects.
#[derive(Clone, Debug, Default)]
pub struct Store {
    kinds: BTreeMap<&'static str, Objects>,
    version: u64,
    history: Vec<Happening>,
    /// Nothing is known any more of what happened up to this version.
    compacted: u64,
}

impl Store {
    /// A store whose objects are older than everything that will happen.
    pub fn new(objects: impl IntoIterator<Item = (Place, Arc<Value>)>) -> Store {
        let mut store = Store { version: 1000, ..Store::default() };
        for (place, object) in objects {
            store.put(place, (*object).clone());
        }
        store.history.clear();
        store.compacted = store.version;
        store
    }
    /// The latest resource version.
    pub fn version(&self) -> u64 {
        self.version
    }
    /// The oldest version from which a watch can begin.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }
    /// What happened so far and was not forgotten, oldest first.
    pub fn history(&self) -> &[Happening] {
        &self.history
    }
    /// What happened after a version, oldest first.
    pub fn since(&self, version: u64) -> &[Happening] {
        &self.history[self.history.partition_point(|h| h.version <= version)..]
    }
    /// Forgets what happened up to now: older watches and lists must start again.
    pub fn compact(&mut self) {
        self.compacted = self.version;
        self.history.clear();
    }
    /// The object at a place.
    pub fn get(&self, place: &Place) -> Option<&Arc<Value>> {
        self.kinds.get(place.plural)?.get(&(place.namespace.clone(), place.name.clone()))
    }
    /// The objects of a kind now.
    pub fn all(&self, plural: &str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.kinds.get(plural).into_iter().flatten()
    }
    /// The objects of a kind as they were at a version; None if that is forgotten.
    pub fn at(&self, plural: &str, version: u64) -> Option<Objects> {
        if version < self.compacted {
            return None;
        }
        let mut objects = self.kinds.get(plural).cloned().unwrap_or_default();
        for h in self.since(version).iter().rev().filter(|h| h.place.plural == plural) {
            let key = (h.place.namespace.clone(), h.place.name.clone());
            match &h.before {
                Some(before) => objects.insert(key, before.clone()),
                None => objects.remove(&key),
            };
        }
        Some(objects)
    }
    /// Writes an object; one that would not change is left alone, as the API does it.
    pub fn put(&mut self, place: Place, mut object: Value) {
        let key = (place.namespace.clone(), place.name.clone());
        let before = self.kinds.entry(place.plural).or_default().get(&key).cloned();
        if let Some(before) = &before {
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if **before == object {
                return;
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object = Arc::new(object);
        self.kinds.entry(place.plural).or_default().insert(key, object.clone());
        self.history.push(Happening { version: self.version, place, object, deleted: false, before });
    }
    /// Deletes an object, if it is there.
    pub fn delete(&mut self, place: &Place) {
        let key = (place.namespace.clone(), place.name.clone());
        let Some(before) = self.kinds.get_mut(place.plural).and_then(|k| k.remove(&key)) else { return };
        self.version += 1;
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object = Arc::new(last);
        self.history.push(Happening {
            version: self.version,
            place: place.clone(),
            object,
            deleted: true,
            before: Some(before),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_past_can_be_read_until_it_is_forgotten() {
        let place = |n: &str| Place::new("pods", "default", n);
        let pod = |n: &str, x: i64| json!({"metadata": {"name": n}, "x": x});
        let mut s = Store::new([(place("a"), Arc::new(pod("a", 1)))]);
        let first = s.version();
        s.put(place("a"), pod("a", 1));
        assert_eq!(s.version(), first, "nothing changed");
        s.put(place("a"), pod("a", 2));
        s.put(place("b"), pod("b", 1));
        let second = s.version();
        s.delete(&place("a"));
        let names = |o: Option<Objects>| o.map(|o| o.values().map(|v| v["x"].clone()).collect::<Vec<_>>());
        assert_eq!(names(s.at("pods", first)), Some(vec![json!(1)]));
        assert_eq!(names(s.at("pods", second)), Some(vec![json!(2), json!(1)]));
        assert_eq!(s.all("pods").count(), 1);
        assert_eq!(s.since(second).len(), 1);
        s.compact();
        assert!(s.at("pods", second).is_none() && s.since(second).is_empty());
    }
}
