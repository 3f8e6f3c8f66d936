//! Which budgets cover which pods, worked out once for a catalogue.

use crate::cluster::{Arena, BudgetIdx, Catalog, Idx, Labels, NsIdx, Selector, SpecIdx, Sym};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// The values a pod has under the label keys that its namespace's budgets mention, in the order of those keys.
type Projection = SmallVec<[Option<Sym>; 4]>;

/// The budgets that cover each pod spec (policy/v1: no selector → nothing, `{}` → every pod of the namespace, an
/// invalid selector → nothing; pkg/registry/core/pod/storage/eviction.go `getPodDisruptionBudgets`).
///
/// Depends on the catalogue alone, so all runs may share one. Pods are told apart only by the label keys that some
/// selector of their namespace mentions: 150,000 specs cost one lookup each. And each kind of pods is compared only with the budgets
/// whose selector asks for a label that it has: a namespace with a budget for each of its workloads costs one comparison each.
#[derive(Clone, Debug, Default)]
pub struct BudgetIndex {
    set_of_spec: Arena<SpecIdx, u32>,
    sets: Vec<Box<[BudgetIdx]>>,
}

impl BudgetIndex {
    /// The index of a catalogue whose namespaces, budgets and specs are complete.
    pub fn new(catalog: &Catalog) -> BudgetIndex {
        let by_namespace = namespaces(catalog);
        let keys: Vec<Vec<Sym>> = by_namespace.iter().map(|b| keys(catalog, b)).collect();
        let asking: Vec<Asking> = by_namespace.iter().map(|b| Asking::new(catalog, b)).collect();
        let mut sets: Vec<Box<[BudgetIdx]>> = vec![Box::new([])];
        let mut known: FxHashMap<(NsIdx, Projection), u32> = FxHashMap::default();
        let mut set_of_spec = Arena::default();
        for spec in catalog.specs.iter() {
            let ns = spec.namespace;
            let budgets = &by_namespace[ns.at()];
            if budgets.is_empty() {
                set_of_spec.push(0);
                continue;
            }
            let projection: Projection = keys[ns.at()].iter().map(|k| spec.labels.get(*k)).collect();
            let set = *known.entry((ns, projection)).or_insert_with(|| {
                let found = asking[ns.at()].matching(catalog, budgets, &spec.labels);
                if found.is_empty() {
                    return 0;
                }
                sets.push(found);
                (sets.len() - 1) as u32
            });
            set_of_spec.push(set);
        }
        BudgetIndex { set_of_spec, sets }
    }
    /// The budgets that cover pods created from `spec`, by name.
    pub fn budgets_of(&self, spec: SpecIdx) -> &[BudgetIdx] {
        self.set_of_spec.get(spec).map_or(&[], |set| &self.sets[*set as usize])
    }
}

fn namespaces(catalog: &Catalog) -> Vec<Vec<BudgetIdx>> {
    let mut found = vec![Vec::new(); catalog.namespaces.len()];
    for (index, budget) in catalog.budgets.entries() {
        found[budget.namespace.at()].push(index);
    }
    for budgets in &mut found {
        budgets.sort_by_key(|b| (catalog.text(catalog.budgets[*b].name), *b));
    }
    found
}

fn keys(catalog: &Catalog, budgets: &[BudgetIdx]) -> Vec<Sym> {
    let mut keys: Vec<Sym> = budgets
        .iter()
        .flat_map(|b| match &catalog.budgets[*b].selector {
            Selector::All(requirements) => requirements.as_slice(),
            Selector::Nothing | Selector::Invalid(_) => &[],
        })
        .map(|r| r.key)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A namespace's budgets, as places in their order by name, by a label that their selector asks for.
#[derive(Debug, Default)]
struct Asking {
    by_label: FxHashMap<(Sym, Sym), Vec<u32>>,
    /// Those that ask for no label by its value.
    others: Vec<u32>,
}

impl Asking {
    fn new(catalog: &Catalog, budgets: &[BudgetIdx]) -> Asking {
        let mut asking = Asking::default();
        for (place, budget) in (0_u32..).zip(budgets) {
            match catalog.budgets[*budget].selector.demanded() {
                Some((key, values)) => {
                    values.iter().for_each(|v| asking.by_label.entry((key, *v)).or_default().push(place));
                }
                None => asking.others.push(place),
            }
        }
        asking
    }

    /// The budgets that select these labels, by name.
    fn matching(&self, catalog: &Catalog, budgets: &[BudgetIdx], labels: &Labels) -> Box<[BudgetIdx]> {
        let asked = labels.iter().filter_map(|label| self.by_label.get(&label)).flatten();
        let mut places: Vec<u32> = self.others.iter().chain(asked).copied().collect();
        places.sort_unstable();
        places.dedup();
        let found = places.into_iter().map(|place| budgets[place as usize]);
        found.filter(|b| catalog.budgets[*b].selector.matches(labels, &catalog.names)).collect()
    }
}
