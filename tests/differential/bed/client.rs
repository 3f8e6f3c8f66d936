//! A plain client of the Kubernetes API: requests in, JSON out, no cache and no retries.

use anyhow::{Context, Result, bail};
use base64::Engine;
use serde::Deserialize;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What of a kubeconfig is used: one server, its authority and a bearer token.
#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<Named<ClusterPart>>,
    users: Vec<Named<UserPart>>,
}

#[derive(Deserialize)]
struct Named<T> {
    #[serde(alias = "cluster", alias = "user")]
    part: T,
}

#[derive(Deserialize)]
struct ClusterPart {
    server: String,
    #[serde(rename = "certificate-authority-data")]
    authority: String,
}

#[derive(Deserialize)]
struct UserPart {
    token: String,
}

/// A connection pool to one API server; clones share it.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    server: String,
    authorization: String,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// The header `Retry-After` as text.
    pub retry_after: Option<String>,
    /// The object, or a `Status`.
    pub body: Value,
}

impl Answer {
    /// The object, if the request succeeded.
    pub fn ok(self) -> Result<Value> {
        if (200..300).contains(&self.code) {
            return Ok(self.body);
        }
        bail!("{}: {}", self.code, self.body["message"].as_str().unwrap_or_default())
    }
    /// An error if the server could not answer now (429, 5xx) and would another time.
    pub fn taken(self) -> Result<()> {
        if self.code == 429 || self.code >= 500 {
            bail!("{}: {}", self.code, self.body["message"].as_str().unwrap_or_default())
        }
        Ok(())
    }
    /// The object, or None where there is none (404).
    pub fn found(self) -> Result<Option<Value>> {
        if self.code == 404 { Ok(None) } else { self.ok().map(Some) }
    }
}

impl Client {
    /// A client for the cluster of a kubeconfig with a bearer token.
    pub fn new(kubeconfig: &Path) -> Result<Client> {
        let text = std::fs::read_to_string(kubeconfig).with_context(|| kubeconfig.display().to_string())?;
        let config: Kubeconfig = serde_saphyr::from_str(&text).with_context(|| kubeconfig.display().to_string())?;
        let (Some(cluster), Some(user)) = (config.clusters.first(), config.users.first()) else {
            bail!("{} names no cluster or no user", kubeconfig.display());
        };
        let pem = base64::engine::general_purpose::STANDARD.decode(&cluster.part.authority)?;
        let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&pem)?]);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(10)))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Client {
            agent: agent.into(),
            server: cluster.part.server.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {}", user.part.token),
        })
    }
    /// Where the server listens.
    pub fn address(&self) -> Result<SocketAddr> {
        let host = self.server.split_once("://").map_or(&*self.server, |(_, host)| host);
        host.parse().with_context(|| format!("{} names no address", self.server))
    }
    fn send(&self, method: &str, path: &str, content_type: &str, body: Option<&Value>) -> Result<Answer> {
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("Authorization", &self.authorization)
            .header("Accept", "application/json");
        let scoped = |agent: &Agent, request| agent.configure_request(request).allow_non_standard_methods(true).build();
        let answer = match body {
            None => self.agent.run(request.body(())?),
            Some(_) => self.agent.run(scoped(&self.agent, request.header("Content-Type", content_type).body(bytes)?)),
        };
        let mut answer = answer.with_context(|| format!("{method} {path}"))?;
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (code, retry_after) = (answer.status().as_u16(), header("Retry-After"));
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        let body = serde_json::from_slice(&text)
            .unwrap_or_else(|_| serde_json::json!({"message": String::from_utf8_lossy(&text)}));
        Ok(Answer { code, retry_after, body })
    }
    /// Hands a request on as it is, to a path of the server, and the answer back as it comes.
    pub fn forward(&self, request: ureq::http::Request<Vec<u8>>) -> Result<ureq::http::Response<ureq::Body>> {
        let (mut head, body) = request.into_parts();
        head.uri = format!("{}{}", self.server, head.uri).parse()?;
        let bare = body.is_empty();
        let scoped = self.agent.configure_request(ureq::http::Request::from_parts(head, body));
        let request = scoped.allow_non_standard_methods(true).build();
        Ok(match bare {
            true => self.agent.run(request.map(|_| ()))?,
            false => self.agent.run(request)?,
        })
    }
    /// GET.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, "", None)
    }
    /// POST.
    pub fn create(&self, path: &str, object: &Value) -> Result<Answer> {
        self.send("POST", path, "application/json", Some(object))
    }
    /// PATCH by JSON merge patch.
    pub fn merge(&self, path: &str, patch: &Value) -> Result<Answer> {
        self.send("PATCH", path, "application/merge-patch+json", Some(patch))
    }
    /// PATCH by strategic merge patch, which merges conditions by type.
    pub fn patch(&self, path: &str, patch: &Value) -> Result<Answer> {
        self.send("PATCH", path, "application/strategic-merge-patch+json", Some(patch))
    }
    /// DELETE with delete options.
    pub fn delete(&self, path: &str, options: &Value) -> Result<Answer> {
        self.send("DELETE", path, "application/json", Some(options))
    }
    /// The items of a list, each with its `apiVersion` and `kind`, and the list's resource version.
    pub fn list(&self, path: &str) -> Result<(Vec<Value>, String)> {
        let mut list = self.get(path)?.ok().with_context(|| format!("list {path}"))?;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let (api, kind) = (list["apiVersion"].take(), list["kind"].as_str().unwrap_or_default().to_owned());
        let kind = kind.strip_suffix("List").unwrap_or(&kind).to_owned();
        let mut items = match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        for item in &mut items {
            item["apiVersion"] = api.clone();
            item["kind"] = Value::String(kind.clone());
        }
        Ok((items, version))
    }
    /// Watch events from a resource version on, as they come, until the server closes the connection.
    pub fn watch(&self, path: &str, from: &str) -> Result<impl Iterator<Item = Result<Value>> + use<>> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{sign}watch=1&resourceVersion={from}&allowWatchBookmarks=false", self.server);
        let answer = self.agent.get(url).header("Authorization", &self.authorization).call()?;
        if answer.status() != 200 {
            bail!("watch {path}: {}", answer.status());
        }
        let lines = BufReader::new(answer.into_body().into_reader()).lines();
        Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
    }
}
