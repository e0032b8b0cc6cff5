//! The emulated machine: its command line, and a run of it that ends in time.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::platform::{Platform, Results};

/// What every machine is, whatever its platform adds. Software emulation: nested KVM is not to be
/// counted on.
const MACHINE: [&str; 12] = [
    "-accel",
    "tcg,thread=single",
    "-smp",
    "2",
    "-m",
    "1500",
    "-nodefaults",
    "-display",
    "none",
    "-monitor",
    "none",
    "-no-reboot",
];

/// - `loglevel=5` shows warnings and worse, which `quiet` would hide, without the chatter of the
///   boot.
/// - An oops or a panic ends the machine at once (`-no-reboot`) instead of leaving it in an
///   undefined state.
/// - No watchdog: on a loaded machine it takes a wait for the processor for a lockup; real ones
///   meet the time limit.
/// - `maxcpus=1` leaves the second processor offline, which some tests need: with two of them
///   online, the kernel's text patching makes an emulated guest panic now and then.
/// - `lsm=` is Debian's list with `bpf`, which some releases have built in but leave out.
const KERNEL_ARGUMENTS: &str = "loglevel=5 printk.time=1 panic=-1 oops=panic nowatchdog nokaslr \
     maxcpus=1 mitigations=off lsm=landlock,lockdown,yama,integrity,apparmor,bpf";

/// How often a running machine is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// A machine and the files that its run leaves.
pub(crate) struct Machine {
    pub(crate) platform: &'static Platform,
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: PathBuf,
    /// The first serial port: the kernel's log, and what the tests print.
    pub(crate) console: PathBuf,
    /// What the guest sends as its results.
    pub(crate) results: PathBuf,
    /// What QEMU itself has to say.
    pub(crate) messages: PathBuf,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// QEMU exited without being asked.
    Exited(ExitStatus),
    /// It was killed at this limit.
    TimedOut(Duration),
}

impl Machine {
    /// Runs it until it powers off or the limit is reached, and calls `watch` every now and then.
    pub(crate) fn run(&self, limit: Duration, mut watch: impl FnMut()) -> Result<Ended> {
        for path in [&self.console, &self.results] {
            // What an earlier run left must not be taken for this one's.
            File::create(path).with_context(|| path.display().to_string())?;
        }
        let messages =
            File::create(&self.messages).with_context(|| self.messages.display().to_string())?;
        let program = self.platform.qemu.0;
        let mut command = Command::new(program);
        command
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(messages.try_clone()?)
            .stderr(messages);
        let mut running = Running(
            command
                .spawn()
                .with_context(|| format!("cannot run {program}"))?,
        );
        let start = Instant::now();
        loop {
            if let Some(status) = running.0.try_wait()? {
                return Ok(Ended::Exited(status));
            }
            if start.elapsed() >= limit {
                return Ok(Ended::TimedOut(limit));
            }
            watch();
            thread::sleep(INTERVAL);
        }
    }

    /// The command for a shell that runs the same machine again.
    pub(crate) fn command_line(&self) -> String {
        let mut line = self.platform.qemu.0.to_owned();
        for argument in self.arguments() {
            line.push(' ');
            line += &quoted(&argument.to_string_lossy());
        }
        line
    }

    fn arguments(&self) -> Vec<OsString> {
        let platform = self.platform;
        let fixed = MACHINE.iter().chain(platform.machine);
        let mut arguments: Vec<OsString> = fixed.map(OsString::from).collect();
        arguments.extend(["-serial".into(), file(&self.console)]);
        match platform.results {
            Results::Serial(_) => arguments.extend(["-serial".into(), file(&self.results)]),
            Results::Virtio(controller) => {
                let mut port = OsString::from("file,id=results,path=");
                port.push(&self.results);
                arguments.extend(["-device".into(), controller.into()]);
                arguments.extend(["-chardev".into(), port]);
                arguments.extend(["-device".into(), "virtconsole,chardev=results".into()]);
            }
        }
        arguments.extend([
            "-kernel".into(),
            self.kernel.clone().into(),
            "-initrd".into(),
            self.initramfs.clone().into(),
        ]);
        let Platform {
            console,
            kernel_arguments,
            ..
        } = platform;
        let append = format!("console={console} {KERNEL_ARGUMENTS} {kernel_arguments}");
        arguments.extend(["-append".into(), append.trim_end().into()]);
        arguments
    }
}

fn file(path: &Path) -> OsString {
    let mut argument = OsString::from("file:");
    argument.push(path);
    argument
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// A QEMU that does not outlive the run, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
