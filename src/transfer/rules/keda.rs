//! KEDA: triggers and authentication by AWS.

use super::{Ask, Code, Found, Ground, Rule, Sink, code, service_account, template};
use crate::transfer::edit::Edit;
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use crate::transfer::mapping::QueueKind;
use serde_json::{Map, Value, json};

const TRIGGER: Code =
    code("transfer-keda-trigger", Severity::Rewritten, "a trigger by a queue of SQS becomes one by a queue of Azure");
const UNMAPPED: Code = code(
    "transfer-keda-trigger-unmapped",
    Severity::Blocks,
    "a trigger by a queue or measure of AWS that has no place on the target yet",
);
const AUTHENTICATION: Code = code(
    "transfer-keda-authentication",
    Severity::Rewritten,
    "authentication of triggers by IAM becomes Workload Identity",
);
const AUTH_UNMAPPED: Code = code(
    "transfer-keda-authentication-unmapped",
    Severity::Blocks,
    "authentication of triggers by IAM or access keys without a twin",
);
const NONE: Code = code(
    "transfer-keda-no-authentication",
    Severity::Blocks,
    "a trigger that became one of Azure names no TriggerAuthentication",
);
const ADD_ON: Code = code("transfer-keda-add-on", Severity::ByHand, "KEDA must be on the target");

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "KEDA", codes: &[TRIGGER, UNMAPPED, AUTHENTICATION, AUTH_UNMAPPED, NONE, ADD_ON], judge };

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    let scaled: Vec<&Item> = g
        .moving()
        .filter(|i| i.id.group() == "keda.sh" && ["ScaledObject", "ScaledJob"].contains(&i.id.kind()))
        .collect();
    if let Some(first) = scaled.first() {
        sink.add(Found::new(first, &ADD_ON, "with its operator federated to the identities that its triggers use").remedy(
            "az aks update --enable-keda --enable-workload-identity --enable-oidc-issuer; commands for identities are in identities.sh",
        ));
    }
    for item in &scaled {
        let triggers = item.object.pointer("/spec/triggers").and_then(Value::as_array);
        for (i, trigger) in triggers.into_iter().flatten().enumerate() {
            self::trigger(g, item, i, trigger, sink);
        }
    }
    for item in g.moving().filter(|i| i.id.group() == "keda.sh" && i.id.kind().ends_with("TriggerAuthentication")) {
        authentication(g, item, &scaled, sink);
    }
}

/// The workload that is scaled.
fn target<'a>(g: &Ground<'a>, item: &'a Item) -> Option<&'a Item> {
    if item.id.kind() == "ScaledJob" {
        return Some(item);
    }
    let name = item.text("/spec/scaleTargetRef/name")?;
    let kind = item.text("/spec/scaleTargetRef/kind").unwrap_or("Deployment");
    super::named(g, "apps", kind, item.id.namespace(), name)
}

/// The value of a variable in the environment of what is scaled.
fn environment<'a>(g: &Ground<'a>, item: &'a Item, name: &str) -> Option<&'a str> {
    let target = target(g, item)?;
    super::containers(target, template(target)?).into_iter().find_map(|(_, container)| {
        let variables = container.get("env").and_then(Value::as_array)?;
        variables.iter().find(|v| v.get("name").and_then(Value::as_str) == Some(name))?.get("value")?.as_str()
    })
}

fn trigger(g: &Ground<'_>, item: &Item, i: usize, trigger: &Value, sink: &mut Sink) {
    let kind = trigger.get("type").and_then(Value::as_str).unwrap_or_default();
    let at = format!("/spec/triggers/{i}");
    if !kind.starts_with("aws-") {
        return;
    }
    let metadata = |name: &str| trigger.pointer(&format!("/metadata/{name}")).and_then(Value::as_str);
    let twin = match kind {
        "aws-sqs-queue" => None,
        "aws-cloudwatch" => Some("azure-monitor, azure-log-analytics or prometheus"),
        "aws-kinesis-stream" => Some("azure-eventhub"),
        "aws-dynamodb" | "aws-dynamodb-streams" => Some("a trigger by what the table becomes"),
        _ => Some("nothing that is known here"),
    };
    if let Some(twin) = twin {
        return sink.add(
            Found::new(item, &UNMAPPED, format!("{kind}: {twin} takes its place"))
                .at(&at)
                .was(kind)
                .remedy("write the trigger for the target in the manifest, and give that"),
        );
    }
    let from_environment = metadata("queueURLFromEnv");
    let queue = metadata("queueURL").or_else(|| environment(g, item, from_environment?));
    let Some(queue) = queue else {
        let what = from_environment.map_or("it names no queue".to_owned(), |v| {
            format!("its queue is in variable {v}, which the input does not show")
        });
        return sink.add(Found::new(item, &UNMAPPED, what).at(&at).was(kind).remedy("name the queue by queueURL"));
    };
    let mapped = g.mapping.queues.get(queue);
    let known = mapped.and_then(|q| Some((q.kind.unwrap_or_default(), q.account.as_deref()?, q.queue.as_deref()?)));
    let Some((queue_kind, account, name)) = known else {
        let field = if mapped.is_some_and(|q| q.account.is_some()) { "queue" } else { "account" };
        let ask = Ask::at(
            &["queues", queue, field],
            "Service Bus namespace (or storage account, with kind: storage-queue) and name of the queue that takes its place",
        );
        return sink.add(Found::new(item, &UNMAPPED, format!("queue {queue}")).at(&at).was(kind).ask(ask));
    };
    let length = metadata("queueLength").unwrap_or("5");
    let activation = metadata("activationQueueLength");
    let mut new = Map::new();
    new.insert("queueName".into(), name.into());
    let (to, count, active) = match queue_kind {
        QueueKind::ServiceBus => {
            new.insert("namespace".into(), account.into());
            ("azure-servicebus", "messageCount", "activationMessageCount")
        }
        QueueKind::StorageQueue => {
            new.insert("accountName".into(), account.into());
            ("azure-queue", "queueLength", "activationQueueLength")
        }
    };
    new.insert(count.into(), length.into());
    if let Some(activation) = activation {
        new.insert(active.into(), activation.into());
    }
    if trigger.get("authenticationRef").is_none() {
        sink.add(
            Found::new(item, &NONE, "on AWS the role of the operator or of the pods was enough")
                .at(&format!("{at}/authenticationRef"))
                .remedy("add a TriggerAuthentication with podIdentity.provider azure-workload, and name it here"),
        );
    }
    sink.add(
        Found::new(item, &TRIGGER, "messages that wait do not move; see that the program reads the new queue")
            .at(&at)
            .was(format!("{kind} {queue}"))
            .becomes(format!("{to} {account}/{name}"))
            .edit(Edit::Set(format!("{at}/type"), to.into()))
            .edit(Edit::Set(format!("{at}/metadata"), Value::Object(new))),
    );
}

/// The role by which a TriggerAuthentication is known: its own, else that of the service account of what it scales.
fn role(g: &Ground<'_>, item: &Item, scaled: &[&Item]) -> Option<String> {
    if let Some(role) = item.text("/spec/podIdentity/roleArn") {
        return Some(role.to_owned());
    }
    scaled.iter().filter(|s| item.id.kind().starts_with("Cluster") || s.id.namespace() == item.id.namespace()).find_map(
        |s| {
            let triggers = s.object.pointer("/spec/triggers").and_then(Value::as_array)?;
            triggers
                .iter()
                .find(|t| t.pointer("/authenticationRef/name").and_then(Value::as_str) == Some(item.id.name()))?;
            let target = target(g, s)?;
            let account = service_account(target, template(target)?);
            super::identities::role_of(g, target.id.namespace()?, account)
        },
    )
}

fn authentication(g: &Ground<'_>, item: &Item, scaled: &[&Item], sink: &mut Sink) {
    let provider = item.text("/spec/podIdentity/provider").unwrap_or_default();
    if ["aws", "aws-eks", "aws-kiam"].contains(&provider) {
        let role = role(g, item, scaled);
        let identity = role.as_ref().and_then(|r| g.mapping.identities.get(r)?.client_id.clone());
        let mut new = json!({"provider": "azure-workload"});
        let of = match (&role, identity) {
            (_, Some(client)) => {
                new["identityId"] = client.as_str().into();
                format!("azure-workload, identity {client}")
            }
            (Some(role), None) => {
                let ask = Ask::at(
                    &["identities", role, "client_id"],
                    "client id of the managed identity that takes the role's place",
                );
                return sink.add(
                    Found::new(item, &AUTH_UNMAPPED, format!("it acts as {role}"))
                        .at("/spec/podIdentity")
                        .was(provider)
                        .ask(ask),
                );
            }
            // The identity of KEDA's operator.
            (None, None) => "azure-workload, identity of the operator".to_owned(),
        };
        sink.add(
            Found::new(item, &AUTHENTICATION, "the operator of KEDA must be federated to the identity")
                .at("/spec/podIdentity")
                .was(provider)
                .becomes(of)
                .edit(Edit::Set("/spec/podIdentity".into(), new)),
        );
    }
    let places = item.object.get("spec").and_then(Value::as_object);
    for (key, list) in places.into_iter().flatten() {
        for (i, reference) in list.as_array().into_iter().flatten().enumerate() {
            let parameter = reference.get("parameter").and_then(Value::as_str).unwrap_or_default();
            if parameter.to_lowercase().starts_with("aws") {
                sink.add(
                    Found::new(item, &AUTH_UNMAPPED, format!("it hands {parameter} of AWS to triggers"))
                        .at(&format!("/spec/{key}/{i}"))
                        .was(parameter)
                        .remedy("use podIdentity in the manifest, so that it can become Workload Identity"),
                );
            }
        }
        if key == "awsSecretManager" {
            sink.add(
                Found::new(item, &AUTH_UNMAPPED, "it reads secrets of AWS Secrets Manager")
                    .at("/spec/awsSecretManager")
                    .remedy("use azureKeyVault in the manifest"),
            );
        }
    }
}
