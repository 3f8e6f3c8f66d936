//! What was noticed while reading: every code, what it means, what it may change, what lifts it.
//!
//! One table for text, JSON, `--strict` and `docs/findings.md`.

use crate::cluster::*;
use rustc_hash::FxHashMap;

/// What kind of notice a code is; `--strict` is about the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It influences real clusters and is not modelled.
    NotModelled,
    /// The dump lacks something that is needed, so that "none" cannot be told from "not asked for".
    Missing,
    /// The cluster is so already; the model starts from it.
    Condition,
    /// Something in the input is odd.
    Input,
    /// The dump does not tell, and something is assumed.
    Assumed,
    /// What Ocean asks of a cluster before a migration (`plan::prerequisites`) is not met, or the dump does not show it.
    Prerequisite,
    /// What the plan meets, found before anything is touched (`plan::preflight` and its like).
    Preflight,
}

/// A code and all there is to say about it.
#[derive(Clone, Copy, Debug)]
pub struct Diagnostic {
    /// Stable, kebab-case.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What kind of notice.
    pub class: Class,
    /// What is so.
    pub meaning: &'static str,
    /// What it may change in the prediction.
    pub effect: &'static str,
    /// What lifts it.
    pub remedy: &'static str,
}

macro_rules! table {
    ($($code:literal $severity:ident $class:ident: $meaning:literal; $effect:literal; $remedy:literal)*) => {
        /// Every code the reader can give, by name.
        pub const TABLE: &[Diagnostic] = &[$(Diagnostic {
            code: $code, severity: Severity::$severity, class: Class::$class,
            meaning: $meaning, effect: $effect, remedy: $remedy,
        }),*];
    };
}

table! {
    "approval-not-counted" Info Assumed: "batches wait for an approval, and nobody says how long it takes";
        "it is taken to come at once"; "set sim.gates.approval in a scenario if you know better"
    "architecture-differs" Warning Preflight: "pods may be placed on nodes of another architecture or operating system";
        "they start there in the simulation, in reality only if their images are made for it"; "check the images, or give the pods a node selector"
    "autoscaler-assumed" Info Assumed: "a dump does not show which autoscaler acts";
        "one is taken by the procedure and the groups"; "say which one with --autoscaler"
    "budget-exhausted-now" Warning Preflight: "a budget allows no disruption now";
        "evictions of its pods wait until more of them are healthy"; "see why its other pods are not ready"
    "budget-held-by-broken-pods" Error Preflight: "a budget allows no disruption because pods of it are broken";
        "what replaces them is as broken, so evictions of the others are refused to the end"; "repair the broken pods' workload first"
    "budget-never-met" Error Preflight: "a budget allows no disruption however healthy its pods are";
        "evictions of its pods are refused to the end, and their nodes are not replaced"; "raise its allowance for the time of the migration, or force budgets"
    "budget-of-operator" Warning Preflight: "an operator manages a budget that allows nothing";
        "evictions of its pods are refused in the simulation; the operator may let them go, so the outcome is uncertain where it depends on them"; "look at the operator's own resource"
    "budget-over-job" Warning Preflight: "a budget holds pods of Jobs";
        "they are held until the Job ends: at its deadline, if it has one, else to the end of the drain"; "wait until the Job has ended, or raise the limit of the drain above its deadline"
    "capacity-short" Warning Preflight: "without the old nodes there would be no room for some pods";
        "they stay pending if all old nodes go at once"; "raise the groups' maximum counts, add a group, or move fewer nodes"
    "check-time-assumed" Info Assumed: "a check stands between batches, and nobody says how long it runs";
        "it is taken to run for a second and to succeed"; "set sim.gates.check in a scenario if you know better"
    "daemonset-missing" Error Preflight: "pods of a DaemonSet that the dump lacks are on old nodes";
        "kubectl drain refuses their nodes"; "add daemonsets to the dump, or set kubectl_drain.force"
    "daemonset-refused" Error Preflight: "pods of DaemonSets are on old nodes";
        "kubectl drain refuses their nodes without --ignore-daemonsets"; "set kubectl_drain.ignore_daemonsets"
    "delay-origin" Info Assumed: "where a delay of the simulation comes from";
        "the duration goes by it"; "give the delay if you know better"
    "did-not-reach-ocean" Warning Preflight: "moved pods ended on nodes that are not Ocean's";
        "their nodes are replaced all the same"; "cordon the other nodes, or give pods a selector for Ocean's"
    "empty-dir-lost" Info Preflight: "moved pods have emptyDir volumes";
        "their content is deleted with the pod"; "none needed unless one of them keeps there what it cannot make again"
    "grace-reaches-limit" Warning Preflight: "pods may take as long to stop as the procedure waits for their node";
        "if they do, the drain of their node fails, or they are deleted where the procedure forces"; "raise the limit, shorten grace and hook, or give the time that they really take"
    "group-match-note" Info Preflight: "a Virtual Node Group matches a node, though not in every respect";
        "it counts as the node's group"; "none needed"
    "groups-stand-in" Warning Preflight: "no Virtual Node Groups were given";
        "pools that were read off the nodes stand in for them"; "give them with --groups"
    "host-path-left-behind" Warning Preflight: "moved pods keep data on paths of their node";
        "the data stays there, and the replacement finds what its own node has"; "copy the data to a volume first"
    "job-ends-for-good" Warning Preflight: "a Job has used up its backoffLimit, and an eviction counts as a failure";
        "once its pod is moved the Job has failed, and no pod of it is created again"; "wait until it has ended, or raise backoffLimit"
    "job-work-lost" Warning Preflight: "pods of a Job are moved";
        "they begin again from the start"; "wait until it has ended"
    "job-waited-for" Warning Preflight: "pods of a Job run on old nodes, and wait_for_jobs lets them finish";
        "they are not evicted before, as long as the procedure waits for their node; one that ends in time is an info"; "raise the limit of the drain above what they still need"
    "left-group-grows" Warning Preflight: "machines are launched in a group that the migration leaves";
        "what runs on them has to move again"; "plan with --to and the groups that are to give new nodes"
    "local-storage-refused" Error Preflight: "pods with emptyDir volumes are on old nodes";
        "kubectl drain refuses their nodes without --delete-emptydir-data"; "set kubectl_drain.delete_emptydir_data if the data may be lost"
    "no-matching-group" Error Preflight: "no Virtual Node Group matches an old node";
        "it does not pass validation and is not migrated"; "create a Virtual Node Group that matches it"
    "ocean-imitated" Info Preflight: "Ocean is imitated by what its documentation says";
        "where it says nothing the rule is an option"; "see docs/ocean.md"
    "old-node-not-ready" Warning Preflight: "an old node is not Ready";
        "evicted pods stay Terminating there until its kubelet answers or its object is deleted"; "delete the node instead of draining it"
    "ordered-ready-blocked" Error Preflight: "a StatefulSet with OrderedReady has a broken pod before pods that are moved";
        "the moved ones are not created again"; "repair the broken pod first"
    "pending-at-start" Error Preflight: "pods are unschedulable before anything is touched";
        "the migration refuses to start where the procedure says so; else they are left out of account, which is an info"; "make room for them or delete them"
    "pod-no-host" Error Preflight: "no group and no remaining node could ever take a pod";
        "it stays pending once it is evicted"; "make a group that fits it"
    "quota-without-room" Warning Preflight: "a ResourceQuota has no room for a replacement beside the pod that it replaces";
        "the replacement is refused until that pod has ended, and its controller tries again after pauses that double; where more is used than is allowed it is refused to the end, which is an error"; "raise the quota for the time of the migration"
    "restrict-scale-down" Error Preflight: "a pod holds its node by restrict-scale-down or safe-to-evict";
        "its node is not replaced"; "take the mark off, or do not respect it"
    "restrict-scale-down-ignored" Info Preflight: "a pod holds its node by restrict-scale-down or safe-to-evict";
        "it is moved all the same"; "respect the mark if it shall stay"
    "source-group-only" Error Preflight: "the old nodes' own group is the only one";
        "nothing can be launched"; "give the groups with --groups"
    "spot-affinity" Error Preflight: "pods need spot nodes, or do not tolerate them, and no group fits";
        "their nodes do not pass validation"; "change the pods' affinity, or the group"
    "stand-alone-pod-holds-node" Error Preflight: "a pod without a controller may not be evicted";
        "its node is not emptied"; "move it by hand, or let it be evicted"
    "stand-alone-pod-lost" Warning Preflight: "a pod without a controller is evicted";
        "nothing creates it again"; "give it a controller"
    "two-budgets" Error Preflight: "pods are under more than one budget";
        "the eviction API answers 500, and they are never evicted"; "leave one budget for each pod"
    "volume-shared" Warning Preflight: "running pods share a volume that can be attached to one node only";
        "placed on different nodes, all but one wait for it to the end"; "keep them on one node, or use a volume with ReadWriteMany"
    "volume-zone" Error Preflight: "a pod's volume can be used on no node that remains or is made";
        "the pod stays pending once it is evicted"; "add the volume's zone to a group, or move the data first"
    "webhook-backends-move" Warning Preflight: "all backends of a fail-closed webhook of pods are moved";
        "while none of them is ready no pod that it is asked about is created"; "keep a ready backend on a node that stays"
    "webhook-conditions-unknown" Warning Preflight: "all backends of a fail-closed webhook are moved, and its matchConditions cannot be decided from a dump";
        "it is taken not to be asked where they cannot be decided; in reality it may refuse pods or evictions there"; "keep a ready backend on a node that stays"
    "webhook-deadlock" Error Preflight: "the only backends of a fail-closed webhook are moved, and it is asked about their own replacements";
        "no pod that it is asked about is created any more"; "keep a ready backend on a node that stays, or exclude its own namespace"
    "webhook-of-evictions" Warning Preflight: "all backends of a fail-closed webhook of evictions are moved";
        "while none of them is ready evictions that it is asked about are refused (500), which ends a drain of kubectl's at once"; "keep a ready backend on a node that stays"
    "webhook-without-backend" Error Preflight: "no backend of a fail-closed webhook is ready";
        "pods and evictions that it is asked about are refused until one is, which is a warning where its backends are not broken"; "bring a backend back first, or set failurePolicy to Ignore until one is ready"
    "autoscaled-pools" Warning Prerequisite: "cluster-autoscaler scales the pool of a selected node";
        "it adds and removes nodes while Ocean does, which is not simulated"; "switch the pools to manual scaling before the migration"
    "autoscaled-pools-unknown" Info Prerequisite: "the dump does not show which pools are scaled automatically";
        "that pools are scaled by hand is taken for granted"; "look at the pools, or add the ConfigMap cluster-autoscaler-status to the dump"
    "budget-invalid" Warning Input: "a budget's selector or amount cannot be parsed";
        "it fails to sync, so that evictions under it are refused"; "fix the budget"
    "budget-stale" Info Condition: "a budget's stored status does not fit its spec or its pods";
        "the eviction API believes the stored status until the disruption controller looks at the budget again"; "nothing, it catches up by itself; if it does not, look at the disruption controller"
    "budget-sync-failed" Warning Condition: "the disruption controller could not compute a budget";
        "evictions under it are refused"; "see the condition's message; a budget over pods of Jobs, DaemonSets or owners without /scale cannot use percentages or maxUnavailable"
    "claim-finalizer" Info Condition: "a claim has finalizers besides kubernetes.io/pvc-protection";
        "a deleted claim may stay"; "check who removes the finalizer"
    "claim-missing" Warning Condition: "a pod mounts a claim that the dump lacks";
        "a replacement of the pod cannot be scheduled"; "create the claim, or dump persistentvolumeclaims of all namespaces"
    "cluster-autoscaler-active" Warning Prerequisite: "a Kubernetes cluster autoscaler runs beside Ocean";
        "new nodes come inconsistently, which is not simulated"; "stop it for the time of the migration"
    "cluster-autoscaler-unknown" Info Prerequisite: "the dump does not show whether a Kubernetes cluster autoscaler runs";
        "that none runs is taken for granted"; "add deployments, and on AKS the ConfigMap cluster-autoscaler-status, to the dump"
    "crash-looping" Warning Condition: "a container is in CrashLoopBackOff";
        "what replaces the pod is made from the same template and is taken to be as broken: it runs and never becomes ready"; "repair the workload first"
    "document-passed-over" Info Input: "a file of the directory or archive holds something that is no Kubernetes object";
        "it is passed over; the rest of the file is read"; "none needed if it is no part of the dump"
    "dump-not-whole" Error Missing: "this dump is not whole";
        "what it lacks takes no room, is not moved and is not protected, so that a plan would be wrong: plan and simulate refuse it"; "make the dump again: every kind of all namespaces (-A), without selectors, and lists to their end; --allow-partial-dump takes it as it is"
    "duplicate-object" Info Input: "an object is in the input twice";
        "the first is used"; "give each object once"
    "extended-resource-absent" Warning NotModelled: "a pod asks for an extended resource that no node of the dump offers";
        "such pods are placed only on nodes of groups whose machine types offer it; what a DeviceClass offers (dynamic resource allocation) is not read"; "give such groups with --groups, or check by hand that the new nodes have such devices"
    "ephemeral-claim" Warning NotModelled: "a pod has a generic ephemeral volume";
        "its claim is made again for each replacement, where that is placed; how long its volume takes to be provisioned is not simulated"; "give the workload a start delay that includes it (delays.workloads)"
    "group-fields-not-read" Info Assumed: "a vendor's description of a group has fields that are not read";
        "they change nothing"; "none needed unless one of them matters to you"
    "group-max-assumed" Info Assumed: "a group's maximum count is not given";
        "twice the nodes of now are assumed, at least ten more"; "give the group's max_count"
    "group-not-read" Warning NotModelled: "a NodePool of the dump cannot be read";
        "the group is left out: nothing is launched in it"; "correct the NodePool, or describe the group with --groups"
    "group-requirement-not-applied" Warning NotModelled: "a group requires something of its machine types that is not known of some of them";
        "they are taken to fulfil it, so that machines may be launched that the real group would not"; "give the label in the machine type's labels (--groups in nodeferry's own form), or name the machine types"
    "group-requirement-not-read" Warning NotModelled: "a group has a requirement that is not understood";
        "it is left out: more machine types or nodes may be allowed than are"; "describe the group in nodeferry's own form"
    "group-value-unknown" Warning NotModelled: "a vendor's description of a group has a value that is not known";
        "the strictest known one is taken in its place, or it matches nothing"; "check the value, or describe the group in nodeferry's own form"
    "group-without-machines" Warning Input: "no machine type of a group is known and allowed";
        "the group can launch nothing"; "name machine types with sizes, give a catalogue with --machine-types, or loosen the group's filters"
    "group-zones-assumed" Info Assumed: "a group's description names no zones";
        "those of the cluster's nodes are assumed"; "describe the group in nodeferry's own form with its zones"
    "groups-inferred" Info Assumed: "no node groups were given";
        "they are read off the nodes, with assumed maximum counts"; "give the real groups with --groups"
    "horizontal-autoscaler" Warning NotModelled: "a HorizontalPodAutoscaler scales a workload";
        "replica counts are taken as constant during the migration"; "pause autoscaling, or expect counts to change"
    "infrastructure-unknown" Info Prerequisite: "neither provider id nor labels show which cloud a node is of";
        "that it is of the procedure's cloud is taken for granted"; "none needed if it is"
    "init-container-waits" Info NotModelled: "a pod has been in its init containers when the dump was made";
        "it is taken to become ready after the usual start delay"; "let it finish first"
    "karpenter-active" Warning Prerequisite: "Karpenter runs beside Ocean";
        "new nodes come inconsistently, which is not simulated"; "stop it for the time of the migration"
    "karpenter-unknown" Info Prerequisite: "the dump does not show whether Karpenter runs";
        "that it does not is taken for granted"; "add deployments and nodepools.karpenter.sh to the dump"
    "kubelets-differ" Info Condition: "kubelets are of different versions";
        "the control plane is taken to be of the newest one's"; "say which it is with --kubernetes-version"
    "kubernetes-version-assumed" Info Missing: "no node tells its kubelet's version";
        "the newest known rules are used"; "say which it is with --kubernetes-version"
    "kubernetes-version-old" Warning Prerequisite: "Kubernetes is not of a recent version";
        "Ocean may refuse its nodes, which is not simulated: it does not publish which versions it supports"; "upgrade the cluster first, or say with --oldest-kubernetes what counts as recent"
    "kubernetes-version-unknown" Warning NotModelled: "the rules of this version of Kubernetes are not known";
        "those of the nearest known version are used"; "expect differences where the versions differ (docs/fidelity.md)"
    "limit-range" Info NotModelled: "a LimitRange constrains a namespace";
        "defaults are applied to templates; minimum, maximum and ratios are not checked"; "none needed if the pods of the dump were admitted under it"
    "machine-filters-not-modelled" Info NotModelled: "a group filters machine types by something that is not modelled";
        "the filter is not applied: more machine types may be allowed than are"; "name the machine types"
    "machine-reservation-assumed" Info Assumed: "a catalogue gives the capacity of machine types, and no node of them tells the allocatable";
        "100m cpu and 10Mi memory are taken off for kubelet and system"; "give allocatable in nodeferry's own form"
    "machine-size-unknown" Warning Input: "a machine type is named of which nothing tells the size";
        "it is left out"; "give its allocatable, or a catalogue with --machine-types"
    "min-values-not-modelled" Info NotModelled: "a requirement of a NodePool has minValues";
        "it is not looked at: more launches may succeed than would"; "none needed if there is capacity"
    "namespace-terminating" Warning Condition: "a namespace is being deleted";
        "pods that are being deleted go, evictions of others are refused, and no replacements are created there"; "wait until it is gone"
    "no-api-definitions-in-dump" Warning Missing: "custom resources own pods, but the dump has no customresourcedefinitions";
        "whether their budgets can be computed (/scale) cannot be told"; "add customresourcedefinitions to the dump"
    "no-attachments-in-dump" Info Missing: "volumes of CSI drivers are in use, but the dump has no volumeattachments";
        "volumes still being detached are not counted against attach limits"; "add volumeattachments to the dump"
    "no-budgets-in-dump" Warning Missing: "the dump has no budgets: was the kind asked for?";
        "every eviction is granted at once"; "add poddisruptionbudgets to the dump; if there are none, this can be ignored"
    "no-claims-in-dump" Warning Missing: "pods mount claims, but the dump has no persistentvolumeclaims: was the kind asked for?";
        "volumes do not tie pods to zones"; "add persistentvolumeclaims to the dump"
    "no-csinodes-in-dump" Warning Missing: "pods mount claims, but the dump has no csinodes: was the kind asked for?";
        "no attach limit is checked"; "add csinodes to the dump"
    "no-daemonsets-in-dump" Warning Missing: "pods are owned by DaemonSets, but the dump has none of them: was the kind asked for?";
        "drains refuse their pods, and new nodes are not charged with them"; "add daemonsets to the dump"
    "no-deployments-in-dump" Warning Missing: "ReplicaSets are owned by Deployments, but the dump has none of them: was the kind asked for?";
        "budgets go by the replicas of the ReplicaSets, and no rollout goes on"; "add deployments to the dump"
    "no-jobs-in-dump" Warning Missing: "pods are owned by Jobs, but the dump has none of them: was the kind asked for?";
        "evicted pods of Jobs are not replaced"; "add jobs to the dump"
    "no-namespaces-in-dump" Info Missing: "the dump has no namespaces: was the kind asked for?";
        "namespace selectors of pod affinity see only the label with the name"; "add namespaces to the dump"
    "no-nodes-in-dump" Error Missing: "the dump has no nodes: was the kind asked for?";
        "there is nothing to migrate"; "add nodes to the dump"
    "no-pods-in-dump" Warning Missing: "the dump has no pods: was the kind asked for (with -A)?";
        "every node looks empty"; "add pods of all namespaces to the dump"
    "no-priority-classes-in-dump" Info Missing: "templates name priority classes, but the dump has none: was the kind asked for?";
        "pods made from templates have priority 0"; "add priorityclasses to the dump"
    "no-replicasets-in-dump" Warning Missing: "pods are owned by ReplicaSets, but the dump has none of them: was the kind asked for?";
        "each is taken to want the pods that it has: evicted ones are replaced at once, and budgets go by their number"; "add replicasets to the dump"
    "no-replication-controllers-in-dump" Warning Missing: "pods are owned by ReplicationControllers, but the dump has none of them: was the kind asked for?";
        "each is taken to want the pods that it has: evicted ones are replaced at once, and budgets go by their number"; "add replicationcontrollers to the dump"
    "no-services-in-dump" Warning Missing: "the dump has no services: was the kind asked for?";
        "the scheduler's default spreading sees no Service selectors, which changes scores"; "add services to the dump"
    "no-statefulsets-in-dump" Warning Missing: "pods are owned by StatefulSets, but the dump has none of them: was the kind asked for?";
        "each is taken to want the pods that it has: evicted ones are replaced under their names, and budgets go by their number"; "add statefulsets to the dump"
    "no-storage-classes-in-dump" Warning Missing: "claims name storage classes, but the dump has none: was the kind asked for?";
        "claims that are not bound yet cannot be scheduled"; "add storageclasses to the dump"
    "no-volumes-in-dump" Warning Missing: "claims are bound, but the dump has no persistentvolumes: was the kind asked for?";
        "volumes do not tie pods to zones"; "add persistentvolumes to the dump"
    "node-cordoned" Info Condition: "a node is cordoned already";
        "nothing is placed there"; "uncordon it if it shall take pods"
    "node-missing" Warning Input: "a pod is bound to a node that the dump lacks";
        "the pod is left out, as pod garbage collection removes it"; "dump nodes and pods at the same time"
    "node-not-ready" Warning Condition: "a node is not Ready";
        "its pods cannot stop gracefully, and nothing is placed there"; "repair or remove the node first"
    "node-overcommitted" Info Condition: "pods on a node request more than it offers";
        "nothing is placed there until some have gone"; "none needed"
    "node-windows" Warning NotModelled: "a node or pod runs Windows";
        "placement is modelled, its start and stop behaviour is not"; "give delays for its groups"
    "ocean-cluster-unknown" Info Prerequisite: "the dump does not show that the cluster is connected to an Ocean cluster";
        "that it is connected is taken for granted"; "import the cluster into Ocean if that was not done"
    "ocean-controller-absent" Error Prerequisite: "Ocean's controller is not among the Deployments of the dump";
        "it is taken to be installed before the start"; "install it"
    "ocean-controller-not-ready" Error Prerequisite: "Ocean's controller is there and not ready";
        "the migration ends at once with Ocean's connectivity failure"; "repair it"
    "ocean-controller-old" Error Prerequisite: "Ocean's controller is too old for the migration";
        "it is taken to be updated before the start"; "install the second generation"
    "ocean-controller-unknown" Info Prerequisite: "the dump does not show whether Ocean's controller is there, ready or new enough";
        "that it does its work is taken for granted"; "add deployments and pods of all namespaces to the dump"
    "ocean-node-left-out" Info Prerequisite: "a selected node is Ocean's already";
        "it is left out of the migration"; "none needed"
    "other-infrastructure" Error Prerequisite: "a selected node is not of the procedure's cloud";
        "Ocean cannot migrate it; the simulation migrates it all the same"; "plan with the procedure of its cloud"
    "other-scheduler" Warning NotModelled: "a pod names a scheduler that no profile has";
        "nothing places it, or its replacement"; "give the configuration of the scheduler that has it (--scheduler-config, once for each; `default` is that of Kubernetes' own)"
    "owner-missing" Warning Condition: "a pod's controller is not in the dump";
        "nobody replaces the pod once it is evicted, and budgets over it fail to sync"; "find out what became of the controller; dump its kind if it was left out"
    "owner-custom" Info NotModelled: "pods are owned by a custom resource";
        "a stand-in controller replaces its pods at once"; "expect the operator's own order and speed"
    "pod-cannot-start" Warning Condition: "a container waits for what a move does not bring";
        "what replaces the pod is made from the same template and is taken to be as broken: it never starts"; "repair the image, the configuration or the command first"
    "pod-finalizer" Warning Condition: "a pod has finalizers";
        "nobody takes them off in the simulation: the deleted pod's object stays after its containers have ended"; "make sure that the controller that removes the finalizer runs during the migration"
    "pod-not-ready" Warning Condition: "a pod runs and is not ready";
        "it has been so for a short time: what replaces it is taken to become ready"; "wait until it is ready, and make the dump again"
    "pod-gated" Info Condition: "a pod has scheduling gates";
        "it is never scheduled during the run"; "remove the gates, or ignore it"
    "pod-resize-pending" Info Condition: "an in-place resize of a pod is not finished";
        "the pod is charged with the larger amount"; "let it finish first"
    "pod-terminating" Info Condition: "a pod is being deleted already";
        "it goes at its deadline at the latest"; "none needed"
    "pod-terminating-on-lost-node" Warning Condition: "a pod is being deleted on a node that is not Ready";
        "no kubelet ends it: it stays until the node answers or its object is deleted, and a drain that waits for it fails"; "delete the node's object once its machine is gone, or delete the pod with --grace-period=0 --force"
    "pod-terminating-overdue" Warning Condition: "a pod is being deleted, and its deadline has passed";
        "the simulation ends it at once; something holds the real one"; "look at the kubelet's events for it, and at its volumes"
    "pod-terminating-with-finalizer" Warning Condition: "a pod is being deleted, and has finalizers";
        "nobody takes them off in the simulation: the object stays after its containers have ended"; "see why the controller that takes the finalizer off does not"
    "pods-of-one-namespace" Warning Missing: "all pods of the dump are of one namespace, though the cluster has others";
        "pods of other namespaces take no room and are not moved"; "make the dump again with pods of all namespaces (-A)"
    "pods-missing" Warning Condition: "a controller or budget counts pods in its status that the dump lacks";
        "a missing pod takes no room and is not moved; its controller creates it once another of its pods is evicted"; "make the dump again with pods of all namespaces; a few are pods that came or went while it was made"
    "pods-restarting" Info Condition: "a pod's containers have restarted before";
        "its start delay is not used as a sample"; "none needed"
    "pod-unready-for-long" Warning Condition: "a pod has not been ready for long";
        "what replaces the pod is made from the same template and is taken to be as broken: it never becomes ready"; "find out why it is not ready first"
    "price-unknown" Info Assumed: "machine types that were read off the nodes have no price";
        "costs are not predicted, and machine types are chosen by least waste"; "give prices with --groups or --machine-types"
    "resource-claims" Warning NotModelled: "a pod uses dynamic resource allocation";
        "its devices are not looked at when it is placed"; "check by hand that the new nodes have such devices"
    "resource-quota" Info NotModelled: "a ResourceQuota limits a namespace";
        "pods are held against it; what else its namespace uses of it is taken as it was when the dump was made"; "leave room for a surge in the quota"
    "rollout-under-way" Warning NotModelled: "a rollout is under way";
        "each ReplicaSet keeps its count and evicted pods are made again from the template that they had, while the real controller goes on with the rollout"; "wait for it to end (kubectl rollout status), and make the dump again"
    "scheduler-argument-not-modelled" Info NotModelled: "the scheduler's configuration has an argument that is not modelled";
        "it changes nothing in the simulation"; "none needed if it seldom matters"
    "scheduler-extender" Warning NotModelled: "the scheduler's configuration has an extender";
        "it is not asked: it may refuse, score or bind otherwise"; "expect other placements for the pods it looks at"
    "scheduler-plugin-not-modelled" Warning NotModelled: "the scheduler's configuration runs a plugin otherwise than the model does";
        "the simulation leaves that plugin where it is by default"; "expect differences in what it does"
    "scheduler-plugin-unknown" Warning NotModelled: "the scheduler's configuration has a plugin that is not part of Kubernetes";
        "it is left out: it neither filters nor scores"; "expect other placements where it matters"
    "spot-toleration-missing" Error Prerequisite: "pods that do not tolerate spot nodes have a place only in groups that launch no others";
        "their nodes do not pass validation"; "add the toleration, or let the group fall back to on-demand"
    "schedulers-as-one" Info NotModelled: "several schedulers are configured";
        "they are simulated as one with all their profiles: pods wait in one queue and are placed one after another"; "expect other moments of placement, and two schedulers that fill a node at once now and then"
    "storage-capacity" Warning NotModelled: "a CSI driver publishes storage capacity";
        "a new volume may be placed where there is no room"; "expect placements to differ for unbound claims"
    "vertical-autoscaler" Warning NotModelled: "a VerticalPodAutoscaler changes requests when pods are created";
        "replacements are taken to ask for what their predecessors asked for"; "set its mode to Off or Initial during the migration"
    "virtual-node-groups-unknown" Info Prerequisite: "no Virtual Node Groups were given";
        "groups are read off the nodes, which Ocean's are not: matches and launches are a guess"; "give them with --groups"
    "webhook" Info NotModelled: "an admission webhook is configured";
        "what it changes or refuses is not simulated, but that a fail-closed webhook refuses pods and their evictions while none of its backends is ready"; "none needed if it lets the pods of the dump be created again"
}

/// The entry of a code.
pub fn diagnostic(code: &str) -> Option<&'static Diagnostic> {
    TABLE.iter().find(|d| d.code == code)
}

/// The findings that `--strict` makes errors: what is not modelled, and what the dump lacks, from warnings up.
pub fn strict_violations(findings: &[Finding]) -> Vec<&Finding> {
    let counts = |f: &&Finding| {
        f.severity <= Severity::Warning
            && diagnostic(&f.code).is_some_and(|d| matches!(d.class, Class::NotModelled | Class::Missing))
    };
    findings.iter().filter(counts).collect()
}

/// The findings by which a dump is not whole.
pub fn not_whole(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|f| f.code == "dump-not-whole").collect()
}

/// All codes as a table in Markdown: `docs/findings.md` is made of it.
pub fn markdown() -> String {
    let mut text = String::new();
    for (class, title) in [
        (Class::Missing, "The dump lacks something (`--strict` makes the warnings errors)"),
        (Class::NotModelled, "Not modelled (`--strict` makes the warnings errors)"),
        (Class::Assumed, "The dump does not tell, and something is assumed"),
        (Class::Condition, "The cluster is so already"),
        (Class::Input, "The input is odd"),
        (Class::Preflight, "What stands in the way of the plan"),
        (Class::Prerequisite, "Prerequisites of Ocean's migration (procedures `ocean-aws` and `ocean-azure`)"),
    ] {
        text.push_str(&format!("## {title}\n\n| code | severity | what is so | what it does to the run | what lifts it |\n|---|---|---|---|---|\n"));
        for d in TABLE.iter().filter(|d| d.class == class) {
            let severity = match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            text.push_str(&format!("| `{}` | {severity} | {} | {} | {} |\n", d.code, d.meaning, d.effect, d.remedy));
        }
        text.push('\n');
    }
    text
}

/// Objects listed one by one per code; the rest is only counted.
const LISTED: usize = 20;

/// Notices gathered while reading, by code in the order of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notices {
    /// Per code: the listed ones as (object, detail), and how many there are in all.
    codes: FxHashMap<&'static str, (Vec<(String, String)>, usize)>,
}

impl Notices {
    /// Notes that a code applies to an object. The object's text is only made while it is still listed.
    pub(crate) fn note(&mut self, code: &'static str, object: impl FnOnce() -> String, detail: &str) {
        debug_assert!(diagnostic(code).is_some(), "{code} is not in the table");
        let (listed, count) = self.codes.entry(code).or_default();
        *count += 1;
        if listed.len() < LISTED {
            listed.push((object(), detail.to_owned()));
        }
    }
    /// The findings, sorted by severity, code and object.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for d in TABLE {
            let Some((listed, count)) = self.codes.get(d.code) else { continue };
            for (object, detail) in listed {
                let message = if detail.is_empty() { d.meaning } else { detail };
                findings.push(Finding::new(d.severity, d.code, object, format!("{message}: {}", d.effect), d.remedy));
            }
            if *count > listed.len() {
                let kind = listed[0].0.split('/').next().unwrap_or("");
                let more = count - listed.len();
                let message = format!("and {more} more ({count} in all), {}: {}", d.meaning, d.effect);
                findings.push(Finding::new(d.severity, d.code, format!("{kind}/*"), message, d.remedy));
            }
        }
        findings.sort_by(|a, b| (a.severity, &a.code).cmp(&(b.severity, &b.code)));
        findings
    }
}

/// The kind as Kubernetes writes it.
pub(crate) fn kind_text(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::Deployment => "Deployment",
        OwnerKind::ReplicaSet => "ReplicaSet",
        OwnerKind::ReplicationController => "ReplicationController",
        OwnerKind::StatefulSet => "StatefulSet",
        OwnerKind::DaemonSet => "DaemonSet",
        OwnerKind::Job => "Job",
        OwnerKind::Node => "Node",
        OwnerKind::Custom => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        for (i, d) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|o| o.code != d.code), "{} twice", d.code);
            assert!(d.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", d.code);
        }
    }

    /// `NODEFERRY_BLESS=1` writes it again.
    #[test]
    fn the_documentation_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let head = text.split("## The dump lacks").next().unwrap_or_default();
        let wanted = format!("{head}{}", markdown());
        if std::env::var_os("NODEFERRY_BLESS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        } else {
            assert!(text == wanted, "docs/findings.md is not what the table says; run with NODEFERRY_BLESS=1");
        }
    }

    /// The files of the product below a folder.
    fn sources(dir: &std::path::Path, into: &mut Vec<String>) {
        let mut entries: Vec<_> =
            std::fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                into.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
            }
        }
    }

    /// Every code that the product gives by name is in the table, so that it is in the documentation.
    #[test]
    fn every_finding_is_in_the_registry() {
        let mut files = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let is_code = |t: &str| {
            t.contains('-') && t.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
        };
        let mut found = 0;
        for text in &files {
            for (at, _) in text.match_indices("Finding::new(").chain(text.match_indices("add(Severity::")) {
                // The code is the first literal of the call, unless a variable holds it.
                let call: String = text[at..].chars().take(160).collect();
                let Some(code) = call.split('"').nth(1).filter(|c| is_code(c)) else { continue };
                found += 1;
                assert!(diagnostic(code).is_some(), "{code} is not in the table");
            }
        }
        assert!(found > 35, "the test reads the sources: {found} codes");
    }

    #[test]
    fn many_objects_of_one_code_are_listed_up_to_a_bound() {
        let mut notices = Notices::default();
        for i in 0..25 {
            notices.note("pod-gated", || format!("Pod/a/{i}"), "");
        }
        let findings = notices.findings();
        assert_eq!(findings.len(), LISTED + 1);
        assert_eq!(findings[LISTED].object, "Pod/*");
        assert!(findings[LISTED].message.starts_with("and 5 more (25 in all)"), "{}", findings[LISTED].message);
    }
}
