//! Operators that manage budgets and pods: who they are, what they do when a node is cordoned, and what lifts a budget of theirs.

/// An operator that is known by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Operator {
    /// Name.
    pub name: &'static str,
    /// API groups of its resources; a group below one of them counts too.
    groups: &'static [&'static str],
    /// Beginnings of label keys that it puts on what it makes; `key=value` where the value counts.
    labels: &'static [&'static str],
    /// Values of `app.kubernetes.io/managed-by`.
    managed_by: &'static [&'static str],
    /// What it does when a node of its pods is cordoned, or a drain waits.
    pub does: &'static str,
    /// What lifts its budget.
    pub remedy: &'static str,
}

/// Who manages an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// The operator, where it is known.
    pub operator: Option<&'static Operator>,
    /// The custom resource that owns the object (`Cluster pg-main`), or the label that names the operator.
    pub by: String,
    /// The API group of that resource; empty if only a label tells.
    pub group: String,
}

/// The label by which Kubernetes recommends to say who manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

macro_rules! operators {
    ($($name:literal, $groups:expr, $labels:expr, $managed_by:expr, $does:literal, $remedy:literal;)*) => {
        const OPERATORS: &[Operator] = &[$(Operator {
            name: $name, groups: &$groups, labels: &$labels, managed_by: &$managed_by, does: $does, remedy: $remedy,
        }),*];
    };
}

operators! {
    "CloudNativePG", ["postgresql.cnpg.io"], ["cnpg.io/"], ["cloudnative-pg"],
        "moves the primary to another instance once its node is cordoned",
        "Look at the Cluster (kubectl cnpg status): with one instance raise spec.instances, or set spec.nodeMaintenanceWindow or spec.enablePDB: false for the time of the migration.";
    "Longhorn", ["longhorn.io"], ["longhorn.io/"], ["longhorn-manager"],
        "removes the budget of an instance manager once the node is cordoned and its setting node-drain-policy allows it",
        "Look at Longhorn: all volumes must be healthy, with a replica elsewhere, and node-drain-policy must allow the drain. Past the budget data may be lost.";
    "Rook", ["ceph.rook.io"], ["rook_cluster", "rook.io/"], ["rook-ceph-operator"],
        "lets the failure domain go that is drained, and blocks the others, while all placement groups are clean",
        "Look at the CephCluster: placement groups must be active+clean; drain one failure domain at a time. Past the budget data may be lost.";
    "Strimzi", ["strimzi.io"], ["strimzi.io/"], ["strimzi-cluster-operator"],
        "rolls the pod itself when its Drain Cleaner sees the eviction",
        "Install Strimzi's Drain Cleaner, or set template.podDisruptionBudget.maxUnavailable in the Kafka resource.";
    "Elastic Cloud on Kubernetes", ["k8s.elastic.co"], ["elasticsearch.k8s.elastic.co/", "common.k8s.elastic.co/", "kibana.k8s.elastic.co/"], ["elastic-operator"],
        "allows the disruption of one node while the cluster's health is green",
        "Bring the cluster's health to green (kubectl get elasticsearch), or set spec.podDisruptionBudget in the Elasticsearch resource.";
    "KubeVirt", ["kubevirt.io"], ["kubevirt.io"], ["virt-operator", "virt-controller"],
        "moves the virtual machine by live migration when it is evicted",
        "See whether the VirtualMachineInstance can be live-migrated (condition LiveMigratable), or stop it first.";
    "Crunchy Postgres Operator", ["postgres-operator.crunchydata.com"], ["postgres-operator.crunchydata.com/"], [],
        "lets one instance go while another can take over", "Look at the PostgresCluster: raise its instances' replicas, or set minAvailable there.";
    "Zalando Postgres Operator", ["acid.zalan.do"], ["spilo-role"], ["postgres-operator"],
        "moves the primary away from nodes that are drained, if they are labelled as it expects",
        "Look at the postgresql resource and at the operator's node_readiness_label and enable_pod_disruption_budget.";
    "Percona Operator", ["pxc.percona.com", "psmdb.percona.com", "pgv2.percona.com", "ps.percona.com"], [], ["percona-xtradb-cluster-operator", "percona-server-mongodb-operator"],
        "lets one member go while the others are healthy", "Look at the custom resource: its podDisruptionBudget and its members' state.";
    "MongoDB Kubernetes Operator", ["mongodbcommunity.mongodb.com", "mongodb.com"], [], ["mongodb-kubernetes-operator"],
        "lets one member go while the others are healthy", "Look at the MongoDB resource and at its members' state.";
    "MySQL Operator", ["mysql.oracle.com"], ["mysql.oracle.com/"], ["mysql-operator"],
        "lets one member go while the others are healthy", "Look at the InnoDBCluster and at its members' state.";
    "MariaDB Operator", ["k8s.mariadb.com"], ["k8s.mariadb.com/"], ["mariadb-operator"],
        "moves the primary to another replica", "Look at the MariaDB resource: its podDisruptionBudget and replicas.";
    "RabbitMQ Cluster Operator", ["rabbitmq.com"], ["rabbitmq.com/", "app.kubernetes.io/part-of=rabbitmq"], ["rabbitmq-cluster-operator"],
        "waits in the pod's preStop hook until queues have replicas elsewhere", "Look at the RabbitmqCluster: its queues must be in sync.";
    "Redis operator", ["databases.spotahome.com", "redis.redis.opstreelabs.in", "app.redislabs.com"], ["redisfailovers.databases.spotahome.com", "redis_setup_type"], ["redis-operator"],
        "moves the master to another instance", "Look at the operator's resource and its instances' state.";
    "Valkey operator", ["hyperspike.io"], [], ["valkey-operator"],
        "moves the primary to another instance", "Look at the operator's resource and its instances' state.";
    "cass-operator", ["cassandra.datastax.com", "k8ssandra.io"], ["cassandra.datastax.com/"], ["cass-operator", "k8ssandra-operator"],
        "lets one node of the ring go at a time", "Look at the CassandraDatacenter: all nodes of the ring must be up.";
    "Scylla Operator", ["scylla.scylladb.com"], ["scylla/"], ["scylla-operator"],
        "lets one node of the ring go at a time", "Look at the ScyllaCluster: all nodes of the ring must be up.";
    "OpenSearch Operator", ["opensearch.opster.io", "opensearch.org"], ["opster.io/"], ["opensearch-operator"],
        "lets one node go while the cluster's health is green", "Bring the cluster's health to green, or set pdb in the OpenSearchCluster.";
    "TiDB Operator", ["pingcap.com"], ["pingcap.com/"], ["tidb-operator"],
        "moves leaders away from the pod that is drained", "Look at the TidbCluster: all stores must be up.";
    "CockroachDB Operator", ["crdb.cockroachlabs.com"], ["crdb"], ["cockroach-operator"],
        "lets one node go while ranges are fully replicated", "Look at the CrdbCluster: no range may be under-replicated.";
    "ClickHouse Operator", ["clickhouse.altinity.com", "clickhouse-keeper.altinity.com"], ["clickhouse.altinity.com/"], ["clickhouse-operator"],
        "lets one replica go at a time", "Look at the ClickHouseInstallation and at its replicas' state.";
    "Vitess Operator", ["planetscale.com"], ["planetscale.com/"], ["vitess-operator"],
        "moves primaries away from pods that are drained", "Look at the VitessCluster and its shards' state.";
    "Confluent for Kubernetes", ["platform.confluent.io"], ["platform.confluent.io/"], ["confluent-operator"],
        "lets one broker go while no partition is under-replicated", "Look at the Kafka resource: no partition may be under-replicated.";
    "Portworx", ["core.libopenstorage.org"], ["operator.libopenstorage.org/"], ["portworx-operator"],
        "allows as many storage nodes to go as keep its quorum", "Look at Portworx (pxctl status): the quorum and all volumes must be healthy. Past the budget data may be lost.";
    "LINSTOR", ["piraeus.io", "linbit.com"], ["piraeus.io/"], ["piraeus-operator"],
        "lets a satellite go while its resources are up to date elsewhere", "Look at LINSTOR (linstor resource list): all resources must be up to date. Past the budget data may be lost.";
    "OpenEBS", ["openebs.io"], ["openebs.io/"], ["openebs-operator"],
        "lets a replica go while the others are healthy", "Look at the volumes' replicas: all must be healthy. Past the budget data may be lost.";
    "Agones", ["agones.dev"], ["agones.dev/"], ["agones"],
        "lets a game server go when it is not allocated", "Wait until the game servers have ended, or shut them down.";
    "Prometheus Operator", ["monitoring.coreos.com"], ["operator.prometheus.io/"], ["prometheus-operator"],
        "recreates what is changed in its objects", "Change podDisruptionBudget or replicas in the operator's own resource.";
}

/// The operator of an API group.
fn by_group(group: &str) -> Option<&'static Operator> {
    let is = |g: &&str| group == *g || group.strip_suffix(*g).is_some_and(|rest| rest.ends_with('.'));
    OPERATORS.iter().find(|o| o.groups.iter().any(&is))
}

/// Whether a group is one of Kubernetes' own.
fn is_kubernetes(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

impl Manager {
    /// Who manages what a resource owns; None if it is one of Kubernetes' own kinds.
    pub fn of_owner(api_version: &str, kind: &str, name: &str) -> Option<Manager> {
        let group = api_version.split_once('/').map_or("", |(g, _)| g);
        (!is_kubernetes(group)).then(|| Manager {
            operator: by_group(group),
            by: format!("{kind} {name}"),
            group: group.to_owned(),
        })
    }

    /// Who manages an object with these labels, if one of them names a known operator.
    pub fn of_labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Manager> {
        labels.into_iter().find_map(|(key, value)| {
            let names = |o: &&Operator| match key {
                MANAGED_BY => o.managed_by.contains(&value),
                _ => o.labels.iter().any(|l| match l.split_once('=') {
                    Some(label) => label == (key, value),
                    None => key.starts_with(l),
                }),
            };
            let operator = OPERATORS.iter().find(names)?;
            Some(Manager { operator: Some(operator), by: format!("label {key}"), group: String::new() })
        })
    }

    /// Its name: the operator's, or the API group of its resources.
    pub fn name(&self) -> &str {
        self.operator.map_or(&self.group, |o| o.name)
    }

    /// What it does, as the end of a sentence that begins with its name.
    pub fn does(&self) -> &'static str {
        self.operator.map_or("may let the pod go, or change its budget, once its node is cordoned", |o| o.does)
    }

    /// What lifts its budget.
    pub fn remedy(&self) -> String {
        match self.operator {
            Some(o) => o.remedy.to_owned(),
            None => format!(
                "Look at {} and its operator: the budget is changed there, and what is changed by hand is reverted.",
                self.by
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_known_by_owner_and_by_label() {
        let of = |version: &str| Manager::of_owner(version, "Thing", "x").map(|m| m.name().to_owned());
        assert_eq!(of("postgresql.cnpg.io/v1").as_deref(), Some("CloudNativePG"));
        assert_eq!(of("core.strimzi.io/v1beta2").as_deref(), Some("Strimzi"));
        assert_eq!(of("elasticsearch.k8s.elastic.co/v1").as_deref(), Some("Elastic Cloud on Kubernetes"));
        assert_eq!(
            of("db.example.com/v1").as_deref(),
            Some("db.example.com"),
            "any custom resource may have an operator"
        );
        assert_eq!((of("apps/v1"), of("v1"), of("node.k8s.io/v1")), (None, None, None));
        let by = |key, value| Manager::of_labels([("app", "x"), (key, value)]).map(|m| m.name().to_owned());
        assert_eq!(by("longhorn.io/component", "instance-manager").as_deref(), Some("Longhorn"));
        assert_eq!(by(MANAGED_BY, "strimzi-cluster-operator").as_deref(), Some("Strimzi"));
        assert_eq!((by(MANAGED_BY, "Helm"), by("app.kubernetes.io/name", "x")), (None, None));
        assert_eq!(by("app.kubernetes.io/part-of", "rabbitmq").as_deref(), Some("RabbitMQ Cluster Operator"));
        assert_eq!(by("app.kubernetes.io/part-of", "shop"), None);
    }

    #[test]
    fn no_remedy_forces() {
        for o in OPERATORS {
            assert!(!o.remedy.to_lowercase().contains("force") && o.remedy.ends_with('.'), "{}", o.name);
        }
    }
}
