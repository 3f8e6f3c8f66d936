//! `discover --write-groups`: the file of virtual node groups that nodes lack.

use super::args::{Cloud as Asked, DiscoverArgs};
use crate::cluster::{Cluster, NodeIdx, View};
use crate::discovery::write_groups::{Cloud, MissingGroups, missing_groups, ocean_id};
use crate::snapshot::groups::values_of;
use anyhow::{Context, Result, anyhow, bail};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Writes the groups that the nodes lack, and says on standard error what was written.
///
/// # Errors
/// Nothing shows which cloud it is, the file exists already, or it cannot be written.
pub(super) fn write(args: &DiscoverArgs, cluster: &Cluster) -> Result<()> {
    let Some(path) = &args.write_groups else { return Ok(()) };
    let asked = args.cloud.map(|c| match c {
        Asked::Aws => Cloud::Aws,
        Asked::Azure => Cloud::Azure,
    });
    let cloud = asked.or_else(|| Cloud::of(cluster)).ok_or_else(|| {
        anyhow!(
            "--write-groups {}: neither the groups nor the nodes show which cloud this is; say --cloud aws or --cloud azure",
            path.display()
        )
    })?;
    let view = View { catalog: &cluster.catalog, state: &cluster.state };
    let nodes: Vec<NodeIdx> = match &args.selector {
        Some(selector) => crate::intent::select(view, &[], Some(selector)).map_err(anyhow::Error::msg)?,
        None => view.state.live_nodes().collect(),
    };
    let id = ocean_id(&values_of(&args.input.groups)?, cluster);
    let missing = missing_groups(cluster, &nodes, cloud, id.as_deref());
    let mut err = super::terminal::err();
    if missing.bodies.is_empty() {
        let _ = writeln!(err, "every node matches a virtual node group: {} is not written", path.display());
        return Ok(());
    }
    save(path, args.overwrite, &(crate::typed::pretty(&missing.bodies)? + "\n"))?;
    for line in said(path, cloud, id.is_some(), &missing) {
        let _ = writeln!(err, "{line}");
    }
    Ok(())
}

/// Writes a file that must not be there yet, if it may not be overwritten.
fn save(path: &Path, overwrite: bool, text: &str) -> Result<()> {
    let at = || format!("--write-groups {}", path.display());
    let mut options = OpenOptions::new();
    options.write(true);
    if overwrite {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = match options.open(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            bail!("{}: the file exists and is kept; name another, or say --overwrite", at())
        }
        opened => opened.with_context(|| format!("{}: cannot be written", at()))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("{}: cannot be written", at()))
}

/// What was written, and what is left to do by hand.
fn said(path: &Path, cloud: Cloud, has_id: bool, missing: &MissingGroups) -> Vec<String> {
    let n = missing.bodies.len();
    let (form, call) = match cloud {
        Cloud::Aws => ("launchSpec", "POST /ocean/aws/k8s/launchSpec"),
        Cloud::Azure => ("virtualNodeGroup", "POST /ocean/azure/np/virtualNodeGroup"),
    };
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let mut lines = vec![format!(
        "{}: {n} virtual node group{} ({form}) for {} node{} that match{} none; each is the body of {call}",
        path.display(),
        plural(n),
        missing.nodes,
        plural(missing.nodes),
        if missing.nodes == 1 { "es" } else { "" },
    )];
    if missing.inferred {
        lines.push("groups that were only read off the nodes are not Ocean's, and match none".into());
    }
    if !has_id {
        lines.push("add the Ocean cluster's oceanId to each: neither the groups nor the nodes name it".into());
    }
    lines.extend(missing.beyond.iter().take(5).map(|p| format!("no virtual node group helps: {p}")));
    if missing.beyond.len() > 5 {
        lines.push(format!("no virtual node group helps: {} more pods", missing.beyond.len() - 5));
    }
    lines
}
