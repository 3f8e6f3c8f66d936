//! Secrets, and what brings them from AWS Secrets Manager.

use super::{Ask, Code, Found, Ground, Rule, Sink, Standing, code, standing};
use crate::transfer::edit::Edit;
use crate::transfer::finding::Severity;
use crate::transfer::inventory::Item;
use serde_json::{Value, json};

const SECRET: Code =
    code("transfer-secret", Severity::ByHand, "a Secret is not rendered: it is created on the target by name and keys");
const PROVIDER: Code = code(
    "transfer-secret-provider",
    Severity::Rewritten,
    "a SecretProviderClass of AWS becomes one of Azure Key Vault",
);
const UNMAPPED: Code =
    code("transfer-secret-provider-unmapped", Severity::Blocks, "a vault, tenant or name in it is not known");
const STORE: Code = code(
    "transfer-secret-store",
    Severity::Rewritten,
    "a SecretStore of External Secrets becomes one of Azure Key Vault",
);
const REFERENCE: Code =
    code("transfer-external-secret", Severity::Rewritten, "an ExternalSecret names a secret by its name in AWS");
const PROPERTY: Code =
    code("transfer-secret-property", Severity::ByHand, "a part of a secret is taken by a path within its JSON");

/// The rule.
pub(super) const RULE: Rule =
    Rule { subject: "Secrets", codes: &[SECRET, PROVIDER, UNMAPPED, STORE, REFERENCE, PROPERTY], judge };

/// Types of Secrets that somebody else makes, and names by which they are known.
pub(in crate::transfer) fn is_made(item: &Item) -> bool {
    let kind = item.text("/type").unwrap_or_default();
    kind == "helm.sh/release.v1"
        || kind == "kubernetes.io/service-account-token"
        || kind == "bootstrap.kubernetes.io/token"
        || item.is_owned()
        || item.object.pointer("/metadata/ownerReferences").is_some()
        || item.id.namespace() == Some("kube-system")
}

/// The keys of a Secret.
pub(in crate::transfer) fn keys(item: &Item) -> Vec<String> {
    let mut keys: Vec<String> =
        item.object.get("data").and_then(Value::as_object).into_iter().flatten().map(|(k, _)| k.clone()).collect();
    keys.sort();
    keys
}

/// Secrets that pods and others use: who, the name, the key where one is named.
pub(in crate::transfer) fn uses(
    inventory: &crate::transfer::inventory::Inventory,
) -> Vec<(crate::transfer::ObjectId, String, Option<String>)> {
    let mut all = Vec::new();
    for item in inventory.items().filter(|i| standing(i) == Standing::Moves) {
        let mut add = |name: Option<&Value>, key: Option<&Value>| {
            if let Some(name) = name.and_then(Value::as_str).filter(|n| !n.is_empty()) {
                all.push((item.id.clone(), name.to_owned(), key.and_then(Value::as_str).map(str::to_owned)));
            }
        };
        if let Some(template) = super::template(item) {
            for volume in
                item.object.pointer(&format!("{template}/spec/volumes")).and_then(Value::as_array).into_iter().flatten()
            {
                let items = volume.pointer("/secret/items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                add(volume.pointer("/secret/secretName"), items.first().and_then(|i| i.get("key")));
                items.iter().skip(1).for_each(|i| add(volume.pointer("/secret/secretName"), i.get("key")));
                for source in volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten() {
                    add(source.pointer("/secret/name"), None);
                }
            }
            for secret in item
                .object
                .pointer(&format!("{template}/spec/imagePullSecrets"))
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                add(secret.get("name"), None);
            }
            for (_, container) in super::containers(item, template) {
                for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
                    add(
                        variable.pointer("/valueFrom/secretKeyRef/name"),
                        variable.pointer("/valueFrom/secretKeyRef/key"),
                    );
                }
                for source in container.get("envFrom").and_then(Value::as_array).into_iter().flatten() {
                    add(source.pointer("/secretRef/name"), None);
                }
            }
        }
        if item.id.kind() == "Ingress" {
            for tls in item.object.pointer("/spec/tls").and_then(Value::as_array).into_iter().flatten() {
                add(tls.get("secretName"), None);
            }
        }
        if item.id.kind() == "ServiceAccount" {
            for secret in item.object.get("imagePullSecrets").and_then(Value::as_array).into_iter().flatten() {
                add(secret.get("name"), None);
            }
        }
    }
    all
}

fn judge(g: &Ground<'_>, sink: &mut Sink) {
    for item in g.inventory.items().filter(|i| standing(i) == Standing::Secret && !is_made(i)) {
        let keys = keys(item);
        let kind = item.text("/type").unwrap_or("Opaque");
        let keys =
            if keys.is_empty() { "its keys are not known".to_owned() } else { format!("keys {}", keys.join(", ")) };
        sink.add(
            Found::new(item, &SECRET, format!("{kind}, {keys}; values are never read here"))
                .remedy("create it on the target before the wave that uses it (secrets.md), or let a vault bring it"),
        );
    }
    for item in g.moving() {
        match (item.id.group(), item.id.kind()) {
            ("secrets-store.csi.x-k8s.io", "SecretProviderClass") if item.text("/spec/provider") == Some("aws") => {
                provider(g, item, sink)
            }
            ("external-secrets.io", "SecretStore" | "ClusterSecretStore")
                if item.object.pointer("/spec/provider/aws").is_some() =>
            {
                store(g, item, sink)
            }
            ("external-secrets.io", "ExternalSecret" | "ClusterExternalSecret") => external(g, item, sink),
            _ => {}
        }
    }
}

/// The name of a secret in the vault: what the mapping says, else the name with what a vault does not take replaced.
fn vault_name(g: &Ground<'_>, name: &str) -> Option<String> {
    if let Some(Some(to)) = g.mapping.vault_objects.get(name) {
        return Some(to.clone());
    }
    // Names in Key Vault: letters, digits and hyphens, at most 127.
    let plain = !name.is_empty() && name.len() <= 127 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| name.to_owned())
}

fn ask_name(name: &str) -> Ask {
    let last = name.rsplit(':').next().unwrap_or(name);
    let usual: String = last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ask::at(&["vault_objects", name], "its name in the key vault, which takes letters, digits and hyphens only")
        .suggest(usual.trim_matches('-'))
}

fn provider(g: &Ground<'_>, item: &Item, sink: &mut Sink) {
    let unmapped = |ask: Ask, what: &str| Found::new(item, &UNMAPPED, what).at("/spec/provider").was("aws").ask(ask);
    let target = &g.mapping.target;
    let Some(vault) = &target.key_vault else {
        return sink.add(unmapped(
            Ask::at(&["target", "key_vault"], "name of the key vault: az keyvault list --query '[].name'"),
            "which key vault its secrets are in is not known",
        ));
    };
    let Some(tenant) = &target.tenant_id else {
        return sink.add(unmapped(
            Ask::at(&["target", "tenant_id"], "tenant of the key vault: az account show --query tenantId"),
            "the tenant of the key vault is not known",
        ));
    };
    let text = item.text("/spec/parameters/objects").unwrap_or_default();
    let objects: Vec<Value> = match serde_saphyr::from_str(text) {
        Ok(objects) => objects,
        Err(e) => {
            let why = crate::snapshot::yaml_problem(&e, text);
            return sink.add(
                Found::new(item, &UNMAPPED, format!("its objects are no YAML list: {why}"))
                    .at("/spec/parameters/objects")
                    .remedy("correct the manifest"),
            );
        }
    };
    let mut array = Vec::new();
    let mut open = false;
    for object in &objects {
        let field = |name: &str| object.get(name).and_then(Value::as_str);
        let Some(name) = field("objectName") else { continue };
        let Some(to) = vault_name(g, name) else {
            open = true;
            sink.add(
                Found::new(item, &UNMAPPED, format!("{name} is no name that a key vault takes"))
                    .at("/spec/parameters/objects")
                    .was(name)
                    .ask(ask_name(name)),
            );
            continue;
        };
        let mut entry = format!("objectName: {to}\nobjectType: secret\n");
        // The file under which pods find it stays.
        let alias = field("objectAlias").or((to != name).then_some(name));
        if let Some(alias) = alias {
            entry.push_str(&format!("objectAlias: {}\n", alias.replace('/', "_")));
        }
        array.push(entry);
        if object.get("jmesPath").is_some() {
            let message = format!("{name} is taken apart by jmesPath; a key vault gives the secret as one");
            sink.add(Found::new(item, &PROPERTY, message).at("/spec/parameters/objects").was(name).remedy(
                "store each part as a secret of its own in the vault and name them here, or take it apart in the program",
            ));
        }
    }
    if open {
        return;
    }
    let account = users(g, item);
    let client = account.iter().find_map(|role| g.mapping.identities.get(role)?.client_id.clone());
    let mut parameters = json!({"usePodIdentity": "false", "useVMManagedIdentity": "false"});
    if let Some(client) = &client {
        parameters["clientID"] = client.as_str().into();
    }
    parameters["keyvaultName"] = vault.as_str().into();
    parameters["tenantId"] = tenant.as_str().into();
    let entries: String = array
        .iter()
        .map(|entry| {
            let lines: Vec<String> = entry.trim_end().lines().map(|l| format!("    {l}\n")).collect();
            format!("  - |\n{}", lines.concat())
        })
        .collect();
    parameters["objects"] = format!("array:\n{entries}").into();
    if client.is_none() {
        sink.add(
            Found::new(
                item,
                &UNMAPPED,
                "no workload that uses it has an identity on the target, by which the vault would be read",
            )
            .at("/spec/parameters")
            .ask(Ask::at(&["identities"], "the IAM role of the service accounts whose pods use it, as an identity")),
        );
    }
    sink.add(
        Found::new(item, &PROVIDER, format!("the secrets must be in key vault {vault} first"))
            .at("/spec/provider")
            .was("aws")
            .becomes("azure")
            .edit(Edit::Set("/spec/provider".into(), "azure".into()))
            .edit(Edit::Set("/spec/parameters".into(), parameters)),
    );
}

/// Roles of the service accounts whose pods mount a SecretProviderClass.
fn users(g: &Ground<'_>, class: &Item) -> Vec<String> {
    let mut roles = Vec::new();
    for (item, template) in g.workloads().filter(|(i, _)| i.id.namespace() == class.id.namespace()) {
        let volumes = item.object.pointer(&format!("{template}/spec/volumes")).and_then(Value::as_array);
        let names = |v: &Value| {
            v.pointer("/csi/volumeAttributes/secretProviderClass").and_then(Value::as_str) == Some(class.id.name())
        };
        if volumes.is_some_and(|v| v.iter().any(names)) {
            let account = super::service_account(item, template);
            roles.extend(super::identities::role_of(g, item.id.namespace().unwrap_or_default(), account));
        }
    }
    roles
}

fn store(g: &Ground<'_>, item: &Item, sink: &mut Sink) {
    let Some(vault) = &g.mapping.target.key_vault else {
        return sink.add(
            Found::new(item, &UNMAPPED, "which key vault its secrets are in is not known")
                .at("/spec/provider/aws")
                .ask(Ask::at(&["target", "key_vault"], "name of the key vault: az keyvault list --query '[].name'")),
        );
    };
    let mut azure = json!({"authType": "WorkloadIdentity", "vaultUrl": format!("https://{vault}.vault.azure.net")});
    let account = item.object.pointer("/spec/provider/aws/auth/jwt/serviceAccountRef");
    if let Some(account) = account {
        azure["serviceAccountRef"] = account.clone();
    }
    if let Some(tenant) = &g.mapping.target.tenant_id {
        azure["tenantId"] = tenant.as_str().into();
    }
    let service = item.text("/spec/provider/aws/service").unwrap_or("SecretsManager");
    sink.add(
        Found::new(item, &STORE, "read by Workload Identity; the secrets must be in the vault first")
            .at("/spec/provider/aws")
            .was(service)
            .becomes(format!("azurekv {vault}"))
            .edit(Edit::Remove("/spec/provider/aws".into()))
            .edit(Edit::Set("/spec/provider/azurekv".into(), azure)),
    );
}

fn external(g: &Ground<'_>, item: &Item, sink: &mut Sink) {
    let base = if item.id.kind() == "ExternalSecret" { "/spec" } else { "/spec/externalSecretSpec" };
    // A store that the input has and that is not of AWS keeps its names.
    let store = (
        item.text(&format!("{base}/secretStoreRef/kind")).unwrap_or("SecretStore"),
        item.text(&format!("{base}/secretStoreRef/name")).unwrap_or_default(),
    );
    let namespace = (store.0 == "SecretStore").then(|| item.id.namespace().unwrap_or_default());
    let known = super::named(g, "external-secrets.io", store.0, namespace, store.1);
    if known.is_some_and(|s| s.object.pointer("/spec/provider/aws").is_none()) {
        return;
    }
    let mut places = Vec::new();
    for (list, field) in [("data", "remoteRef"), ("dataFrom", "extract")] {
        let entries = item.object.pointer(&format!("{base}/{list}")).and_then(Value::as_array).map_or(0, Vec::len);
        places.extend((0..entries).map(|i| format!("{base}/{list}/{i}/{field}")));
    }
    for place in places {
        let at = format!("{place}/key");
        let Some(name) = item.text(&at) else { continue };
        match vault_name(g, name) {
            Some(to) if to == name => {}
            Some(to) => sink.add(Found::new(item, &REFERENCE, "its name in the key vault").set(&at, name, &to)),
            None => sink.add(
                Found::new(item, &UNMAPPED, format!("{name} is no name that a key vault takes"))
                    .at(&at)
                    .was(name)
                    .ask(ask_name(name)),
            ),
        }
    }
}
