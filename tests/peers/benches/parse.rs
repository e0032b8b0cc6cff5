//! Reading what kernels have said, without asking a kernel.

use std::ffi::CStr;
use std::hint::black_box;

use anyhow::{Context as _, Result};
use bpf_link::LinkInfo;
use bpf_link_peers::Side;
use bpf_link_tests::recorded::{Buffer, Recorded};
use bpf_link_typed::{LinkInfoRef, RecordedBuffers};

use crate::bench::Bench;

/// The recorded bytes of every sort of link, of every kernel. No other library reads recorded
/// bytes, and there is no system call to be compared with.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let recorded = match Recorded::all() {
        Ok(recorded) => recorded,
        // They are not in a guest.
        Err(error) => return bench.is_absent("parse of recorded infos", &error),
    };
    let all: Vec<Fixture> = recorded
        .iter()
        .map(|(_, recorded)| Fixture::new(recorded))
        .collect::<Result<_>>()?;
    let ours = Side::ours(|| {
        for fixture in &all {
            let view = LinkInfoRef::parse(&fixture.info, fixture.buffers());
            assert!(view.is_ok());
            black_box(&view);
        }
    });
    let name = format!("parse of {} recorded infos", all.len());
    bench.compare(&name, 256, vec![ours])?;
    Ok(())
}

struct Fixture {
    info: LinkInfo,
    name: Vec<u8>,
    ids: Vec<u32>,
    arrays: [Vec<u64>; 4],
}

impl Fixture {
    fn new(recorded: &Recorded) -> Result<Self> {
        let numbers = |name| match recorded.buffers.get(name) {
            Some(Buffer::Numbers(numbers)) => numbers.clone(),
            _ => Vec::new(),
        };
        let name = recorded.buffers.values().find_map(|buffer| match buffer {
            Buffer::Name(name) => Some(name.as_bytes().to_vec()),
            Buffer::Numbers(_) => None,
        });
        let name = name.unwrap_or_default();
        assert!(name.is_empty() || CStr::from_bytes_with_nul(&name).is_ok());
        Ok(Self {
            info: LinkInfo::from_bytes(&recorded.info).context("an info")?,
            name,
            ids: numbers("ids")
                .into_iter()
                .map(u32::try_from)
                .collect::<Result<_, _>>()?,
            arrays: ["addrs", "offsets", "ref_ctr_offsets", "cookies"].map(numbers),
        })
    }

    fn buffers(&self) -> RecordedBuffers<'_> {
        let [addresses, offsets, ref_ctr_offsets, cookies] = &self.arrays;
        RecordedBuffers {
            name: &self.name,
            ids: &self.ids,
            addresses,
            offsets,
            ref_ctr_offsets,
            cookies,
        }
    }
}
