//! What judging nodes needs to see: the cluster, and a profile's parameters against its catalogue.

use super::config::Profile;
use super::syntax::is_extended_resource;
use crate::cluster::{Catalog, ResIdx, Rules, State};

/// Parameters resolved against the catalogue.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Fit's resources.
    pub fit: ScoredResources,
    /// Balanced allocation's.
    pub balanced: ScoredResources,
    /// What Fit does not check.
    pub ignored: IgnoredResources,
    /// What differs by version.
    pub rules: Rules,
}

impl Resolved {
    /// Resolves names of resources.
    pub fn new(catalog: &Catalog, config: &Profile) -> Resolved {
        Resolved {
            fit: ScoredResources::resolve(catalog, config.fit_resources.iter().map(|(n, w)| (n.as_str(), *w))),
            balanced: ScoredResources::resolve(catalog, config.balanced_resources.iter().map(|n| (n.as_str(), 1))),
            ignored: IgnoredResources::resolve(catalog, config),
            rules: catalog.kubernetes.rules(),
        }
    }
}

/// What judging nodes for a class needs to see.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// Catalogue.
    pub catalog: &'a Catalog,
    /// State.
    pub state: &'a State,
    /// Parameters.
    pub config: &'a Profile,
    /// Parameters, resolved.
    pub resolved: &'a Resolved,
    /// The profile's index.
    pub profile: usize,
}

/// Resources that a scorer looks at, by index.
#[derive(Clone, Debug, Default)]
pub struct ScoredResources(pub Vec<(ResIdx, i64)>);

impl ScoredResources {
    /// Resolves names; a resource that occurs nowhere in the cluster is left out, as no node has any of it.
    pub fn resolve<'a>(catalog: &Catalog, named: impl Iterator<Item = (&'a str, i64)>) -> ScoredResources {
        let index = |name: &str| {
            let sym = catalog.names.get(name)?;
            catalog.resources.iter().position(|r| *r == sym).map(|i| ResIdx(i as u32))
        };
        ScoredResources(named.filter_map(|(name, weight)| Some((index(name)?, weight))).collect())
    }
}

/// Resources that are not checked: extended ones that the profile ignores, by name or by what stands before the slash.
#[derive(Clone, Debug, Default)]
pub struct IgnoredResources(Vec<ResIdx>);

impl IgnoredResources {
    /// Resolves names.
    pub fn resolve(catalog: &Catalog, config: &Profile) -> IgnoredResources {
        if config.ignored_resources.is_empty() && config.ignored_resource_groups.is_empty() {
            return IgnoredResources::default();
        }
        let is_ignored = |name: &str| {
            let group = name.split('/').next().unwrap_or(name);
            is_extended_resource(name)
                && (config.ignored_resources.iter().any(|r| r == name)
                    || config.ignored_resource_groups.iter().any(|g| g == group))
        };
        let resources = catalog.resources.iter().enumerate();
        let ignored = resources.filter(|(_, name)| is_ignored(catalog.text(**name)));
        IgnoredResources(ignored.map(|(i, _)| ResIdx(i as u32)).collect())
    }
    /// Whether a resource is not checked.
    pub fn has(&self, resource: ResIdx) -> bool {
        self.0.contains(&resource)
    }
}
