//! PID 1 of the guest that `cargo xtask vm-test` boots: makes the guest fit for the tests, runs
//! them and powers it off.
//!
//! What to do comes with the initramfs, as the files under `/vm-test` (see `lines`). What was done
//! leaves the guest over a port of its own, which the test binaries write to as well
//! (`BPF_LINK_REPORT`), one JSON object per line:
//!
//! - `{"boot":{"release":"...","version":"..."}}` first: the kernel, in uname's words;
//! - `{"note":"..."}`: something that some test may miss, but that is no failure on its own;
//! - `{"start":"live"}` and `{"exit":"live","status":"exit status: 0"}` around the lines of each
//!   test binary;
//! - `{"error":"..."}`: this program could not do its work;
//! - `{"done":true}` last. Without it the run has no verdict.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result};
use bpf_link_tests::device::{bring_up, index_of};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, setrlimit, wait};
use rustix::system::{RebootCommand, finit_module, reboot, uname};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};
use serde_json::{Value, json};

/// File system, where it is mounted, and its options. The kernel makes the ones under `/sys` a
/// place to be mounted on.
const MOUNTS: [(&str, &str, Option<&CStr>); 10] = [
    ("proc", "/proc", None),
    ("sysfs", "/sys", None),
    ("tmpfs", "/tmp", Some(c"mode=1777")),
    ("tmpfs", "/run", Some(c"mode=0755")),
    ("tracefs", "/sys/kernel/tracing", None),
    ("debugfs", "/sys/kernel/debug", None),
    ("securityfs", "/sys/kernel/security", None),
    ("cgroup2", "/sys/fs/cgroup", None),
    ("bpf", "/sys/fs/bpf", Some(c"mode=0700")),
    ("devpts", "/dev/pts", None),
];

fn main() {
    if let Err(error) = serve() {
        eprintln!("vm-init: {error:#}");
    }
    // The last lines are still in the ports' buffers, and a PID 1 that returns makes the kernel
    // panic.
    let _ = tcdrain(io::stderr());
    rustix::fs::sync();
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        eprintln!("vm-init: cannot power off: {error}");
    }
}

fn serve() -> Result<()> {
    mount_at("devtmpfs", "/dev", Some(c"mode=0755"))?;
    // First, as the results' port may need one of them.
    let modules = lines("modules")?
        .into_iter()
        .map(|module| (load(&module), module))
        .collect::<Vec<_>>();
    let results = Results::open()?;
    match run(&results, modules) {
        Ok(()) => results.report(&json!({ "done": true }))?,
        Err(error) => results.report(&json!({ "error": format!("{error:#}") }))?,
    }
    Ok(tcdrain(&results.port)?)
}

/// Where the results go.
struct Results {
    path: String,
    port: File,
}

impl Results {
    /// The port, as bytes: no translation of line ends, no echo.
    fn open() -> Result<Self> {
        let path = lines("results")?.swap_remove(0);
        let open = || {
            let port = File::options().read(true).write(true).open(&path)?;
            let mut mode = tcgetattr(&port)?;
            mode.make_raw();
            tcsetattr(&port, OptionalActions::Now, &mode)?;
            anyhow::Ok(port)
        };
        let port = open().with_context(|| path.clone())?;
        Ok(Self { path, port })
    }

    /// Writes one line at once, for the test binaries write to the same port.
    fn report(&self, line: &Value) -> Result<()> {
        (&self.port)
            .write_all(format!("{line}\n").as_bytes())
            .with_context(|| self.path.clone())
    }

    /// Reports a step that failed, for a test that needs it says so better than this program can.
    fn note<E: Display>(&self, step: &str, outcome: Result<(), E>) -> Result<()> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => self.report(&json!({ "note": format!("{step}: {error:#}") })),
        }
    }
}

fn run(results: &Results, modules: Vec<(Result<()>, String)>) -> Result<()> {
    let kernel = uname();
    let (release, version) = (
        kernel.release().to_string_lossy(),
        kernel.version().to_string_lossy(),
    );
    results.report(&json!({ "boot": { "release": release, "version": version } }))?;

    for (kind, path, options) in MOUNTS {
        results.note(path, mount_at(kind, path, options))?;
    }
    for (loaded, module) in modules {
        results.note(&module, loaded)?;
    }
    results.note("lo", index_of("lo").and_then(bring_up))?;
    // Up to Linux 5.10 maps and programs are charged to this limit.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    results.note("RLIMIT_MEMLOCK", setrlimit(Resource::Memlock, unlimited))?;

    for test in lines("tests")? {
        let name = Path::new(&test)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        results.report(&json!({ "start": name }))?;
        let status = run_test(&test, &results.path).context(test.clone())?;
        results.report(&json!({ "exit": name, "status": status.to_string() }))?;
    }
    Ok(())
}

/// The lines of a file under `/vm-test`: `modules` and `tests` are paths, `results` is the device
/// that they are written to, `arguments` and `environment` (`NAME=VALUE`) are what every test
/// binary gets.
fn lines(name: &str) -> Result<Vec<String>> {
    let path = Path::new("/vm-test").join(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn mount_at(kind: &str, path: &str, options: Option<&CStr>) -> Result<()> {
    if !Path::new(path).exists() {
        fs::create_dir(path).with_context(|| format!("making {path}"))?;
    }
    mount(kind, path, kind, MountFlags::NOSUID, options).with_context(|| format!("mounting {kind}"))
}

fn load(module: &str) -> Result<()> {
    let file = File::open(module)?;
    match finit_module(&file, c"", 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Runs a test binary to its end, and reaps whatever it left to PID 1 in the meantime.
fn run_test(path: &str, results: &str) -> Result<ExitStatus> {
    let mut command = Command::new(path);
    command
        .args(lines("arguments")?)
        .env_clear()
        .env("BPF_LINK_REPORT", results)
        .current_dir("/");
    for variable in lines("environment")? {
        let (name, value) = variable
            .split_once('=')
            .context("a variable without a value")?;
        command.env(name, value);
    }
    let child = Pid::from_child(&command.spawn()?);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => {
                return Ok(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
