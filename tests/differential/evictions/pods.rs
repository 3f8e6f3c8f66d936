//! Random pods in every state that a pod can be in.

use super::NODES;
use super::world::{Pod, Reference};
use crate::luck::Luck;
use serde_json::{Value, json};

/// A pod of an app, in some state.
pub fn draw(luck: &mut Luck, namespace: &str, name: &str, app: &str, controller: Reference) -> Pod {
    let mut labels = json!({});
    if luck.percent(97) {
        labels = json!({"app": app, "tier": luck.one(&["front", "back"])});
        if luck.percent(25) {
            labels["track"] = json!(luck.one(&["canary", ""]));
        }
    }
    let mut spec = json!({
        "containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": luck.one(&[&30, &3600]),
    });
    let state = State::draw(luck);
    if !matches!(state, State::Unscheduled | State::Unbound) {
        spec["nodeName"] = json!(luck.one(&NODES));
    }
    let mut metadata = json!({"name": name, "labels": labels});
    let mut deleted = matches!(state, State::Terminating);
    if deleted && luck.percent(50) || luck.percent(3) {
        metadata["finalizers"] = json!(["example.com/hold"]);
        deleted |= luck.percent(50);
    }
    let status = match state {
        State::Terminating if luck.percent(20) => Some(json!({"phase": luck.one(&["Succeeded", "Failed"])})),
        State::Terminating => Some(running(luck.one(&["True", "False"]))),
        other => other.status(luck),
    };
    // A pod without grace goes at once, unless something holds it.
    let lasts = |s: &Value| metadata["finalizers"].is_array() || s["phase"] == "Running";
    deleted &= status.as_ref().is_some_and(lasts) && spec["nodeName"].is_string() || metadata["finalizers"].is_array();
    let controller = match luck.between(0, 39) {
        0 => Reference::None,
        1 => Reference::OtherUid(Box::new(controller)),
        2 => Reference::NotController(Box::new(controller)),
        _ => controller,
    };
    Pod {
        namespace: namespace.to_owned(),
        object: json!({"metadata": metadata, "spec": spec}),
        controller,
        status,
        deleted,
    }
}

#[derive(Clone, Copy)]
enum State {
    Ready,
    NotReady,
    Unscheduled,
    Scheduled,
    Starting,
    Ended,
    Terminating,
    Unknown,
    /// Running without a node, which only an administrator can write.
    Unbound,
    /// Conditions that contradict the phase.
    Odd,
}

impl State {
    fn draw(luck: &mut Luck) -> State {
        match luck.between(1, 100) {
            1..=56 => State::Ready,
            57..=68 => State::NotReady,
            69..=73 => State::Unscheduled,
            74..=77 => State::Scheduled,
            78..=80 => State::Starting,
            81..=86 => State::Ended,
            87..=95 => State::Terminating,
            96 | 97 => State::Unknown,
            98 => State::Unbound,
            _ => State::Odd,
        }
    }
    fn status(self, luck: &mut Luck) -> Option<Value> {
        let ended = luck.one(&["Succeeded", "Failed"]);
        match self {
            State::Ready | State::Unbound => Some(running("True")),
            State::NotReady => Some(running(luck.one(&["False", "False", "Unknown"]))),
            State::Unscheduled | State::Scheduled => None,
            State::Starting => Some(json!({"phase": "Running"})),
            State::Ended => Some(json!({"phase": ended, "conditions": [ready("False")]})),
            State::Unknown => Some(json!({"phase": "Unknown", "conditions": [ready("Unknown")]})),
            State::Odd => Some(
                json!({"phase": luck.one(&["Succeeded", "Failed", "Pending", "Unknown"]), "conditions": [ready("True")]}),
            ),
            State::Terminating => None,
        }
    }
}

fn ready(status: &str) -> Value {
    json!({"type": "Ready", "status": status, "lastTransitionTime": crate::bed::kubelets::now()})
}

/// Patch of a running pod's status whose condition Ready has this status.
pub fn running(status: &str) -> Value {
    json!({"phase": "Running", "conditions": [ready(status)]})
}
