//! Giving old machines back, and waiting until they are gone.

use super::client::Ask;
use super::context::Cx;
use super::interface::{Answer, Ms};
use super::progress::Fate;
use super::refs::N;
use serde::{Deserialize, Serialize};

/// A refused termination is asked for again after so long (C).
const RETRY_MS: Ms = 10_000;

/// Nodes being retired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retire {
    /// Not gone yet.
    pub nodes: Vec<N>,
    deadline: Ms,
    retry: Vec<(Ms, N)>,
    /// The provider's latest refusal.
    pub trouble: String,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Retiring {
    Waiting,
    Done,
    /// Nodes are left after the limit; their names and the provider's refusal.
    Late(String),
}

impl Retire {
    pub fn begin(cx: &mut Cx<'_>, nodes: Vec<N>) -> Retire {
        for n in &nodes {
            cx.ask(Ask::Retire(*n));
        }
        Retire {
            nodes,
            deadline: cx.now + cx.options.termination_timeout_ms,
            retry: Vec::new(),
            trouble: String::new(),
        }
    }
    pub fn answer(&mut self, cx: &mut Cx<'_>, node: N, answer: &Answer) {
        match answer {
            Answer::Refused { message, retry_after_ms, .. } => {
                self.trouble = format!("{}: {message}", cx.node_name(node));
                self.retry.push((cx.now + retry_after_ms.unwrap_or(RETRY_MS), node));
            }
            Answer::Unknown => self.retry.push((cx.now + RETRY_MS, node)),
            _ => {}
        }
    }
    pub fn step(&mut self, cx: &mut Cx<'_>) -> Retiring {
        let due: Vec<N> = self.retry.iter().filter(|r| r.0 <= cx.now).map(|r| r.1).collect();
        self.retry.retain(|r| r.0 > cx.now);
        for n in due.into_iter().filter(|n| self.nodes.contains(n)) {
            cx.ask(Ask::Retire(n));
        }
        let (gone, left): (Vec<N>, Vec<N>) = self.nodes.iter().copied().partition(|n| cx.node(*n).is_none());
        for n in gone {
            cx.settle(n, Fate::Retired, "");
        }
        self.nodes = left;
        if self.nodes.is_empty() {
            return Retiring::Done;
        }
        if cx.now >= self.deadline {
            let names: Vec<&str> = self.nodes.iter().map(|n| cx.node_name(*n)).collect();
            let trouble = if self.trouble.is_empty() { String::new() } else { format!(" ({})", self.trouble) };
            return Retiring::Late(format!("still there: {}{trouble}", names.join(", ")));
        }
        Retiring::Waiting
    }
    pub fn next_wakeup(&self) -> Option<Ms> {
        self.retry.iter().map(|r| r.0).chain([self.deadline]).min()
    }
}
