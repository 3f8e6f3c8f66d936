//! One process carries a transfer out: it holds a Lease in each of the source's namespaces that its plan moves, and sends nothing while one of them
//! may be somebody else's.
//!
//! The Leases are on the source: what moves has one source, and its namespaces are what two transfers can have in common. The name of the execution
//! alone would let in a second process of it, of a copied journal or on another machine, so a Lease names the process, too. How one is taken, renewed
//! and lost is [`crate::session::lease`]'s; here are the sockets.

use super::super::TRANSFER_LEASE;
use super::super::client::{Client, refusal};
use super::super::clock::Clock;
use super::super::process::is_dead;
use super::guard::{Guard, NotOurs, Slot};
use super::site::{Problem, Site};
use crate::session::answer::{Answered, Wanted};
use crate::session::lease::Lease;
use crate::session::{Holder, Method, ProcessId};
use crate::transfer::ObjectId;
use crate::transfer::plan::TransferPlan;
use std::collections::BTreeSet;
use std::sync::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Duration;

/// The namespace of a plan that moves no namespace of the source: every cluster has it.
const ANYWHERE: &str = "default";
/// From one look at Leases that are not ours yet to the next.
const LOOK: Duration = Duration::from_millis(10);
/// How long their return is waited for; who comes next finds a Lease that lapses.
const RETURN: Duration = Duration::from_secs(5);

/// Why the Leases are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Another process holds one.
    #[error("{0}")]
    Held(String),
    /// The API server refuses one, or what to look at.
    #[error("{0}")]
    Refused(String),
}

/// The Leases of an execution, renewed until they are given back.
pub struct Leases {
    guard: Guard,
    back: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Leases {
    /// Takes the Leases of a plan on the source. One of a process that may be dead is waited for until it lapses.
    ///
    /// # Errors
    /// Another process holds one, or the API server refuses.
    pub async fn take(
        source: &Client,
        plan: &TransferPlan,
        execution: &str,
        process: &ProcessId,
        (clock, began_unix_ms): (Clock, i64),
        say: &mut dyn FnMut(&str),
    ) -> Result<Leases, NotTaken> {
        let namespaces = namespaces_of(&Site::new("source", source.clone()), plan).await?;
        let slot =
            |namespace: &String| Mutex::new(Slot { of: format!("{namespace}/{TRANSFER_LEASE}"), ..Slot::default() });
        let guard = Guard { slots: namespaces.iter().map(slot).collect(), clock };
        let (back, _) = watch::channel(false);
        let mut leases = Leases { guard, back, tasks: Vec::new() };
        for (place, namespace) in namespaces.iter().enumerate() {
            let lease = Lease::new(namespace, execution, process, began_unix_ms).named(TRANSFER_LEASE);
            let keeper = Keeper { client: source.clone(), guard: leases.guard.clone(), place, lease };
            leases.tasks.push(tokio::spawn(keeper.keep(leases.back.subscribe())));
        }
        loop {
            let mut refused = None;
            for slot in leases.guard.slots.iter() {
                let Ok(mut slot) = slot.lock() else { continue };
                if let Some(note) = slot.note.take() {
                    say(&note);
                }
                let why = slot.lost.clone().map(NotTaken::Held).or_else(|| slot.refused.clone().map(NotTaken::Refused));
                refused = refused.or(why);
            }
            match refused {
                // Those that are ours already are given back.
                Some(why) => {
                    leases.give_back().await;
                    return Err(why);
                }
                None if leases.guard.check().is_ok() => return Ok(leases),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    pub(super) fn guard(&self) -> Guard {
        self.guard.clone()
    }

    /// Gives them back.
    pub async fn give_back(self) {
        let _ = self.back.send(true);
        for mut task in self.tasks {
            if tokio::time::timeout(RETURN, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Namespaces of the source that a plan moves something of.
async fn namespaces_of(source: &Site, plan: &TransferPlan) -> Result<Vec<String>, NotTaken> {
    let members = plan.waves.iter().flat_map(|w| &w.members).filter_map(|m| m.object.namespace());
    let mut all = Vec::new();
    for namespace in members.collect::<BTreeSet<&str>>() {
        let id = ObjectId::new("v1", "Namespace", None, namespace);
        match source.get(&id).await {
            Ok(Some(_)) => all.push(namespace.to_owned()),
            // Manifests may be of something that was never in the source.
            Ok(None) => {}
            Err(problem) => {
                return Err(NotTaken::Refused(format!("{id} of the source cannot be read: {}", problem.text())));
            }
        }
    }
    if all.is_empty() {
        all.push(ANYWHERE.to_owned());
    }
    Ok(all)
}

/// Who keeps one Lease.
struct Keeper {
    client: Client,
    guard: Guard,
    place: usize,
    lease: Lease,
}

impl Keeper {
    async fn keep(mut self, mut back: watch::Receiver<bool>) {
        let mut looked = false;
        loop {
            if let Some(ahead) = self.client.server_ahead_ms() {
                self.lease.set_ahead(ahead);
            }
            if *back.borrow() {
                self.lease.release();
            }
            if self.lease.is_released() {
                return;
            }
            let now = self.guard.clock.now();
            let Some(exchange) = self.lease.due(now) else {
                // Asked again every second or so: instants stand still while the machine sleeps.
                let wait = self.lease.next_at().map_or(1_000, |at| at.saturating_sub(now).clamp(1, 1_000));
                let pause = tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(1)));
                tokio::select! {
                    () = pause => {}
                    _ = back.changed() => {}
                }
                continue;
            };
            let reads = exchange.method == Method::Get;
            let wanted = Wanted::of_exchange(&exchange);
            let answered = wanted.read(self.client.perform(&exchange).await);
            if reads
                && !looked
                && let Answered::Object(lease) = &answered
            {
                // A process of this machine that is gone need not be waited for.
                looked = true;
                let holder = Holder::of(lease, self.guard.clock.unix_ms());
                let dead = holder.filter(|h| h.process.as_ref().is_some_and(is_dead)).map(|h| h.identity);
                self.lease = self.lease.with_dead(dead);
            }
            let trouble = match &answered {
                Answered::Refused(r) if r.code != 409 => Some(refusal(r)),
                Answered::Unknown(unknown) => Some(unknown.why.clone()),
                _ => None,
            };
            let for_good =
                matches!(&answered, Answered::Refused(r) if matches!(r.code, 400 | 401 | 403 | 404 | 405 | 422));
            let taken = self.lease.answered(self.guard.clock.now(), answered);
            if self.keep_note(taken.err().map(|t| t.0), trouble, for_good) {
                return;
            }
        }
    }

    /// Says how the Lease stands; whether that is the end.
    fn keep_note(&mut self, lost: Option<String>, trouble: Option<String>, for_good: bool) -> bool {
        let Ok(mut slot) = self.guard.slots[self.place].lock() else { return true };
        slot.note = self.lease.take_note().or(slot.note.take());
        let never = slot.until.is_none();
        slot.until = self.lease.ours_until();
        if for_good && never {
            let why = trouble.clone().unwrap_or_default();
            slot.refused = Some(format!(
                "the Lease {} of the source, which keeps a second process off what is moved, cannot be taken: {why}; grant what deploy/clusterrole-transfer-source.yaml has",
                slot.of
            ));
        }
        slot.trouble = trouble;
        slot.lost = lost;
        slot.lost.is_some() || slot.refused.is_some()
    }
}

/// Why a call has no answer while nothing may be sent.
impl From<NotOurs> for Problem {
    fn from(why: NotOurs) -> Problem {
        match why {
            NotOurs::Lost(why) | NotOurs::Waits(why) => Problem::Unknown(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::Apply;
    use super::*;
    use crate::live::process;
    use crate::live::testing::{Server, ok, runtime, status};
    use serde_json::{Value, json};

    const NAMESPACE: &str = "/api/v1/namespaces/shop";

    /// A plan that moves something of the namespace `shop`.
    fn plan() -> TransferPlan {
        TransferPlan::parse(include_str!("../../../scenarios/transfers/shop.json")).expect("a plan")
    }

    /// An API server that has one Lease, or none, as an API server keeps it.
    fn serving(first: Option<Value>) -> impl Fn(&str) -> String + Send + Sync + 'static {
        let lease = Mutex::new(first);
        move |request| {
            let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
            let path = head.split(' ').nth(1).unwrap_or_default();
            let mut lease = lease.lock().expect("no panic");
            match head.split(' ').next().unwrap_or_default() {
                "GET" if path == NAMESPACE => {
                    ok(&json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}}))
                }
                "GET" if path == "/api/v1" => ok(&json!({"kind": "APIResourceList", "apiVersion": "v1", "resources": [
                    {"kind": "Namespace", "name": "namespaces", "namespaced": false},
                    {"kind": "ConfigMap", "name": "configmaps", "namespaced": true}]})),
                "POST" | "PUT" => {
                    let mut written: Value = serde_json::from_str(body).expect("JSON");
                    written["metadata"]["uid"] = "u".into();
                    written["metadata"]["resourceVersion"] = "7".into();
                    ok(lease.insert(written))
                }
                "DELETE" => {
                    *lease = None;
                    ok(&json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
                }
                _ => lease.as_ref().map_or_else(|| status(404, "NotFound"), ok),
            }
        }
    }

    fn of(identity: &str) -> Value {
        let renewed = crate::snapshot::time::format_rfc3339(crate::live::clock::unix_ms(), 6);
        json!({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
            "metadata": {"name": TRANSFER_LEASE, "namespace": "shop", "uid": "u", "resourceVersion": "1"},
            "spec": {"holderIdentity": identity, "leaseDurationSeconds": 30, "renewTime": renewed}})
    }

    async fn taken(server: &Server) -> Result<Leases, NotTaken> {
        let client = Client::plain(&server.url, Duration::from_secs(5));
        let began = crate::live::clock::unix_ms();
        let at = (Clock::since(began, 0), began);
        Leases::take(&client, &plan(), "run-1", &process::this(), at, &mut |_| ()).await
    }

    fn wrote(server: &Server) -> Vec<String> {
        let asked = server.requests();
        asked
            .iter()
            .filter(|r| !r.starts_with("GET"))
            .map(|r| r.split(" HTTP").next().unwrap_or(r).to_owned())
            .collect()
    }

    #[test]
    fn leases_are_taken_and_given_back_by_their_name() {
        let (wrote, holder) = runtime().block_on(async {
            let server = Server::answering(serving(None)).await;
            let leases = taken(&server).await.map_err(|e| e.to_string()).expect("nobody has it");
            assert_eq!(leases.guard().check(), Ok(()));
            let holder =
                server.requests().iter().any(|r| r.starts_with("POST") && r.contains("\"holderIdentity\":\"run-1_"));
            leases.give_back().await;
            (wrote(&server), holder)
        });
        assert!(holder, "it names the execution and the process");
        let path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";
        assert_eq!(wrote, [format!("POST {path}"), format!("DELETE {path}/nodeferry-transfer")]);
    }

    #[test]
    fn another_execution_that_is_alive_is_left_alone_and_a_dead_process_is_not_waited_for() {
        let (refused, wrote_then) = runtime().block_on(async {
            let server = Server::answering(serving(Some(of("run-2")))).await;
            (taken(&server).await.map(|_| ()), wrote(&server))
        });
        let why = refused.expect_err("it is another's").to_string();
        assert!(why.starts_with("execution run-2 holds the Lease shop/nodeferry-transfer, renewed"), "{why}");
        assert_eq!(wrote_then, Vec::<String>::new());
        let us = process::this();
        if us.boot.is_empty() {
            return;
        }
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let dead = ProcessId { pid: child.id(), ..us };
        child.wait().expect("it ends");
        let begun = tokio::time::Instant::now();
        runtime().block_on(async {
            let server = Server::answering(serving(Some(of(&dead.identity("run-1"))))).await;
            assert!(taken(&server).await.is_ok());
        });
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn whoever_may_have_lost_it_reads_and_changes_nothing() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}});
        let id = ObjectId::of(&object).expect("a name");
        let clock = Clock::since(crate::live::clock::unix_ms(), 0);
        for (lost, until) in [(None, Some(-1)), (None, None), (Some("another holds it".to_owned()), Some(i64::MAX))] {
            let slot = Slot { of: "shop/x".to_owned(), until, lost: lost.clone(), ..Slot::default() };
            let guard = Guard { slots: std::sync::Arc::new([Mutex::new(slot)]), clock };
            let wrote = runtime().block_on(async {
                let server = Server::answering(serving(Some(object.clone()))).await;
                let client = Client::plain(&server.url, Duration::from_secs(5));
                let site = Site::new("target", client).guarded(guard.clone());
                assert!(site.get(&id).await.is_ok_and(|found| found.is_some()));
                for how in [Apply::Own, Apply::Owned] {
                    let problem = site.apply(&object, how).await.expect_err("nothing is sent");
                    assert!(problem.passes(), "{}", problem.text());
                }
                assert!(site.create(&object).await.is_err() && site.delete(&id, "u").await.is_err());
                assert!(site.merge(&id, &json!({})).await.is_err());
                wrote(&server)
            });
            assert_eq!(wrote, Vec::<String>::new());
            assert_eq!(matches!(guard.check(), Err(NotOurs::Lost(_))), lost.is_some());
        }
    }
}
