//! Host names, URLs and ARNs of AWS in environments, arguments and configuration, and addresses behind Services.

use super::{Ask, Code, Found, Ground, Rule, Sink, code, containers};
use crate::transfer::edit::{Edit, step};
use crate::transfer::finding::Severity;
use crate::transfer::inventory::{Item, REDUCED};
use serde_json::Value;
use std::collections::BTreeMap;

const ENDPOINT: Code = code(
    "transfer-endpoint",
    Severity::Rewritten,
    "a host name, URL or ARN of AWS in configuration, or an address behind a Service, is replaced",
);
const UNMAPPED: Code = code(
    "transfer-endpoint-unmapped",
    Severity::Blocks,
    "a host name, URL or ARN of AWS, or a private address behind a Service, that the mapping does not answer",
);
const VARIABLE: Code = code(
    "transfer-aws-variable",
    Severity::Note,
    "a variable is named after a service of AWS: its value may stand for something there",
);
const NO_SELECTOR: Code = code(
    "transfer-service-without-selector",
    Severity::ByHand,
    "a Service without a selector, whose endpoints are not in the input",
);
const METADATA: Code =
    code("transfer-instance-metadata", Severity::ByHand, "a program asks the instance metadata of EC2");

/// The rule.
pub(super) const RULE: Rule = Rule {
    subject: "Endpoints in configuration",
    codes: &[ENDPOINT, UNMAPPED, VARIABLE, NO_SELECTOR, METADATA],
    judge,
};

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

/// Words in the names of variables that are services of AWS; one may be written as two (`SECRETS_MANAGER`).
const SERVICES: &[(&str, &str)] = &[
    ("AMAZON", "AWS"),
    ("APPSYNC", "AppSync"),
    ("ATHENA", "Athena"),
    ("AURORA", "Aurora"),
    ("AWS", "AWS"),
    ("BEDROCK", "Bedrock"),
    ("CLOUDFRONT", "CloudFront"),
    ("CLOUDWATCH", "CloudWatch"),
    ("COGNITO", "Cognito"),
    ("DOCUMENTDB", "DocumentDB"),
    ("DYNAMO", "DynamoDB"),
    ("DYNAMODB", "DynamoDB"),
    ("EC2", "EC2"),
    ("ECR", "ECR"),
    ("EFS", "EFS"),
    ("ELASTICACHE", "ElastiCache"),
    ("EVENTBRIDGE", "EventBridge"),
    ("FIREHOSE", "Firehose"),
    ("KINESIS", "Kinesis"),
    ("KMS", "KMS"),
    ("LAMBDA", "Lambda"),
    ("MSK", "MSK"),
    ("NEPTUNE", "Neptune"),
    ("PARAMETERSTORE", "Systems Manager"),
    ("RDS", "RDS"),
    ("REDSHIFT", "Redshift"),
    ("REKOGNITION", "Rekognition"),
    ("ROUTE53", "Route 53"),
    ("S3", "S3"),
    ("SAGEMAKER", "SageMaker"),
    ("SECRETSMANAGER", "Secrets Manager"),
    ("SES", "SES"),
    ("SNS", "SNS"),
    ("SQS", "SQS"),
    ("SSM", "Systems Manager"),
    ("STEPFUNCTION", "Step Functions"),
    ("STEPFUNCTIONS", "Step Functions"),
    ("TEXTRACT", "Textract"),
    ("TIMESTREAM", "Timestream"),
    ("USERPOOL", "Cognito"),
    ("XRAY", "X-Ray"),
];

/// The service of AWS that a variable is named after.
fn named_after(variable: &str) -> Option<&'static str> {
    let word = |word: &str| SERVICES.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(_, service)| *service);
    let words: Vec<&str> = variable.split('_').collect();
    let pairs = words.windows(2).filter_map(|pair| word(&pair.concat()));
    // AWS_S3_BUCKET is S3's.
    words.iter().filter_map(|w| word(w)).chain(pairs).max_by_key(|service| *service != "AWS")
}

/// Variables of an object with their places and values: of its containers, and keys of a ConfigMap that can be variables.
fn variables(item: &Item) -> Vec<(String, &str, &str)> {
    let mut all = Vec::new();
    if item.id.kind() == "ConfigMap" {
        let can_be = |key: &str| key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let data = item.object.get("data").and_then(Value::as_object).into_iter().flatten();
        all.extend(
            data.filter(|(k, _)| can_be(k.as_str()))
                .map(|(k, v)| (format!("/data{}", step(k)), k.as_str(), v.as_str().unwrap_or_default())),
        );
    }
    for (at, container) in super::template(item).map(|t| containers(item, t)).unwrap_or_default() {
        for (i, variable) in container.get("env").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let text = |field: &str| variable.get(field).and_then(Value::as_str).unwrap_or_default();
            all.push((format!("{at}/env/{i}"), text("name"), text("value")));
        }
    }
    all
}

/// Addresses that were written by hand behind a Service, with their places.
fn addresses(item: &Item) -> Vec<(String, &str)> {
    let list = |at: &str| item.object.pointer(at).and_then(Value::as_array).map_or(0, Vec::len);
    let mut places = Vec::new();
    match (item.id.group(), item.id.kind()) {
        ("", "Endpoints") => {
            for i in 0..list("/subsets") {
                for of in ["addresses", "notReadyAddresses"] {
                    let at = format!("/subsets/{i}/{of}");
                    places.extend((0..list(&at)).map(|j| format!("{at}/{j}/ip")));
                }
            }
        }
        ("discovery.k8s.io", "EndpointSlice") => {
            for i in 0..list("/endpoints") {
                let at = format!("/endpoints/{i}/addresses");
                places.extend((0..list(&at)).map(|j| format!("{at}/{j}")));
            }
        }
        _ => {}
    }
    let with_text = |at: String| {
        let address = item.text(&at)?;
        Some((at, address))
    };
    places.into_iter().filter_map(with_text).collect()
}

/// Whether an object is a Service that selects no pods and of whose endpoints the input has none.
fn lacks_endpoints(g: &Ground<'_>, item: &Item) -> bool {
    let selects = item.object.pointer("/spec/selector").and_then(Value::as_object).is_some_and(|s| !s.is_empty());
    let is_service = item.id.kind() == "Service" && item.id.group().is_empty();
    if !is_service || selects || item.text("/spec/type") == Some("ExternalName") {
        return false;
    }
    let (namespace, name) = (item.id.namespace(), item.id.name());
    let is_of = |slice: &Item| {
        let of = slice.labels().and_then(|l| l.get("kubernetes.io/service-name")).and_then(Value::as_str);
        slice.id.namespace() == namespace && of == Some(name)
    };
    super::named(g, "", "Endpoints", namespace, name).is_none()
        && !g.inventory.of_kind("discovery.k8s.io", "EndpointSlice").any(is_of)
}

fn address(g: &Ground<'_>, item: &Item, at: &str, address: &str, sink: &mut Sink) {
    match g.mapping.endpoints.get(address) {
        Some(Some(to)) if to == address => {}
        Some(Some(to)) => {
            sink.add(Found::new(item, &ENDPOINT, "the address of the mapping").set(at, address, to));
        }
        _ if super::network::is_private(address) => {
            let ask = Ask::at(
                &["endpoints", address],
                "the address that takes its place on the target; the same if it stays reachable",
            );
            let message = "written by hand; what has this address in the VPC has another one on the target";
            sink.add(Found::new(item, &UNMAPPED, message).at(at).was(address).ask(ask));
        }
        _ => {}
    }
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
        if lacks_endpoints(g, item) {
            let message = "a person or a controller writes its endpoints, which a dump does not have";
            sink.add(Found::new(item, &NO_SELECTOR, message).at("/spec/selector").remedy(
                "give them beside the dump (kubectl get endpointslices -l kubernetes.io/service-name=NAME -o yaml), or see that the controller runs on the target",
            ));
        }
        for (at, of) in addresses(item) {
            address(g, item, &at, of, sink);
        }
        for (at, name, value) in variables(item) {
            // What the value names is a finding of its own, and so is what the libraries of AWS read.
            let known = super::identities::is_setting(name) || !named_in(value).is_empty();
            if let Some(service) = named_after(name).filter(|_| !known) {
                let message = format!("{name} is named after {service}: does the program use it on the target?");
                let found = Found::new(item, &VARIABLE, message).at(&at);
                sink.add(found.remedy("see what its value stands for, and set what takes its place"));
            }
        }
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
    fn variables_are_named_after_services_by_their_words() {
        for (name, service) in [
            ("DYNAMODB_TABLE", Some("DynamoDB")),
            ("UPLOADS_S3_BUCKET", Some("S3")),
            ("AWS_S3_ENDPOINT", Some("S3")),
            ("AWS_PROFILE", Some("AWS")),
            ("sqs_queue", Some("SQS")),
            ("SECRETS_MANAGER_NAME", Some("Secrets Manager")),
            ("AWS_USER_POOL_ID", Some("Cognito")),
            ("EVENT_BRIDGE_BUS", Some("EventBridge")),
            ("KMS_KEY_ID", Some("KMS")),
            ("SECRETS_PATH", None),
            ("USER_NAME", None),
            ("CLASSES", None),
            ("CORDS", None),
            ("PORT", None),
        ] {
            assert_eq!(named_after(name), service, "{name}");
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
