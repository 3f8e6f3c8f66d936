//! Which plugins run where: the defaults, what a profile lays over them, and multi-point plugins spread over their points
//! (S/apis/config/v1/default_plugins.go `mergePluginSet`, S/framework/runtime/framework.go `expandMultiPointPlugins`).

use super::refusal::Refusals;
use super::wire;
use crate::cluster::KubernetesVersion;
use crate::scheduler::config::Notice;
use crate::scheduler::names::PluginId;
use crate::scheduler::plugin::Point::{self, *};
use crate::scheduler::plugins::facts;
use std::collections::BTreeMap;

impl Point {
    /// All, in the order of `getExtensionPoints`.
    const ALL: [Point; 14] = [
        PreFilter,
        Filter,
        PostFilter,
        Reserve,
        PreScore,
        Score,
        PreBind,
        Bind,
        PostBind,
        Permit,
        PreEnqueue,
        QueueSort,
        PlacementGenerate,
        PlacementScore,
    ];

    /// Its field in a profile's `plugins`.
    fn field(self) -> &'static str {
        match self {
            PreEnqueue => "preEnqueue",
            QueueSort => "queueSort",
            PreFilter => "preFilter",
            Filter => "filter",
            PostFilter => "postFilter",
            PreScore => "preScore",
            Score => "score",
            Reserve => "reserve",
            Permit => "permit",
            PreBind => "preBind",
            Bind => "bind",
            PostBind => "postBind",
            PlacementGenerate => "placementGenerate",
            PlacementScore => "placementScore",
        }
    }
    fn of(self, plugins: &wire::Plugins) -> &wire::PluginSet {
        match self {
            PreEnqueue => &plugins.pre_enqueue,
            QueueSort => &plugins.queue_sort,
            PreFilter => &plugins.pre_filter,
            Filter => &plugins.filter,
            PostFilter => &plugins.post_filter,
            PreScore => &plugins.pre_score,
            Score => &plugins.score,
            Reserve => &plugins.reserve,
            Permit => &plugins.permit,
            PreBind => &plugins.pre_bind,
            Bind => &plugins.bind,
            PostBind => &plugins.post_bind,
            PlacementGenerate => &plugins.placement_generate,
            PlacementScore => &plugins.placement_score,
        }
    }
    /// Points at which another set of plugins changes nothing that is modelled, or something that is not.
    fn is_modelled(self) -> bool {
        matches!(self, PreFilter | Filter | PostFilter | PreScore | Score | PlacementGenerate | PlacementScore)
    }
}

/// A plugin of the stock binary (S/framework/plugins/registry.go) that is none of the table: what it does is fixed in the model, or not
/// modelled.
struct Other {
    name: &'static str,
    points: &'static [Point],
    /// The first version that has it.
    since: KubernetesVersion,
    by_default: bool,
}

const V1_33: KubernetesVersion = KubernetesVersion::V1_33;

const OTHERS: &[Other] = &[
    Other { name: "PrioritySort", points: &[QueueSort], since: V1_33, by_default: true },
    Other { name: "DefaultBinder", points: &[Bind], since: V1_33, by_default: true },
    Other { name: "GangScheduling", points: &[PreEnqueue, Permit], since: KubernetesVersion::V1_35, by_default: false },
    Other {
        name: "TopologyPlacementGenerator",
        points: &[PlacementGenerate],
        since: KubernetesVersion::V1_36,
        by_default: false,
    },
    Other { name: "PodGroupPodsCount", points: &[PlacementScore], since: KubernetesVersion::V1_36, by_default: false },
];

/// Plugins that were taken out and that validation still names (`invalidPluginsByVersion`).
const REMOVED: [&str; 4] = ["AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"];

/// A point, and the one whose work it needs: a plugin may stop every pod with an error if what it prepares is switched off.
const PREPARED: [(Point, Point); 3] = [(Filter, PreFilter), (Score, PreScore), (PostFilter, PreFilter)];

fn other(name: &str, version: KubernetesVersion) -> Option<&'static Other> {
    OTHERS.iter().find(|p| p.name == name && p.since <= version)
}

/// Whether the stock binary has a plugin.
fn is_in_tree(name: &str, version: KubernetesVersion) -> bool {
    let ours = PluginId::by_name(name).is_some_and(|p| facts(p).since <= version);
    ours || other(name, version).is_some()
}

/// Whether a plugin has something to do at a point.
fn implements(name: &str, point: Point, version: KubernetesVersion) -> bool {
    match PluginId::by_name(name) {
        Some(plugin) => facts(plugin).since <= version && (facts(plugin).runs_at)(point, version),
        None => other(name, version).is_some_and(|p| p.points.contains(&point)),
    }
}

/// A plugin with its weight.
type Weighted = (String, i64);

/// Enabled plugins in order, and disabled ones.
#[derive(Clone, Debug, Default, PartialEq)]
struct Set {
    enabled: Vec<Weighted>,
    disabled: Vec<String>,
}

impl Set {
    fn of(set: &wire::PluginSet) -> Set {
        Set {
            enabled: set.enabled.iter().map(|p| (p.name.clone(), i64::from(p.weight.unwrap_or(0)))).collect(),
            disabled: set.disabled.iter().map(|p| p.name.clone()).collect(),
        }
    }
    fn disables(&self, name: &str) -> bool {
        self.disabled.iter().any(|d| d == name)
    }
    /// `mergePluginSet`: a default that is named again is replaced where it stands, by the last that names it.
    fn over(self, defaults: Set) -> Set {
        let disables = |name: &str| self.disables(name) || defaults.disables(name);
        let mut replacing = Vec::new();
        let mut enabled = Vec::new();
        if !disables("*") {
            for default in defaults.enabled.iter().filter(|d| !disables(&d.0)) {
                match self.enabled.iter().rposition(|p| p.0 == default.0) {
                    Some(i) => {
                        replacing.push(i);
                        enabled.push(self.enabled[i].clone());
                    }
                    None => enabled.push(default.clone()),
                }
            }
        }
        let rest = self.enabled.iter().enumerate().filter(|(i, _)| !replacing.contains(i));
        enabled.extend(rest.map(|(_, p)| p.clone()));
        let disabled = self.disabled.iter().chain(&defaults.disabled).cloned().collect();
        Set { enabled, disabled }
    }
}

/// `getDefaultPlugins` with the gates that are on by default.
fn defaults(version: KubernetesVersion) -> Set {
    let rules = version.rules();
    let ours = PluginId::ALL.into_iter().filter_map(|p| Some((p.name().to_owned(), (facts(p).default_weight)(rules)?)));
    let others = OTHERS.iter().filter(|p| p.by_default).map(|p| (p.name.to_owned(), 0));
    Set { enabled: ours.chain(others).collect(), disabled: Vec::new() }
}

/// What runs at the points that decide placements, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Running {
    pub(super) pre_filter: Vec<PluginId>,
    pub(super) filter: Vec<PluginId>,
    pub(super) post_filter: Vec<PluginId>,
    pub(super) score: Vec<(PluginId, i64)>,
    /// PodTopologySpread and InterPodAffinity run at a point that looks at nodes.
    pub(super) spreads: bool,
    pub(super) attracts: bool,
}

/// What is read of one profile's plugins.
pub(super) struct Reading<'a> {
    pub(super) version: KubernetesVersion,
    /// Where the profile stands (`profiles[0]`).
    pub(super) at: String,
    /// What findings are about (`Scheduler/default-scheduler`).
    pub(super) object: String,
    pub(super) refusals: &'a mut Refusals,
    pub(super) notices: &'a mut Vec<Notice>,
}

impl Reading<'_> {
    /// The plugins of a profile.
    pub(super) fn plugins(&mut self, given: &wire::Plugins) -> Running {
        let multi_point = self.known("multiPoint", Set::of(&given.multi_point)).over(defaults(self.version));
        let mut lists: BTreeMap<Point, Vec<String>> = BTreeMap::new();
        let mut scores: Vec<Weighted> = Vec::new();
        for point in Point::ALL {
            let set = self.known(point.field(), Set::of(point.of(given)));
            let list = self.expand(point, &set, &multi_point);
            if point == Score {
                scores = set.enabled;
            }
            lists.insert(point, list);
        }
        self.check(&lists);
        self.notice_other_points(&lists);
        scores.extend(multi_point.enabled);
        // The first that names it counts, and no weight is one (`getValidScoreWeights`).
        let weight = |name: &str| match scores.iter().find(|s| s.0 == name) {
            Some((_, weight)) if *weight != 0 => *weight,
            _ => 1,
        };
        let judges =
            |name: &str| [PreFilter, Filter, PreScore, Score].iter().any(|p| lists[p].iter().any(|n| n == name));
        let ids = |point| lists[&point].iter().filter_map(|n| PluginId::by_name(n)).collect();
        Running {
            spreads: judges("PodTopologySpread"),
            attracts: judges("InterPodAffinity"),
            pre_filter: ids(PreFilter),
            filter: ids(Filter),
            post_filter: ids(PostFilter),
            score: lists[&Score].iter().filter_map(|n| Some((PluginId::by_name(n)?, weight(n)))).collect(),
        }
    }
    /// Leaves out plugins that the stock binary lacks.
    fn known(&mut self, field: &str, mut set: Set) -> Set {
        let at = format!("{}.plugins.{field}.enabled", self.at);
        set.enabled.retain(|(name, _)| {
            if REMOVED.contains(&name.as_str()) {
                self.refusals.add(
                    &at,
                    format!("names {name}, which Kubernetes no longer has"),
                    "take it out: NodeVolumeLimits does its work",
                );
                return false;
            }
            let known = is_in_tree(name, self.version);
            if !known && name.is_empty() {
                self.refusals.add(&at, "has a plugin without a name", "give its name");
            } else if !known {
                let object = format!("{}/{name}", self.object);
                if !self.notices.iter().any(|n| n.object == object && n.code == "scheduler-plugin-unknown") {
                    let detail = format!("the plugin {name} is none of Kubernetes {}", self.version);
                    self.notices.push(Notice { code: "scheduler-plugin-unknown", object, detail });
                }
            }
            known
        });
        set
    }
    /// `updatePluginList` and `expandMultiPointPlugins` for one point: multi-point plugins that the point names itself, in
    /// the point's order; the other multi-point plugins; the point's others.
    fn expand(&mut self, point: Point, set: &Set, multi_point: &Set) -> Vec<String> {
        let at = format!("{}.plugins.{}", self.at, point.field());
        let version = self.version;
        let implements = |name: &str| implements(name, point, version);
        for (i, (name, _)) in set.enabled.iter().enumerate() {
            if !implements(name) {
                let what = format!("enables {name}, which has nothing to do there");
                self.refusals.add(format!("{at}.enabled[{i}]"), what, "take it out");
            }
            if set.enabled[..i].iter().any(|p| p.0 == *name) {
                self.refusals.add(format!("{at}.enabled[{i}]"), format!("enables {name} twice"), "name it once");
            }
        }
        let named = |name: &str| set.enabled.iter().any(|p| p.0 == name);
        if set.disables("*") {
            return set.enabled.iter().map(|p| p.0.clone()).collect();
        }
        let (mut replaced, mut spread): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (name, _) in multi_point.enabled.iter().filter(|p| implements(&p.0) && !set.disables(&p.0)) {
            if named(name) {
                replaced.push(name);
            } else if spread.contains(&name.as_str()) {
                let at = format!("{}.plugins.multiPoint.enabled", self.at);
                self.refusals.add(at, format!("enables {name} twice"), "name it once");
            } else {
                spread.push(name);
            }
        }
        let own = |among: bool| {
            let replaced = &replaced;
            set.enabled.iter().map(|p| p.0.as_str()).filter(move |n| replaced.contains(n) == among)
        };
        own(true).chain(spread.iter().copied()).chain(own(false)).map(str::to_owned).collect()
    }
    /// What would keep the scheduler from starting, or from placing anything.
    fn check(&mut self, lists: &BTreeMap<Point, Vec<String>>) {
        let at = format!("{}.plugins", self.at);
        let out_of_tree = self.notices.iter().any(|n| n.code == "scheduler-plugin-unknown");
        match lists[&QueueSort].len() {
            1 => {}
            0 if out_of_tree => {}
            n => {
                let what = format!("leave {n} plugins at queueSort, and one is needed");
                self.refusals.add(&at, what, "enable PrioritySort alone");
            }
        }
        if lists[&Bind].is_empty() && !out_of_tree {
            self.refusals.add(&at, "leave no plugin at bind", "enable DefaultBinder");
        }
        if lists[&PlacementGenerate].len() > 1 {
            self.refusals.add(&at, "enable more than one plugin at placementGenerate", "enable one");
        }
        for (point, needs) in PREPARED {
            let runs = |at: Point, name: &str| lists[&at].iter().any(|n| n == name);
            let lacks = |p: &PluginId| {
                facts(*p).needs.contains(&(point, needs)) && runs(point, p.name()) && !runs(needs, p.name())
            };
            for name in PluginId::ALL.into_iter().filter(lacks).map(PluginId::name) {
                let what = format!(
                    "enable {name} at {} but not at {}: kube-scheduler starts with that, and fails every pod",
                    point.field(),
                    needs.field()
                );
                self.refusals.add(&at, what, format!("enable it at {} too, or disable it at both", needs.field()));
            }
        }
    }
    /// Points whose plugins are fixed in the model: what differs there is said.
    fn notice_other_points(&mut self, lists: &BTreeMap<Point, Vec<String>>) {
        let usual = defaults(self.version);
        for (point, list) in lists.iter().filter(|l| !l.0.is_modelled()) {
            let implements = |name: &str| implements(name, *point, self.version);
            let expected: Vec<&str> = usual.enabled.iter().map(|p| p.0.as_str()).filter(|n| implements(n)).collect();
            for name in expected.iter().filter(|n| !list.iter().any(|l| l == **n)) {
                self.not_modelled(name, format!("{name} does not run at {}", point.field()));
            }
            for name in list.iter().filter(|n| !expected.contains(&n.as_str())) {
                self.not_modelled(name, format!("{name} runs at {}", point.field()));
            }
        }
        let runs = |point: Point, name: &str| lists[&point].iter().any(|n| n == name);
        if runs(Filter, "VolumeZone") && !runs(PreFilter, "VolumeZone") {
            self.not_modelled("VolumeZone", "VolumeZone runs at filter but not at preFilter".to_owned());
        }
        let groups = [PlacementGenerate, PlacementScore].into_iter().flat_map(|p| &lists[&p]);
        for name in groups.filter(|n| *n != "NodeResourcesFit") {
            self.not_modelled(name, format!("{name} places groups of pods"));
        }
    }
    fn not_modelled(&mut self, plugin: &str, detail: String) {
        let object = format!("{}/{plugin}", self.object);
        self.notices.push(Notice { code: "scheduler-plugin-not-modelled", object, detail });
    }
    /// The queue-sorting plugins as given, which all profiles must share (`validateCommonQueueSort`).
    pub(super) fn same_queue_sort(a: &wire::Plugins, b: &wire::Plugins) -> bool {
        Set::of(&a.queue_sort) == Set::of(&b.queue_sort)
    }
}

/// Whether a plugin's arguments are known by its name.
pub(super) fn is_removed(name: &str) -> bool {
    REMOVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> (Running, Vec<String>, Vec<Notice>) {
        let given: wire::Plugins = serde_saphyr::from_str(yaml).expect("plugins");
        let (mut refusals, mut notices) = (Refusals::default(), Vec::new());
        let mut reading = Reading {
            version: KubernetesVersion::V1_36,
            at: "profiles[0]".into(),
            object: "Scheduler/default-scheduler".into(),
            refusals: &mut refusals,
            notices: &mut notices,
        };
        let running = reading.plugins(&given);
        let said = match refusals.into_result() {
            Err(super::super::ConfigError::Refused(list)) => list.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        (running, said, notices)
    }

    fn runs(yaml: &str) -> Running {
        let (running, said, notices) = read(yaml);
        assert!(said.is_empty(), "{said:?}");
        assert!(notices.is_empty(), "{notices:?}");
        running
    }

    #[test]
    fn the_default_profile() {
        use PluginId::*;
        let running = runs("{}");
        let filter = [
            NodeUnschedulable,
            NodeName,
            TaintToleration,
            NodeAffinity,
            NodePorts,
            NodeResourcesFit,
            VolumeRestrictions,
            NodeVolumeLimits,
            VolumeBinding,
            VolumeZone,
            PodTopologySpread,
            InterPodAffinity,
            DynamicResources,
            NodeDeclaredFeatures,
        ];
        assert_eq!(running.filter, filter);
        assert_eq!(running.pre_filter, filter[3..]);
        assert_eq!(running.post_filter, [DynamicResources, DefaultPreemption]);
        let score = [
            (TaintToleration, 3),
            (NodeAffinity, 2),
            (NodeResourcesFit, 1),
            (VolumeBinding, 1),
            (PodTopologySpread, 2),
            (InterPodAffinity, 2),
            (DynamicResources, 2),
            (NodeResourcesBalancedAllocation, 1),
            (ImageLocality, 1),
        ];
        assert_eq!(running.score, score);
    }

    #[test]
    fn a_default_that_is_named_again_loses_its_weight() {
        let weight = |yaml: &str| runs(yaml).score.iter().find(|s| s.0 == PluginId::TaintToleration).map(|s| s.1);
        assert_eq!(weight("multiPoint: {enabled: [{name: TaintToleration}]}"), Some(1));
        assert_eq!(weight("score: {enabled: [{name: TaintToleration, weight: 7}]}"), Some(7));
        assert_eq!(weight("score: {enabled: [{name: TaintToleration, weight: -7}]}"), Some(-7));
        let both = "{score: {enabled: [{name: TaintToleration}]}, multiPoint: {enabled: [{name: TaintToleration, weight: 9}]}}";
        assert_eq!(weight(both), Some(1), "the point's own word counts, which is no weight");
        assert_eq!(weight("score: {disabled: [{name: TaintToleration}]}"), None);
        let again = "score: {disabled: [{name: TaintToleration}], enabled: [{name: TaintToleration, weight: 5}]}";
        assert_eq!(weight(again), Some(5));
        assert_eq!(weight("score: {disabled: [{name: '*'}]}"), None);
    }

    #[test]
    fn what_a_point_names_itself_goes_first_and_multi_point_before_the_rest() {
        use PluginId::*;
        let yaml = "filter: {enabled: [{name: NodePorts}, {name: NodeName}]}";
        assert_eq!(runs(yaml).filter[..4], [NodePorts, NodeName, NodeUnschedulable, TaintToleration]);
        let yaml = "filter: {disabled: [{name: NodeName}], enabled: [{name: NodeName}]}";
        let filter = runs(yaml).filter;
        assert_eq!((filter[0], filter.last()), (NodeUnschedulable, Some(&NodeName)), "disabled and named: at the end");
        let yaml = "{multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: NodeResourcesFit, weight: 4}, {name: NodeName}, {name: SchedulingGates}]}, reserve: {}}";
        let (running, said, notices) = read(yaml);
        assert!(said.is_empty(), "{said:?}");
        assert_eq!(
            (&running.filter[..], &running.score[..]),
            (&[NodeResourcesFit, NodeName][..], &[(NodeResourcesFit, 4)][..])
        );
        assert!(running.post_filter.is_empty());
        assert!(notices.iter().all(|n| n.code == "scheduler-plugin-not-modelled"), "{notices:?}");
    }

    #[test]
    fn what_the_scheduler_would_not_start_with_is_refused() {
        for (yaml, words) in [
            ("score: {enabled: [{name: NodeName}]}", "enables NodeName, which has nothing to do there"),
            ("filter: {enabled: [{name: NodeName}, {name: NodeName}]}", "enables NodeName twice"),
            ("multiPoint: {enabled: [{name: NodeName}, {name: NodeName}]}", "enables NodeName twice"),
            ("queueSort: {disabled: [{name: PrioritySort}]}", "leave 0 plugins at queueSort"),
            ("multiPoint: {disabled: [{name: DefaultBinder}]}", "leave no plugin at bind"),
            ("filter: {enabled: [{name: EBSLimits}]}", "names EBSLimits, which Kubernetes no longer has"),
            ("preFilter: {disabled: [{name: NodeResourcesFit}]}", "fails every pod"),
            ("preScore: {disabled: [{name: TaintToleration}]}", "fails every pod"),
        ] {
            let (_, said, _) = read(yaml);
            assert!(said.iter().any(|s| s.contains(words)), "{yaml}: {said:?}");
        }
    }

    #[test]
    fn what_is_not_modelled_is_said() {
        for (yaml, code) in [
            ("multiPoint: {enabled: [{name: Coscheduling}]}", "scheduler-plugin-unknown"),
            ("multiPoint: {enabled: [{name: GangScheduling}]}", "scheduler-plugin-not-modelled"),
            ("preEnqueue: {disabled: [{name: SchedulingGates}]}", "scheduler-plugin-not-modelled"),
            ("reserve: {disabled: [{name: VolumeBinding}]}", "scheduler-plugin-not-modelled"),
        ] {
            let (_, said, notices) = read(yaml);
            assert!(said.is_empty(), "{said:?}");
            assert!(notices.iter().any(|n| n.code == code), "{yaml}: {notices:?}");
        }
        assert!(
            runs("multiPoint: {disabled: [{name: Coscheduling}]}").filter.len() > 10,
            "to disable it needs no finding"
        );
    }
}
