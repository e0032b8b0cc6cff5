//! What `bpf-links` finds out besides what links say: pins, holders, names; and what it says where
//! it may not.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use serde_json::{Value, json};

use crate::fixture::{Counted, text};
use crate::harness::{Need, Test, test};
use crate::inspect::holders::HOLDER;
use crate::lister::{LISTER, Nobody, at, list, run, show};

pub(crate) const TESTS: &[Test] = &[
    test!(pins_are_found).needs(LISTER).alone(),
    test!(holders_are_found).needs(LISTER).alone(),
    test!(what_cannot_be_read_is_said_once).needs(LISTER),
    test!(without_privilege)
        .needs(LISTER)
        .also_needs(&[Need::Linux(5, 19)]),
];

fn pins_are_found(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let id = counted.link.id()?;
    ensure!(*at(&show(id, &["--pins"])?, "pinned") == json!([]));
    let path = sandbox.bpffs().join("with a space");
    counted.link.pin(&path)?;
    let expected = json!([path]);
    let shown = show(id, &["--pins"])?;
    ensure!(*at(&shown, "pinned") == expected, "{shown}");
    let listed = list(&["--pins"])?;
    let link = listed.iter().find(|link| *at(link, "id") == id.get());
    ensure!(
        link.is_some_and(|link| *at(link, "pinned") == expected),
        "{listed:?}"
    );
    let table = run(&["list", "--pins"])?.well()?;
    ensure!(table.contains(text(&path)?), "{table}");
    Ok(counted.link.unpin()?)
}

fn holders_are_found(sandbox: &Sandbox) -> Result<()> {
    let (mut counted, id, path) = Counted::pinned(sandbox)?;
    let mut player = HOLDER.start(&[text(&path)?])?;
    player.hear()?;
    let comm = std::fs::read_to_string("/proc/self/comm")?;
    let comm = comm.trim_end();
    let shown = show(id, &["--holders"])?;
    let pids = at(&shown, "pids").as_array().context("no pids")?;
    let own = pids
        .iter()
        .find(|pid| *at(pid, "pid") == std::process::id());
    ensure!(own.is_some_and(|own| *at(own, "comm") == comm), "{shown}");
    // The other one holds it twice, and is listed once.
    ensure!(pids.len() == 2, "{shown}");
    player.finish()?;
    let shown = show(id, &["--holders"])?;
    ensure!(
        at(&shown, "pids")
            .as_array()
            .is_some_and(|pids| pids.len() == 1),
        "{shown}"
    );
    let table = run(&["list", "--holders"])?.well()?;
    ensure!(
        table.contains(&format!("({})", std::process::id())),
        "{table}"
    );
    // The command's own iterator, by which it finds holders, has no other holder.
    let listed = list(&["--holders"])?;
    let is_own = |link: &&Value| {
        *at(link, "prog_name") == "bpf_link_files" && *at(link, "pids") == json!([])
    };
    ensure!(!listed.iter().any(|link| is_own(&link)), "{listed:?}");
    Ok(counted.link.unpin()?)
}

/// Lets everybody open a pin.
fn open_to_all(sandbox: &Sandbox, pin: &Path) -> Result<()> {
    set_permissions(pin, Permissions::from_mode(0o666))?;
    set_permissions(sandbox.bpffs(), Permissions::from_mode(0o755))?;
    Ok(())
}

fn what_cannot_be_read_is_said_once(sandbox: &Sandbox) -> Result<()> {
    let (mut counted, _, path) = Counted::pinned(sandbox)?;
    open_to_all(sandbox, &path)?;
    let ran = Nobody::new(sandbox)?.run(&["show", text(&path)?, "--json", "--holders"]);
    counted.link.unpin()?;
    let ran = ran?;
    // Before Linux 5.19 a link cannot be asked about without privilege.
    if Need::Before(5, 19).missing()?.is_none() {
        ensure!(ran.refused()?.contains("CAP_BPF is missing"));
        return Ok(());
    }
    let said = |what: &str| ran.errors.matches(what).count();
    ensure!(said("CAP_SYS_PTRACE is missing") == 1, "{ran:?}");
    ensure!(
        said("some programs are shown without names") == 1,
        "{ran:?}"
    );
    let shown: Value = serde_json::from_str(&ran.well()?)?;
    ensure!(*at(&shown, "pids") == json!([]), "{shown}");
    Ok(())
}

fn without_privilege(sandbox: &Sandbox) -> Result<()> {
    let (mut counted, id, path) = Counted::pinned(sandbox)?;
    open_to_all(sandbox, &path)?;
    let nobody = Nobody::new(sandbox)?;
    let by_id = id.to_string();
    let (shown, refused) = (
        nobody.run(&["show", "--json", text(&path)?]),
        [
            nobody.run(&["list"]),
            nobody.run(&["list", "--json"]),
            nobody.run(&["show", &by_id]),
            nobody.run(&["watch"]),
            nobody.run(&["pin", &by_id, text(&path)?]),
        ],
    );
    set_permissions(&path, Permissions::from_mode(0o600))?;
    let closed = nobody.run(&["show", "--json", text(&path)?]);
    counted.link.unpin()?;

    let shown: Value = serde_json::from_str(&shown?.well()?)?;
    ensure!(*at(&shown, "id") == id.get(), "{shown}");
    ensure!(*at(&shown, "type") == "xdp", "{shown}");
    ensure!(*at(&shown, "prog_id") == counted.program.id()?, "{shown}");
    ensure!(shown.get("prog_name").is_none(), "{shown}");
    for refused in refused {
        let refused = refused?.refused()?;
        ensure!(refused.contains("CAP_SYS_ADMIN is missing"), "{refused}");
    }
    let closed = closed?.refused()?;
    ensure!(closed.contains("CAP_DAC_OVERRIDE is missing"), "{closed}");
    Ok(())
}
