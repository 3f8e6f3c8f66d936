//! `record`: a dump of the live cluster, and the delays that are seen in it.

use super::file::{self, PackedFile, is_gzip};
use super::time::parse_time;
use super::{TargetArgs, print, runtime};
use crate::live::record::observed::Observed;
use crate::live::record::{self, Recorded, changes};
use crate::live::redact::Redaction;
use crate::live::{Client, Target};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `record`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nodeferry record -o cluster.json.gz
  nodeferry record --context prod --for 10m -o cluster.json.gz
  nodeferry record --for-transfer -o eks.json.gz
  nodeferry record --redact images,commands,label=team -o - | nodeferry discover -

What the server does not serve or does not let us list is left out, and said. Environments of containers, managed fields and
annotations that hold whole manifests are never written; Secrets and ConfigMaps are never asked for, unless --for-transfer and --secret-keys say so. The permissions that it takes are
those of deploy/clusterrole-record.yaml. Exit status: 0 written, 2 bad input or an API that does not answer.")]
pub struct RecordArgs {
    /// Which cluster.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Where to write (gzip if it ends in .gz); - for standard output.
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Watch nodes and pods for so long afterwards (10m, 90s, 1h): what happens is written beside the dump (cluster.changes.jsonl), and the delays that were seen are printed, as a scenario's sim.delays takes them.
    #[arg(long, value_name = "TIME")]
    pub r#for: Option<String>,
    /// Record what `nodeferry transfer` needs, too: service accounts, ConfigMaps, Ingresses, network policies, RBAC, CronJobs, Gateway API and known custom resources. Of environments and ConfigMaps only host names and ARNs are kept. The permissions are those of deploy/clusterrole-transfer.yaml.
    #[arg(long, conflicts_with = "redact")]
    pub for_transfer: bool,
    /// Ask for Secrets, too, and keep their keys: the values go by the wire and are dropped at once, and the permission (deploy/clusterrole-transfer-secrets.yaml) would allow to read them. Without it Secrets are known from what uses them.
    #[arg(long, requires = "for_transfer")]
    pub secret_keys: bool,
    /// What else is left out or made unrecognisable: images, commands, annotations, addresses, label=KEY; comma-separated.
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub redact: String,
}

/// Runs `record`.
pub(super) fn record(args: RecordArgs) -> Result<i32> {
    let redaction: Redaction = args.redact.parse().map_err(|e: String| anyhow!("--redact: {e}"))?;
    let lasting = args.r#for.as_deref().map(|t| parse_time(t).with_context(|| format!("--for {t}"))).transpose()?;
    runtime()?.block_on(async {
        let client = Client::connect(&args.target.target()).await?;
        let bar = spinner();
        let tell = &mut |kind: &str| bar.set_message(format!("reading {kind}"));
        let recorded = match args.for_transfer {
            true => record::record_for_transfer(&client, args.secret_keys, tell).await?,
            false => record::record(&client, &redaction, tell).await?,
        };
        bar.finish_and_clear();
        write(&recorded, &args.out)?;
        summarise(&recorded, &args.out);
        if let Some(ms) = lasting {
            let observed = follow(&client, &recorded, &redaction, ms, &args.out).await?;
            let delays = crate::typed::pretty(&observed.delays())?;
            match args.out == Path::new("-") {
                true => writeln!(super::terminal::err(), "{delays}")?,
                false => print(&delays)?,
            }
        }
        Ok(0)
    })
}

fn spinner() -> indicatif::ProgressBar {
    match std::io::stderr().is_terminal() {
        true => indicatif::ProgressBar::new_spinner(),
        false => indicatif::ProgressBar::hidden(),
    }
}

/// Reads the live cluster for a command that only wants to know it, and says what could not be had.
///
/// # Errors
/// A cluster that cannot be reached, or that does not let us list its nodes or pods: nothing could be planned without them.
pub(super) fn read_live(target: &Target) -> Result<Recorded> {
    let recorded = runtime()?.block_on(async {
        let client = Client::connect(target).await?;
        let bar = spinner();
        let tell = &mut |kind: &str| bar.set_message(format!("reading {kind}"));
        let recorded = record::record(&client, &Redaction::default(), tell).await;
        bar.finish_and_clear();
        recorded
    })?;
    if let Some(left) = recorded.left_out.iter().find(|l| matches!(l.kind.as_str(), "Node" | "Pod")) {
        bail!(
            "the cluster cannot be read: {}: {}; the permissions that it takes are those of deploy/clusterrole-record.yaml",
            left.kind,
            left.why
        );
    }
    let mut err = super::terminal::err();
    for left in &recorded.left_out {
        let _ = writeln!(err, "left out: {}: {}", left.kind, left.why);
    }
    Ok(recorded)
}

/// Writes a dump; gzip where the name says so.
pub(super) fn write(recorded: &Recorded, out: &Path) -> Result<()> {
    if out == Path::new("-") {
        return Ok(recorded.write(BufWriter::new(std::io::stdout().lock()))?);
    }
    file::write_at_once(out, |sink| Ok(recorded.write(sink)?))
}

fn summarise(recorded: &Recorded, out: &Path) {
    let mut text = format!("{} objects in {}:", recorded.objects.len(), out.display());
    for (kind, n) in recorded.counts() {
        text.push_str(&format!(" {n} {kind},"));
    }
    let mut err = super::terminal::err();
    let _ = writeln!(err, "{}", text.trim_end_matches(','));
    for left in &recorded.left_out {
        let _ = writeln!(err, "left out: {}: {}", left.kind, left.why);
    }
    if recorded.cluster().is_none() {
        let _ = writeln!(
            err,
            "without namespaces a plan made from this dump does not know its cluster, and cannot be carried out"
        );
    }
}

/// Name of the file beside a dump that says what happened afterwards.
fn beside(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bare = name.strip_suffix(".gz").unwrap_or(&name);
    let stem = bare.strip_suffix(".json").unwrap_or(bare);
    let gz = if is_gzip(out) { ".gz" } else { "" };
    out.with_file_name(format!("{stem}.changes.jsonl{gz}"))
}

async fn follow(client: &Client, recorded: &Recorded, redaction: &Redaction, ms: i64, out: &Path) -> Result<Observed> {
    let lasting = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let path = if out == Path::new("-") { PathBuf::from("cluster.changes.jsonl") } else { beside(out) };
    let at = || format!("cannot write {}", path.display());
    let mut sink = PackedFile::create(&path, is_gzip(&path)).with_context(at)?;
    let mut err = super::terminal::err();
    let _ = writeln!(
        err,
        "watching pods and nodes for {}: {}",
        crate::trace::time::words(ms.unsigned_abs()),
        path.display()
    );
    let observed = changes::follow(client, recorded, redaction, lasting, &mut sink).await?;
    sink.finish().with_context(at)?;
    let _ = writeln!(
        err,
        "seen: {} starts and {} stops of pods, {} launches and {} ends of nodes",
        observed.start_ms.len(),
        observed.stop_ms.len(),
        observed.launch_ms.len(),
        observed.retire_ms.len()
    );
    Ok(observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_afterwards_is_written_beside_the_dump() {
        for (dump, changes) in [
            ("a/cluster.json.gz", "a/cluster.changes.jsonl.gz"),
            ("cluster.json", "cluster.changes.jsonl"),
            ("dump", "dump.changes.jsonl"),
        ] {
            assert_eq!(beside(Path::new(dump)), PathBuf::from(changes));
        }
    }

    #[test]
    fn gzip_is_the_same_for_the_same_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let recorded = Recorded { objects: vec![serde_json::json!({"kind": "Pod"})], ..Recorded::default() };
        let bytes = |name: &str| {
            let path = dir.path().join(name);
            write(&recorded, &path).unwrap();
            std::fs::read(path).unwrap()
        };
        assert_eq!(bytes("a.json.gz"), bytes("b.json.gz"));
        assert!(bytes("a.json.gz").starts_with(&[0x1f, 0x8b]) && bytes("c.json").starts_with(b"{"));
    }
}
