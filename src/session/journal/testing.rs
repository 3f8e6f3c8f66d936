//! A journal as an execution writes it, small enough to be damaged at every bit.

use super::*;
use crate::intent::Options;
use crate::plan::{Baseline, Plan};
use crate::runner::testing::World;
use crate::runner::{self, Ms, NoLaunches, Outcome, StopMode, Stream};
use crate::trace::{Event, EventKind};
use serde_json::Value;
use std::sync::Arc;

/// The first entry of an execution of a small plan.
pub(crate) fn began(world: &World, batches: &[&[usize]], options: Options) -> Began {
    let intent = world.intent(batches, options);
    Began {
        journal_version: JOURNAL_VERSION,
        nodeferry: "0.1.0".into(),
        execution: "shop-1".into(),
        cluster: "5d1c6d0e-0000-4000-8000-000000000001".into(),
        context: "kind-shop \u{2014} “blue”".into(),
        unix_ms: 1_795_229_856_000,
        plan_sha256: "00".repeat(32),
        pass_env: Vec::new(),
        plan: Plan::new((*intent).clone(), Baseline::default()),
    }
}

/// Numbers records and gives them times.
#[derive(Default)]
pub(crate) struct Scribe {
    pub entries: Vec<Entry>,
    pub now: Ms,
}

impl Scribe {
    pub fn write(&mut self, record: Record) {
        self.entries.push(Entry { seq: self.entries.len() as u64, t_ms: self.now, record });
    }
}

/// What an execution of two batches writes down: every kind of record, real progress; and the progress it ends with.
pub(crate) fn story() -> (Vec<Entry>, Value) {
    story_with(Options::default())
}

/// The same under other options.
pub(crate) fn story_with(options: Options) -> (Vec<Entry>, Value) {
    let mut world = World::new(2, 2, &[("web", &[0, 1])]);
    world.refuses.insert("web-1".into(), (20_000, 429));
    world.steps = Some(Vec::new());
    let batches: &[&[usize]] = &[&[0], &[1]];
    let mut scribe = Scribe::default();
    scribe.write(Record::Began(Box::new(began(&world, batches, options.clone()))));
    let intent = world.intent(batches, options);
    world.run(&intent, Arc::new(NoLaunches));
    let mut log = ProgressLog::new();
    let mut last = Value::Null;
    for (n, (now, progress, calls)) in world.steps.take().expect("steps are kept").into_iter().enumerate() {
        scribe.now = now;
        last = serde_json::to_value(&progress).expect("progress serialises");
        let calls: Vec<Call> = calls.iter().map(|(id, action)| call(id.0, action)).collect();
        let answers: Vec<(u64, &str)> = calls.iter().map(|c| (c.call, answer(&c.what))).collect();
        log.records(last.clone(), calls).into_iter().for_each(|r| scribe.write(r));
        for (call, answer) in answers {
            scribe.now += 3;
            scribe.write(Record::Answered { call, answer: answer.into() });
        }
        if n == 4 {
            visitors(&mut scribe);
        }
        if n == 8 {
            log = ProgressLog::new();
            scribe.write(Record::Interrupted { why: "killed".into() });
            scribe.write(Record::Resumed { nodeferry: "0.1.0".into(), unix_ms: 1_795_229_876_000 });
        }
    }
    scribe.write(Record::Ended { outcome: Outcome::Completed, failure: None });
    (scribe.entries, last)
}

/// What people and the world add.
fn visitors(scribe: &mut Scribe) {
    scribe.write(Record::Approved { batch: 1, by: "ada \"the\" \\ first\n".into() });
    scribe.write(Record::StopAsked(StopMode { terminate_drained: Some(true) }));
    scribe.write(Record::Note { text: "a line\u{0}\u{7f}\u{2028} of tröuble ,\"sum\":\"0000000000000000\"}".into() });
    scribe.write(Record::Printed { batch: 0, stream: Stream::Stderr, text: "node/old-0 cordoned".into() });
    let event = Event { node: Some("old-0".into()), ..Event::new(1, EventKind::NodeCordoned) };
    scribe.write(Record::Happened(Box::new(event)));
}

fn call(id: u64, call: &runner::Call) -> Call {
    let (what, object) = match call {
        runner::Call::Cordon { node } => ("cordon", node.name.clone()),
        runner::Call::Evict { pod, .. } => ("evict", pod.text()),
        runner::Call::RetireNode { node, .. } => ("retire", node.name.clone()),
        runner::Call::AwaitApproval { batch } => ("await-approval", format!("batch {batch}")),
        _ => ("read", String::new()),
    };
    Call { call: id, what: what.into(), object, uid: format!("uid-{id}") }
}

fn answer(what: &str) -> &'static str {
    match what {
        "evict" => "429 TooManyRequests: Cannot evict pod as it would violate the pod's disruption budget.",
        _ => "accepted",
    }
}

/// The lines of entries.
pub(crate) fn written(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new();
    entries.iter().flat_map(|e| writer.encode(e).expect("entries are encoded")).collect()
}
