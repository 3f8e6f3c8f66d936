//! A managed node-pool upgrade.
use super::client::Ask;
use super::context::Cx;
use super::interface::{Answer, CallId, Ms};
use super::procedure::{End, Procedure};
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Surge {}
impl Procedure for Surge {
    fn begin(&mut self, _cx: &mut Cx<'_>) {}
    fn answer(&mut self, _cx: &mut Cx<'_>, _id: CallId, _ask: Ask, _answer: Answer) {}
    fn step(&mut self, _cx: &mut Cx<'_>) -> Option<End> { None }
    fn next_wakeup(&self, _now: Ms) -> Option<Ms> { None }
}
/// EKS's taint.
pub(crate) fn taint() -> super::interface::TaintText {
    super::interface::TaintText { key: "eks.amazonaws.com/nodegroup".into(), value: "unschedulable".into(), effect: "NoSchedule".into() }
}
