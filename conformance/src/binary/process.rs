//! A gateway process: its end with ours, its readiness, its access log.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command as TokioCommand};
use tokio::time::{Instant, sleep};

/// Lines of standard error that are kept for a report.
const KEPT_LINES: usize = 20;

/// How often readiness is asked for.
const POLL: Duration = Duration::from_millis(5);

/// The binary under test: `SALLYPORT_BIN`, else the one beside the running test in the target folder.
///
/// # Errors
/// It has not been built.
pub fn sallyport_binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("SALLYPORT_BIN") {
        return Ok(path.into());
    }
    // TARGET/PROFILE/deps/TEST-HASH
    let own = std::env::current_exe()?;
    let built = own.ancestors().nth(2).context("no target folder")?.join("sallyport");
    ensure!(built.exists(), "{} does not exist: build it, or set SALLYPORT_BIN", built.display());
    Ok(built)
}

/// A command line for a gateway.
#[derive(Debug)]
pub struct Command {
    command: TokioCommand,
}

/// A running gateway; it is killed with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Command {
    /// A command that also dies when this thread dies in a way that leaves no time to kill it.
    pub fn new(binary: &Path) -> Self {
        let mut command = TokioCommand::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Self { command }
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Starts the process and reads what it says.
    pub fn spawn(&mut self) -> anyhow::Result<Process> {
        let mut child = self.command.spawn().context("cannot start the gateway")?;
        let (log, said) = (Arc::default(), Arc::default());
        let stdout = child.stdout.take().context("no standard output")?;
        let stderr = child.stderr.take().context("no standard error")?;
        tokio::spawn(read_log(stdout, Arc::clone(&log), Arc::clone(&said)));
        tokio::spawn(read_lines(stderr, Arc::clone(&said)));
        Ok(Process { child, log, said })
    }
}

impl Process {
    /// Waits until a GET of `path` at `address` is answered with 200.
    pub async fn wait_ready(&mut self, address: SocketAddr, path: &str, limit: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + limit;
        while !is_ready(address, path).await {
            if let Some(status) = self.child.try_wait()? {
                // Its last words may still be on the way.
                sleep(POLL).await;
                bail!("the gateway ended with {status} before it was ready{}", self.last_words());
            }
            if Instant::now() >= until {
                bail!("the gateway was not ready after {limit:?}{}", self.last_words());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until it has ended by itself; its exit code, if no signal has ended it.
    pub async fn wait(&mut self, limit: Duration) -> anyhow::Result<Option<i32>> {
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let ended = ended.with_context(|| format!("it has not ended after {limit:?}{}", self.last_words()))?;
        Ok(ended?.code())
    }

    /// What it has said last that is no access log.
    pub fn said(&self) -> String {
        self.last_words()
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its resident memory in KiB.
    ///
    /// # Errors
    /// It has ended.
    pub fn resident_memory(&self) -> anyhow::Result<u64> {
        let pid = self.id().context("the gateway has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Takes the access log's entries since the last call.
    pub fn take_log(&self) -> Vec<Value> {
        std::mem::take(&mut *lock(&self.log))
    }

    /// Kills the process; tells what happened if it had ended by itself.
    pub async fn stop(mut self) -> Option<String> {
        let ended = self.child.try_wait().ok().flatten();
        // It may end between the two calls; that is fine.
        let _ = self.child.kill().await;
        ended.map(|status| format!("the gateway ended with {status}{}", self.last_words()))
    }

    fn last_words(&self) -> String {
        lock(&self.said).iter().map(|line| format!("\n    | {line}")).collect()
    }
}

async fn is_ready(address: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = [0; 12];
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && answer.ends_with(b" 200")
}

/// Lines that are JSON objects are the access log, everything else is talk.
async fn read_log(out: impl AsyncRead + Unpin, log: Arc<Mutex<Vec<Value>>>, said: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(entry @ Value::Object(_)) => lock(&log).push(entry),
            _ => keep(&said, line),
        }
    }
}

async fn read_lines(out: impl AsyncRead + Unpin, said: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        keep(&said, line);
    }
}

fn keep(said: &Mutex<VecDeque<String>>, line: String) {
    let mut said = lock(said);
    if said.len() == KEPT_LINES {
        said.pop_front();
    }
    said.push_back(line);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new(Path::new("sh"));
        command.args(["-c", script]).spawn().unwrap()
    }

    #[tokio::test]
    async fn log_lines_and_last_words() {
        let mut process = shell(r#"echo '{"response_flags":"UH"}'; echo talk; echo oops >&2; exit 3"#);
        let nowhere = "127.0.0.1:1".parse().unwrap();
        let error = process.wait_ready(nowhere, "/", Duration::from_secs(5)).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("oops") && error.contains("talk"), "{error}");
        assert_eq!(process.take_log(), [serde_json::json!({"response_flags": "UH"})]);
        assert!(process.stop().await.unwrap().contains("oops"));
    }

    #[tokio::test]
    async fn a_running_process_is_killed_quietly() {
        assert_eq!(shell("sleep 1000").stop().await, None);
    }
}
