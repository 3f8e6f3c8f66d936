//! What the API server of a dump's cluster adds to a pod when it is created, for pods that are created after the dump was read.

use super::builder::{Builder, Lookup};
use super::decoder;
use super::error::ReadError;
use crate::cluster::{Catalog, SpecIdx};
use serde_json::Value;

/// What admission adds to a pod: the priority of its class, the limit ranges of its namespace, the overhead of its RuntimeClass.
#[derive(Clone, Debug)]
pub struct Admission {
    lookup: Lookup,
}

impl Admission {
    /// As a dump has it.
    pub(super) fn of(lookup: &Lookup) -> Admission {
        Admission {
            lookup: Lookup {
                priorities: lookup.priorities.clone(),
                default_priority: lookup.default_priority,
                runtime_classes: lookup.runtime_classes.clone(),
                limit_defaults: lookup.limit_defaults.clone(),
                custom_kinds: lookup.custom_kinds.clone(),
                ..Lookup::default()
            },
        }
    }

    /// Adds to a catalogue what a pod is created as; its namespace too, if that is new.
    ///
    /// # Errors
    /// What of the pod the API would not store; the catalogue may have new names then, and nothing else.
    pub fn admit(&self, catalog: &mut Catalog, pod: &Value) -> Result<Option<SpecIdx>, ReadError> {
        let mut lookup = self.lookup.clone();
        lookup.namespaces = catalog.namespaces.entries().map(|(index, ns)| (ns.name, index)).collect();
        lookup.claims = catalog.claims.entries().map(|(index, c)| ((c.namespace, c.name), index)).collect();
        let mut builder = Builder { catalog: std::mem::take(catalog), lookup, ..Builder::default() };
        let read = decoder::decode_pod(&mut builder, pod);
        *catalog = builder.catalog;
        Ok(read?.map(|pod| pod.state.spec))
    }
}
