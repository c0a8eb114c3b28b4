//! The endpoints of a connector, unique by host name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::details::Details;
use crate::error::Error;

/// One added endpoint. An endpoint that is removed and added again is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(u64);

/// An endpoint as it was added.
#[derive(Debug)]
pub struct Endpoint {
    /// Which one.
    pub id: EndpointId,
    /// What the administrator gave.
    pub details: Details,
}

/// All endpoints, by host name in lower case.
#[derive(Debug, Default)]
pub struct Registry {
    endpoints: BTreeMap<String, Arc<Endpoint>>,
    last_id: u64,
}

impl Registry {
    /// Adds all of them or none.
    ///
    /// # Errors
    /// [`Error::DuplicateEndpoint`] names a host name that is there already, or twice among the new ones.
    pub fn add(&mut self, all: Vec<Details>) -> Result<Vec<Arc<Endpoint>>, Error> {
        let keys: Vec<String> = all.iter().map(|details| details.host_name.to_lowercase()).collect();
        for (index, key) in keys.iter().enumerate() {
            if self.endpoints.contains_key(key) || keys[..index].contains(key) {
                return Err(Error::DuplicateEndpoint(all[index].host_name.clone()));
            }
        }
        let mut added = Vec::with_capacity(all.len());
        for (key, details) in keys.into_iter().zip(all) {
            self.last_id += 1;
            let endpoint = Arc::new(Endpoint { id: EndpointId(self.last_id), details });
            self.endpoints.insert(key, endpoint.clone());
            added.push(endpoint);
        }
        Ok(added)
    }

    /// Removes an endpoint by host name, compared without case.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn remove(&mut self, host_name: &str) -> Result<Arc<Endpoint>, Error> {
        let missing = || Error::NotFound { what: "endpoint", name: host_name.to_owned() };
        self.endpoints.remove(&host_name.to_lowercase()).ok_or_else(missing)
    }

    /// The endpoint with this id, if it is still there.
    pub fn get(&self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.values().find(|endpoint| endpoint.id == id)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn details(host_name: &str) -> Details {
        Details::new(host_name, "wss://h/", "g", 1, Secret::new("t".into())).unwrap()
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
}
