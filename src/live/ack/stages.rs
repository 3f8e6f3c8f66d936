//! The stages, one after the other.

use super::super::attend::Attend;
use super::super::client::Probe;
use super::super::permissions::NODE_LEASES;
use super::super::record::{self, all_of};
use super::{Carrier, Halt, LOOK, PROBE, PROBE_WITHIN};
use crate::ack::execution::{
    Begun, Comparison, Inventory, Look, NodeStands, Predicted, Record, fingerprint, not_drained, task_id, time,
};
use crate::execution::ack_dir::AckDirError;
use crate::live::redact::Redaction;
use crate::request::ack::predict;
use crate::runner::Outcome;
use crate::session::answer::{Answered, Wanted};
use crate::session::api::{BUDGETS, FOLLOWED, LEASES, NODES, PODS, Request, Resource};
use crate::session::{Exchange, Method};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::time::{Duration, Instant};

/// The command that begins the migration may take so long.
const BEGIN_WITHIN_MS: i64 = 120_000;
/// The API server is away if so many looks in a row found nobody, over so long: one lost answer is none.
const GONE_LOOKS: u32 = 3;
const GONE_FOR: Duration = Duration::from_secs(2);
/// At the gate the cluster is read again after so long, and after so many times what that takes.
const NOTE_AGAIN: Duration = Duration::from_secs(10);
const NOTE_AGAIN_TIMES: u32 = 20;
/// A look at the whole cluster takes no more than one part in so many of the time.
const LOOK_TIMES: u32 = 5;
/// The Leases of the masters are read so often.
const RENEWALS: Duration = Duration::from_secs(5);
/// A master that has renewed its Lease so often since the API server is back is with it.
const IS_BACK: u32 = 2;
/// Most lines of what is not as before.
const SHOWN: usize = 10;

/// What there is, what is left on masters, and how long it took to read.
type Noted = (Inventory, Vec<String>, Vec<Value>, Duration);

impl Carrier<'_> {
    /// The way on when a wait has reached its limit.
    fn limit(&self, limit: &'static str, why: String, remedy: String) -> Halt {
        Halt::Leave { why, remedy: format!("{remedy}; then {}", self.resume()), limit: Some(limit) }
    }

    fn over(&self, reason: &'static str, message: String, remedy: String) -> Halt {
        Halt::Over { outcome: Outcome::Failed, reason: Some(reason), message, remedy }
    }

    /// Reads the cluster.
    async fn note_all(&mut self) -> Result<Result<Noted, String>, Halt> {
        let (client, masters) = (self.client.clone(), self.state.master_names());
        let begun = Instant::now();
        let read = async move { record::record(&client, &Redaction::default(), &mut |_| ()).await };
        let recorded = match self.during(read).await? {
            Ok(recorded) => recorded,
            Err(e) => return Ok(Err(e.to_string())),
        };
        let left_out = recorded.left_out.iter().map(|l| l.kind.clone()).collect();
        let left = not_drained(&recorded.objects, &masters);
        let noted = Inventory::of(&recorded.objects, left_out, &masters).map_err(|e| e.to_string());
        Ok(noted.map(|inventory| (inventory, left, recorded.objects, begun.elapsed())))
    }

    /// What there is before the cut-over, and what is predicted from here on.
    pub(super) async fn inventory(&mut self) -> Result<(), Halt> {
        let until = self.now() + self.state.began.limits.prove_ms;
        let (inventory, left, objects, _) = loop {
            match self.note_all().await? {
                Ok(noted) => break noted,
                Err(why) if self.now() > until => {
                    let remedy = format!(
                        "see that the API server can be reached and read (kubectl get nodes); {}",
                        self.state.way_back()
                    );
                    return Err(self.limit("prove", format!("the cluster cannot be read: {why}"), remedy));
                }
                Err(_) => self.pause(LOOK).await?,
            }
        };
        self.drained(&left)?;
        self.journal.keep(&inventory)?;
        self.put(Record::Inventoried {
            counts: inventory.counts(),
            left_out: inventory.left_out.iter().cloned().collect(),
        })?;
        if self.state.predicted.is_none() {
            let recorded = record::Recorded { objects, ..record::Recorded::default() };
            let predicted = self.predict(&recorded)?;
            self.put(Record::Predicted(predicted))?;
        }
        self.noted = true;
        self.put(Record::GateOpened)
    }

    fn predict(&mut self, recorded: &record::Recorded) -> Result<Option<Predicted>, Halt> {
        let began = &self.state.began;
        let source = recorded.source().map_err(|e| e.to_string());
        let result = source.and_then(|source| predict(&began.plan.drain, &[source], &began.simulation));
        match result {
            Ok(r) => Ok(Some(Predicted {
                runs: r.verdict.runs,
                outage_ms: r.outage_ms,
                rush_ms: r.rush_ms,
                quiet_ms: r.quiet_ms,
            })),
            Err(why) => {
                self.note(format!("the outage is not predicted: {why}"))?;
                Ok(None)
            }
        }
    }

    /// Nothing that is lost at the cut-over may be on the masters when it begins.
    fn drained(&mut self, left: &[String]) -> Result<(), Halt> {
        if left.is_empty() || self.state.begun != Begun::No {
            return Ok(());
        }
        let message = format!("the masters are not, or not any more, as the drain left them: {}", lines(left));
        let remedy = "find out who put it there, then begin again with a plan of the cluster as it is now (nodeferry ack plan); nothing has moved but pods";
        Err(self.over("ack-drain-ended", message, remedy.to_owned()))
    }

    /// Until the API server goes away.
    pub(super) async fn gate(&mut self) -> Result<(), Halt> {
        if !self.noted && self.state.begun == Begun::No {
            // Much may have changed since the process before noted it. If the API server is away already, that is what there is.
            if let Ok((inventory, left, ..)) = self.note_all().await? {
                self.drained(&left)?;
                self.journal.keep(&inventory)?;
                self.noted = true;
            }
        }
        self.begin().await?;
        let limits = self.state.began.limits;
        let begun = self.state.begun != Begun::No;
        let until = self.now() + if begun { limits.begin_ms } else { limits.gate_ms };
        let mut gone: Option<(i64, Instant, u32)> = None;
        let mut was_ready = false;
        let mut refused = String::new();
        let mut note_next = Instant::now() + NOTE_AGAIN;
        loop {
            let client = self.client.clone();
            let at = self.now();
            match self.during(async move { client.probe(PROBE_WITHIN).await }).await? {
                Probe::Away(_) => {
                    let (since, first, looks) = gone.unwrap_or((at, Instant::now(), 0));
                    if looks + 1 >= GONE_LOOKS && first.elapsed() >= GONE_FOR {
                        return self.put(Record::Away { since_ms: since, seen: was_ready });
                    }
                    gone = Some((since, first, looks + 1));
                }
                Probe::Ready => {
                    was_ready = true;
                    gone = None;
                }
                Probe::Refuses(why) => {
                    gone = None;
                    if why != refused {
                        self.note(format!(
                            "the API server is there, and {why}; renew them, for they are needed afterwards"
                        ))?;
                        refused = why;
                    }
                }
            }
            self.ask_task().await?;
            if let Some(task) = self.state.task.clone().filter(|_| gone.is_none()) {
                if task.failed() {
                    let remedy = format!(
                        "nothing has moved: read the task's events in the console, remove the cause, and begin again; {}",
                        self.state.way_back()
                    );
                    return Err(self.over(
                        "ack-task-failed",
                        format!("before the API server went away, {}", task.text()),
                        remedy,
                    ));
                }
                if task.succeeded() {
                    let since_ms = self.now();
                    return self.put(Record::Back { since_ms, seen: false });
                }
            }
            if gone.is_none() && !begun && Instant::now() >= note_next {
                // What the cluster is when it goes away is what must come back.
                if let Ok((inventory, left, _, took)) = self.note_all().await? {
                    self.drained(&left)?;
                    self.journal.keep(&inventory)?;
                    note_next = Instant::now() + NOTE_AGAIN.max(took * NOTE_AGAIN_TIMES);
                } else {
                    note_next = Instant::now() + LOOK;
                }
            }
            if gone.is_none() && self.now() > until {
                let way_back = self.state.way_back();
                return Err(match begun {
                    false => self.limit(
                        "gate",
                        format!("nobody has begun the migration within {}", time(limits.gate_ms)),
                        format!("begin it, or give it up ({way_back})"),
                    ),
                    true => self.limit(
                        "begin",
                        format!(
                            "the migration was begun, and the API server has not gone away within {}",
                            time(limits.begin_ms)
                        ),
                        "look in the console how its task stands".to_owned(),
                    ),
                });
            }
            self.pause(PROBE).await?;
        }
    }

    /// Begins the migration by the command that was given for it, once.
    async fn begin(&mut self) -> Result<(), Halt> {
        let words = self.state.began.begin.clone();
        if words.is_empty() {
            return Ok(());
        }
        match self.state.begun {
            Begun::Yes => return Ok(()),
            Begun::Perhaps => {
                return self.note(
                    "the process ended while the command of --begin ran: nobody knows whether the migration was begun, so it is not begun again. Look in the console; the API server is watched",
                );
            }
            Begun::No => {}
        }
        self.put(Record::BeginAnnounced)?;
        let program = self.program(&words, BEGIN_WITHIN_MS);
        let programs = self.programs.clone();
        let printed = self.until_it_ends(async move { programs.printed(&program).await }).await?;
        let failed = match printed {
            Ok(printed) if printed.code == Some(0) => {
                let (task_id, problem) = match task_id(&printed.stdout) {
                    Ok(id) => (Some(id), None),
                    Err(why) => (None, Some(why)),
                };
                self.put(Record::Begun { task_id })?;
                return match problem {
                    Some(why) => self.note(format!("the id of its task is not known: {why}")),
                    None => Ok(()),
                };
            }
            Ok(printed) => {
                if !printed.stderr.is_empty() {
                    // For people only: the journal keeps nothing that a program prints.
                    self.observer.say(&printed.stderr);
                }
                let how = printed
                    .code
                    .map_or_else(|| "was ended by a signal".to_owned(), |c| format!("ended with exit status {c}"));
                (printed.code, format!("the command of --begin {how}"))
            }
            Err(Some(why)) => (None, why),
            Err(None) => {
                return self.note(format!(
                    "the command of --begin was killed after {} s: nobody knows whether the migration was begun, so it is not begun again. Look in the console; the API server is watched",
                    BEGIN_WITHIN_MS / 1_000
                ));
            }
        };
        let (code, why) = failed;
        self.put(Record::BeginFailed { code, why: why.clone() })?;
        let remedy = format!(
            "nothing has moved: remove the cause and begin again with another journal; {}",
            self.state.way_back()
        );
        Err(self.over("ack-not-begun", why, remedy))
    }

    /// Until the API server is back.
    pub(super) async fn away(&mut self) -> Result<(), Halt> {
        let limits = self.state.began.limits;
        let mut until = self.now() + limits.away_ms;
        let mut was_away = false;
        let mut failed = false;
        loop {
            let client = self.client.clone();
            let found = self.during(async move { client.probe(PROBE_WITHIN).await }).await?;
            let said = match found {
                Probe::Away(why) => {
                    was_away = true;
                    why
                }
                Probe::Ready | Probe::Refuses(_) => {
                    let since_ms = self.now();
                    self.saw_back = true;
                    return self.put(Record::Back { since_ms, seen: was_away });
                }
            };
            self.ask_task().await?;
            if !failed && self.state.task.as_ref().is_some_and(|t| t.failed()) {
                // What is rolled back is back within the rollback's own limit.
                failed = true;
                until = until.min(self.now() + self.state.began.plan.cut_over.rollback_ms);
            }
            if failed && self.now() > until {
                let task = self.state.task.as_ref().map_or(String::new(), |t| t.text());
                let why =
                    format!("{task}, and the API server has not come back within the limit of a rollback ({said})");
                let remedy = "if it failed before the restore, the rollback failed too: move the manifests of the static pods back to /etc/kubernetes/manifests on every master by hand, and see that etcd has a leader. In the restore there is no rollback: keep workers, pods and the masters' machines as they are. Call the vendor's support with the task's id";
                return Err(self.limit("away", why, remedy.to_owned()));
            }
            if self.now() > until {
                let task = self.state.task.as_ref().map_or(String::new(), |t| format!("; {}", t.text()));
                let why = format!("the API server has not come back within {} ({said}){task}", time(limits.away_ms));
                let remedy = "after the cut-over there is no rollback: keep workers, pods and the masters' machines as they are, look at the task in the console, and call the vendor's support with its id. If others reach the API server, get a kubeconfig again and give it with --kubeconfig";
                return Err(self.limit("away", why, remedy.to_owned()));
            }
            self.pause(PROBE).await?;
        }
    }

    /// Whether what came back is what went away.
    pub(super) async fn prove(&mut self) -> Result<(), Halt> {
        let before = self.before()?;
        let limits = self.state.began.limits;
        let until = self.now() + limits.prove_ms;
        loop {
            let why = match self.note_all().await? {
                Ok((after, ..)) => {
                    let compared = Comparison::of(&before, &after);
                    match self.proved(compared)? {
                        Some(why) => why,
                        None => return Ok(()),
                    }
                }
                Err(why) => why,
            };
            self.ask_task().await?;
            if self.now() > until {
                let remedy = "see why (kubectl get --raw /version; are the credentials still good? --kubeconfig gives others). Delete nothing until the objects are compared";
                return Err(self.limit(
                    "prove",
                    format!("the cluster cannot be read within {}: {why}", time(limits.prove_ms)),
                    remedy.to_owned(),
                ));
            }
            self.pause(LOOK).await?;
        }
    }

    /// Writes down what the comparison says; why it says nothing, if it does not.
    fn proved(&mut self, compared: Comparison) -> Result<Option<String>, Halt> {
        if let Some(uid) = compared.other_cluster.clone() {
            let message = format!(
                "kube-system has uid {uid}, and had {} before: what answers is another cluster. Nothing is deleted",
                self.state.began.cluster
            );
            self.put(Record::Differs(compared))?;
            let remedy = "keep the masters' machines and disks, change nothing in either cluster, and call the vendor's support with the task's id";
            return Err(self.over("ack-another-cluster", message, remedy.to_owned()));
        }
        if !compared.unreadable.is_empty() {
            let kinds: Vec<&str> = compared.unreadable.iter().map(String::as_str).collect();
            return Ok(Some(format!("{} could be listed before and cannot be now", kinds.join(", "))));
        }
        if compared.is_same() {
            self.put(Record::Proved(compared))?;
            return Ok(None);
        }
        let message = format!(
            "{} objects are not as before: {}. Nothing is deleted",
            compared.differing,
            lines(&compared.lines())
        );
        self.put(Record::Differs(compared))?;
        let remedy = "keep the masters' machines and disks, for etcd on them has the objects of before; compare what is missing (nodeferry report has the list), and call the vendor's support. If the differences are meant, delete the masters by hand (kubectl delete node)";
        Err(self.over("ack-objects-differ", message, remedy.to_owned()))
    }

    fn before(&self) -> Result<Inventory, Halt> {
        let found = self.journal.dir().inventory()?;
        found.ok_or_else(|| {
            Halt::Journal(AckDirError::Damaged {
                path: self.journal.dir().path().join("inventory.json"),
                why: "it is missing, so that nothing can be compared with what was; restore it from a copy of the directory".to_owned(),
            })
        })
    }

    /// Nodes, pods, ReplicaSets and budgets as they are now.
    async fn look(&mut self) -> Result<Result<(Look, Vec<String>, BTreeSet<String>), String>, Halt> {
        let (client, masters) = (self.client.clone(), self.state.master_names());
        let sets: Option<Resource> = FOLLOWED.iter().find(|r| r.plural == "replicasets").copied();
        let read = async move {
            let (nodes, pods) = (all_of(&client, &NODES).await?, all_of(&client, &PODS).await?);
            let (budgets, sets) = match sets {
                Some(sets) => (all_of(&client, &BUDGETS).await?, all_of(&client, &sets).await?),
                None => (all_of(&client, &BUDGETS).await?, Vec::new()),
            };
            Ok::<_, super::super::client::ConnectError>((nodes, pods, budgets, sets))
        };
        let (nodes, pods, budgets, sets) = match self.during(read).await? {
            Ok(read) => read,
            Err(e) => return Ok(Err(e.to_string())),
        };
        let look = Look::of(nodes.iter().chain(&pods).chain(&sets), &masters);
        let there = look.masters.keys().cloned().collect();
        let watched: Vec<Value> = nodes.into_iter().chain(pods).chain(budgets).collect();
        Ok(Ok((look, fingerprint(&watched), there)))
    }

    /// Until every node reports, every workload is as before, the masters are Unknown, and nothing changes any more.
    pub(super) async fn settle(&mut self) -> Result<(), Halt> {
        let before = self.before()?.look;
        let limits = self.state.began.limits;
        let begun = self.now();
        let until = begun + limits.settle_ms;
        let back = self.state.back_ms.map_or(begun, |(at, _)| at);
        let mut last_change = if self.saw_back { back } else { begun };
        let mut seen: Option<Vec<String>> = None;
        let mut renewals_next = Instant::now();
        loop {
            self.ask_task().await?;
            let looked = Instant::now();
            let waits_for = match self.look().await? {
                Err(why) => vec![why],
                Ok((look, fingerprint, there)) => {
                    let now = self.now();
                    if seen.as_ref().is_some_and(|s| *s != fingerprint) {
                        last_change = now;
                    }
                    seen = Some(fingerprint);
                    let reporting: Vec<String> = look.masters_that_report().into_iter().map(str::to_owned).collect();
                    if reporting.is_empty() && self.state.unknown_ms.is_none() {
                        self.put(Record::MastersUnknown { since_ms: now })?;
                    }
                    if !reporting.is_empty() && Instant::now() >= renewals_next {
                        self.rolled_back(&there).await?;
                        renewals_next = Instant::now() + RENEWALS;
                    }
                    let mut waits_for = look.short_of(&before);
                    waits_for.extend(reporting.iter().map(|n| format!("master {n} still reports")));
                    if waits_for.is_empty() && now - last_change >= limits.quiet_ms {
                        return self.put(Record::Settled {
                            last_change_ms: last_change,
                            watched: self.saw_back,
                            nodes_gone: look.nodes_gone(&before),
                        });
                    }
                    if waits_for.is_empty() {
                        waits_for.push("something still changes".to_owned());
                    }
                    waits_for
                }
            };
            if self.now() > until {
                let why = format!("not all is as before within {}: {}", time(limits.settle_ms), lines(&waits_for));
                let remedy = "nothing is restarted from here. A node that does not report: see to its machine, and delete the node if the machine is gone (kubectl delete node), so that its pods are made elsewhere. A workload that is short: kubectl describe its pods. Masters are deleted only when all is as before";
                return Err(self.limit("settle", why, remedy.to_owned()));
            }
            self.pause(LOOK.max(looked.elapsed() * LOOK_TIMES)).await?;
        }
    }

    /// Whether the old control plane is back: the task says that it failed, or the masters have renewed their Leases since.
    async fn rolled_back(&mut self, masters: &BTreeSet<String>) -> Result<(), Halt> {
        let task = self.state.task.clone();
        let mut said = match &task {
            Some(task) if task.succeeded() => return Ok(()),
            Some(task) if task.failed() => Some(task.text()),
            _ => None,
        };
        if said.is_none() {
            for master in masters {
                let exchange = Exchange::get(LEASES.object(NODE_LEASES, master));
                let wanted = Wanted::of_exchange(&exchange);
                let client = self.client.clone();
                let answer = self.during(async move { wanted.read(client.perform(&exchange).await) }).await?;
                let Answered::Object(lease) = answer else { continue };
                let renewed = lease.pointer("/spec/renewTime").and_then(Value::as_str).unwrap_or_default().to_owned();
                let known = self.renewals.entry(master.clone()).or_insert_with(|| (renewed.clone(), 0));
                if known.0 != renewed {
                    *known = (renewed, known.1 + 1);
                }
            }
            let all = masters.iter().all(|m| self.renewals.get(m).is_some_and(|(_, n)| *n >= IS_BACK));
            if all && !masters.is_empty() {
                said = Some("the masters report to it again".to_owned());
            }
        }
        let Some(said) = said else { return Ok(()) };
        let away = self.state.away_ms.zip(self.state.back_ms).map_or(0, |(away, (back, _))| back - away);
        let stage = task.and_then(|t| t.stage).map_or(String::new(), |s| format!(" in stage {s}"));
        let message = format!(
            "the migration failed{stage} and was rolled back: the API server was away for {} and is back with the old control plane ({said}). Nothing has moved",
            time(away)
        );
        let remedy = format!(
            "read the step's output in the task's events (aliyun cs GET /tasks/<TASK_ID>), remove its cause, and begin again with another journal; {}",
            self.state.way_back()
        );
        Err(self.over("ack-rolled-back", message, remedy))
    }

    /// Deletes the masters, one after the other.
    pub(super) async fn delete(&mut self) -> Result<(), Halt> {
        for (node, uid) in self.state.masters() {
            if !self.state.deleted.contains(&node) {
                self.delete_master(&node, &uid).await?;
            }
        }
        let machines = self.state.machines().len();
        let remedy = format!(
            "the machines of the masters ({machines}) are billed until they are released; nodeferry report {} lists what is left to do by hand, with its commands",
            self.journal.dir().path().display()
        );
        if self.state.kept.is_empty() {
            return Err(Halt::Over {
                outcome: Outcome::Completed,
                reason: None,
                message: "the control plane is swapped, and the masters are deleted".to_owned(),
                remedy,
            });
        }
        let kept: Vec<&str> = self.state.kept.keys().map(String::as_str).collect();
        Err(Halt::Over {
            outcome: Outcome::PartlyCompleted,
            reason: Some("ack-masters-stay"),
            message: format!("the control plane is swapped; masters that are kept: {}", kept.join(", ")),
            remedy: format!(
                "see why they report, and delete them by hand (kubectl delete node {}); {remedy}",
                kept.join(" ")
            ),
        })
    }

    async fn delete_master(&mut self, node: &str, uid: &str) -> Result<(), Halt> {
        let limit_ms = self.state.began.limits.delete_ms;
        let until = self.now() + limit_ms;
        let get = Exchange::get(NODES.object("", node));
        let mut sent = false;
        loop {
            let (client, exchange) = (self.client.clone(), get.clone());
            let wanted = Wanted::of(&Request::Api(exchange.clone()));
            let mut why = match self.during(async move { wanted.read(client.perform(&exchange).await) }).await? {
                Answered::Absent => {
                    if !self.state.announced.contains(node) {
                        self.note(format!("master {node} was deleted by somebody else"))?;
                    }
                    return self.put(Record::Deleted { node: node.to_owned() });
                }
                Answered::Object(object) => {
                    let keep = match object.pointer("/metadata/uid").and_then(Value::as_str) {
                        Some(found) if found == uid => match NodeStands::of(&object) {
                            NodeStands::Unknown => None,
                            _ => Some("it reports again: a machine that is with the cluster is not deleted".to_owned()),
                        },
                        found => {
                            Some(format!("another node has its name (uid {}, not {uid})", found.unwrap_or_default()))
                        }
                    };
                    if let Some(why) = keep {
                        return self.put(Record::Kept { node: node.to_owned(), why });
                    }
                    match sent {
                        true => "it is there still; does a finalizer hold it?".to_owned(),
                        false => String::new(),
                    }
                }
                Answered::Refused(r) => format!("the API server answers {}: {}", r.code, r.message),
                _ => "no answer".to_owned(),
            };
            if why.is_empty() {
                self.put(Record::DeleteAnnounced { node: node.to_owned(), uid: uid.to_owned() })?;
                let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
                let exchange = Exchange { method: Method::Delete, path: NODES.object("", node), body: Some(body) };
                let wanted = Wanted::of(&Request::Api(exchange.clone()));
                let client = self.client.clone();
                match self.during(async move { wanted.read(client.perform(&exchange).await) }).await? {
                    Answered::Object(_) | Answered::Done => {
                        sent = true;
                        continue;
                    }
                    Answered::Refused(r) => why = format!("the API server answers {}: {}", r.code, r.message),
                    // Its answer is lost: whether it is gone, is looked at.
                    _ => {}
                }
            }
            if self.now() > until {
                let why = format!("master {node} was not deleted within {}: {why}", time(limit_ms));
                return Err(self.limit("delete", why, format!("see why (kubectl describe node {node})")));
            }
            self.pause(LOOK).await?;
        }
    }
}

/// Some lines as one text.
fn lines(lines: &[String]) -> String {
    let more = match lines.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    format!("{}{more}", lines[..lines.len().min(SHOWN)].join("; "))
}
