//! Which node a group WOULD make: templates, matching, bin-packing, limits, headroom, prices, inference.
//!
//! A [`Templates`] is made once per cluster: one entry for each group × machine type × zone, with everything that a
//! decision about a node that does not exist yet needs. [`pack`] turns pods into launches upon it, [`matching`] says
//! which group a node or a pod belongs to and why not, [`infer`] reads groups off a dump that came without any.

pub mod builtin;
mod difference;
pub mod eligible;
pub mod headroom;
pub mod identity;
pub mod infer;
pub mod labels;
pub mod limits;
pub mod matching;
pub mod membership;
pub mod pack;
pub mod price;
pub mod remedy;
pub mod spot;
pub mod template;
pub mod volumes;

pub use difference::{Difference, GroupMatch};
pub use eligible::Refusal;
pub use infer::{assign_groups, infer_groups, known_match};
pub use matching::{Matcher, match_by_pods, match_node};
pub use membership::is_oceans;
pub use pack::{Choice, Launch, PackOptions, Packing, Shortage, Unhosted, pack};
pub use remedy::remedy;
pub use template::{Template, Templates};

#[cfg(test)]
pub(crate) mod tests;
