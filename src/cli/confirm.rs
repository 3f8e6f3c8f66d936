//! What somebody confirms before a plan is carried out: on one screen all that it does past what protects workloads, the programs that it runs
//! here and the pods that are lost by it.

use super::carry::BeginArgs;
use super::output::Output;
use super::print;
use super::terminal::say;
use crate::intent::Options;
use crate::live::program::environment::HANDED_ON;
use crate::live::proof::Proven;
use crate::snapshot::hex;
use anyhow::{Result, bail};
use sha2::{Digest, Sha256};
use std::io::{BufRead, IsTerminal, Write};

/// So many names are shown of a list; `--dry-run -o json` has all.
const SHOWN: usize = 10;
/// So many digits of a plan's hash stand for it.
const DIGITS: usize = 12;

/// A plan that waits for a yes.
pub(super) struct Confirmation<'a> {
    options: &'a Options,
    /// SHA-256 of the plan's file.
    pub(super) sha256: String,
    /// Pods without a controller that are lost.
    lost: Vec<String>,
    begin: &'a BeginArgs,
}

impl<'a> Confirmation<'a> {
    /// Of a plan, before its cluster was looked at.
    pub(super) fn of(options: &'a Options, plan: &[u8], begin: &'a BeginArgs) -> Confirmation<'a> {
        let sha256 = hex(&Sha256::digest(plan));
        Confirmation { options, sha256, lost: Vec::new(), begin }
    }

    /// Takes in what the cluster says.
    pub(super) fn with(mut self, proven: &Proven) -> Confirmation<'a> {
        let lost = proven.forecast.findings.iter().filter(|f| f.code == "stand-alone-pod-lost");
        self.lost = lost.map(|f| f.object.clone()).collect();
        self
    }

    /// A line for each thing that somebody should have read.
    fn lines(&self) -> Vec<String> {
        let mut lines = self.options.dangers();
        if !self.lost.is_empty() {
            lines.push(format!("loses pods that have no controller to create them again: {}", listed(&self.lost)));
        }
        if !self.options.programs().is_empty() {
            lines.push(environment(self.begin));
        }
        lines
    }

    /// Shows it.
    pub(super) fn say(&self) {
        for line in self.lines() {
            say(&format!("this plan {line}"));
        }
    }

    /// What `--dry-run` prints.
    pub(super) fn dry_run(&self, proven: &Proven) -> Result<i32> {
        match self.begin.output {
            Output::Json => print(&crate::typed::pretty(&serde_json::json!({
                "cluster": proven.cluster, "drift": proven.drift, "left_out": proven.recorded.left_out, "forecast": proven.forecast,
                "dangers": self.options.dangers(), "programs": self.options.programs(), "lost_pods": self.lost,
                "plan_sha256": self.sha256,
            }))?)?,
            Output::Table => {
                let how = match self.is_harmless() {
                    true => String::new(),
                    false => needs(&self.sha256),
                };
                say(&format!("The plan fits. Nothing was done (--dry-run).{how}"));
            }
        }
        Ok(0)
    }

    fn is_harmless(&self) -> bool {
        self.options.dangers().is_empty() && self.lost.is_empty()
    }

    fn yes<'y>(&'y self, lines: &'y [String]) -> Yes<'y> {
        Yes { begin: self.begin, sha256: &self.sha256, lines, is_harmless: self.is_harmless() }
    }

    /// Refuses a `--yes` that is for another plan, or that does not say which one where nobody is at the terminal.
    ///
    /// # Errors
    /// Says which plan it is.
    pub(super) fn check(&self) -> Result<()> {
        self.yes(&self.lines()).check()
    }

    /// Whether somebody says yes, beforehand or on the terminal.
    ///
    /// # Errors
    /// There is no terminal, or the yes is for another plan.
    pub(super) fn is_given(&self, what: &str) -> Result<bool> {
        self.yes(&self.lines()).is_given(what)
    }
}

/// What programs of a plan get of this environment.
pub(super) fn environment(begin: &BeginArgs) -> String {
    let more: String = begin.pass_env.iter().map(|name| format!(", {name}")).collect();
    format!(
        "gives its programs {} and the like of this environment{more}; no other variable (--pass-env)",
        HANDED_ON[..2].join(", ")
    )
}

/// What a plan needs that is not harmless, after a sentence.
pub(super) fn needs(sha256: &str) -> String {
    format!(" Where nobody is at the terminal it needs --yes={}.", &sha256[..DIGITS])
}

/// A yes to a plan of any kind, as far as it was said.
pub(super) struct Yes<'a> {
    /// `--yes`, with the beginning of the SHA-256 or empty, and `--dry-run`.
    pub(super) begin: &'a BeginArgs,
    /// SHA-256 of the plan's file.
    pub(super) sha256: &'a str,
    /// What somebody should have read.
    pub(super) lines: &'a [String],
    /// It does nothing that somebody must have read.
    pub(super) is_harmless: bool,
}

impl Yes<'_> {
    /// As [`Confirmation::check`].
    pub(super) fn check(&self) -> Result<()> {
        let Some(yes) = &self.begin.yes else { return Ok(()) };
        let (yes, short) = (yes.to_ascii_lowercase(), &self.sha256[..DIGITS]);
        if yes.is_empty() {
            if self.is_harmless || self.begin.dry_run || std::io::stdin().is_terminal() {
                return Ok(());
            }
            bail!(
                "nobody is at the terminal, and this plan\n{}\nRead it, then say --yes={short}: the beginning of the SHA-256 of the plan's file, so that no other plan is carried out by mistake",
                self.lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"),
            );
        }
        if yes.len() < DIGITS || !self.sha256.starts_with(&yes) {
            bail!(
                "--yes={yes}: the SHA-256 of the plan's file is {}; expected at least its first {DIGITS} digits: the plan is not the one that was confirmed, or not all of it was given",
                self.sha256
            );
        }
        Ok(())
    }

    /// As [`Confirmation::is_given`].
    pub(super) fn is_given(&self, what: &str) -> Result<bool> {
        self.check()?;
        if self.begin.yes.is_some() {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            let yes = if self.is_harmless { String::new() } else { format!("={}", &self.sha256[..DIGITS]) };
            bail!("there is no terminal to ask for a yes; say --yes{yes} if you mean it");
        }
        let mut err = super::terminal::err();
        write!(err, "{what}\nType yes to begin: ")?;
        err.flush()?;
        drop(err);
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim() == "yes")
    }
}

fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
