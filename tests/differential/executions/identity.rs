//! Whom the executor is taken for: a ServiceAccount with just the rights that nodeferry ships, and its tokens.

use crate::bed::client::Client;
use anyhow::{Context, Result, anyhow, bail};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NAMESPACE: &str = "nodeferry";
const ACCOUNT: &str = "nodeferry";

/// A token, and that it stands in a kubeconfig.
pub struct Token {
    /// What must be found nowhere.
    pub text: String,
}

/// Applies the ClusterRoles of `deploy/` for migrations to other nodes and binds all of them to the ServiceAccount.
pub fn install(client: &Client) -> Result<()> {
    client.create("/api/v1/namespaces", &json!({"metadata": {"name": NAMESPACE}}))?.ok()?;
    install_in(client, NAMESPACE, |file| !file.starts_with("clusterrole-transfer"))
}

/// The same of other files, for an account in a namespace.
pub fn install_in(client: &Client, namespace: &str, which: impl Fn(&str) -> bool) -> Result<()> {
    let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    client.create(&accounts, &json!({"metadata": {"name": ACCOUNT}}))?.ok()?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"))?
        .map(|e| Ok(e?.path()))
        .collect::<Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml"));
    files.retain(|f| f.file_name().is_some_and(|name| which(&name.to_string_lossy())));
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).with_context(|| file.display().to_string())?;
        for object in documents.iter().filter(|d| d.is_object()) {
            apply(client, namespace, object).with_context(|| format!("{}: {object}", file.display()))?;
        }
    }
    Ok(())
}

/// Makes an object of the shipped files, and binds it if it is a role.
fn apply(client: &Client, of: &str, object: &Value) -> Result<()> {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let (kind, name) = (object["kind"].as_str().unwrap_or_default(), &object["metadata"]["name"]);
    let subject = json!([{"kind": "ServiceAccount", "namespace": of, "name": ACCOUNT}]);
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

/// A new token of the account for an hour, and a kubeconfig with it.
pub fn token(client: &Client, admin: &Path, kubeconfig: &Path) -> Result<Token> {
    token_in(client, NAMESPACE, admin, kubeconfig)
}

/// The same of an account in a namespace.
pub fn token_in(client: &Client, namespace: &str, admin: &Path, kubeconfig: &Path) -> Result<Token> {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{ACCOUNT}/token");
    let answer = client.create(&path, &json!({"spec": {"expirationSeconds": 3600}}))?.ok()?;
    let text = answer["status"]["token"].as_str().context("no token was given")?.to_owned();
    carry(Token { text }, admin, kubeconfig)
}

/// The API server takes a token for so long after it has expired (go-jose `DefaultLeeway`).
const LEEWAY: Duration = Duration::from_secs(60);

/// The same token, but that it expires after `lasts`: no token is given for less than ten minutes, so its claims are signed anew with the
/// key of the control plane in `directory`. What the API server has lately checked it remembers for ten seconds more.
pub fn expiring(token: &Token, directory: &Path, lasts: Duration, kubeconfig: &Path) -> Result<Token> {
    let mut parts = token.text.split('.');
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else { bail!("the token is no JWT") };
    let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    claims["exp"] = json!((now + lasts - LEEWAY).as_secs());
    let signed = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims)?));
    let random = SystemRandom::new();
    let signature =
        key(directory)?.sign(&random, signed.as_bytes()).map_err(|e| anyhow!("cannot sign a token: {e}"))?;
    let text = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()));
    carry(Token { text }, &directory.join("kubeconfig"), kubeconfig)
}

/// The key of the control plane's ServiceAccounts: a P-256 key in SEC 1's form (RFC 5915), in PEM.
fn key(directory: &Path) -> Result<EcdsaKeyPair> {
    let pem = std::fs::read_to_string(directory.join("service-account.key"))?;
    let text: String = pem.lines().filter(|l| !l.starts_with("-----")).collect();
    let der = BASE64_STANDARD.decode(text)?;
    // SEQUENCE { INTEGER 1, OCTET STRING (32 bytes), [0] curve, [1] BIT STRING (65 bytes, the last) }.
    let (private, public) = match der.as_slice() {
        [0x30, _, 2, 1, 1, 4, 32, rest @ ..] if rest.len() > 32 + 65 => (&rest[..32], &rest[rest.len() - 65..]),
        _ => bail!("service-account.key is no P-256 key as it was expected"),
    };
    let random = SystemRandom::new();
    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, private, public, &random)
        .map_err(|e| anyhow!("service-account.key: {e}"))
}

/// Writes the kubeconfig of an admin with a token in the admin's place.
fn carry(token: Token, admin: &Path, kubeconfig: &Path) -> Result<Token> {
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(admin)?)?;
    for user in config["users"].as_array_mut().into_iter().flatten() {
        user["user"] = json!({"token": token.text});
    }
    // Whoever reads it meanwhile finds the old one or the new one, whole.
    let fresh = kubeconfig.with_extension("fresh");
    std::fs::write(&fresh, serde_json::to_vec(&config)?)?;
    std::fs::rename(&fresh, kubeconfig)?;
    Ok(token)
}
