//! A place for a link of this kind, with two programs or maps that can be put there.

use std::ffi::CString;

use anyhow::Result;
use bpf_link::{LinkKind, RawLink, UprobeMultiArgs};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    // No process ever runs it.
    let path = sandbox.directory().join("probed");
    if !path.exists() {
        std::fs::write(&path, [0; 4096])?;
    }
    let path = CString::new(path.into_os_string().into_encoded_bytes())?;
    let load = || Program::passing(Hook::UPROBE_MULTI);
    Place::new(LinkKind::UprobeMulti, load, move |object| {
        let args = UprobeMultiArgs::path(&path, &[0x40, 0, 0x80]);
        let request = request(object, Hook::UPROBE_MULTI).args(args);
        Ok(RawLink::create(&request)?)
    })
}
