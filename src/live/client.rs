//! A Kubernetes client for exchanges that a session has made: paths and bodies go out as they are, and every answer comes back,
//! whatever its status.

use super::secrets;
use crate::session::answer::{self, Answered, Refusal, Said, Unknown};
use crate::session::{Exchange, Method, Response};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Which cluster is meant.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// This file; else what `KUBECONFIG` names, `~/.kube/config`, or the service account of the pod that we are in.
    pub kubeconfig: Option<PathBuf>,
    /// This context of it; else its current one.
    pub context: Option<String>,
}

/// What one look at an API server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is ready.
    Ready,
    /// It answers, and does not know us.
    Refuses(String),
    /// It does not answer, or not as one that is ready; why.
    Away(String),
}

/// What we call ourselves.
const AGENT: &str = concat!("nodeferry/", env!("CARGO_PKG_VERSION"));

/// Why there is no client; without credentials.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig.
    #[error("cannot use {file}: {why}; check --kubeconfig, KUBECONFIG and --context")]
    Kubeconfig {
        /// Where it stands.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// No kubeconfig, and no service account either.
    #[error(
        "no cluster is configured: there is no kubeconfig, and this is no pod of a cluster ({0}); give --kubeconfig FILE or set KUBECONFIG"
    )]
    Nothing(String),
    /// TLS or credentials.
    #[error("cannot set up the connection to the cluster of context {context}: {why}")]
    Setup {
        /// Name of the context.
        context: String,
        /// What is wrong.
        why: String,
    },
    /// A request of the client's own that must succeed.
    #[error("{what}: {why}")]
    Request {
        /// What was asked for.
        what: String,
        /// What came back.
        why: String,
    },
}

/// A connection to an API server. Clones share it.
#[derive(Clone)]
pub struct Client {
    inner: kube::Client,
    context: String,
    namespace: String,
    timeout: Duration,
    /// What only reads is asked for again after so long, doubled each time.
    first_wait: Duration,
}

/// What only reads is asked for so often while the server is busy, or something else answers in its place.
const ATTEMPTS: u32 = 6;
/// After so long for the first time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// An exchange that is not answered within so long is lost.
pub const TIMEOUT: Duration = Duration::from_secs(30);

impl Client {
    /// Connects to what is meant; nothing is sent yet.
    ///
    /// # Errors
    /// A kubeconfig that cannot be read, a context that it lacks, credentials or certificates that cannot be used.
    pub async fn connect(target: &Target) -> Result<Client, ConnectError> {
        let (config, context) = config(target).await?;
        Client::of_config(config, context, TIMEOUT)
    }

    fn of_config(mut config: kube::Config, context: String, timeout: Duration) -> Result<Client, ConnectError> {
        // The library would repeat what is answered with 429, 503 and 504 for minutes, unseen; when to ask again is the runner's decision.
        config.default_retry = false;
        config.connect_timeout = Some(timeout.min(Duration::from_secs(10)));
        config.read_timeout = None;
        config.write_timeout = None;
        let namespace = config.default_namespace.clone();
        let inner = kube::Client::try_from(config)
            .map_err(|e| ConnectError::Setup { context: context.clone(), why: secrets::of_client(&e) })?;
        Ok(Client { inner, context, namespace, timeout, first_wait: FIRST_WAIT })
    }

    /// A client of a server without TLS and credentials.
    #[cfg(test)]
    pub(super) fn plain(url: &str, timeout: Duration) -> Client {
        let uri = url.parse().expect("a URL");
        let client = Client::of_config(kube::Config::new(uri), "test".into(), timeout).expect("a client");
        Client { first_wait: Duration::from_millis(1), ..client }
    }

    /// Name of the context, for people.
    pub fn context(&self) -> &str {
        &self.context
    }
    /// The context's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Performs one exchange and says what came of it; never repeats it.
    pub async fn perform(&self, exchange: &Exchange) -> Response {
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.exchange(exchange)).await {
            Ok(response) => response,
            Err(_) => Response::Lost(format!("no answer within {} s", timeout.as_secs_f64())),
        }
    }

    async fn exchange(&self, exchange: &Exchange) -> Response {
        let request = match request(exchange) {
            Ok(request) => request,
            Err(why) => return Response::Lost(why),
        };
        let answer = match self.inner.send(request).await {
            Ok(answer) => answer,
            Err(e) => return Response::Lost(secrets::of_client(&e)),
        };
        let (head, body) = answer.into_parts();
        let (status, most) = (head.status.as_u16(), answer::most_bytes(exchange));
        match bounded(body, most).await {
            Ok(Some(bytes)) => answer::read(status, retry_after(&head.headers), content_type(&head.headers), &bytes),
            Ok(None) => answer::oversized(status, content_type(&head.headers), most),
            Err(e) => Response::Lost(format!("the answer broke off: {}", secrets::of_client(&e))),
        }
    }

    /// Performs an exchange that changes nothing and reads its answer; asks again while the server is busy or something
    /// else answers in its place, and after a lost answer if so wished.
    pub(super) async fn patiently<A: Again>(
        &self,
        exchange: &Exchange,
        when_lost: bool,
        read: impl Fn(Response) -> A,
    ) -> A {
        let mut wait = self.first_wait;
        let mut attempt = 1;
        loop {
            let answer = read(self.perform(exchange).await);
            let Some(asked) = answer.again(when_lost).filter(|_| attempt < ATTEMPTS) else { return answer };
            attempt += 1;
            tokio::time::sleep(asked.map_or(wait, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)))).await;
            wait = (wait * 2).min(Duration::from_secs(8));
        }
    }

    /// Whether the API server is there: one look at `/readyz`, which must be answered within so long.
    pub async fn probe(&self, within: Duration) -> Probe {
        let request = http::Request::builder().uri("/readyz").header(USER_AGENT, AGENT).body(Body::empty());
        let Ok(request) = request else { return Probe::Away("the request cannot be made".to_owned()) };
        let look = async {
            let answer = self.inner.send(request).await.map_err(|e| secrets::of_client(&e))?;
            let (head, body) = answer.into_parts();
            let text = bounded(body, 4_096).await.map_err(|e| secrets::of_client(&e))?.unwrap_or_default();
            Ok::<_, String>((head.status.as_u16(), text))
        };
        match tokio::time::timeout(within, look).await {
            Ok(Ok((200, text))) if text.trim_ascii() == b"ok" => Probe::Ready,
            Ok(Ok((200, _))) => Probe::Away("something else answers in its place (200, and not `ok`)".to_owned()),
            Ok(Ok((status @ (401 | 403), _))) => Probe::Refuses(format!(
                "it answers {status}: our credentials are not, or not any more, those of a user"
            )),
            Ok(Ok((status, _))) => Probe::Away(format!("it answers {status}")),
            Ok(Err(why)) => Probe::Away(why),
            Err(_) => Probe::Away(format!("no answer within {} s", within.as_secs_f64())),
        }
    }

    /// An exchange that changes nothing and whose answer is needed: an object of this kind and version.
    ///
    /// # Errors
    /// What the server refuses, what else the answer is, or why there was none.
    pub async fn ask(
        &self,
        what: &str,
        exchange: &Exchange,
        (api_version, kind): (&str, &str),
    ) -> Result<Value, ConnectError> {
        let otherwise = format!("no {kind}");
        let read = |body: Value| match answer::is_of(api_version, kind, &body) {
            Ok(()) => Ok(body),
            Err(why) => Err(why),
        };
        let why = match self.patiently(exchange, false, |r| answer::take(r, &otherwise, read)).await {
            Said::Is(body) => return Ok(body),
            Said::Refused(r) => refusal(&r),
            Said::Unknown(unknown) => foreign(unknown),
        };
        Err(ConnectError::Request { what: what.into(), why })
    }

    pub(super) fn inner(&self) -> &kube::Client {
        &self.inner
    }
}

/// Whether something is asked for again.
pub(super) trait Again {
    /// After how long, if anybody said so; None if not.
    fn again(&self, when_lost: bool) -> Option<Option<i64>>;
}

fn once_more(refused: Option<&Refusal>, unknown: Option<&Unknown>, when_lost: bool) -> Option<Option<i64>> {
    match (refused, unknown) {
        (Some(r), _) if matches!(r.code, 429 | 500 | 502..=504) => Some(r.retry_after_ms),
        (_, Some(u)) if !u.page_not_found && (u.foreign || when_lost) => Some(u.retry_after_ms),
        _ => None,
    }
}

impl<T> Again for Said<T> {
    fn again(&self, when_lost: bool) -> Option<Option<i64>> {
        match self {
            Said::Is(_) => None,
            Said::Refused(r) => once_more(Some(r), None, when_lost),
            Said::Unknown(u) => once_more(None, Some(u), when_lost),
        }
    }
}

impl Again for Answered {
    fn again(&self, when_lost: bool) -> Option<Option<i64>> {
        match self {
            Answered::Refused(r) => once_more(Some(r), None, when_lost),
            Answered::Unknown(u) => once_more(None, Some(u), when_lost),
            _ => None,
        }
    }
}

/// A body as far as it may go; None if it goes on.
pub(super) async fn bounded(mut body: Body, most: usize) -> Result<Option<Vec<u8>>, kube::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes))
}

/// The media type that an answer says it has.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|h| h.to_str().ok())
}

/// A refusal in words.
pub(super) fn refusal(refusal: &Refusal) -> String {
    let (status, message) = (refusal.code, &refusal.message);
    let hint = match status {
        401 => " (the credentials are missing, wrong or expired)",
        _ => "",
    };
    match message.is_empty() {
        true => format!("the API server answers {status}{hint}"),
        false => format!("the API server answers {status}{hint}: {message}"),
    }
}

/// Why there is no answer, in words.
pub(super) fn foreign(unknown: Unknown) -> String {
    match unknown.foreign {
        true => format!(
            "{}; does a proxy or a login page stand between us and the API server? Look with kubectl get --raw /version",
            unknown.why
        ),
        false => unknown.why.trim_start_matches("no answer: ").to_owned(),
    }
}

async fn config(target: &Target) -> Result<(kube::Config, String), ConnectError> {
    let named = |why: &kube::config::KubeconfigError| ConnectError::Kubeconfig {
        file: match (&target.kubeconfig, std::env::var_os("KUBECONFIG")) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(files)) => format!("{} (KUBECONFIG)", files.to_string_lossy()),
            (None, None) => "the kubeconfig".into(),
        },
        why: secrets::of_kubeconfig(why),
    };
    let read = match &target.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        Err(e) if target.kubeconfig.is_none() && target.context.is_none() && is_absent(&e) => {
            let config = kube::Config::incluster().map_err(|e| ConnectError::Nothing(e.to_string()))?;
            return Ok((config, "in-cluster".into()));
        }
        Err(e) => return Err(named(&e)),
    };
    let context = target.context.clone().or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
    let options = KubeConfigOptions { context: target.context.clone(), cluster: None, user: None };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| named(&e))?;
    Ok((config, context))
}

/// There is no kubeconfig, as opposed to one that is wrong.
fn is_absent(error: &kube::config::KubeconfigError) -> bool {
    use kube::config::KubeconfigError as E;
    match error {
        E::FindPath => true,
        E::ReadConfig(e, _) => e.kind() == std::io::ErrorKind::NotFound && std::env::var_os("KUBECONFIG").is_none(),
        _ => false,
    }
}

fn request(exchange: &Exchange) -> Result<http::Request<Body>, String> {
    let content = match exchange.method {
        Method::Patch => "application/merge-patch+json",
        Method::Apply => "application/apply-patch+yaml",
        _ => "application/json",
    };
    let builder = http::Request::builder()
        .method(exchange.method.text())
        .uri(&exchange.path)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT);
    let built = match &exchange.body {
        Some(body) => builder.header(CONTENT_TYPE, content).body(Body::from(body.to_string().into_bytes())),
        None => builder.body(Body::empty()),
    };
    built.map_err(|e| format!("the request cannot be made: {e}"))
}

/// `Retry-After` in milliseconds. Kubernetes sends seconds; a date is not understood and taken as absent.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse::<u32>().ok().map(|seconds| i64::from(seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{Server, ok, runtime};
    use serde_json::json;

    fn http(response: &Response) -> (u16, Option<i64>, Value) {
        match response {
            Response::Http { status, retry_after_ms, body } => (*status, *retry_after_ms, body.clone()),
            other => panic!("no answer: {other:?}"),
        }
    }

    #[test]
    fn refusals_come_back_at_once_and_with_their_retry_after() {
        runtime().block_on(async {
            let server = Server::answering(|_| {
                ok(&json!({"reason": "TooManyRequests"})).replacen(
                    "200 OK",
                    "429 Too Many Requests\r\nRetry-After: 7",
                    1,
                )
            })
            .await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            for _ in 0..3 {
                let answer = client.perform(&Exchange::get("/api/v1/nodes")).await;
                assert_eq!(http(&answer), (429, Some(7_000), json!({"reason": "TooManyRequests"})));
            }
            assert_eq!(server.requests().len(), 3, "each exchange is one request, even if it is refused");
        });
    }

    #[test]
    fn bodies_leave_as_they_are_and_patches_as_merge_patches() {
        runtime().block_on(async {
            let server = Server::answering(|_| "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}".into()).await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-1"},
                "deleteOptions": {"gracePeriodSeconds": 5, "preconditions": {"uid": "u-1"}}});
            let post = Exchange {
                method: Method::Post,
                path: "/api/v1/namespaces/shop/pods/web-1/eviction?dryRun=All".into(),
                body: Some(eviction.clone()),
            };
            let patch =
                Exchange { method: Method::Patch, path: "/api/v1/nodes/a".into(), body: Some(json!({"spec": null})) };
            assert_eq!(http(&client.perform(&post).await).0, 201);
            client.perform(&patch).await;
            let sent = server.requests();
            assert!(
                sent[0].starts_with("POST /api/v1/namespaces/shop/pods/web-1/eviction?dryRun=All HTTP/1.1"),
                "{}",
                sent[0]
            );
            assert_eq!(serde_json::from_str::<Value>(sent[0].split("\r\n\r\n").nth(1).unwrap()).unwrap(), eviction);
            assert!(sent[0].contains("content-type: application/json\r\n"));
            assert!(sent[1].contains("content-type: application/merge-patch+json\r\n"));
        });
    }

    #[test]
    fn silence_and_refused_connections_are_lost_answers() {
        runtime().block_on(async {
            let server = Server::silent().await;
            let client = Client::plain(&server.url, Duration::from_millis(100));
            let Response::Lost(why) = client.perform(&Exchange::get("/x")).await else { panic!("answered") };
            assert!(why.starts_with("no answer within 0.1 s"), "{why}");
            let gone = Client::plain("http://127.0.0.1:9", Duration::from_secs(5));
            let Response::Lost(why) = gone.perform(&Exchange::get("/x")).await else { panic!("answered") };
            assert!(why.contains("refused"), "{why}");
        });
    }

    #[test]
    fn what_is_no_json_by_its_type_or_by_its_text_is_foreign() {
        runtime().block_on(async {
            let typed = |kind: &str, body: &str| {
                format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            };
            let long = "1".repeat(17 << 20);
            for (answer, what) in [
                (typed("text/html; charset=utf-8", "<html>sign in"), "text/html; charset=utf-8, 13 bytes, begins"),
                (typed("text/html", "{}"), "text/html, 2 bytes, begins"),
                (typed("application/json", "{\"a\":"), "application/json, 5 bytes, not valid JSON"),
                (typed("application/json", &long), "application/json, more than 16 MiB"),
            ] {
                let server = Server::answering(move |_| answer.clone()).await;
                let client = Client::plain(&server.url, Duration::from_secs(5));
                let answer = client.perform(&Exchange::get("/api/v1/nodes/a")).await;
                let Response::Foreign(f) = answer else { panic!("{answer:?}") };
                assert!(f.what.starts_with(what), "{}", f.what);
            }
        });
    }

    #[test]
    fn an_object_of_another_kind_is_asked_for_again_and_then_told() {
        let asked = |honest_after: usize| {
            runtime().block_on(async move {
                let times = std::sync::atomic::AtomicUsize::new(0);
                let server = Server::answering(move |_| {
                    let n = times.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    ok(&json!({"kind": if n < honest_after { "Secret" } else { "Namespace" }, "apiVersion": "v1"}))
                })
                .await;
                let client = Client::plain(&server.url, Duration::from_secs(5));
                client.ask("which", &Exchange::get("/x"), ("v1", "Namespace")).await.map_err(|e| e.to_string())
            })
        };
        assert_eq!(asked(2).expect("in the end")["kind"], "Namespace");
        let e = asked(99).unwrap_err();
        assert!(e.starts_with("which: the answer is no Namespace: a Secret of v1; does a proxy"), "{e}");
    }

    #[test]
    fn a_kubeconfig_that_does_not_parse_is_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, "users:\n- name: me\n  user: {token: sEcReT\n- broken: [").unwrap();
        let target = Target { kubeconfig: Some(file), context: None };
        let Err(e) = runtime().block_on(Client::connect(&target)) else { panic!("it parsed") };
        assert!(e.to_string().contains("not the YAML of a kubeconfig"), "{e}");
        assert!(!e.to_string().contains("sEcReT"), "{e}");
    }

    /// A kubeconfig whose user has a credential plugin: a shell's script.
    fn with_plugin(dir: &tempfile::TempDir, url: &str, script: &str) -> Target {
        let file = dir.path().join("config");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: '{url}'}}}}]\n\
             users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, \
             args: ['-c', {}], interactiveMode: Never}}}}}}]\n",
            Value::from(script)
        );
        std::fs::write(&file, text).unwrap();
        Target { kubeconfig: Some(file), context: None }
    }

    #[test]
    fn a_credential_plugin_that_fails_is_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let target = with_plugin(&dir, "http://127.0.0.1:9", "echo sEcReT; exit 3");
        let said = runtime().block_on(async {
            match Client::connect(&target).await {
                Err(e) => e.to_string(),
                Ok(client) => format!("{:?}", client.perform(&Exchange::get("/x")).await),
            }
        });
        assert!(said.contains("the credential plugin of the kubeconfig failed (exit status: 3)"), "{said}");
        assert!(!said.contains("sEcReT"), "{said}");
    }

    #[test]
    fn nor_is_one_that_fails_when_its_token_has_expired() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let script = format!(
            r#"test -e {mark} && {{ echo sEcReT; exit 3; }}; touch {mark}; echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"t0k3n","expirationTimestamp":"2020-01-01T00:00:00Z"}}}}'"#,
            mark = mark.display()
        );
        let said = runtime().block_on(async {
            let server = Server::answering(|_| ok(&json!({}))).await;
            let client =
                Client::connect(&with_plugin(&dir, &server.url, &script)).await.expect("a token, though an old one");
            format!("{:?}", client.perform(&Exchange::get("/x")).await)
        });
        assert!(said.contains("the credential plugin of the kubeconfig failed (exit status: 3)"), "{said}");
        assert!(!said.contains("sEcReT") && !said.contains("t0k3n"), "{said}");
    }
}
