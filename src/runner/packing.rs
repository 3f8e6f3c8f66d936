//! The packer over the groups' templates.

use super::interface::{Launch, Packer, Packing, Unplaceable};
use crate::cluster::{GroupIdx, NodeIdx, PodIdx, View};
use crate::groups::matching::GroupMatch;
use crate::groups::{Choice, PackOptions, Templates, match_by_pods, match_node, pack};

/// Packs by `groups::pack` onto what is free on nodes that stay, then onto new ones.
#[derive(Clone, Debug)]
pub struct GroupsPacker {
    /// What groups can make.
    pub templates: Templates,
    /// Order of groups and machine types.
    pub choice: Choice,
    /// Match nodes by their pods (Ocean on AWS), not by their labels.
    pub by_pods: bool,
    /// Keep the groups' headroom free.
    pub headroom: bool,
}

impl Packer for GroupsPacker {
    fn pack(&self, view: View<'_>, pods: &[PodIdx], old: &[NodeIdx]) -> Packing {
        let options = PackOptions {
            choice: self.choice,
            use_existing: true,
            exclude: old.to_vec(),
            headroom: self.headroom,
            ..PackOptions::default()
        };
        let packing = pack(view, &self.templates, pods, &options);
        let launch = |l: &crate::groups::Launch| Launch {
            group: l.group,
            machine: Some(l.machine),
            zone: l.zone,
            count: l.count,
        };
        let mut unplaceable = Vec::new();
        for lack in &packing.unhosted {
            let why: Vec<String> = lack
                .reasons
                .iter()
                .take(4)
                .map(|r| format!("{}: {}", view.catalog.text(view.catalog.groups[r.group].id), r.text))
                .collect();
            let why = if why.is_empty() { "there is no group".to_owned() } else { why.join("; ") };
            let passing = |code: &str| matches!(code, "group-full" | "group-frozen" | "no-capacity");
            let permanent = !lack.reasons.iter().any(|r| passing(r.code));
            unplaceable.extend(lack.pods.iter().map(|p| Unplaceable { pod: *p, why: why.clone(), permanent }));
        }
        Packing { launches: packing.launches.iter().map(launch).collect(), unplaceable }
    }
    fn match_node(&self, view: View<'_>, node: NodeIdx) -> Result<Option<GroupIdx>, String> {
        let found = if self.by_pods { match_by_pods(view, &self.templates, node) } else { match_node(view, node) };
        match found {
            GroupMatch::Default => Ok(None),
            GroupMatch::Group(g) => Ok(Some(g)),
            GroupMatch::None { nearest: None } => Err("there is no group".into()),
            GroupMatch::None { nearest: Some((g, differences)) } => {
                let d: Vec<&str> = differences.iter().take(4).map(|d| d.text.as_str()).collect();
                Err(format!("nearest is {}, but {}", view.catalog.text(view.catalog.groups[g].id), d.join(", ")))
            }
        }
    }
}
