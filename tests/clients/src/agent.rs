//! What both agents do.

use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use crate::{Programs, Settings, hooks};

/// Runs an agent. `load` loads its programs.
pub fn run(load: impl FnOnce(&Settings) -> Result<Programs>) -> ExitCode {
    match start_and_stop(load) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Attaches the programs, and detaches them on SIGTERM. If the agent is killed, they stay.
fn start_and_stop(load: impl FnOnce(&Settings) -> Result<Programs>) -> Result<()> {
    let settings = Settings::of_this_process()?;
    let mut signals = Signals::new([SIGTERM])?;
    // The loaders pin maps here, and expect the directory to be there.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(settings.maps())
        .with_context(|| settings.maps().display().to_string())?;
    let programs = load(&settings)?;

    // Puts all links in place, or leaves everything as the agent before left it.
    let applied = hooks::links(&settings, &programs)?.apply()?;
    print!("{}", applied.report());
    println!("ready");
    std::io::stdout().flush()?;

    signals.forever().next();
    // Links that another agent has taken over stay attached.
    for (name, stopped) in applied.stop()? {
        println!("{name}: {stopped}");
    }
    Ok(())
}
