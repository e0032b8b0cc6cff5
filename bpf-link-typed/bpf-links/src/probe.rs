//! `probe`: which kinds of links this kernel can create.

use std::io::Write as _;

use anyhow::Result;
use bpf_link::{LinkKind, Support};
use serde::Serialize;

use crate::escape;
use crate::failure;
use crate::output::{self, printable, shortened};

#[derive(Serialize)]
struct Probed {
    kind: String,
    /// `yes`, `no` or `unknown`.
    support: &'static str,
    /// Why not, as the kernel put it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Probed {
    fn new(kind: LinkKind) -> Self {
        let (support, why) = match kind.probe() {
            Support::Yes => ("yes", None),
            Support::No(why) => ("no", Some(failure::line(&why.into()))),
            Support::Unknown(why) => ("unknown", Some(failure::line(&why.into()))),
            _ => ("unknown", None),
        };
        Self {
            kind: kind.to_string(),
            support,
            why,
        }
    }
}

pub(crate) fn run(json: bool) -> Result<()> {
    let probed = LinkKind::KNOWN.iter().copied().map(Probed::new);
    let mut out = output::open();
    if json {
        escape::write(&mut out, &probed.collect::<Vec<_>>())?;
        writeln!(out)?;
    } else {
        for Probed { kind, support, why } in probed {
            let line = format!("{kind:16}{support:9}{}", why.unwrap_or_default());
            let line = printable(line.trim_end());
            writeln!(out, "{}", shortened(&line, output::room()))?;
        }
    }
    output::close(out)
}
