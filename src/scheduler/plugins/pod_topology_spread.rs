//! PodTopologySpread: how evenly pods lie over domains (P/podtopologyspread).

use super::{JudgesBy, Plugin, Scoring};
use crate::cluster::{
    Catalog, Idx, NodeIdx, NsIdx, Operator, OwnerKind, PodIdx, PodShape, PodSpec, Requirement, Rules, Selector,
    SpreadConstraint, State, Sym, WhenUnsatisfiable,
};
use crate::scheduler::counts::{Counts, EligibilityKey, MatcherKey, Namespaces, domain_at};
use crate::scheduler::event::{ClusterEvent, EventKind};
use crate::scheduler::ident::Idents;
use crate::scheduler::plugin::Point;
use crate::scheduler::tally::Tally;
use crate::scheduler::topology::{Domains, FEW, NO_DOMAIN, Open, TopoKey, Topology};
use crate::scheduler::{DefaultConstraint, DefaultSpread, PluginId, PodView, Profile, Rejection};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::sync::Arc;

/// Words for too large a skew.
pub const REASON_SKEW: &str = "node(s) didn't match pod topology spread constraints";
/// Words for a node without the label.
pub const REASON_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// A constraint of a class, with its counts.
#[derive(Clone, Debug)]
pub struct Row {
    key: TopoKey,
    is_hostname: bool,
    max_skew: i64,
    /// 1 if the pod counts for itself.
    own: i64,
    min_domains: i64,
    /// None for a soft constraint by host.
    counter: Option<u32>,
    matcher: u32,
}

/// A class's constraints.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// `DoNotSchedule`.
    pub hard: Vec<Row>,
    /// `ScheduleAnyway`.
    pub soft: Vec<Row>,
    /// Nodes that lack one of the soft keys are ignored; not so under the system's defaults.
    pub all_keys: bool,
    /// The symbol of "", which is the value of a label that is missing.
    empty: Option<Sym>,
}

impl Rows {
    /// The domain that nodes without the key share with those whose label is empty (`node.Labels[key]` is "" for both); None where
    /// there are not both.
    fn domain_of_unlabelled(&self, domains: &Domains) -> Option<usize> {
        if !domains.some_lack || self.all_keys {
            return None;
        }
        domains.of_value(self.empty?)
    }
}

/// What compiling constraints needs to intern its questions.
pub struct Compiler<'a> {
    /// Catalogue.
    pub catalog: &'a Catalog,
    /// State, for nodes' labels.
    pub state: &'a State,
    /// Parameters.
    pub config: &'a Profile,
    /// Domains.
    pub topology: &'a mut Topology,
    /// Kinds of pods.
    pub idents: &'a mut Idents,
    /// Counts.
    pub counts: &'a mut Counts,
}

/// The constraints that hold for pods without their own: the profile's, with the selector of the pod's services and owner.
/// `services` are those of its namespace that may select it.
pub fn default_constraints(
    catalog: &Catalog,
    services: Vec<usize>,
    config: &Profile,
    spec: &PodSpec,
) -> Vec<SpreadConstraint> {
    let make = |max_skew, topology_key, when, selector: &Selector| SpreadConstraint {
        max_skew,
        topology_key,
        when,
        selector: selector.clone(),
        min_domains: 1,
        honor_node_affinity: true,
        honor_node_taints: false,
    };
    let Some(selector) = default_selector(catalog, services, spec) else { return Vec::new() };
    let soft = WhenUnsatisfiable::ScheduleAnyway;
    match &config.default_spread {
        DefaultSpread::System => {
            vec![make(3, catalog.known.hostname, soft, &selector), make(5, catalog.known.zone, soft, &selector)]
        }
        DefaultSpread::List(list) => {
            // A key that no string of the cluster equals is on no node; the symbol past all others stands for it.
            let key = |text: &str| catalog.names.get(text).unwrap_or(Sym(u32::MAX));
            let full = |c: &DefaultConstraint| SpreadConstraint {
                min_domains: c.min_domains,
                honor_node_affinity: c.honor_node_affinity,
                honor_node_taints: c.honor_node_taints,
                ..make(c.max_skew, key(&c.topology_key), c.when, &selector)
            };
            list.iter().map(full).collect()
        }
    }
}

/// Services by a label that they select pods by.
#[derive(Clone, Debug, Default)]
pub struct ServiceIndex {
    by_label: Arc<FxHashMap<(NsIdx, Sym, Sym), Vec<usize>>>,
    /// Those that select all pods of their namespace.
    all: FxHashMap<NsIdx, Vec<usize>>,
    read: usize,
}

impl ServiceIndex {
    /// Services that may select a pod, in the catalogue's order.
    pub fn candidates(&mut self, catalog: &Catalog, spec: &PodSpec) -> Vec<usize> {
        if self.read < catalog.services.len() {
            let by_label = Arc::make_mut(&mut self.by_label);
            for (i, service) in catalog.services.iter().enumerate().skip(self.read) {
                let Some(selector) = &service.selector else { continue };
                match selector.iter().next() {
                    Some((key, value)) => by_label.entry((service.namespace, key, value)).or_default().push(i),
                    None => self.all.entry(service.namespace).or_default().push(i),
                }
            }
            self.read = catalog.services.len();
        }
        let namespace = spec.namespace;
        let lists = spec.labels.iter().filter_map(|(key, value)| self.by_label.get(&(namespace, key, value)));
        let mut out: Vec<usize> = lists.chain(self.all.get(&namespace)).flatten().copied().collect();
        out.sort_unstable();
        out
    }
}

/// P/helper/spread.go `DefaultSelector`; None if it has no requirement.
fn default_selector(catalog: &Catalog, services: Vec<usize>, spec: &PodSpec) -> Option<Selector> {
    let equals = |(key, value)| Requirement { key, operator: Operator::In, values: smallvec![value], bound: None };
    let mut requirements: Vec<Requirement> = Vec::new();
    for service in services {
        if let Some(selector) = &catalog.services[service].selector
            && selector.iter().all(|(k, v)| spec.labels.get(k) == Some(v))
        {
            requirements.extend(selector.iter().map(equals));
        }
    }
    if let Some(owner) = spec.owner.map(|o| &catalog.owners[o]).filter(|o| !o.missing) {
        let counts =
            matches!(owner.kind, OwnerKind::ReplicationController | OwnerKind::ReplicaSet | OwnerKind::StatefulSet);
        if let (true, Selector::All(own)) = (counts, &owner.selector) {
            requirements.extend(own.iter().cloned());
        }
    }
    requirements.sort_by(|a, b| (a.key, &a.values).cmp(&(b.key, &b.values)));
    requirements.dedup();
    (!requirements.is_empty()).then_some(Selector::All(requirements))
}

impl Compiler<'_> {
    /// Compiles a class's constraints, `defaults` if it has none of its own.
    pub fn rows(&mut self, shape: &PodShape, ident: u32, defaults: &[SpreadConstraint]) -> Rows {
        let own = !shape.spread.is_empty();
        let constraints = if own { &shape.spread[..] } else { defaults };
        let all_keys = own || self.config.default_spread != DefaultSpread::System;
        let of = |when| constraints.iter().filter(move |c| c.when == when);
        Rows {
            hard: self.list(shape, ident, of(WhenUnsatisfiable::DoNotSchedule).collect(), true),
            soft: self.list(shape, ident, of(WhenUnsatisfiable::ScheduleAnyway).collect(), all_keys),
            all_keys,
            empty: Some(self.catalog.known.empty),
        }
    }
    fn list(&mut self, shape: &PodShape, ident: u32, constraints: Vec<&SpreadConstraint>, all_keys: bool) -> Vec<Row> {
        let keys: Vec<TopoKey> = constraints.iter().map(|c| self.topology.key(c.topology_key, self.state)).collect();
        let mut required = if all_keys { keys.clone() } else { Vec::new() };
        required.sort_unstable();
        required.dedup();
        let names = &self.catalog.names;
        let mut rows = Vec::new();
        for (constraint, key) in constraints.into_iter().zip(keys) {
            let kind = &self.idents.all[ident as usize];
            let namespace = Namespaces::These(vec![kind.namespace]);
            let own = i64::from(constraint.selector.matches(&kind.labels, names));
            // An empty selector counts no pods (`countPodsMatchSelector`) though it matches the pod itself.
            let selector = if constraint.selector.is_empty() { Selector::Nothing } else { constraint.selector.clone() };
            let matcher = MatcherKey { terms: vec![(selector, namespace)], live_only: true };
            let matcher = self.counts.matcher_of(matcher, self.idents, names);
            let policy = EligibilityKey::of(
                shape,
                constraint.honor_node_affinity,
                constraint.honor_node_taints,
                required.clone(),
            );
            let is_hostname = constraint.topology_key == self.catalog.known.hostname;
            // A soft constraint by host is scored by node, whatever nodes are eligible.
            let counted = !(is_hostname && constraint.when == WhenUnsatisfiable::ScheduleAnyway);
            let counter =
                counted.then(|| self.counts.counter_of(matcher, key, policy, self.topology, self.state, names));
            rows.push(Row {
                key,
                is_hostname,
                max_skew: constraint.max_skew,
                own,
                min_domains: constraint.min_domains,
                counter,
                matcher,
            });
        }
        rows
    }
}

/// A hard constraint made ready for one cycle.
pub struct HardCheck<'a> {
    domains: &'a Domains,
    /// The domains that have too many pods, where there are few domains.
    full: Option<u64>,
    counts: &'a Tally,
    /// Most pods a domain may have.
    limit: i64,
}

impl<'a> HardCheck<'a> {
    /// The domains that it leaves open; None if there are many.
    pub fn open(&self) -> Option<Open<'a>> {
        self.full.map(|full| self.domains.open(!full, false))
    }

    /// What the constraint says of a node: None for no objection, else whether the label is there.
    #[inline]
    pub fn objection(&self, node: NodeIdx) -> Option<bool> {
        let Some(domain) = domain_at(&self.domains.of, node) else { return Some(false) };
        let is_full = match self.full {
            Some(full) => full >> domain & 1 == 1,
            None => i64::from(self.counts.get(domain)) > self.limit,
        };
        is_full.then_some(true)
    }
}

/// Hard constraints made ready for one cycle.
pub fn checks<'a>(rows: &Rows, counts: &'a Counts, topology: &'a Topology) -> SmallVec<[HardCheck<'a>; 2]> {
    let ready = |row: &Row| {
        let counter = counts.counter(row.counter?);
        let domains = counts.domains(counter) as i64;
        let least = if domains < row.min_domains { 0 } else { i64::from(counts.least(counter)) };
        let limit = row.max_skew - row.own + least;
        let domains = topology.domains(row.key);
        let full = domains.few(|domain| i64::from(counter.counts.get(domain)) > limit);
        Some(HardCheck { domains, full, counts: &counter.counts, limit })
    };
    rows.hard.iter().filter_map(ready).collect()
}

/// Why a node is refused, if it is.
pub fn rejection(checks: &[HardCheck<'_>], node: NodeIdx) -> Option<Rejection> {
    checks.iter().find_map(|c| c.objection(node)).map(|has_label| match has_label {
        true => Rejection::unschedulable(PluginId::PodTopologySpread, REASON_SKEW),
        false => Rejection::unresolvable(PluginId::PodTopologySpread, REASON_LABEL),
    })
}

/// Room for one cycle's scores, kept to spare allocations.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    seen: Vec<bool>,
    ignored: Vec<bool>,
    raw: Vec<i64>,
    column: Vec<i64>,
    /// Where a node is among the feasible ones, by node; what is not among them has any place.
    position: Vec<u32>,
    /// The kind of each feasible node.
    kinds: Vec<u16>,
    /// The score of each kind.
    scores: Vec<i64>,
    /// Nodes that hold so many pods that they are a kind of their own: place and raw score.
    apart: Vec<(u32, i64)>,
}

/// Adds the weighted scores of the feasible nodes to their totals.
///
/// Nodes of one domain differ by host alone, and hosts that hold as many of the pods that are counted do not: there are few
/// kinds of nodes, and each kind's score is made once.
pub fn add_scores(
    rows: &Rows,
    counts: &Counts,
    topology: &Topology,
    feasible: &[NodeIdx],
    scratch: &mut Scratch,
    weight: i64,
    totals: &mut [i64],
) {
    let is_host = |row: &&Row| row.counter.is_none();
    let (host, other) = match &rows.soft[..] {
        [] => return,
        [only] => (Some(only).filter(is_host), Some(only).filter(|r| !is_host(r))),
        [a, b] if is_host(&a) != is_host(&b) => {
            (Some(if is_host(&a) { a } else { b }), Some(if is_host(&a) { b } else { a }))
        }
        _ => return add_generally(rows, counts, topology, feasible, scratch, weight, totals),
    };
    let domains = other.map(|row| topology.domains(row.key));
    let len = domains.map_or(0, |d| d.len);
    let unlabelled = domains.and_then(|d| rows.domain_of_unlabelled(d));
    if len >= FEW || unlabelled.is_some() || host.is_some_and(|row| topology.domains(row.key).some_lack) {
        return add_generally(rows, counts, topology, feasible, scratch, weight, totals);
    }
    // Nodes of one domain that hold as many pods are of one kind; nodes without the key come after the last domain.
    let Scratch { position, kinds, apart, scores, .. } = scratch;
    let by_host = host.map(|row| &counts.matcher(row.matcher).nodes);
    kinds.clear();
    apart.clear();
    match domains {
        Some(domains) => kinds.extend(feasible.iter().map(|node| kind(domains.slot(*node), 0))),
        None => kinds.resize(feasible.len(), 0),
    }
    match by_host {
        Some(held) if held.is_list() => {
            kinds.iter_mut().zip(feasible).for_each(|(slot, node)| *slot += kind(0, held.get(node.at())));
        }
        Some(held) if held.table_len() > 0 => {
            let nodes = host.map_or(0, |row| topology.domains(row.key).of.len());
            position.resize(nodes.max(position.len()), 0);
            feasible.iter().enumerate().for_each(|(place, node)| position[node.at()] = place as u32);
            for (node, on_host) in held.held() {
                let place = position.get(node).map_or(usize::MAX, |place| *place as usize);
                if feasible.get(place).is_some_and(|n| n.at() == node) {
                    kinds[place] += kind(0, on_host);
                }
            }
        }
        _ => {}
    }
    // Whether some feasible node is of a kind; the arrays are so long that no kind needs to be checked.
    let mut present = [false; ALL_KINDS];
    kinds.iter().for_each(|kind| present[usize::from(*kind) % ALL_KINDS] = true);
    let present = &mut present[..(len + 1) * KINDS];
    let mut counted = feasible.len();
    if let Some(domains) = domains.filter(|_| rows.all_keys) {
        present[len * KINDS..].fill(false);
        counted -= if domains.some_lack { kinds.iter().filter(|k| usize::from(**k) >= len * KINDS).count() } else { 0 };
    }
    let distinct = present.chunks(KINDS).filter(|domain| domain.contains(&true)).count();
    let log = |size: usize| libm::log((size + 2) as f64);
    let base = |row: &Row| (row.max_skew - 1) as f64;
    let host = host.map(|row| (log(counted), base(row)));
    let other = other.and_then(|row| Some((&counts.counter(row.counter?).counts, log(distinct), base(row))));
    let host_first = rows.soft.first().is_some_and(|row| is_host(&row));
    let raw = |slot: usize, on_host: u32| {
        let host = host.map(|(log, base)| f64::from(on_host) * log + base);
        let domain = other.map(|(counts, log, base)| match slot < len {
            true => f64::from(counts.get(slot)) * log + base,
            false => 0.0,
        });
        round(match (host, domain) {
            (Some(host), Some(domain)) if host_first => host + domain,
            (Some(host), Some(domain)) => domain + host,
            (only, None) | (None, only) => only.unwrap_or(0.0),
        })
    };
    // The last kind of a domain is that of all nodes that hold too many pods for one of their own.
    let is_crowded = |kind: usize| kind % KINDS == KINDS - 1;
    let (mut least, mut most) = (i64::MAX, 0);
    let mut take = |raw: i64| (least, most) = (least.min(raw), most.max(raw));
    scores.clear();
    scores.resize(present.len(), 0);
    for kind in (0..present.len()).filter(|kind| present[*kind] && !is_crowded(*kind)) {
        scores[kind] = raw(kind / KINDS, (kind % KINDS) as u32);
        take(scores[kind]);
    }
    if present.chunks(KINDS).any(|domain| domain[KINDS - 1]) {
        for (place, kind) in kinds.iter().enumerate().map(|(place, kind)| (place, usize::from(*kind))) {
            if is_crowded(kind) && present[kind] {
                let on_host = by_host.map_or(0, |held| held.get(feasible[place].at()));
                apart.push((place as u32, raw(kind / KINDS, on_host)));
            }
        }
        apart.iter().for_each(|(_, raw)| take(*raw));
    }
    let share = |raw: i64| weight * if most == 0 { 100 } else { 100 * (most + least - raw) / most };
    for kind in (0..present.len()).filter(|kind| present[*kind] && !is_crowded(*kind)) {
        scores[kind] = share(scores[kind]);
    }
    totals.iter_mut().zip(&*kinds).for_each(|(total, kind)| *total += scores.get(usize::from(*kind)).unwrap_or(&0));
    for (place, raw) in &*apart {
        totals[*place as usize] += share(*raw);
    }
}

/// Kinds of nodes in a domain: by how many pods they hold, the last for all that hold more.
const KINDS: usize = 8;
/// Kinds of nodes in as many domains as there may be, and without the key.
const ALL_KINDS: usize = (FEW + 1) * KINDS;

/// The kind of a node in a domain that holds so many pods.
#[inline]
fn kind(slot: usize, on_host: u32) -> u16 {
    (slot * KINDS) as u16 + on_host.min(KINDS as u32 - 1) as u16
}

/// The same node by node.
fn add_generally(
    rows: &Rows,
    counts: &Counts,
    topology: &Topology,
    feasible: &[NodeIdx],
    scratch: &mut Scratch,
    weight: i64,
    totals: &mut [i64],
) {
    let mut column = std::mem::take(&mut scratch.column);
    if score(rows, counts, topology, feasible, scratch, &mut column) {
        totals.iter_mut().zip(&column).for_each(|(total, score)| *total += weight * score);
    }
    scratch.column = column;
}

/// Normalised scores of the feasible nodes. False if the plugin has nothing to say.
pub fn score(
    rows: &Rows,
    counts: &Counts,
    topology: &Topology,
    feasible: &[NodeIdx],
    scratch: &mut Scratch,
    out: &mut Vec<i64>,
) -> bool {
    if rows.soft.is_empty() {
        return false;
    }
    let of = |table: &[u32], node: NodeIdx| table.get(node.at()).copied().unwrap_or(NO_DOMAIN);
    let Scratch { seen, ignored, raw, .. } = scratch;
    ignored.clear();
    ignored.resize(feasible.len(), false);
    if rows.all_keys {
        for row in &rows.soft {
            let table = &topology.domains(row.key).of;
            ignored.iter_mut().zip(feasible).for_each(|(i, node)| *i |= of(table, *node) == NO_DOMAIN);
        }
    }
    let counted = feasible.len() - ignored.iter().filter(|i| **i).count();
    let mut ready: SmallVec<[Ready<'_>; 2]> = SmallVec::new();
    for row in &rows.soft {
        let domains = topology.domains(row.key);
        let unlabelled = rows.domain_of_unlabelled(domains);
        let size = match row.is_hostname {
            true => counted,
            false => distinct(&domains.of, domains.len, unlabelled, feasible, ignored, seen),
        };
        let beside = match (unlabelled, row.counter) {
            (Some(domain), Some(counter)) => Some((domain, counts.beside(row.matcher, counter, topology))),
            _ => None,
        };
        ready.push(Ready {
            of: &domains.of,
            by_node: row.counter.is_none(),
            counts: match row.counter {
                None => &counts.matcher(row.matcher).nodes,
                Some(counter) => &counts.counter(counter).counts,
            },
            beside,
            weight: libm::log((size + 2) as f64),
            base: (row.max_skew - 1) as f64,
        });
    }
    raw.clear();
    match &ready[..] {
        [only] => raw.extend(feasible.iter().map(|n| round(only.part(*n)))),
        [first, second] => raw.extend(feasible.iter().map(|n| round(first.part(*n) + second.part(*n)))),
        many => raw.extend(feasible.iter().map(|n| round(many.iter().fold(0.0, |sum, r| sum + r.part(*n))))),
    }
    normalize(raw, ignored, out);
    true
}

/// A soft constraint made ready for one cycle.
struct Ready<'a> {
    of: &'a [u32],
    by_node: bool,
    counts: &'a Tally,
    /// A domain, and pods that count in it beside those of its counter.
    beside: Option<(usize, u32)>,
    weight: f64,
    base: f64,
}

impl Ready<'_> {
    /// What the constraint adds to a node's raw score; nothing where the node lacks the key.
    #[inline]
    fn part(&self, node: NodeIdx) -> f64 {
        let Some(domain) = domain_at(self.of, node) else { return 0.0 };
        let at = if self.by_node { node.at() } else { domain };
        let beside = self.beside.filter(|b| b.0 == domain).map_or(0, |b| b.1);
        f64::from(self.counts.get(at) + beside) * self.weight + self.base
    }
}

/// `math.Round` of a sum that is not negative, without a call to the library.
fn round(sum: f64) -> i64 {
    let whole = sum as i64;
    whole + i64::from(sum - whole as f64 >= 0.5)
}

/// Number of distinct domains among the nodes that are not ignored; nodes without the key share one, which may be one of the others.
fn distinct(
    table: &[u32],
    domains: usize,
    unlabelled: Option<usize>,
    feasible: &[NodeIdx],
    ignored: &[bool],
    seen: &mut Vec<bool>,
) -> usize {
    let unlabelled = unlabelled.unwrap_or(domains);
    if domains < 63 {
        let mut bits = 0_u64;
        for (node, ignored) in feasible.iter().zip(ignored) {
            let domain = domain_at(table, *node).unwrap_or(unlabelled);
            bits |= u64::from(!ignored) << domain;
        }
        return bits.count_ones() as usize;
    }
    seen.clear();
    seen.resize(domains + 1, false);
    for (node, _) in feasible.iter().zip(ignored).filter(|n| !n.1) {
        let domain = domain_at(table, *node).unwrap_or(unlabelled);
        seen[domain] = true;
    }
    seen.iter().filter(|s| **s).count()
}

/// P/podtopologyspread/scoring.go `NormalizeScore`.
fn normalize(raw: &[i64], ignored: &[bool], out: &mut Vec<i64>) {
    let (mut least, mut most) = (i64::MAX, 0);
    for (score, ignored) in raw.iter().zip(ignored) {
        if !ignored {
            least = least.min(*score);
            most = most.max(*score);
        }
    }
    out.clear();
    if most == 0 {
        out.extend(ignored.iter().map(|ignored| if *ignored { 0 } else { 100 }));
        return;
    }
    let share = |score: i64| 100 * (most + least - score) / most;
    let span = (most - least) as usize;
    if span >= 128 {
        out.extend(raw.iter().zip(ignored).map(|(score, ignored)| if *ignored { 0 } else { share(*score) }));
        return;
    }
    // Raw scores take few values: each is divided once.
    let mut known = [0_i64; 128];
    known[..=span].iter_mut().zip(least..).for_each(|(slot, score)| *slot = share(score));
    out.extend(
        raw.iter()
            .zip(ignored)
            .map(|(score, ignored)| if *ignored { 0 } else { known[(score - least) as usize & 127] }),
    );
}

/// The plugin.
pub struct PodTopologySpread;

impl Plugin for PodTopologySpread {
    const ID: PluginId = PluginId::PodTopologySpread;
    const POINTS: &'static [Point] = &[Point::PreFilter, Point::Filter, Point::PreScore, Point::Score];
    const NEEDS: &'static [(Point, Point)] = &[(Point::Filter, Point::PreFilter), (Point::Score, Point::PreScore)];
    const JUDGES_BY: JudgesBy = JudgesBy::OtherNodes;
    const EVENTS: &'static [EventKind] = &[
        EventKind::PodAssigned,
        EventKind::PodRemoved,
        EventKind::NodeAdded,
        EventKind::NodeRemoved,
        EventKind::Taints,
    ];

    fn default_weight(_rules: Rules) -> Option<i64> {
        Some(2)
    }

    fn score(scoring: &Scoring<'_>, scratch: &mut Scratch, out: &mut Vec<i64>) -> bool {
        score(scoring.rows, scoring.counts, scoring.topology, scoring.feasible, scratch, out)
    }

    /// A pod of the same namespace that a hard constraint counts came or went; a node with all the keys came, went or changed its
    /// taints (`podtopologyspread/plugin.go`).
    fn says_queue(view: PodView<'_>, event: &ClusterEvent) -> bool {
        let PodView { catalog, state, config: profile, pod } = view;
        let hard = hard(profile, catalog, state, pod);
        match event {
            ClusterEvent::PodRemoved { up_to_priority: Some(_), .. }
                if !catalog.kubernetes.rules().nominees_count_in_hints =>
            {
                false
            }
            ClusterEvent::PodAssigned(other) | ClusterEvent::PodRemoved { pod: other, .. } => {
                counted(&hard, catalog, state, pod, *other)
            }
            ClusterEvent::NodeAdded(node) | ClusterEvent::NodeRemoved(node) | ClusterEvent::Taints { node, .. } => {
                has_all_keys(&hard, state, *node)
            }
            _ => false,
        }
    }
}

/// The pod's own hard constraints, the profile's if it has none of any kind (`getConstraints`).
fn hard<'c>(profile: &Profile, catalog: &'c Catalog, state: &State, pod: PodIdx) -> Vec<Cow<'c, SpreadConstraint>> {
    let spec = state.pods[pod].spec;
    let own = &catalog.shape(spec).spread;
    let mut constraints: Vec<Cow<'c, SpreadConstraint>> = match own.is_empty() {
        // The system's own constraints are soft.
        true if profile.default_spread == DefaultSpread::System => Vec::new(),
        true => {
            let spec = &catalog.specs[spec];
            let all = 0..catalog.services.len();
            let local = all.filter(|s| catalog.services[*s].namespace == spec.namespace).collect();
            default_constraints(catalog, local, profile, spec).into_iter().map(Cow::Owned).collect()
        }
        false => own.iter().map(Cow::Borrowed).collect(),
    };
    constraints.retain(|c| c.when == WhenUnsatisfiable::DoNotSchedule);
    constraints
}

fn counted(hard: &[Cow<'_, SpreadConstraint>], catalog: &Catalog, state: &State, pod: PodIdx, other: PodIdx) -> bool {
    let (mine, theirs) = (&catalog.specs[state.pods[pod].spec], &catalog.specs[state.pods[other].spec]);
    mine.namespace == theirs.namespace && hard.iter().any(|c| state.is_selected(catalog, &c.selector, other))
}

fn has_all_keys(hard: &[Cow<'_, SpreadConstraint>], state: &State, node: NodeIdx) -> bool {
    let labels = &state.nodes[node].spec.labels;
    hard.iter().all(|c| labels.get(c.topology_key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emptiest_domain_scores_highest() {
        let mut out = Vec::new();
        normalize(&[2, 6, 4, 0], &[false, false, false, true], &mut out);
        assert_eq!(out, [100, 33, 66, 0]);
        normalize(&[0, 0], &[false, false], &mut out);
        assert_eq!(out, [100, 100]);
    }
}
