//! Whom the executor is taken for: a ServiceAccount with just the rights that nodeferry ships, and its tokens.

use crate::bed::client::Client;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const NAMESPACE: &str = "nodeferry";
const ACCOUNT: &str = "nodeferry";

/// A token that can be taken back, and the kubeconfig that carries it.
pub struct Token {
    /// What must be found nowhere.
    pub text: String,
    secret: String,
}

/// Applies the ClusterRoles of `deploy/` and binds all of them to the ServiceAccount.
pub fn install(client: &Client) -> Result<()> {
    client.create("/api/v1/namespaces", &json!({"metadata": {"name": NAMESPACE}}))?.ok()?;
    let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
    client.create(&accounts, &json!({"metadata": {"name": ACCOUNT}}))?.ok()?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"))?
        .map(|e| Ok(e?.path()))
        .collect::<Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).with_context(|| file.display().to_string())?;
        for object in documents.iter().filter(|d| d.is_object()) {
            apply(client, object).with_context(|| format!("{}: {object}", file.display()))?;
        }
    }
    Ok(())
}

/// Makes an object of the shipped files, and binds it if it is a role.
fn apply(client: &Client, object: &Value) -> Result<()> {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let (kind, name) = (object["kind"].as_str().unwrap_or_default(), &object["metadata"]["name"]);
    let subject = json!([{"kind": "ServiceAccount", "namespace": NAMESPACE, "name": ACCOUNT}]);
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let binding = json!({"metadata": {"name": name}, "roleRef": reference, "subjects": subject});
    match kind {
        "ClusterRole" => {
            client.create(&format!("{rbac}/clusterroles"), object)?.ok()?;
            client.create(&format!("{rbac}/clusterrolebindings"), &binding)?.ok()?;
        }
        "Role" => {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or(NAMESPACE);
            client.create(&format!("{rbac}/namespaces/{namespace}/roles"), object)?.ok()?;
            client.create(&format!("{rbac}/namespaces/{namespace}/rolebindings"), &binding)?.ok()?;
        }
        other => anyhow::bail!("a {other} is shipped, and this test does not know how to apply one"),
    }
    Ok(())
}

/// A new token of the account, and a kubeconfig with it.
pub fn token(client: &Client, admin: &Path, secret: &str, kubeconfig: &Path) -> Result<Token> {
    let made = client
        .create(&format!("/api/v1/namespaces/{NAMESPACE}/secrets"), &json!({"metadata": {"name": secret}}))?
        .ok()?;
    let bound = json!({"kind": "Secret", "apiVersion": "v1", "name": secret, "uid": made["metadata"]["uid"]});
    let request = json!({"spec": {"expirationSeconds": 3600, "boundObjectRef": bound}});
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token");
    let answer = client.create(&path, &request)?.ok()?;
    let text = answer["status"]["token"].as_str().context("no token was given")?.to_owned();
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(admin)?)?;
    for user in config["users"].as_array_mut().into_iter().flatten() {
        user["user"] = json!({"token": text});
    }
    // Whoever reads it meanwhile finds the old one or the new one, whole.
    let fresh = kubeconfig.with_extension("fresh");
    std::fs::write(&fresh, serde_json::to_vec(&config)?)?;
    std::fs::rename(&fresh, kubeconfig)?;
    Ok(Token { text, secret: secret.to_owned() })
}

/// Takes a token back: the API server answers 401 from then on, as for one that has expired. What it has lately checked it
/// remembers for ten seconds.
pub fn revoke(client: &Client, token: &Token) -> Result<()> {
    client.delete(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/{}", token.secret), &json!({}))?.ok()?;
    Ok(())
}
