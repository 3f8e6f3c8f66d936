//! Programs: a provisioner's, a retirement's or a gate's command, without a shell and with an end.

use crate::session::{Program, Response};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// So much of the end of what a program prints is kept.
const KEPT: usize = 4_096;
/// What holds the output open after the program has ended is waited for so long.
const LINGER: Duration = Duration::from_millis(500);

/// Runs a program and says what came of it. It gets no input; when its time is up it is killed with all that it has started.
pub async fn run(program: &Program) -> Response {
    if program.argv.is_empty() {
        return Response::Lost("there is no program to run: its command is empty".into());
    }
    let running = match Running::start(program) {
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

/// So much of the beginning of a program's standard output is kept.
const MOST: usize = 16 << 20;

/// Runs a program for what it prints on standard output. It gets no input; when its time is up it is killed with all that it has started.
///
/// # Errors
/// It cannot be started, or was killed when its time was up; None in the second case.
pub async fn printed(program: &Program) -> Result<Printed, Option<String>> {
    let (mut stdout, mut stderr) = (Vec::new(), Tail::default());
    let mut take = |stream, bytes: &[u8]| match stream {
        Stream::Out => stdout.extend_from_slice(&bytes[..bytes.len().min(MOST - stdout.len())]),
        Stream::Err => stderr.push(bytes),
    };
    match Running::start(program).map_err(Some)?.end(&mut take).await {
        Some(Ok(status)) => Ok(Printed {
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: stderr.text(),
        }),
        Some(Err(e)) => Err(Some(format!("its end could not be awaited: {e}"))),
        None => Err(None),
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

/// A program under way, in a process group of its own: a Ctrl-C at our terminal is for us to handle, and all that it has started can be killed
/// at once. Who drops it before its end kills it so.
struct Running {
    group: Group,
    child: Child,
    limit: Duration,
}

/// A process group that is killed when this is dropped, unless its program has ended.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        kill(self.0);
    }
}

impl Running {
    fn start(program: &Program) -> Result<Running, String> {
        let Some((name, arguments)) = program.argv.split_first() else { return Err("its command is empty".to_owned()) };
        let mut command = Command::new(name);
        command
            .args(arguments)
            .envs(program.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn().map_err(|e| format!("{name} cannot be started: {e}"))?;
        Ok(Running { group: Group(child.id()), child, limit: limit(program) })
    }

    /// Waits for its end and hands on what it prints. None if its time was up.
    async fn end(mut self, take: &mut impl FnMut(Stream, &[u8])) -> Option<std::io::Result<ExitStatus>> {
        let (mut out, mut err) = (self.child.stdout.take(), self.child.stderr.take());
        let deadline = tokio::time::sleep(self.limit);
        tokio::pin!(deadline);
        let status = loop {
            tokio::select! {
                bytes = read(&mut out) => if bytes.is_empty() { out = None } else { take(Stream::Out, &bytes) },
                bytes = read(&mut err) => if bytes.is_empty() { err = None } else { take(Stream::Err, &bytes) },
                status = self.child.wait() => break status,
                () = &mut deadline => {
                    drop(self.group);
                    let _ = self.child.kill().await;
                    return None;
                }
            }
        };
        // What it has started on purpose may live on.
        self.group.0 = None;
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

#[cfg(unix)]
fn kill(group: Option<u32>) {
    let pid = group.and_then(|g| i32::try_from(g).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(_: Option<u32>) {}

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
        runtime().block_on(run(&program))
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
            let left = tokio::time::timeout(Duration::from_millis(200), run(&program)).await;
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
        let ran = runtime().block_on(printed(&program)).expect("it ends in time");
        let expected = Printed { code: Some(3), stdout: "{\"task_id\": \"T-1\"}\n".into(), stderr: "why".into() };
        assert_eq!(ran, expected);
    }

    #[test]
    fn a_program_that_is_not_there_is_said() {
        let program = Program { argv: vec!["no-such-program-here".into()], env: Vec::new(), timeout_ms: 1_000 };
        let Response::Exited { code, output } = runtime().block_on(run(&program)) else { panic!("lost") };
        assert_eq!(code, Some(127));
        assert!(output.starts_with("no-such-program-here cannot be started"), "{output}");
    }
}
