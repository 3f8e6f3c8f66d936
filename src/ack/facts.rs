//! What has to be known of a cluster before its control plane is swapped: the file that states it, with its published schema.
//!
//! Every fact may be left out or null, which is "not known". No fact is a credential, and none is looked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Version of the form of the facts; raised when an older reader would misread them.
pub const FACTS_VERSION: u32 = 1;

/// Facts of an ACK cluster that is to be migrated (YAML or JSON).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AckFacts {
    /// [`FACTS_VERSION`].
    pub ack_facts: u32,
    /// The cluster itself.
    pub cluster: ClusterFacts,
    /// How its API server is reached.
    pub api_server: ApiServerFacts,
    /// The bucket that the snapshot of etcd goes through.
    pub bucket: BucketFacts,
    /// The RAM policy of the masters' role.
    pub ram: RamFacts,
    /// etcd.
    pub etcd: EtcdFacts,
    /// Masters by the name of their node.
    pub masters: BTreeMap<String, MasterFacts>,
    /// The result of the vendor's own check of the migration (`ClusterMigrate`).
    pub check: CheckFacts,
    /// What somebody has taken note of: it cannot be undone or seen beforehand.
    pub acknowledged: Acknowledged,
}

/// The cluster itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterFacts {
    /// Its id at ACK.
    pub id: Option<String>,
    /// `dedicated`, `managed`, or the vendor's word for another kind.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `running`, or the vendor's word for another state.
    pub state: Option<String>,
    /// Version of its control plane (`1.18.8-aliyun.1`).
    pub version: Option<String>,
    /// Region (`cn-hangzhou`).
    pub region: Option<String>,
    /// Time zone (`Asia/Shanghai`); an empty text says that none is set.
    pub time_zone: Option<String>,
    /// The vendor has put the account on the allow list of the migration.
    pub allow_listed: Option<bool>,
}

/// How the API server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiServerFacts {
    /// The internal load balancer (SLB, CLB).
    pub internal_slb: SlbFacts,
    /// The API server has a public address too.
    pub has_public_slb: Option<bool>,
}

/// A load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlbFacts {
    /// Its id.
    pub id: Option<String>,
    /// Its specification (`slb.s1.small`); `shared` or an empty text for a shared-resource instance that has none.
    pub specification: Option<String>,
}

/// The bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BucketFacts {
    /// Its name.
    pub name: Option<String>,
    /// Its endpoint (`oss-cn-hangzhou-internal.aliyuncs.com`).
    pub endpoint: Option<String>,
    /// It exists.
    pub exists: Option<bool>,
    /// Its region (`cn-hangzhou`).
    pub region: Option<String>,
    /// Its hotlink protection is on: it has a list of referers.
    pub hotlink_protection: Option<bool>,
}

/// The RAM policy of the masters' role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RamFacts {
    /// The role of the masters (`KubernetesMasterRole-…`).
    pub role: Option<String>,
    /// Name of its policy (`k8sMasterRolePolicy-…`).
    pub policy: Option<String>,
    /// The policy's document.
    pub document: Option<PolicyDocument>,
}

/// A RAM policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyDocument {
    /// Version of the policy language.
    #[serde(rename = "Version", default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its statements.
    #[serde(rename = "Statement", default)]
    pub statements: Vec<PolicyStatement>,
    /// What else it says; it is kept as it is.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A statement of a RAM policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyStatement {
    /// `Allow` or `Deny`.
    #[serde(rename = "Effect")]
    pub effect: String,
    /// What it is about (`oss:PutObject`, with `*`).
    #[serde(rename = "Action", default, skip_serializing_if = "Option::is_none")]
    pub action: Option<OneOrMany>,
    /// On which resources (`acs:oss:*:*:bucket/*`).
    #[serde(rename = "Resource", default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<OneOrMany>,
    /// Under which conditions; they are not evaluated.
    #[serde(rename = "Condition", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<BTreeMap<String, BTreeMap<String, OneOrMany>>>,
    /// What else it says (`NotAction`, `NotResource`); it is kept as it is, and makes unknown what the statement comes to.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A text, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub fn all(&self) -> &[String] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

/// etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EtcdFacts {
    /// Size of its database in bytes.
    pub database_bytes: Option<i64>,
}

/// A master.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MasterFacts {
    /// Its ECS instance (`i-…`).
    pub instance: Option<String>,
    /// The Cloud Assistant client runs on it.
    pub cloud_assistant: Option<bool>,
    /// Free space in its `/tmp`, in bytes.
    pub tmp_free_bytes: Option<i64>,
    /// etcd's certificates are where the procedure looks for them (`/var/lib/etcd/cert`).
    pub etcd_certificates: Option<bool>,
}

/// The result of the vendor's own check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckFacts {
    /// Its status, in the vendor's word (`Succeeded`, `Failed`, `Running`).
    pub status: Option<String>,
    /// Items that did not pass, as the vendor names them.
    pub failed: Option<Vec<String>>,
}

/// What somebody has taken note of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acknowledged {
    /// The migration cannot be rolled back after the cut-over.
    pub no_rollback: Option<bool>,
    /// No new dedicated cluster can be created (since 2024-08-21), so that there is none to go back to.
    pub no_new_dedicated_cluster: Option<bool>,
    /// The masters no longer belong to the cluster afterwards and are `Unknown`.
    pub masters_unknown: Option<bool>,
    /// The masters' ECS instances remain, and are billed until somebody deletes them.
    pub machines_billed: Option<bool>,
    /// The public address of the API server is lost.
    pub public_address_lost: Option<bool>,
    /// cGPU Basic has to be replaced by cGPU Professional afterwards.
    pub cgpu_upgrade: Option<bool>,
    /// The keys that sign service account tokens and front-proxy requests travel, and show in the output of the command that reads them.
    pub signing_keys_travel: Option<bool>,
}

/// A fact: where it stands, what it is needed for, and how to get it.
#[derive(Clone, Copy, Debug)]
pub struct FactInfo {
    /// Its place in the file; `*` stands for the name of each master.
    pub path: &'static str,
    /// What it is needed for.
    pub needed: &'static str,
    /// The command that shows it; the outputs that docs/ack.md lists can be given with `--output-of`. Or what to do where there is none.
    pub how: &'static str,
    /// The dump shows it too, where its nodes have the usual labels.
    pub in_dump: bool,
}

macro_rules! facts {
    ($($path:literal $in_dump:literal: $needed:literal; $how:literal)*) => {
        /// Every fact, in the order of the file.
        pub const FACTS: &[FactInfo] = &[$(FactInfo { path: $path, needed: $needed, how: $how, in_dump: $in_dump }),*];
    };
}

/// The command of which the masters' own facts come; each prints one line per fact.
pub const MASTER_COMMAND: &str = "echo tmp_free_kib=$(df -Pk /tmp | awk 'NR==2{print $4}'); \
[ -e /var/lib/etcd/cert/ca.pem ] && [ -e /var/lib/etcd/cert/etcd-client.pem ] && [ -e /var/lib/etcd/cert/etcd-client-key.pem ] && echo etcd_certificates=yes || echo etcd_certificates=no; \
echo etcd_database_bytes=$(stat -c %s /var/lib/etcd/data.etcd/member/snap/db)";

facts! {
    "cluster.id" true: "the cluster must be one that the migration takes, and the snapshot is named after it";
        "aliyun cs GET /clusters/<CLUSTER_ID>"
    "cluster.type" false: "only a dedicated cluster is migrated";
        "aliyun cs GET /clusters/<CLUSTER_ID>"
    "cluster.state" false: "only a running cluster is migrated";
        "aliyun cs GET /clusters/<CLUSTER_ID>"
    "cluster.version" true: "the version stays, and an old one is refused";
        "aliyun cs GET /clusters/<CLUSTER_ID>"
    "cluster.region" true: "the bucket must be in the same region";
        "aliyun cs GET /clusters/<CLUSTER_ID>"
    "cluster.time_zone" false: "the managed control plane takes over the cluster's time zone";
        "aliyun cs GET /clusters/<CLUSTER_ID>"
    "cluster.allow_listed" false: "the feature is open to accounts on the vendor's allow list only";
        "submit a ticket, and write true here once it is approved"
    "api_server.internal_slb.id" false: "the load balancer that the masters give up and the managed control plane takes";
        "aliyun slb DescribeLoadBalancers --RegionId <REGION> --AddressType intranet"
    "api_server.internal_slb.specification" false: "a shared-resource instance is too small";
        "aliyun slb DescribeLoadBalancerAttribute --RegionId <REGION> --LoadBalancerId <SLB_ID>"
    "api_server.has_public_slb" false: "a public address of the API server is lost";
        "aliyun cs GET /clusters/<CLUSTER_ID>"
    "bucket.name" false: "the snapshot of etcd goes through it";
        "aliyun ossutil api get-bucket-info --bucket <BUCKET> --output-format json"
    "bucket.endpoint" false: "the call that starts the migration names it";
        "aliyun ossutil api get-bucket-info --bucket <BUCKET> --output-format json"
    "bucket.exists" false: "the snapshot of etcd is uploaded to it";
        "aliyun ossutil api get-bucket-info --bucket <BUCKET> --output-format json"
    "bucket.region" false: "it must be in the cluster's region";
        "aliyun ossutil api get-bucket-info --bucket <BUCKET> --output-format json"
    "bucket.hotlink_protection" false: "with hotlink protection the managed side cannot read the signed URL";
        "aliyun ossutil api get-bucket-referer --bucket <BUCKET> --output-format json"
    "ram.role" false: "the policy of this role is extended";
        "aliyun ecs DescribeInstanceRamRole --RegionId <REGION> --InstanceIds '[\"<MASTER_INSTANCE>\"]'"
    "ram.policy" false: "the policy of the masters' role whose name starts with k8sMasterRolePolicy is extended";
        "aliyun ram ListPoliciesForRole --RoleName <ROLE>"
    "ram.document" false: "the masters must be allowed to write the snapshot and to read it";
        "aliyun ram GetPolicy --PolicyName <POLICY> --PolicyType Custom"
    "etcd.database_bytes" false: "the room that the snapshot takes, and how long it takes";
        "run the command of docs/ack.md on a master with Cloud Assistant (aliyun ecs RunCommand), then aliyun ecs DescribeInvocationResults --ContentEncoding Base64"
    "masters.*.instance" true: "commands are run on the masters' ECS instances, which remain and are billed";
        "kubectl get node <MASTER> -o jsonpath='{.spec.providerID}'"
    "masters.*.cloud_assistant" false: "the procedure runs its commands through the Cloud Assistant client of every master";
        "aliyun ecs DescribeCloudAssistantStatus --RegionId <REGION> --InstanceId.1 <MASTER_INSTANCE>"
    "masters.*.tmp_free_bytes" false: "the snapshot is made and rewritten in /tmp";
        "run the command of docs/ack.md on the masters with Cloud Assistant (aliyun ecs RunCommand), then aliyun ecs DescribeInvocationResults --ContentEncoding Base64"
    "masters.*.etcd_certificates" false: "the procedure reads etcd with the certificates in /var/lib/etcd/cert";
        "run the command of docs/ack.md on the masters with Cloud Assistant (aliyun ecs RunCommand), then aliyun ecs DescribeInvocationResults --ContentEncoding Base64"
    "check.status" false: "the vendor's own check finds what only the vendor can see";
        "aliyun cs POST /clusters/<CLUSTER_ID>/checks --body '{\"type\":\"ClusterMigrate\"}', then aliyun cs GET /clusters/<CLUSTER_ID>/checks/<CHECK_ID>"
    "check.failed" false: "which items of the vendor's check did not pass";
        "aliyun cs GET /clusters/<CLUSTER_ID>/checks/<CHECK_ID>"
    "acknowledged.no_rollback" false: "nothing takes the cut-over back";
        "write true here once everybody concerned knows it"
    "acknowledged.no_new_dedicated_cluster" false: "a dedicated cluster cannot be created again";
        "write true here once everybody concerned knows it"
    "acknowledged.masters_unknown" false: "the masters stay in the list of nodes as Unknown until somebody deletes them";
        "write true here once everybody concerned knows it"
    "acknowledged.machines_billed" false: "the masters' instances cost money until somebody releases them";
        "write true here once everybody concerned knows it"
    "acknowledged.public_address_lost" false: "whoever uses the public address has to be given another";
        "write true here once everybody concerned knows it; not needed without a public address"
    "acknowledged.cgpu_upgrade" false: "GPU sharing has to be installed again afterwards";
        "write true here once somebody is to do it; not needed without cGPU Basic"
    "acknowledged.signing_keys_travel" false: "who may read the output of commands on the masters can read the keys";
        "write true here once it is clear who may call ecs:DescribeInvocationResults"
}

impl FactInfo {
    /// The fact of a path; a name below `masters` stands for `*`.
    pub fn of(path: &str) -> Option<&'static FactInfo> {
        FACTS.iter().find(|f| f.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All places of the file's form, `*` for a master's name.
    fn places(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) if at != "ram.document" => {
                for (key, inner) in fields {
                    let place = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                    places(inner, &place, found);
                }
            }
            _ => found.push(at.to_owned()),
        }
    }

    #[test]
    fn every_fact_of_the_file_is_explained_and_no_other() {
        let masters = BTreeMap::from([("*".to_owned(), MasterFacts::default())]);
        let form = serde_json::to_value(AckFacts { masters, ..AckFacts::default() }).expect("a value");
        let mut found = Vec::new();
        places(&form, "", &mut found);
        found.retain(|p| p != "ack_facts");
        let explained: Vec<&str> = FACTS.iter().map(|f| f.path).collect();
        assert_eq!(found, explained);
    }
}
