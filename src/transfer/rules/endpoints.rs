//! Host names, URLs and ARNs of AWS in environments, arguments and configuration.

use super::{Ask, Code, Found, Ground, Rule, Sink, code, containers};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::{Item, REDUCED};
use serde_json::Value;
use std::collections::BTreeMap;

const ENDPOINT: Code =
    code("transfer-endpoint", Severity::Rewritten, "a host name, URL or ARN of AWS in configuration is replaced");
const UNMAPPED: Code = code(
    "transfer-endpoint-unmapped",
    Severity::Blocks,
    "a host name, URL or ARN of AWS that nobody has said anything of",
);
const METADATA: Code =
    code("transfer-instance-metadata", Severity::ByHand, "a program asks the instance metadata of EC2");

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Endpoints in configuration", codes: &[ENDPOINT, UNMAPPED, METADATA], judge };

const SUFFIXES: [&str; 5] = [".amazonaws.com", ".amazonaws.com.cn", ".on.aws", ".awsapps.com", ".cloudfront.net"];

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*')
}

fn in_arn(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '.' | '-' | '_' | '*' | ':' | '/' | '+' | '=' | ',' | '@' | '{' | '}' | '$')
}

fn in_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '%' | '~')
}

/// What of AWS a text names, in order: ARNs, queue URLs with their path, host names.
pub(in crate::transfer) fn named_in(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("arn:aws") {
            let end = rest.find(|c| !in_arn(c)).unwrap_or(rest.len());
            let arn = rest[..end].trim_end_matches(['.', ',', ':', '/']);
            // arn:partition:service:region:account:resource
            if arn.splitn(6, ':').count() == 6 {
                found.push(arn);
                at += end;
                continue;
            }
        }
        let Some(first) = rest.chars().next() else { break };
        if !in_name(first) {
            at += first.len_utf8();
            continue;
        }
        let end = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
        let host = rest[..end].trim_end_matches('.');
        let is_host = SUFFIXES.iter().any(|s| host.len() > s.len() && host.ends_with(s));
        if is_host {
            // A queue is its URL: host, account and name.
            if host.starts_with("sqs.") || host.ends_with(".queue.amazonaws.com") {
                let url_end = rest.find(|c| !in_path(c)).unwrap_or(rest.len());
                let start =
                    ["https://", "http://"].iter().find(|s| text[..at].ends_with(**s)).map_or(at, |s| at - s.len());
                found.push(&text[start..at + url_end]);
                at += url_end;
                continue;
            }
            found.push(host);
        }
        at += end;
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|f| seen.insert(*f));
    found
}

/// What service a name is of, for people.
fn service(name: &str) -> &'static str {
    let has = |part: &str| name.contains(part);
    if has(".rds.") {
        "a database of RDS: Azure Database or a managed instance takes its place, with its data"
    } else if has(".cache.") {
        "a cache of ElastiCache: Azure Managed Redis takes its place"
    } else if has("sqs.") || has(":sqs:") || has(".queue.") {
        "a queue of SQS: a queue of Azure Storage or Service Bus takes its place"
    } else if has(":sns:") || has("sns.") {
        "a topic of SNS: Event Grid or Service Bus takes its place"
    } else if has("dynamodb") {
        "DynamoDB: Cosmos DB or Table Storage takes its place"
    } else if has("kafka") {
        "Kafka of MSK: Event Hubs takes its place"
    } else if has(".es.") || has(".aoss.") {
        "OpenSearch"
    } else if has("s3") {
        "S3: Blob Storage takes its place"
    } else if has("secretsmanager") || has(":ssm:") || has("ssm.") {
        "Secrets Manager or Parameter Store: Key Vault takes its place"
    } else if has("elb.") {
        "a load balancer of AWS"
    } else if has("dkr.ecr") {
        "a registry of ECR"
    } else if has("efs.") {
        "a file system of EFS"
    } else {
        "a service of AWS"
    }
}

/// Texts of an object's configuration that may name endpoints, with their pointers.
fn texts(item: &Item) -> Vec<(String, &str)> {
    let mut all = Vec::new();
    if item.id.kind() == "ConfigMap" {
        let data = item.object.get("data").and_then(Value::as_object);
        all.extend(data.into_iter().flatten().filter_map(|(k, v)| Some((format!("/data{}", step(k)), v.as_str()?))));
    }
    if let Some(template) = super::template(item) {
        for (at, container) in containers(item, template) {
            for (i, variable) in container.get("env").and_then(Value::as_array).into_iter().flatten().enumerate() {
                if let Some(value) = variable.get("value").and_then(Value::as_str) {
                    all.push((format!("{at}/env/{i}/value"), value));
                }
            }
            for list in ["command", "args"] {
                for (i, value) in container.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
                    if let Some(value) = value.as_str() {
                        all.push((format!("{at}/{list}/{i}"), value));
                    }
                }
            }
        }
    }
    if item.id.kind() == "Service"
        && let Some(name) = item.text("/spec/externalName")
    {
        all.push(("/spec/externalName".to_owned(), name));
    }
    all
}

/// What the mapping says of a name: of itself, of a queue, of its host.
fn mapped(g: &Ground<'_>, name: &str) -> Option<String> {
    if let Some(to) = g.mapping.endpoints.get(name) {
        return to.clone();
    }
    if let Some(to) = super::images::target_image(g.mapping, name).flatten() {
        return Some(to);
    }
    // An ARN of a role whose identity is known stays where it only names the role.
    g.mapping.registries.get(name).cloned().flatten()
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for item in g.moving() {
        for (at, text) in texts(item) {
            if text.contains("169.254.169.254") || text.contains("fd00:ec2::254") {
                sink.add(
                    Found::new(item, &METADATA, "Azure's instance metadata has other paths, and pods may not reach it")
                        .at(&at)
                        .was("169.254.169.254")
                        .remedy("give the value by an environment, or use the SDK with Workload Identity"),
                );
            }
            let names = named_in(text);
            if names.is_empty() {
                continue;
            }
            let known: BTreeMap<&str, String> = names.iter().filter_map(|n| Some((*n, mapped(g, n)?))).collect();
            let replaced = replaced(text, &known);
            for name in names {
                match known.get(name) {
                    Some(to) if to == name => {}
                    Some(to) => {
                        let mut found = Found::new(item, &ENDPOINT, service(name)).at(&at).was(name).becomes(to);
                        if !text.starts_with(REDUCED) {
                            found = found.edit(Edit::Set(at.clone(), replaced.clone().into()));
                        }
                        sink.add(found);
                    }
                    None => {
                        let ask = Ask::at(
                            &["endpoints", name],
                            "what stands there on the target; the same text if it goes on using what is in AWS",
                        );
                        sink.add(Found::new(item, &UNMAPPED, service(name)).at(&at).was(name).ask(ask));
                    }
                }
            }
        }
    }
}

/// A text with names replaced, longer ones first, where they stand by themselves.
fn replaced(text: &str, known: &BTreeMap<&str, String>) -> String {
    let mut names: Vec<&&str> = known.keys().collect();
    names.sort_by_key(|n| std::cmp::Reverse(n.len()));
    let mut out = String::new();
    let mut at = 0;
    'text: while at < text.len() {
        for name in &names {
            let before = text[..at].chars().next_back().is_some_and(in_name);
            let after = text[at..]
                .strip_prefix(**name)
                .map(|rest| rest.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '-'));
            if after == Some(false) && !before {
                out.push_str(&known[**name]);
                at += name.len();
                continue 'text;
            }
        }
        let Some(c) = text[at..].chars().next() else { break };
        out.push(c);
        at += c.len_utf8();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_aws_are_found_in_texts() {
        for (text, found) in [
            (
                "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.fifo",
                &["https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.fifo"][..],
            ),
            ("postgres://u:p@db.abc.eu-west-1.rds.amazonaws.com:5432/x", &["db.abc.eu-west-1.rds.amazonaws.com"]),
            ("arn:aws:sns:eu-west-1:123456789012:topic, x", &["arn:aws:sns:eu-west-1:123456789012:topic"]),
            ("a=s3.amazonaws.com b=s3.amazonaws.com", &["s3.amazonaws.com"]),
            ("amazonaws.com is a domain; arn:aws is no ARN", &[]),
            ("d111.cloudfront.net/é", &["d111.cloudfront.net"]),
            ("example.com redis:6379", &[]),
        ] {
            assert_eq!(named_in(text), found, "{text}");
        }
    }

    #[test]
    fn names_are_replaced_where_they_stand_by_themselves() {
        let known =
            BTreeMap::from([("db.x.amazonaws.com", "db.azure.com".to_owned()), ("x.amazonaws.com", "y".to_owned())]);
        assert_eq!(
            replaced("a db.x.amazonaws.com:1 x.amazonaws.com my-db.x.amazonaws.com", &known),
            "a db.azure.com:1 y my-db.x.amazonaws.com"
        );
    }
}
