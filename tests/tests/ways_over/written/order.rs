//! The place of a program among the others on its hook.

use std::fs::File;

use anyhow::Result;
use bpf_link_typed::{
    Anchor, CgroupAttach, CgroupHook, Link, LinkAnchor, LinkId, NetkitAttach, NetkitHook, Position,
    ProgramId, TcxAttach, TcxHook,
};

use super::{given, keep};

fn compiled() -> Result<()> {
    let program: File = given();
    let other: File = given();
    let link: Link = given();
    let program_id: ProgramId = given();
    let link_id: LinkId = given();
    keep(
        TcxAttach::to("eth0", TcxHook::Ingress)
            .position(Position::First)
            .attach(&program)?,
    );
    keep(TcxAttach::to("eth0", TcxHook::Ingress).position(Position::Last));
    keep(Position::Before(Anchor::link(&link)));
    keep(Position::After(Anchor::link(&link)));
    keep(Position::Before(Anchor::program(&other)));
    keep(Position::After(Anchor::program(&other)));
    keep(Position::After(Anchor::ProgramId(program_id)));
    keep(TcxAttach::to("eth0", TcxHook::Ingress).expected_revision(7));
    keep(Position::Before(Anchor::LinkId(link_id)));
    keep(Position::After(Anchor::LinkId(link_id)));
    keep(
        CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress)
            .position(Position::Before(LinkAnchor::link(&link)))
            .attach(&program)?,
    );
    keep(
        TcxAttach::to("eth0", TcxHook::Ingress)
            .position(Position::Before(Anchor::ProgramId(program_id)))
            .attach(&program)?,
    );
    keep(
        NetkitAttach::to("nk0", NetkitHook::Primary)
            .position(Position::First)
            .attach(&program)?,
    );
    keep(
        CgroupAttach::to("/sys/fs/cgroup/web", CgroupHook::InetEgress)
            .preorder()
            .expected_revision(7),
    );
    Ok(())
}
