//! Processes that are measured: starting and ending them, their CPU time and their memory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::placement;

/// Pause between looks at a process that is about to be ready.
const POLL: Duration = Duration::from_millis(10);

/// A process that ends with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// How to start one.
#[derive(Debug)]
pub struct Start<'a> {
    /// Words in front of the command line.
    pub under: &'a str,
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// CPUs it may use; empty: all.
    pub cpus: &'a [usize],
    /// File that takes its output.
    pub log: PathBuf,
    /// Keep standard output, and give it a standard input that ends when we do.
    pub piped: bool,
}

/// Arguments of different kinds in one list.
#[macro_export]
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { vec![$(std::ffi::OsString::from($argument)),*] };
}

impl Process {
    /// Starts a process, bound to its CPUs. It is killed with this value and, where util-linux is installed, also when
    /// this process dies without having the time for that.
    pub fn start(start: Start<'_>) -> anyhow::Result<Self> {
        let mut words: Vec<&OsStr> = start.under.split_whitespace().map(OsStr::new).collect();
        if find_program(Path::new("setpriv")).is_some() {
            words.splice(..0, ["setpriv", "--pdeathsig", "KILL", "--"].map(OsStr::new));
        }
        words.push(start.program.as_os_str());
        words.extend(start.arguments.iter().map(OsString::as_os_str));
        let output = File::create(&start.log).with_context(|| start.log.display().to_string())?;
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stderr(output.try_clone()?);
        if start.piped {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(output);
        }
        let ours = placement::available();
        placement::bind(start.cpus)?;
        let child = command.spawn();
        placement::bind(&ours)?;
        let child = child.with_context(|| format!("cannot start {}", start.program.display()))?;
        Ok(Process { child, log: start.log })
    }

    /// Number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Standard output of a process that was started with pipes.
    pub fn take_output(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits until `ready` says so.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + limit;
        while !ready() {
            crate::interrupt::check()?;
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}{}", self.last_words());
            }
            if Instant::now() > until {
                bail!("it was not ready after {limit:?}{}", self.last_words());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(12)..].iter().map(|line| format!("\n    | {line}")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is: itself if it is a path, else the first of PATH.
pub fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// CPU time that a process has used, all its threads together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpu {
    /// On a CPU, in nanoseconds, as the scheduler counts it.
    pub run: u64,
    /// Ready to run but not on a CPU, in nanoseconds.
    pub wait: u64,
    /// In user mode, in clock ticks, as the timer interrupt samples it.
    pub user_ticks: u64,
    /// In the kernel, in clock ticks.
    pub system_ticks: u64,
}

impl Cpu {
    /// Reads the clocks of a process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let mut cpu = Cpu::default();
        let tasks = PathBuf::from(format!("/proc/{pid}/task"));
        for task in std::fs::read_dir(&tasks).with_context(|| tasks.display().to_string())? {
            // A thread may end while we look.
            let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let mut numbers = text.split_whitespace().map_while(|word| word.parse::<u64>().ok());
            cpu.run += numbers.next().unwrap_or_default();
            cpu.wait += numbers.next().unwrap_or_default();
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        (cpu.user_ticks, cpu.system_ticks) = ticks(&stat).with_context(|| format!("/proc/{pid}/stat: {stat}"))?;
        if cpu.run == 0 {
            // A kernel without scheduler statistics.
            cpu.run = (cpu.user_ticks + cpu.system_ticks) * 1_000_000_000 / crate::machine::ticks_per_second();
        }
        Ok(cpu)
    }

    /// What was used since.
    pub fn since(self, before: Cpu) -> Cpu {
        Cpu {
            run: self.run.saturating_sub(before.run),
            wait: self.wait.saturating_sub(before.wait),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }
}

/// User and system time of a line of /proc/PID/stat. The program's name, in parentheses, may have blanks.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Resident, with shared libraries and the program itself.
    pub resident: u64,
    /// Resident and its own: heap and stacks.
    pub anonymous: u64,
}

impl Memory {
    /// Reads what a process has.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/status");
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Ok(Memory {
            resident: field("VmRSS:").with_context(|| path.clone())?,
            anonymous: field("RssAnon:").unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_the_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194304 100 0 0 0 17 23 0 0 20 0 3 0 100 1 2";
        assert_eq!(ticks(stat), Some((17, 23)));
        assert_eq!(ticks("42 (x) S 1"), None);
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let pid = std::process::id();
        let before = Cpu::of(pid).unwrap();
        let until = Instant::now() + Duration::from_millis(20);
        while Instant::now() < until {}
        assert!(Cpu::of(pid).unwrap().since(before).run > 1_000_000);
        let memory = Memory::of(pid).unwrap();
        assert!(memory.resident > memory.anonymous && memory.anonymous > 0);
    }

    #[test]
    fn a_process_that_ends_early_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = Process::start(Start {
            under: "",
            program: Path::new("/bin/sh"),
            arguments: arguments!["-c", "echo no such thing; exit 3"],
            cpus: &[],
            log: directory.path().join("log"),
            piped: false,
        })
        .unwrap();
        let error = process.wait_until(Duration::from_secs(20), || false).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("| no such thing"), "{error}");
    }
}
