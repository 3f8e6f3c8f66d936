//! Outputs of the vendor's own commands, recognised by their form; only the facts named here are read from them.
//!
//! The forms are those of the published API descriptions (CS 2015-12-15, SLB 2014-05-15, ECS 2014-05-26, RAM 2015-05-01, OSS).

use super::known::{FactsError, Known, Place};
use serde_json::Value;

/// A form of output.
struct Form {
    /// What it is, for the error that lists them.
    name: &'static str,
    is: fn(&Value) -> bool,
    take: fn(&mut Taker<'_>, &Value) -> Result<(), FactsError>,
}

const FORMS: &[Form] = &[
    Form {
        name: "aliyun cs GET /clusters/<id>",
        is: |v| has(v, "/cluster_id") && has(v, "/cluster_type"),
        take: cluster,
    },
    Form {
        name: "aliyun cs GET /clusters/<id>/checks/<check>",
        is: |v| has(v, "/check_id") && has(v, "/status"),
        take: check,
    },
    Form { name: "aliyun slb DescribeLoadBalancerAttribute", is: |v| has(v, "/LoadBalancerId"), take: slb },
    Form {
        name: "aliyun ecs DescribeCloudAssistantStatus",
        is: |v| has(v, "/InstanceCloudAssistantStatusSet"),
        take: cloud_assistant,
    },
    Form {
        name: "aliyun ecs DescribeInvocationResults",
        is: |v| has(v, "/Invocation/InvocationResults"),
        take: invocation,
    },
    Form { name: "aliyun ecs DescribeInstanceRamRole", is: |v| has(v, "/InstanceRamRoleSets"), take: role },
    Form {
        name: "aliyun ram GetPolicy",
        is: |v| has(v, "/DefaultPolicyVersion") || has(v, "/PolicyVersion"),
        take: policy,
    },
    Form {
        name: "ossutil api get-bucket-info",
        is: |v| has(v, "/BucketInfo/Bucket") || has(v, "/Bucket/Name") || text(v, "/Code") == Some("NoSuchBucket"),
        take: bucket,
    },
    Form { name: "ossutil api get-bucket-referer", is: |v| has(v, "/RefererConfiguration"), take: referer },
];

fn has(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).is_some_and(|v| !v.is_null())
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// True, false, or either as text, as the vendor's API writes them.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::String(text) => text.to_lowercase().parse().ok(),
        _ => None,
    }
}

/// One entry or a list of them.
fn entries(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(list)) => list,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// Takes facts out of one output.
struct Taker<'k> {
    known: &'k mut Known,
    file: &'k str,
}

impl Taker<'_> {
    fn take(&mut self, place: &[&str], value: impl Into<Value>, from: &str) -> Result<(), FactsError> {
        let place: Place = place.iter().map(|p| (*p).to_owned()).collect();
        self.known.take(place, value.into(), format!("{}: {from}", self.file))
    }

    /// Takes a text if it is there.
    fn take_text(&mut self, place: &[&str], output: &Value, pointer: &str) -> Result<(), FactsError> {
        match text(output, pointer) {
            Some(found) => self.take(place, found, pointer.trim_start_matches('/')),
            None => Ok(()),
        }
    }

    fn form(&self, problem: String) -> FactsError {
        FactsError::Form { file: self.file.to_owned(), problem }
    }
}

/// Takes the facts of an output.
///
/// # Errors
/// It is none of the known forms, or contradicts another source.
pub(super) fn take(known: &mut Known, file: &str, value: &Value) -> Result<(), FactsError> {
    let mut taker = Taker { known, file };
    match FORMS.iter().find(|f| (f.is)(value)) {
        Some(form) => (form.take)(&mut taker, value),
        None => {
            let names: Vec<&str> = FORMS.iter().map(|f| f.name).collect();
            Err(taker.form(format!(
                "this is no output that is known; expected the JSON of one of: {}. Facts of your own go into the facts file (--facts)",
                names.join(", ")
            )))
        }
    }
}

fn cluster(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    t.take_text(&["cluster", "id"], v, "/cluster_id")?;
    t.take_text(&["cluster", "state"], v, "/state")?;
    t.take_text(&["cluster", "version"], v, "/current_version")?;
    t.take_text(&["cluster", "region"], v, "/region_id")?;
    t.take_text(&["cluster", "time_zone"], v, "/timezone")?;
    if let Some(kind) = text(v, "/cluster_type") {
        let kind = match kind {
            "Kubernetes" => "dedicated",
            "ManagedKubernetes" => "managed",
            other => other,
        };
        t.take(&["cluster", "type"], kind, "cluster_type")?;
    }
    // A JSON document within the text: {"api_server_endpoint": …, "intranet_api_server_endpoint": …}.
    let endpoints = text(v, "/master_url").and_then(|u| serde_json::from_str::<Value>(u).ok());
    if let Some(endpoints) = endpoints {
        let public = text(&endpoints, "/api_server_endpoint").is_some_and(|e| !e.is_empty());
        t.take(&["api_server", "has_public_slb"], public, "master_url.api_server_endpoint")?;
    }
    Ok(())
}

fn check(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    if let Some(kind) = text(v, "/type").filter(|k| *k != "ClusterMigrate") {
        return Err(t.form(format!(
            "at type: this is a check of {kind}; the migration needs one of type ClusterMigrate: aliyun cs POST /clusters/<CLUSTER_ID>/checks --body '{{\"type\":\"ClusterMigrate\"}}'"
        )));
    }
    t.take_text(&["check", "status"], v, "/status")?;
    if let Some(items) = v.get("check_items") {
        let mut failed = Vec::new();
        failed_items(items, "check_items", &mut failed);
        t.take(&["check", "failed"], failed, "check_items")?;
    }
    Ok(())
}

/// Items that did not pass, wherever they stand: the form within `check_items` is not published. An item is an object that says of itself
/// how it went (C: its level, status, result or state).
fn failed_items(value: &Value, at: &str, failed: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| failed_items(item, at, failed)),
        Value::Object(fields) => {
            let word =
                ["level", "status", "result", "state"].iter().find_map(|k| fields.get(*k).and_then(Value::as_str));
            let name = ["name", "id", "check_item", "display_name"]
                .iter()
                .find_map(|k| fields.get(*k).and_then(Value::as_str));
            let passed = ["pass", "passed", "success", "succeeded", "normal", "ok", "info", "advice"];
            match word {
                Some(word) if passed.contains(&word.to_lowercase().as_str()) => {}
                Some(word) => {
                    let why = ["message", "reason"].iter().find_map(|k| fields.get(*k).and_then(Value::as_str));
                    let why = why.map_or(String::new(), |w| format!(": {w}"));
                    failed.push(format!("{} ({word}){why}", name.unwrap_or(at)));
                }
                None => fields.iter().for_each(|(key, inner)| failed_items(inner, key, failed)),
            }
        }
        _ => {}
    }
}

fn slb(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    match text(v, "/AddressType") {
        Some("internet") => return t.take(&["api_server", "has_public_slb"], true, "AddressType internet"),
        Some("intranet") => {}
        _ => {
            return Err(t.form(
                "AddressType is neither intranet nor internet: it cannot be seen whether this is the internal load balancer; give the whole output of aliyun slb DescribeLoadBalancerAttribute".to_owned(),
            ));
        }
    }
    t.take_text(&["api_server", "internal_slb", "id"], v, "/LoadBalancerId")?;
    t.take_text(&["api_server", "internal_slb", "specification"], v, "/LoadBalancerSpec")
}

fn cloud_assistant(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    let set = v.pointer("/InstanceCloudAssistantStatusSet");
    let list = set.and_then(|s| s.get("InstanceCloudAssistantStatus")).or(set);
    for entry in entries(list) {
        // The command may have been asked about workers too.
        let Some(master) = text(entry, "/InstanceId").and_then(|i| t.known.master_of(i)) else { continue };
        if let Some(works) = entry.get("CloudAssistantStatus").and_then(truth) {
            t.take(&["masters", &master, "cloud_assistant"], works, "CloudAssistantStatus")?;
        }
    }
    Ok(())
}

fn role(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    let list = v.pointer("/InstanceRamRoleSets/InstanceRamRoleSet");
    for entry in entries(list) {
        let is_master = text(entry, "/InstanceId").is_some_and(|i| t.known.master_of(i).is_some());
        if is_master {
            t.take_text(&["ram", "role"], entry, "/RamRoleName")?;
        }
    }
    Ok(())
}

/// What the command of [`super::facts::MASTER_COMMAND`] printed on each master.
fn invocation(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    let mut largest = None;
    for entry in entries(v.pointer("/Invocation/InvocationResults/InvocationResult")) {
        let Some(master) = text(entry, "/InstanceId").and_then(|i| t.known.master_of(i)) else { continue };
        let Some(output) = text(entry, "/Output") else { continue };
        let output = from_base64(output).and_then(|b| String::from_utf8(b).ok()).unwrap_or_else(|| output.to_owned());
        for (key, said) in output.lines().filter_map(|l| l.trim().split_once('=')) {
            match (key, said.parse::<i64>()) {
                ("tmp_free_kib", Ok(kib)) => {
                    t.take(&["masters", &master, "tmp_free_bytes"], kib.saturating_mul(1024), "tmp_free_kib")?;
                }
                ("etcd_certificates", _) => {
                    t.take(&["masters", &master, "etcd_certificates"], said == "yes", "etcd_certificates")?;
                }
                // Members differ by what they have not compacted yet: the largest counts.
                ("etcd_database_bytes", Ok(bytes)) => largest = largest.max(Some(bytes)),
                _ => {}
            }
        }
    }
    match largest {
        Some(bytes) => t.take(&["etcd", "database_bytes"], bytes, "etcd_database_bytes"),
        None => Ok(()),
    }
}

/// Bytes of a text in base64 (RFC 4648); None if it is none.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace()) {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => continue,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

fn policy(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    t.take_text(&["ram", "policy"], v, "/Policy/PolicyName")?;
    for pointer in ["/DefaultPolicyVersion/PolicyDocument", "/PolicyVersion/PolicyDocument"] {
        let Some(found) = v.pointer(pointer) else { continue };
        let document = match found.as_str() {
            Some(text) => serde_json::from_str::<Value>(text)
                .map_err(|e| t.form(format!("at {}: the policy is no JSON: {e}", pointer.trim_start_matches('/'))))?,
            None => found.clone(),
        };
        let document: super::facts::PolicyDocument = crate::typed::from_value(&document)
            .map_err(|e| t.form(format!("at {}: this is no RAM policy: {e}", pointer.trim_start_matches('/'))))?;
        let document = serde_json::to_value(document).map_err(|e| t.form(e.to_string()))?;
        return t.take(&["ram", "document"], document, pointer.trim_start_matches('/'));
    }
    Ok(())
}

fn bucket(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    if text(v, "/Code") == Some("NoSuchBucket") {
        t.take_text(&["bucket", "name"], v, "/BucketName")?;
        return t.take(&["bucket", "exists"], false, "Code NoSuchBucket");
    }
    let found = v.pointer("/BucketInfo/Bucket").or_else(|| v.get("Bucket")).unwrap_or(&Value::Null);
    t.take_text(&["bucket", "name"], found, "/Name")?;
    t.take_text(&["bucket", "region"], found, "/Location")?;
    // The masters and the managed control plane are in the VPC: the internal one.
    let endpoint = if has(found, "/IntranetEndpoint") { "/IntranetEndpoint" } else { "/ExtranetEndpoint" };
    t.take_text(&["bucket", "endpoint"], found, endpoint)?;
    t.take(&["bucket", "exists"], true, "Bucket")
}

fn referer(t: &mut Taker<'_>, v: &Value) -> Result<(), FactsError> {
    let list = v.pointer("/RefererConfiguration/RefererList/Referer").filter(|r| !r.is_null());
    let any = entries(list).iter().any(|r| r.as_str().is_some_and(|r| !r.is_empty()));
    t.take(&["bucket", "hotlink_protection"], any, "RefererConfiguration.RefererList")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_it_is_written() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v\n", "foo"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(from_base64("tmp_free_kib=1"), None, "plain text is none: it has a _");
    }

    #[test]
    fn items_of_a_check_that_did_not_pass_are_found_wherever_they_stand() {
        let items = serde_json::json!({
            "Cluster": [{"name": "version", "level": "normal"}, {"name": "slb", "level": "error", "message": "too small"}],
            "Node": {"m1": [{"id": "assistant", "status": "Failed"}]},
        });
        let mut failed = Vec::new();
        failed_items(&items, "check_items", &mut failed);
        assert_eq!(failed, ["slb (error): too small", "assistant (Failed)"]);
    }
}
