//! What a row of the layout table (`bpf-link/src/sys/layout.rs`) cannot say: with any of these
//! changes it does not compile.
//!
//! The kernel writes to the addresses in an info request. So a mark in the place of an address, or
//! of a length, would have it write anywhere in this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

/// A change of the table, and what the compiler says of it.
struct Fault {
    what: &'static str,
    from: &'static str,
    to: &'static str,
    error: &'static str,
}

const ON_AN_INPUT: &str = "a mark is on an address, a length or a count";

const FAULTS: &[Fault] = &[
    Fault {
        what: "a mark on the address of a name",
        from: "marks_64: &[field!(raw_tracepoint.cookie)]",
        to: "marks_64: &[field!(raw_tracepoint.tp_name)]",
        error: ON_AN_INPUT,
    },
    Fault {
        what: "a mark on the address of an array",
        from: "marks_64: &[field!(kprobe_multi.missed)]",
        to: "marks_64: &[field!(kprobe_multi.missed), field!(kprobe_multi.cookies)]",
        error: ON_AN_INPUT,
    },
    Fault {
        what: "a mark on the length of a name",
        from: "field!(uprobe_multi.pid)]",
        to: "field!(uprobe_multi.path_size)]",
        error: ON_AN_INPUT,
    },
    Fault {
        what: "a mark on the count of arrays",
        from: "field!(tracing_multi.btf_obj_id)",
        to: "field!(tracing_multi.count)",
        error: ON_AN_INPUT,
    },
    Fault {
        what: "a mark on half of the address of a name",
        from: "field!(perf_event.uprobe_union.uprobe.ref_ctr_offset)",
        to: "field!(perf_event.uprobe_union.event.config)",
        error: ON_AN_INPUT,
    },
    Fault {
        what: "two marks on one field",
        from: "&[field!(tracing.target_obj_id), field!(tracing.target_btf_id)]",
        to: "&[field!(tracing.target_obj_id), field!(tracing.target_obj_id)]",
        error: "two marks overlap",
    },
    Fault {
        what: "a mark on two marks",
        from: "marks_32: &[\n        field!(iter.map_union.map.map_id),",
        to: "marks_64: &[field!(iter.cgroup_union.cgroup.cgroup_id)],\n    marks_32: &[\n        field!(iter.map_union.map.map_id),",
        error: "two marks overlap",
    },
    Fault {
        what: "a mark of 64 bits on a field of 32",
        from: "marks_64: &[field!(tracing.cookie)]",
        to: "marks_64: &[field!(tracing.attach_type)]",
        error: "mismatched types",
    },
    Fault {
        what: "a mark of 32 bits on a field of 64",
        from: "marks_32: &[field!(perf_event.type_)]",
        to: "marks_32: &[field!(perf_event.uprobe_union.kprobe.missed)]",
        error: "mismatched types",
    },
    Fault {
        what: "a count of 64 bits",
        from: "count: Some(field!(uprobe_multi.count))",
        to: "count: Some(field!(uprobe_multi.path))",
        error: "mismatched types",
    },
    Fault {
        what: "two arrays at one place",
        from: "array!(uprobe_multi.cookies: u64)",
        to: "array!(uprobe_multi.offsets: u64)",
        error: "two addresses, lengths or counts overlap",
    },
    Fault {
        what: "names at different places",
        from: "field!(perf_event.uprobe_union.tracepoint.tp_name)",
        to: "field!(perf_event.uprobe_union.tracepoint.cookie)",
        error: "the fields are at different places",
    },
    Fault {
        what: "a mark on the id of the program",
        from: "marks_32: &[field!(kprobe_multi.flags)]",
        to: "marks_32: &[field!(kprobe_multi.flags), Field::new(offset_of!(c::bpf_link_info, prog_id), |info, value| info.prog_id = value)]",
        error: "a field is outside of what is particular to the kind",
    },
    Fault {
        what: "a field that tells of an info and has no mark",
        from: "tells: Some(field!(kprobe_multi.flags))",
        to: "tells: Some(field!(kprobe_multi.count))",
        error: "the field that tells of an info has no mark",
    },
    Fault {
        what: "arrays without a count",
        from: "count: Some(field!(kprobe_multi.count))",
        to: "count: None",
        error: "arrays and their count come together",
    },
    Fault {
        what: "an array whose mark is longer than its entries",
        from: "array!(kprobe_multi.cookies: u64, newer)",
        to: "array!(kprobe_multi.cookies: u32, newer)",
        error: "an entry that is marked has 64 bits",
    },
];

#[test]
fn no_row_can_harm() -> Result<()> {
    let scratch = Scratch::new()?;
    let table = fs::read_to_string(source("bpf-link/src/sys/layout.rs"))?;
    let compiled = scratch.compile(&table)?;
    ensure!(compiled.status.success(), "{}", errors(&compiled));
    for fault in FAULTS {
        let parts = table.split(fault.from).count();
        ensure!(
            parts == 2,
            "{}: the table has not one such text",
            fault.what
        );
        let compiled = scratch.compile(&table.replace(fault.from, fault.to))?;
        let errors = errors(&compiled);
        ensure!(!compiled.status.success(), "{}: it compiles", fault.what);
        ensure!(errors.contains(fault.error), "{}: {errors}", fault.what);
    }
    Ok(())
}

fn source(path: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    workspace.unwrap_or(Path::new("/")).join(path)
}

fn errors(compiled: &Output) -> String {
    String::from_utf8_lossy(&compiled.stderr).into_owned()
}

/// A stand-in for the enums' error for unknown names, which derives from another crate.
const STAND_IN: &str = "
    pub struct UnknownName;
    impl UnknownName {
        pub(crate) fn new(_: &str, _: &str) -> Self { Self }
    }
";

/// A crate that has nothing but the table and what the table needs.
struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    fn new() -> Result<Self> {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layout");
        fs::create_dir_all(&dir)?;
        let scratch = Self { dir };
        let bindings = source("bpf-link-sys/src/lib.rs");
        let compiled = scratch.rustc("bpf_link_sys", &bindings, &[])?;
        ensure!(compiled.status.success(), "{}", errors(&compiled));
        let module = |name: &str| {
            let path = source(&format!("bpf-link/src/{name}.rs"));
            format!("#[path = \"{}\"]", path.display())
        };
        let root = format!(
            "{STAND_IN}{} mod open_enum;\n{} mod kind;\nmod sys {{\n{} mod byte_set;\n#[path = \"{}\"] mod layout;\n}}\n",
            module("open_enum"),
            module("kind"),
            module("sys/byte_set"),
            scratch.dir.join("layout.rs").display(),
        );
        fs::write(scratch.dir.join("lib.rs"), root)?;
        Ok(scratch)
    }

    /// Compiles the crate with this table.
    fn compile(&self, table: &str) -> Result<Output> {
        fs::write(self.dir.join("layout.rs"), table)?;
        let bindings = self.dir.join("libbpf_link_sys.rmeta");
        let bindings = format!("bpf_link_sys={}", bindings.display());
        self.rustc(
            "table",
            &self.dir.join("lib.rs"),
            &["--extern", &bindings, "--cap-lints", "allow"],
        )
    }

    fn rustc(&self, name: &str, root: &Path, args: &[&str]) -> Result<Output> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Command::new(rustc)
            .args([
                "--edition",
                "2024",
                "--crate-type",
                "lib",
                "--emit",
                "metadata",
            ])
            .args(["--crate-name", name, "--out-dir"])
            .arg(&self.dir)
            .args(args)
            .arg(root)
            .output()
            .context("running rustc")
    }
}
