//! Ocean's workload migration.
use super::client::Ask;
use super::context::Cx;
use super::interface::{Answer, CallId, Ms};
use super::procedure::{End, Procedure};
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ocean {}
impl Procedure for Ocean {
    fn begin(&mut self, _cx: &mut Cx<'_>) {}
    fn answer(&mut self, _cx: &mut Cx<'_>, _id: CallId, _ask: Ask, _answer: Answer) {}
    fn step(&mut self, _cx: &mut Cx<'_>) -> Option<End> { None }
    fn next_wakeup(&self, _now: Ms) -> Option<Ms> { None }
}
/// Conditions of Ocean's for a start.
pub(crate) fn refuse_start(_cx: &mut Cx<'_>) -> Option<(super::outcome::Reason, String)> { None }
