//! The endpoints of a connector, unique by host name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::details::Details;
use crate::error::Error;

/// One added endpoint. An endpoint that is removed and added again is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(u64);

/// An endpoint as it is now. A change makes a new value; whoever holds the old one is not disturbed.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Which one.
    pub id: EndpointId,
    /// What the administrator gave.
    pub details: Details,
    /// ACTIVATED, or else DEACTIVATED: not connected, and not tried.
    pub active: bool,
}

/// All endpoints, by host name in lower case.
#[derive(Debug, Default)]
pub struct Registry {
    endpoints: BTreeMap<String, Arc<Endpoint>>,
    /// The keys by id.
    keys: HashMap<EndpointId, String>,
    last_id: u64,
}

impl Registry {
    /// Whether all of them could be added.
    ///
    /// # Errors
    /// [`Error::DuplicateEndpoint`] names a host name that is there already, or twice among the new ones.
    pub fn check<'d>(&self, all: impl IntoIterator<Item = &'d Details>) -> Result<(), Error> {
        let mut new = HashSet::new();
        for details in all {
            let key = details.host_name.to_lowercase();
            if self.endpoints.contains_key(&key) || !new.insert(key) {
                return Err(Error::DuplicateEndpoint(details.host_name.clone()));
            }
        }
        Ok(())
    }

    /// Adds all of them or none, each with whether it is active.
    ///
    /// # Errors
    /// As for [`Registry::check`].
    pub fn add(&mut self, all: Vec<(Details, bool)>) -> Result<Vec<Arc<Endpoint>>, Error> {
        self.check(all.iter().map(|(details, _)| details))?;
        let added = all.into_iter().map(|(details, active)| {
            self.last_id += 1;
            let (id, key) = (EndpointId(self.last_id), details.host_name.to_lowercase());
            let endpoint = Arc::new(Endpoint { id, details, active });
            self.keys.insert(id, key.clone());
            self.endpoints.insert(key, endpoint.clone());
            endpoint
        });
        Ok(added.collect())
    }

    /// Puts a changed endpoint in the place of the one with its id.
    pub fn replace(&mut self, endpoint: Arc<Endpoint>) {
        if let Some(place) = self.keys.get(&endpoint.id).and_then(|key| self.endpoints.get_mut(key)) {
            *place = endpoint;
        }
    }

    /// Removes an endpoint by host name, compared without case.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn remove(&mut self, host_name: &str) -> Result<Arc<Endpoint>, Error> {
        let removed = self.endpoints.remove(&host_name.to_lowercase()).ok_or_else(|| missing(host_name))?;
        self.keys.remove(&removed.id);
        Ok(removed)
    }

    /// The endpoint with this host name, compared without case.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find(&self, host_name: &str) -> Result<&Arc<Endpoint>, Error> {
        self.endpoints.get(&host_name.to_lowercase()).ok_or_else(|| missing(host_name))
    }

    /// The endpoint with this id, if it is still there.
    pub fn get(&self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(self.keys.get(&id)?)
    }

    /// All endpoints, ordered by host name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.values()
    }

    /// Whether the group has an endpoint.
    pub fn has_group(&self, group_id: &str) -> bool {
        self.iter().any(|endpoint| *endpoint.details.group_id == *group_id)
    }
}

fn missing(host_name: &str) -> Error {
    Error::NotFound { what: "endpoint", name: host_name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn details(host_name: &str) -> (Details, bool) {
        (Details::new(host_name, "wss://h/", "g", 1, Secret::new("t".into())).unwrap(), true)
    }

    #[test]
    fn host_names_are_unique_without_case_and_an_array_is_all_or_nothing() {
        let mut registry = Registry::default();
        registry.add(vec![details("Alpha")]).unwrap();
        for names in [["beta", "ALPHA"], ["beta", "Beta"]] {
            let refused = registry.add(names.map(details).into()).unwrap_err();
            assert!(matches!(refused, Error::DuplicateEndpoint(name) if name == names[1]));
            assert_eq!(registry.iter().count(), 1);
        }
    }

    #[test]
    fn an_endpoint_added_again_is_a_new_one() {
        let mut registry = Registry::default();
        let first = registry.add(vec![details("a")]).unwrap()[0].id;
        registry.remove("A").unwrap();
        assert!(registry.get(first).is_none() && !registry.has_group("g"));
        assert!(matches!(registry.remove("a"), Err(Error::NotFound { .. })));
        assert_ne!(registry.add(vec![details("a")]).unwrap()[0].id, first);
    }

    #[test]
    fn a_change_is_seen_by_name_and_by_id_and_comes_too_late_after_removal() {
        let mut registry = Registry::default();
        let added = registry.add(vec![details("a")]).unwrap().remove(0);
        let changed = Arc::new(Endpoint { active: false, ..(*added).clone() });
        registry.replace(changed.clone());
        assert!(!registry.find("A").unwrap().active && !registry.get(added.id).unwrap().active && added.active);
        registry.remove("a").unwrap();
        registry.replace(changed);
        assert_eq!(registry.iter().count(), 0);
    }
}
