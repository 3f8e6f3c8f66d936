//! What would make a node match: it follows from what differs.

use super::builtin::{custom_labels, custom_taints, taint_text};
use super::difference::{Difference, GroupMatch};
use super::volumes::selector_text;
use crate::cluster::*;

/// How the file of groups to create is had.
const WRITE: &str = "nodeferry discover DUMP --write-groups FILE writes it";

/// What would make a node match that matches nothing; empty where it matches.
///
/// Names the labels and taints that the nearest group lacks or has in excess; where that group cannot be changed so (it has another value of the
/// label, only lends its settings, or is being left), or there is none, the group to create.
pub fn remedy(view: View<'_>, node: NodeIdx, found: &GroupMatch) -> String {
    let GroupMatch::None { nearest } = found else { return String::new() };
    let create = format!("create a Virtual Node Group with {} ({WRITE})", wanted(view, node));
    let Some((_, differences)) = nearest else {
        return format!("Give the Virtual Node Groups with --groups; if none fits, {create}.");
    };
    let has = |code: &str| differences.iter().any(|d| d.code == code);
    if has("source-group") {
        return format!("Give the Virtual Node Groups that Ocean launches in with --groups; if none fits, {create}.");
    }
    match changes(differences) {
        Some(change) => format!("{}, or {create}.", capital(&change)),
        None => format!("{}.", capital(&create)),
    }
}

/// The changes to a group that would end all its differences, as half a sentence; None if no change does.
fn changes(differences: &[Difference]) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for d in differences {
        if d.remedy.is_empty() {
            return None;
        }
        if !parts.contains(&d.remedy.as_str()) {
            parts.push(&d.remedy);
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The labels and taints that a group for a node must have, as text.
fn wanted(view: View<'_>, node: NodeIdx) -> String {
    let catalog = view.catalog;
    let state = &view.state.nodes[node];
    let text = |what: &str, items: Vec<String>| match items.len() {
        0 => None,
        1 => Some(format!("{what} {}", items[0])),
        _ => Some(format!("{what}s {}", items.join(", "))),
    };
    let labels = custom_labels(catalog, &state.spec);
    let labels = labels.iter().map(|(k, v)| format!("{}={}", catalog.text(*k), view.state.name(catalog, *v)));
    let taints = custom_taints(catalog, &state.taints).iter().map(|t| taint_text(catalog, t)).collect();
    let parts: Vec<String> = text("label", labels.collect()).into_iter().chain(text("taint", taints)).collect();
    if parts.is_empty() { "what its pods ask for".into() } else { parts.join(" and ") }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

/// What would let a group take a pod that its selector, affinity or tolerations keep out, as half a sentence; empty if no change does.
pub(super) fn for_pod(catalog: &Catalog, group: GroupIdx, shape: &PodShape, code: &str) -> String {
    let g = &catalog.groups[group];
    let id = catalog.text(g.id);
    match code {
        "node-selector" => {
            let lacks: Vec<&(Sym, Sym)> =
                shape.node_selector.iter().filter(|(k, v)| g.labels.get(*k) != Some(*v)).collect();
            // A label of another value cannot be added.
            if lacks.iter().any(|(k, _)| g.labels.get(*k).is_some()) {
                return String::new();
            }
            let known = &catalog.known;
            let offer = |(k, v): &(Sym, Sym)| match *k {
                k if k == known.zone => format!("offer zone {} in {id}", catalog.text(*v)),
                k if k == known.instance_type => format!("allow machine type {} in {id}", catalog.text(*v)),
                k => format!("add label {}={} to {id}", catalog.text(k), catalog.text(*v)),
            };
            lacks.into_iter().map(offer).collect::<Vec<_>>().join(", ")
        }
        "node-affinity" => {
            let affinity = shape.node_affinity.as_ref().map(|a| selector_text(catalog, a)).unwrap_or_default();
            format!("give {id} labels that satisfy {affinity}")
        }
        "taint" => {
            let taint = shape.first_untolerated(&g.taints).map(|t| taint_text(catalog, t)).unwrap_or_default();
            format!("remove taint {taint} from {id} or let the pod tolerate it")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::match_node;
    use crate::groups::tests::World;

    /// A node with these labels and this taint, against groups that `edit` makes: the remedy.
    fn of(labels: &[(&str, &str)], taint: Option<(&str, &str)>, edit: impl FnOnce(&mut World)) -> String {
        let mut w = World::new();
        let node = w.node("n", labels, 4000, 16);
        if let Some((key, value)) = taint {
            let taint = w.taint(key, value);
            w.taint_node(node, taint);
        }
        edit(&mut w);
        let c = w.build();
        let view = View { catalog: &c.catalog, state: &c.state };
        remedy(view, NodeIdx(0), &match_node(view, NodeIdx(0)))
    }

    fn group(w: &mut World, name: &str, labels: &[(&str, &str)], taint: Option<(&str, &str)>) -> GroupIdx {
        let g = w.group(name, labels, &[], 10);
        if let Some((key, value)) = taint {
            let taint = w.taint(key, value);
            w.catalog.groups[g].taints.push(taint);
        }
        g
    }

    #[test]
    fn a_remedy_follows_from_what_differs() {
        let gpu: &[(&str, &str)] = &[("accel", "nv")];
        let create = |what: &str| {
            format!("create a Virtual Node Group with {what} (nodeferry discover DUMP --write-groups FILE writes it).")
        };
        let got = of(gpu, None, |_| ());
        assert_eq!(
            got,
            format!("Give the Virtual Node Groups with --groups; if none fits, {}", create("label accel=nv"))
        );
        let got = of(gpu, None, |w| _ = group(w, "vng", &[], None));
        assert_eq!(got, format!("Add label accel=nv to vng, or {}", create("label accel=nv")));
        // Another value cannot be added to: only a group of its own is left.
        let got = of(gpu, None, |w| _ = group(w, "vng", &[("accel", "amd")], None));
        assert_eq!(got, create("label accel=nv").replacen('c', "C", 1));
        let got = of(gpu, None, |w| _ = group(w, "vng", gpu, Some(("gpu", "yes"))));
        assert_eq!(got, format!("Remove taint gpu=yes:NoSchedule from vng, or {}", create("label accel=nv")));
        let got = of(gpu, Some(("gpu", "yes")), |w| _ = group(w, "vng", gpu, None));
        let both = create("label accel=nv and taint gpu=yes:NoSchedule");
        assert_eq!(got, format!("Add taint gpu=yes:NoSchedule to vng, or {both}"));
        let got = of(gpu, None, |w| {
            let g = group(w, "vng", gpu, None);
            w.catalog.groups[g].template_only = true;
        });
        assert_eq!(got, create("label accel=nv").replacen('c', "C", 1));
        assert_eq!(of(gpu, None, |w| _ = group(w, "vng", gpu, None)), "", "it matches");
    }
}
