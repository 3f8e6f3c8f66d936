//! A provider of machines as commands: what a plan's provisioner and retirement run.

use super::cluster;
use crate::bed::client::Client;
use crate::bed::rest::create_node;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the provider needs from being asked until a machine's node is there and ready.
const LAUNCH: Duration = Duration::from_millis(300);
/// How long it needs from being asked until a machine and its node are gone.
const END: Duration = Duration::from_millis(200);

/// The provider's delays as a scenario states them: these are what it really takes, for it waits them out.
pub fn delays() -> Value {
    let constant = |d: Duration| json!({"constant": {"ms": d.as_millis() as u64}});
    json!({"launch": constant(LAUNCH), "registered_ppm": 1_000_000, "retire": constant(END)})
}

/// What such a provider is asked.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Machines {
    /// Sees to it that a pool has so many nodes under a key; asked again it makes none twice.
    Ensure {
        /// The pool, which is the label of its nodes.
        pool: String,
        /// Whose demand it is.
        key: String,
        /// How many in all under this key.
        total: usize,
    },
    /// Reimages a machine: its Node object goes, and another one of its name comes.
    Reimage {
        /// Name of the node.
        node: String,
        /// Whose demand it is: asked again under this key, nothing more is done.
        key: String,
    },
    /// Ends a machine, and its Node object with it.
    End {
        /// Name of the node.
        node: String,
    },
}

fn own(kubeconfig: &Path) -> Vec<String> {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("differential"));
    [program.as_path(), Path::new("machines"), Path::new("--kubeconfig"), kubeconfig]
        .map(|p| p.display().to_string())
        .to_vec()
}

/// The provisioner's command for a pool.
pub fn ensure(kubeconfig: &Path, pool: &str) -> Vec<String> {
    let mut command = own(kubeconfig);
    command.extend(["ensure", pool, "{key}", "{total}"].map(str::to_owned));
    command
}

/// The retirement's command.
pub fn end(kubeconfig: &Path) -> Vec<String> {
    let mut command = own(kubeconfig);
    command.extend(["end", "{node}"].map(str::to_owned));
    command
}

/// The command that reimages a machine.
pub fn reimage(kubeconfig: &Path) -> Vec<String> {
    let mut command = own(kubeconfig);
    command.extend(["reimage", "{node}", "{key}"].map(str::to_owned));
    command
}

/// Annotation of a node that was reimaged: for whom.
const REIMAGED_FOR: &str = "machines/reimaged-for";

/// Does what is asked.
pub fn run(kubeconfig: &Path, what: &Machines) -> Result<()> {
    let asked = Instant::now();
    let client = Client::new(kubeconfig)?;
    match what {
        Machines::Ensure { pool, key, total } => {
            // The name is the key and a number, so that who asks twice finds what he got; without what all keys begin with, for a
            // hostname label takes 63 characters.
            let key = key.strip_prefix("nodeferry-").unwrap_or(key);
            let key: String =
                key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
            let mut missing = Vec::new();
            for i in 0..*total {
                let name = format!("{pool}-{}-{i}", key.trim_matches('-'));
                if client.get(&format!("/api/v1/nodes/{name}"))?.found()?.is_none() {
                    missing.push(name);
                }
            }
            if !missing.is_empty() {
                std::thread::sleep(LAUNCH.saturating_sub(asked.elapsed()));
            }
            for name in missing {
                create_node(&client, &cluster::node(pool, &name)).with_context(|| name.clone())?;
            }
            Ok(())
        }
        Machines::Reimage { node, key } => {
            let path = format!("/api/v1/nodes/{node}");
            let there = client.get(&path)?.found()?;
            if there.as_ref().is_some_and(|o| o["metadata"]["annotations"][REIMAGED_FOR] == key.as_str()) {
                return Ok(());
            }
            client.delete(&path, &json!({}))?.found()?;
            std::thread::sleep(LAUNCH.saturating_sub(asked.elapsed()));
            // The pool is what its name begins with.
            let pool = node.split('-').next().unwrap_or_default();
            let mut again = cluster::node(pool, node);
            again["metadata"]["annotations"][REIMAGED_FOR] = json!(key);
            create_node(&client, &again).with_context(|| node.clone())?;
            Ok(())
        }
        Machines::End { node } => {
            std::thread::sleep(END.saturating_sub(asked.elapsed()));
            client.delete(&format!("/api/v1/nodes/{node}"), &json!({}))?.found()?;
            Ok(())
        }
    }
}
