//! Programs: a provisioner's, a retirement's or a gate's command, without a shell, with little of our environment, and with an end.
//!
//! Each runs in a process group of its own, which is recorded before the program begins ([`Programs::recorded`]): what it has started ends with
//! us, and what a process that was killed has left running is ended by the one that goes on.

pub mod environment;
mod group;
mod records;

pub use group::GRACE;
pub use records::started_program;

use crate::private_file;
use crate::session::{Program, Response};
use records::{MARK, Records};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// So much of the end of what a program prints is kept.
const KEPT: usize = 4_096;
/// So much of the beginning of a program's standard output is kept where that is its answer.
const MOST: usize = 16 << 20;
/// What holds the output open after the program has ended is waited for so long.
const LINGER: Duration = Duration::from_millis(500);

/// What a program printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Exit status; None if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, as far as it is kept.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

/// Runs programs.
#[derive(Clone, Debug)]
pub struct Programs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    environment: Vec<(OsString, OsString)>,
    records: Option<Records>,
    /// Number of the next record.
    next: AtomicU32,
    /// Groups that were asked to end and may not have ended yet.
    ending: Mutex<Vec<JoinHandle<()>>>,
}

impl Programs {
    /// Programs that nobody records. They get what [`environment::HANDED_ON`] names of our environment, and what `more` does.
    pub fn unrecorded(more: &[String]) -> Programs {
        Programs::new(more, None)
    }

    /// Programs of an execution, recorded in a directory while they run; `starter` is our own command, for which [`started_program`] is called
    /// first of all.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn recorded(more: &[String], dir: &Path, starter: PathBuf) -> std::io::Result<Programs> {
        private_file::create_dir_all(dir)?;
        let dir = std::path::absolute(dir)?;
        Ok(Programs::new(more, Some(Records { dir, starter })))
    }

    fn new(more: &[String], records: Option<Records>) -> Programs {
        let environment = environment::handed_on(std::env::vars_os(), more);
        let (next, ending) = (AtomicU32::new(0), Mutex::default());
        Programs(Arc::new(Shared { environment, records, next, ending }))
    }

    /// Runs a program and says what came of it. It gets no input; when its time is up it is ended with all that it has started.
    pub async fn run(&self, program: &Program) -> Response {
        if program.argv.is_empty() {
            return Response::Lost("there is no program to run: its command is empty".into());
        }
        let running = match self.start(program) {
            Ok(running) => running,
            Err(why) => return Response::Exited { code: Some(127), output: why },
        };
        let mut output = Tail::default();
        match running.end(&mut |_, bytes| output.push(bytes)).await {
            Some(Ok(status)) => Response::Exited { code: status.code(), output: output.text() },
            Some(Err(e)) => Response::Lost(format!("the program's end could not be awaited: {e}")),
            None => {
                let seconds = limit(program).as_secs_f64();
                Response::Lost(format!("killed after {seconds} s; the end of what it printed: {}", output.text()))
            }
        }
    }

    /// Runs a program for what it prints on standard output. It gets no input; when its time is up it is ended with all that it has started.
    ///
    /// # Errors
    /// It cannot be started, or was ended when its time was up; None in the second case.
    pub async fn printed(&self, program: &Program) -> Result<Printed, Option<String>> {
        let (mut stdout, mut stderr) = (Vec::new(), Tail::default());
        let mut take = |stream, bytes: &[u8]| match stream {
            Stream::Out => stdout.extend_from_slice(&bytes[..bytes.len().min(MOST - stdout.len())]),
            Stream::Err => stderr.push(bytes),
        };
        match self.start(program).map_err(Some)?.end(&mut take).await {
            Some(Ok(status)) => Ok(Printed {
                code: status.code(),
                stdout: String::from_utf8_lossy(&stdout).into_owned(),
                stderr: stderr.text(),
            }),
            Some(Err(e)) => Err(Some(format!("its end could not be awaited: {e}"))),
            None => Err(None),
        }
    }

    /// Ends what an earlier process of the same execution has started and left running, and says what that was.
    pub async fn end_left_over(&self) -> Vec<String> {
        let mut ended = Vec::new();
        for (path, record) in self.0.records.iter().flat_map(Records::read) {
            if let Some(group) = record.still_runs(&path) {
                group::end(group).await;
                ended.push(format!(
                    "ended {} (process {group}), which an earlier process of this execution had started and left running",
                    record.program
                ));
            }
            let _ = std::fs::remove_file(&path);
        }
        ended
    }

    /// Waits until all that was asked to end has ended or was killed: at most [`GRACE`].
    pub async fn finish(&self) {
        let ending = self.0.ending.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default();
        for task in ending {
            let _ = task.await;
        }
    }

    fn start(&self, program: &Program) -> Result<Running, String> {
        let Some((name, arguments)) = program.argv.split_first() else { return Err("its command is empty".to_owned()) };
        let record = self.0.records.as_ref().map(|r| {
            let number = self.0.next.fetch_add(1, Ordering::Relaxed);
            (r, r.dir.join(format!("{}-{number}.json", std::process::id())))
        });
        let mut command = match &record {
            None => {
                let mut command = Command::new(name);
                command.args(arguments);
                command
            }
            Some((records, path)) => {
                let mut command = Command::new(&records.starter);
                command.args(records.starting(path, &program.argv));
                command
            }
        };
        command.env_clear().envs(self.0.environment.iter().map(|(k, v)| (k, v)));
        command.envs(program.env.iter().map(|(k, v)| (k, v)));
        if let Some((_, path)) = &record {
            command.env(MARK, path);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn().map_err(|e| format!("{name} cannot be started: {e}"))?;
        let group = Group { shared: self.0.clone(), id: child.id(), record: record.map(|(_, path)| path) };
        Ok(Running { group, child, limit: limit(program) })
    }
}

fn limit(program: &Program) -> Duration {
    Duration::from_millis(u64::try_from(program.timeout_ms).unwrap_or(0))
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// A program under way, in a process group of its own: a Ctrl-C at our terminal is for us to handle, and all that it has started can be ended
/// at once. Who drops it before its end ends it so.
struct Running {
    group: Group,
    child: Child,
    limit: Duration,
}

/// A process group that is ended when this is dropped, unless its program has ended.
struct Group {
    shared: Arc<Shared>,
    id: Option<u32>,
    record: Option<PathBuf>,
}

impl Group {
    fn ask(&self) {
        self.id.into_iter().for_each(group::terminate);
    }

    fn kill(&self) {
        self.id.into_iter().for_each(group::kill);
    }

    /// Ends what the program has left behind.
    async fn end(&mut self) {
        if let Some(id) = self.id {
            group::end(id).await;
        }
        self.has_ended();
    }

    /// What the program has started on purpose may live on.
    fn has_ended(&mut self) {
        self.id = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let record = Unrecord(self.record.take());
        let Some(id) = self.id else { return };
        group::terminate(id);
        let end = async move {
            group::end(id).await;
            drop(record);
        };
        // Without a runtime nobody would kill it later.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let task = runtime.spawn(end);
                if let Ok(mut ending) = self.shared.ending.lock() {
                    ending.retain(|t| !t.is_finished());
                    ending.push(task);
                }
            }
            Err(_) => group::kill(id),
        }
    }
}

/// Takes a record away when it is dropped.
struct Unrecord(Option<PathBuf>);

impl Drop for Unrecord {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Running {
    /// Waits for its end and hands on what it prints. None if its time was up.
    async fn end(mut self, take: &mut impl FnMut(Stream, &[u8])) -> Option<std::io::Result<ExitStatus>> {
        let (mut out, mut err) = (self.child.stdout.take(), self.child.stderr.take());
        let limit = self.limit;
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        let mut is_up = false;
        let status = loop {
            tokio::select! {
                bytes = read(&mut out) => if bytes.is_empty() { out = None } else { take(Stream::Out, &bytes) },
                bytes = read(&mut err) => if bytes.is_empty() { err = None } else { take(Stream::Err, &bytes) },
                status = self.child.wait() => break status,
                () = &mut deadline => match is_up {
                    false => {
                        is_up = true;
                        self.group.ask();
                        deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
                    }
                    // It has not listened.
                    true => {
                        self.group.kill();
                        break self.child.wait().await;
                    }
                },
            }
        };
        if is_up {
            self.group.end().await;
            return None;
        }
        self.group.has_ended();
        let rest = async {
            while out.is_some() || err.is_some() {
                tokio::select! {
                    bytes = read(&mut out) => if bytes.is_empty() { out = None } else { take(Stream::Out, &bytes) },
                    bytes = read(&mut err) => if bytes.is_empty() { err = None } else { take(Stream::Err, &bytes) },
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, rest).await;
        Some(status)
    }
}

/// Reads once; nothing at the end. Never returns for a stream that has ended, so that others get their turn.
async fn read(stream: &mut Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut buffer = vec![0u8; 1024];
    match stream {
        Some(s) => {
            let n = s.read(&mut buffer).await.unwrap_or(0);
            buffer.truncate(n);
            buffer
        }
        None => std::future::pending().await,
    }
}

/// The end of an output.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).trim_end().to_owned()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::live::testing::runtime;

    fn sh(script: &str, timeout_ms: i64) -> Response {
        let program = Program {
            argv: vec!["sh".into(), "-c".into(), script.into()],
            env: vec![("NODEFERRY_NODE".into(), "old-1".into())],
            timeout_ms,
        };
        runtime().block_on(Programs::unrecorded(&[]).run(&program))
    }

    #[test]
    fn status_and_output_come_back_and_the_environment_goes_in() {
        let Response::Exited { code, output } = sh("echo out $NODEFERRY_NODE; echo err >&2; exit 75", 5_000) else {
            panic!("lost")
        };
        assert_eq!(code, Some(75));
        assert!(output.contains("out old-1") && output.contains("err"), "{output}");
        assert_eq!(sh("kill -9 $$", 5_000), Response::Exited { code: None, output: String::new() });
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let Response::Exited { output, .. } = sh("yes a | head -c 100000; echo; echo the end", 5_000) else {
            panic!("lost")
        };
        assert!(output.len() <= KEPT && output.ends_with("the end"), "{}", output.len());
    }

    #[test]
    fn when_time_is_up_all_that_it_started_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let script = format!("echo begun; (sleep 0.6; touch {}) & sleep 10", mark.display());
        let Response::Lost(why) = sh(&script, 200) else { panic!("it ended") };
        assert_eq!(why, "killed after 0.2 s; the end of what it printed: begun");
        std::thread::sleep(Duration::from_millis(700));
        assert!(!mark.exists(), "what it had started in the background lived on");
    }

    #[test]
    fn who_leaves_kills_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let script = format!("(sleep 0.6; touch {}); true", mark.display());
        let program = Program { argv: vec!["sh".into(), "-c".into(), script], env: Vec::new(), timeout_ms: 10_000 };
        runtime().block_on(async {
            let left = tokio::time::timeout(Duration::from_millis(200), Programs::unrecorded(&[]).run(&program)).await;
            assert!(left.is_err(), "it ran on");
        });
        std::thread::sleep(Duration::from_millis(700));
        assert!(!mark.exists(), "what it had started lived on");
    }

    #[test]
    fn what_a_program_leaves_behind_on_purpose_does_not_hold_its_output() {
        let script = "sleep 5 & echo '{\"task_id\": \"T-1\"}'; echo why >&2; exit 3";
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let program = Program { argv, env: Vec::new(), timeout_ms: 4_000 };
        let ran = runtime().block_on(Programs::unrecorded(&[]).printed(&program)).expect("it ends in time");
        let expected = Printed { code: Some(3), stdout: "{\"task_id\": \"T-1\"}\n".into(), stderr: "why".into() };
        assert_eq!(ran, expected);
    }

    #[test]
    fn a_program_that_is_not_there_is_said() {
        let program = Program { argv: vec!["no-such-program-here".into()], env: Vec::new(), timeout_ms: 1_000 };
        let Response::Exited { code, output } = runtime().block_on(Programs::unrecorded(&[]).run(&program)) else {
            panic!("lost")
        };
        assert_eq!(code, Some(127));
        assert!(output.starts_with("no-such-program-here cannot be started"), "{output}");
    }

    /// A starter that does as our own command does, so that unit tests need not be it.
    fn starter(dir: &Path) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("starter");
        let script = r#"#!/bin/sh
record=$2; shift 3
began=$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)
printf '{"pid":%s,"boot":"%s","began":%s,"program":"%s"}' $$ "$(cat /proc/sys/kernel/random/boot_id).$(readlink /proc/self/ns/pid | tr -cd 0-9)" "$began" "$1" >"$record.part"
mv "$record.part" "$record"
exec "$@"
"#;
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    fn program(script: &str, timeout_ms: i64) -> Program {
        Program { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), env: Vec::new(), timeout_ms }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_killed_process_left_running_is_ended_by_the_next() {
        let tmp = tempfile::tempdir().expect("a directory");
        let (dir, mark) = (tmp.path().join("programs"), tmp.path().join("mark"));
        let programs = Programs::recorded(&[], &dir, starter(tmp.path())).expect("a directory");
        // The leader ends at once; what it has started bears the mark and is found by it.
        for (script, left) in
            [("sleep 30; true", "sh"), (&format!("(sleep 30; touch {}) & sleep 0.3", mark.display()), "sh")]
        {
            let record = runtime().block_on(async {
                let running = programs.start(&program(script, 60_000)).expect("it starts");
                for _ in 0..1_000 {
                    if programs.0.records.iter().flat_map(Records::read).next().is_some() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
                // As if this process had been killed: nobody ends anything.
                let Running { mut group, child, .. } = running;
                let record = group.record.take().expect("a record");
                std::mem::forget(group);
                drop(child);
                record
            });
            assert!(record.exists());
            let next = Programs::recorded(&[], &dir, starter(tmp.path())).expect("a directory");
            let said = runtime().block_on(next.end_left_over());
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with(&format!("ended {left} (process ")), "{said:?}");
            assert!(!record.exists(), "its record is there still");
            assert_eq!(runtime().block_on(next.end_left_over()), Vec::<String>::new());
        }
        assert!(!mark.exists());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_number_that_is_another_process_now_is_left_alone() {
        let tmp = tempfile::tempdir().expect("a directory");
        let mut bystander = std::process::Command::new("sleep").arg("30").spawn().expect("sleep");
        let programs = Programs::recorded(&[], tmp.path(), starter(tmp.path())).expect("a directory");
        for (name, boot, began) in
            [("1-0.json", crate::live::process::boot(), 1), ("1-1.json", "another".to_owned(), 0)]
        {
            let record = records::Record { pid: bystander.id(), boot, began, program: "sleep".into() };
            std::fs::write(tmp.path().join(name), serde_json::to_vec(&record).expect("JSON")).expect("written");
        }
        assert_eq!(runtime().block_on(programs.end_left_over()), Vec::<String>::new());
        assert_eq!(bystander.try_wait().expect("asked"), None, "it was ended");
        bystander.kill().expect("killed");
        bystander.wait().expect("reaped");
    }

    #[test]
    fn a_program_that_listens_may_tidy_up() {
        let tmp = tempfile::tempdir().expect("a directory");
        let mark = tmp.path().join("mark");
        let script = format!("trap 'touch {}; exit 0' TERM; while :; do sleep 0.05; done", mark.display());
        let ran = runtime().block_on(Programs::unrecorded(&[]).run(&program(&script, 300)));
        assert!(matches!(&ran, Response::Lost(why) if why.starts_with("killed after 0.3 s")), "{ran:?}");
        assert!(mark.exists(), "it was killed before it could tidy up");
    }

    #[test]
    fn a_program_gets_little_of_our_environment() {
        // Cargo sets it for its tests.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let of = |more: &[&str]| {
            let more: Vec<String> = more.iter().map(|m| (*m).to_owned()).collect();
            let programs = Programs::unrecorded(&more);
            let Response::Exited { output, .. } = runtime().block_on(programs.run(&program("env", 5_000))) else {
                panic!("lost")
            };
            output
        };
        assert!(of(&[]).contains("PATH=") && !of(&[]).contains("CARGO_"), "{}", of(&[]));
        assert!(of(&["CARGO_MANIFEST_*"]).contains("CARGO_MANIFEST_DIR="));
    }
}
