//! Programs: a provisioner's, a retirement's or a gate's command, without a shell and with an end.

use crate::session::{Program, Response};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// So much of the end of what a program prints is kept.
const KEPT: usize = 4_096;
/// What holds the output open after the program has ended is waited for so long.
const LINGER: Duration = Duration::from_millis(500);

/// Runs a program and says what came of it. It gets no input; when its time is up it is killed with all that it has started.
pub async fn run(program: &Program) -> Response {
    let Some((name, arguments)) = program.argv.split_first() else {
        return Response::Lost("there is no program to run: its command is empty".into());
    };
    let mut command = Command::new(name);
    command
        .args(arguments)
        .envs(program.env.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A group of its own: a Ctrl-C at our terminal is for us to handle, and the whole group can be killed at once.
    #[cfg(unix)]
    command.process_group(0);
    match command.spawn() {
        Ok(child) => wait(child, Duration::from_millis(u64::try_from(program.timeout_ms).unwrap_or(0))).await,
        Err(e) => Response::Exited { code: Some(127), output: format!("{name} cannot be started: {e}") },
    }
}

async fn wait(mut child: Child, limit: Duration) -> Response {
    let mut output = Tail::default();
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let group = child.id();
    let deadline = tokio::time::sleep(limit);
    tokio::pin!(deadline);
    let status = loop {
        tokio::select! {
            bytes = read(&mut out) => if !output.push(&bytes) { out = None },
            bytes = read(&mut err) => if !output.push(&bytes) { err = None },
            status = child.wait() => break Some(status),
            () = &mut deadline => break None,
        }
    };
    match status {
        Some(Ok(status)) => {
            let rest = async {
                while out.is_some() || err.is_some() {
                    tokio::select! {
                        bytes = read(&mut out) => if !output.push(&bytes) { out = None },
                        bytes = read(&mut err) => if !output.push(&bytes) { err = None },
                    }
                }
            };
            let _ = tokio::time::timeout(LINGER, rest).await;
            Response::Exited { code: status.code(), output: output.text() }
        }
        Some(Err(e)) => Response::Lost(format!("the program's end could not be awaited: {e}")),
        None => {
            kill(group);
            let _ = child.kill().await;
            let seconds = limit.as_secs_f64();
            Response::Lost(format!("killed after {seconds} s; the end of what it printed: {}", output.text()))
        }
    }
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Exit status; None if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

/// At most so much of a program's standard output is read.
const MOST: u64 = 16 << 20;

/// Runs a program for what it prints on standard output. It gets no input; when its time is up it is killed with all that it has started.
///
/// # Errors
/// It cannot be started, or was killed when its time was up; None in the second case.
pub async fn printed(program: &Program) -> Result<Printed, Option<String>> {
    let Some((name, arguments)) = program.argv.split_first() else {
        return Err(Some("its command is empty".to_owned()));
    };
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
    let mut child = command.spawn().map_err(|e| Some(format!("{name} cannot be started: {e}")))?;
    let group = child.id();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let all = async {
        let mut stdout = Vec::new();
        let read = async {
            if let Some(out) = out {
                let _ = out.take(MOST).read_to_end(&mut stdout).await;
            }
        };
        let mut tail = Tail::default();
        let listen = async {
            let mut err = err;
            while err.is_some() {
                if !tail.push(&self::read(&mut err).await) {
                    err = None;
                }
            }
        };
        let (status, ()) = tokio::join!(child.wait(), async {
            let _ = tokio::join!(read, listen);
        });
        (status, String::from_utf8_lossy(&stdout).into_owned(), tail.text())
    };
    let limit = Duration::from_millis(u64::try_from(program.timeout_ms).unwrap_or(0));
    match tokio::time::timeout(limit, all).await {
        Ok((Ok(status), stdout, stderr)) => Ok(Printed { code: status.code(), stdout, stderr }),
        Ok((Err(e), ..)) => Err(Some(format!("its end could not be awaited: {e}"))),
        Err(_) => {
            kill(group);
            Err(None)
        }
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
    /// Adds to it; false if there was nothing to add.
    fn push(&mut self, bytes: &[u8]) -> bool {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
        !bytes.is_empty()
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
    fn a_program_that_is_not_there_is_said() {
        let program = Program { argv: vec!["no-such-program-here".into()], env: Vec::new(), timeout_ms: 1_000 };
        let Response::Exited { code, output } = runtime().block_on(run(&program)) else { panic!("lost") };
        assert_eq!(code, Some(127));
        assert!(output.starts_with("no-such-program-here cannot be started"), "{output}");
    }
}
