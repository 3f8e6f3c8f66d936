//! A Kubernetes client for exchanges that a session has made: paths and bodies go out as they are, and every answer comes back,
//! whatever its status.

use super::{clock, secrets};
use crate::session::answer::{self, Answered, Refusal, Said, Unknown};
use crate::session::{Exchange, Foreign, Method, Response};
use http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER, USER_AGENT};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
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
    shared: Arc<Shared>,
    context: String,
    namespace: String,
    timeout: Duration,
    /// What only reads is asked for again after so long, doubled each time.
    first_wait: Duration,
}

/// What all clones of a connection have in common.
struct Shared {
    /// What credentials are read from when they are not accepted; None if they are none.
    target: Option<Target>,
    /// The connection, and how often its credentials have been read again.
    current: RwLock<(u64, kube::Client)>,
    /// One reads them at a time.
    renewing: tokio::sync::Mutex<()>,
    /// By how much the API server's clock is ahead of ours; [`UNKNOWN`] if it never said.
    ahead_ms: AtomicI64,
}

/// Nobody has said the time.
const UNKNOWN: i64 = i64::MIN;
/// An answer that took longer says too little of the time.
const QUICK_MS: i64 = 5_000;

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
        Client::of_config(config, context, TIMEOUT, Some(target.clone()))
    }

    fn of_config(
        config: kube::Config,
        context: String,
        timeout: Duration,
        target: Option<Target>,
    ) -> Result<Client, ConnectError> {
        let namespace = config.default_namespace.clone();
        let inner = Client::connection(config, &context, timeout)?;
        let shared = Shared {
            target,
            current: RwLock::new((0, inner)),
            renewing: tokio::sync::Mutex::new(()),
            ahead_ms: AtomicI64::new(UNKNOWN),
        };
        Ok(Client { shared: Arc::new(shared), context, namespace, timeout, first_wait: FIRST_WAIT })
    }

    fn connection(mut config: kube::Config, context: &str, timeout: Duration) -> Result<kube::Client, ConnectError> {
        // The library would repeat what is answered with 429, 503 and 504 for minutes, unseen; when to ask again is the runner's decision.
        config.default_retry = false;
        config.connect_timeout = Some(timeout.min(Duration::from_secs(10)));
        config.read_timeout = None;
        config.write_timeout = None;
        kube::Client::try_from(config)
            .map_err(|e| ConnectError::Setup { context: context.to_owned(), why: secrets::of_client(&e) })
    }

    /// A client of a server without TLS and credentials.
    #[cfg(test)]
    pub(super) fn plain(url: &str, timeout: Duration) -> Client {
        let uri = url.parse().expect("a URL");
        let client = Client::of_config(kube::Config::new(uri), "test".into(), timeout, None).expect("a client");
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

    /// Performs one exchange and says what came of it; never repeats it, unless its credentials were not accepted and others could be read: what
    /// is answered 401 had no effect.
    pub async fn perform(&self, exchange: &Exchange) -> Response {
        let read = self.inner().0;
        let response = self.perform_once(exchange).await;
        match &response {
            Response::Http { status: 401, .. } | Response::Foreign(Foreign { status: 401, .. })
                if self.renew(read).await =>
            {
                self.perform_once(exchange).await
            }
            _ => response,
        }
    }

    async fn perform_once(&self, exchange: &Exchange) -> Response {
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.exchange(exchange)).await {
            Ok(response) => response,
            Err(_) => Response::Lost(format!("no answer within {} s", timeout.as_secs_f64())),
        }
    }

    /// Reads the credentials again, unless somebody has since they had been read so often: the kubeconfig, the files that it names, and the program
    /// that gives them, which keeps what it gave until it expires. Whether there are others now.
    pub(super) async fn renew(&self, read: u64) -> bool {
        let Some(target) = &self.shared.target else { return false };
        let _one = self.shared.renewing.lock().await;
        if self.inner().0 > read {
            return true;
        }
        let fresh = async {
            let (config, context) = config(target).await?;
            Client::connection(config, &context, self.timeout)
        };
        let Ok(Ok(connection)) = tokio::time::timeout(self.timeout, fresh).await else { return false };
        let mut current = self.shared.current.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = (read.saturating_add(1), connection);
        true
    }

    /// By how many milliseconds the API server's clock is ahead of [`clock::counted_unix_ms`], as its latest quick answer said, give or take
    /// a second; None if none did.
    pub fn server_ahead_ms(&self) -> Option<i64> {
        Some(self.shared.ahead_ms.load(Ordering::Relaxed)).filter(|ms| *ms != UNKNOWN)
    }

    /// Takes the time that an answer carries, which is that of the server between `sent` and now.
    fn hear_time(&self, headers: &HeaderMap, sent: i64) {
        let now = clock::counted_unix_ms();
        if let Some(date) = headers.get(DATE).and_then(|d| d.to_str().ok()).and_then(http_date)
            && now.saturating_sub(sent) <= QUICK_MS
        {
            // It says whole seconds, the rest cut off.
            let ahead = (date + 500).saturating_sub(sent.midpoint(now));
            self.shared.ahead_ms.store(ahead, Ordering::Relaxed);
        }
    }

    async fn exchange(&self, exchange: &Exchange) -> Response {
        let request = match request(exchange) {
            Ok(request) => request,
            Err(why) => return Response::Lost(why),
        };
        let sent = clock::counted_unix_ms();
        let answer = match self.inner().1.send(request).await {
            Ok(answer) => answer,
            Err(e) => return Response::Lost(secrets::of_client(&e)),
        };
        let (head, body) = answer.into_parts();
        self.hear_time(&head.headers, sent);
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
            let answer = self.inner().1.send(request).await.map_err(|e| secrets::of_client(&e))?;
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

    /// The connection, and how often its credentials have been read again.
    pub(super) fn inner(&self) -> (u64, kube::Client) {
        self.shared.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
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

/// A date as HTTP has it (`Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110 5.6.7), in milliseconds since 1970; the forms that it calls obsolete are not
/// understood.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    let month = MONTHS.iter().position(|m| m == month)? + 1;
    crate::snapshot::time::parse_rfc3339(&format!("{year:0>4}-{month:02}-{day:0>2}T{time}Z"))
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
    fn a_date_of_http_is_a_time() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        for wrong in [
            "",
            "now",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(http_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_servers_time_is_heard_from_its_answers() {
        runtime().block_on(async {
            let hour_behind = |_: &str| {
                let text = ok(&json!({}));
                text.replacen("\r\n", &format!("\r\nDate: {}\r\n", "Sun, 06 Nov 1994 08:49:37 GMT"), 1)
            };
            let server = Server::answering(hour_behind).await;
            let client = Client::plain(&server.url, Duration::from_secs(5));
            assert_eq!(client.server_ahead_ms(), None);
            client.perform(&Exchange::get("/api/v1/nodes")).await;
            let ahead = client.server_ahead_ms().expect("a time");
            let there = clock::counted_unix_ms() + ahead;
            assert!((784_111_777_000..784_111_780_000).contains(&there), "{there}");
        });
    }

    #[test]
    fn credentials_that_are_not_accepted_are_read_again() {
        runtime().block_on(async {
            let server = Server::answering(|request| match request.to_ascii_lowercase().contains("bearer new") {
                true => ok(&json!({"kind": "NodeList"})),
                false => crate::live::testing::status(401, "Unauthorized"),
            })
            .await;
            let dir = tempfile::tempdir().expect("a directory");
            let file = dir.path().join("config");
            let write = |token: &str| {
                let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                    "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                    "users": [{"name": "u", "user": {"token": token}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
                std::fs::write(&file, config.to_string()).expect("written");
            };
            write("old");
            let client =
                Client::connect(&Target { kubeconfig: Some(file.clone()), context: None }).await.expect("a client");
            let nodes = Exchange::get("/api/v1/nodes");
            assert_eq!(http(&client.perform(&nodes).await).0, 401);
            write("new");
            assert_eq!(http(&client.perform(&nodes).await).0, 200);
            // Twice with the old ones, once with those that were read again to no avail, and once with the new ones.
            assert_eq!(server.requests().len(), 4);
        });
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
