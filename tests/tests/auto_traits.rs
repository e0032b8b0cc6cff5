//! Every public type can be sent to another thread and shared with one, and those without a lifetime can be kept.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_typed::{XdpAttach, XdpLink, attach, ensure as taking_over};

const fn promised<T: Send + Sync + 'static>() {}

/// Asserts it when it is compiled, and lists the names.
macro_rules! promise {
    ($name:ident: $module:ident { $( $Type:ident $(<$($parameter:tt),+>)? ),+ $(,)? }) => {
        const $name: &[&str] = {
            $( promised::<$module::$Type $(<$($parameter),+>)?>(); )+
            &[ $( stringify!($Type) ),+ ]
        };
    };
}

promise! {
    RAW: bpf_link {
        Anchor<'static>,
        AttachType,
        CgroupIterOrder,
        Command,
        CreateArgs<'static>,
        Error,
        InfoBuffers<'static>,
        InvalidRequest,
        IterArgs<'static>,
        IterCgroup<'static>,
        IterTask<'static>,
        KprobeMultiFunctions<'static>,
        LinkKind,
        ProgramType,
        Target,
        UpdateBy,
        UprobeMultiFile<'static>,
        AttachFlags,
        BtfId,
        BtfInfo,
        BtfTypeId,
        CommandError,
        Hook<'static>,
        HookProgram,
        HookPrograms,
        KprobeMultiArgs<'static>,
        KprobeMultiFlags,
        LinkCreate<'static>,
        LinkId,
        LinkIds,
        LinkInfo,
        Links,
        MapId,
        MapInfo,
        MprogArgs<'static>,
        NetfilterArgs,
        NetfilterFlags,
        PerfEvent,
        PerfEventArgs,
        PerfEventConfig<'static>,
        PinEntry,
        PinLock,
        ProgramId,
        ProgramInfo,
        ProgramTag,
        RawLink,
        RawTracepointOpen<'static>,
        Rejected<u8>,
        Support,
        TracingArgs,
        TracingMultiArgs<'static>,
        Update<'static>,
        UpdateFlags,
        UprobeMultiArgs<'static>,
        UprobeMultiFlags,
        XdpFlags,
    }
}

promise! {
    TYPED: bpf_link_typed {
        Ensure<XdpAttach>,
        Ensured<XdpLink>,
        CgroupHook,
        Error,
        FileRef<'static>,
        Hideable<u8>,
        Interface,
        IterTarget,
        Link,
        LinkAnchor<'static>,
        LinkInfo,
        LinkInfoRef<'static>,
        NetfilterFamily,
        NetfilterHook,
        NetkitHook,
        NetnsHook,
        PerfEventDetails,
        PerfEventDetailsRef<'static>,
        PerfTarget<'static>,
        Position<u8>,
        SockmapHook,
        TcxHook,
        TracingHook,
        XdpMode,
        CgroupAttach<'static>,
        CgroupInfo,
        CgroupLink,
        CounterEvent,
        InfoBuf,
        IterAttach<'static>,
        IterInfo,
        IterInfoRef<'static>,
        IterLink,
        KindFacts,
        KprobeEvent<'static>,
        KprobeMultiAttach<'static>,
        KprobeMultiInfo,
        KprobeMultiInfoRef<'static>,
        KprobeMultiLink,
        LinuxVersion,
        NetfilterAttach,
        NetfilterInfo,
        NetfilterLink,
        NetkitAttach<'static>,
        NetkitInfo,
        NetkitLink,
        NetnsAttach<'static>,
        NetnsInfo,
        NetnsLink,
        OtherInfo,
        OtherInfoRef<'static>,
        OtherLink,
        PerfCounter,
        PerfEventAttach<'static>,
        PerfEventInfo,
        PerfEventInfoRef<'static>,
        PerfEventLink,
        PerfKprobe,
        PerfKprobeRef<'static>,
        PerfTracepoint,
        PerfTracepointRef<'static>,
        PerfUprobe,
        PerfUprobeRef<'static>,
        RawTracepointAttach<'static>,
        RawTracepointInfo,
        RawTracepointInfoRef<'static>,
        RawTracepointLink,
        RecordedBuffers<'static>,
        Rejected<u8>,
        SockmapAttach<'static>,
        SockmapInfo,
        SockmapLink,
        StructOpsAttach<'static>,
        StructOpsInfo,
        StructOpsLink,
        TcxAttach<'static>,
        TcxInfo,
        TcxLink,
        TracepointEvent<'static>,
        TracingAttach<'static>,
        TracingInfo,
        TracingLink,
        TracingMultiAttach<'static>,
        TracingMultiInfo,
        TracingMultiInfoRef<'static>,
        TracingMultiLink,
        UntraceableSymbols,
        UprobeEvent<'static>,
        UprobeMultiAttach<'static>,
        UprobeMultiInfo,
        UprobeMultiInfoRef<'static>,
        UprobeMultiLink,
        XdpAttach,
        XdpInfo,
        XdpLink,
    }
}

promise! {
    ATTACH: attach {
        When,
    }
}

promise! {
    TAKING_OVER: taking_over {
        Attached,
        Gap,
        LeftOver,
        OldLink,
        Ours,
        Outcome,
        Plan,
        Planned,
        Why,
    }
}

/// The lists above have every type that `cargo xtask public-api` has written down.
#[test]
fn no_type_is_left_out() -> Result<()> {
    for (name, promised) in [
        ("bpf-link", RAW.to_vec()),
        ("bpf-link-typed", [TYPED, ATTACH, TAKING_OVER].concat()),
    ] {
        let list = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../xtask/public-api")
            .join(name)
            .with_extension("txt");
        let list = std::fs::read_to_string(&list).context(list.display().to_string())?;
        let types: BTreeSet<&str> = list.lines().filter_map(type_in).collect();
        let promised: BTreeSet<&str> = promised.iter().copied().collect();
        ensure!(!types.is_empty(), "{name} has no types");
        ensure!(
            types == promised,
            "{name}: {:?}",
            types.symmetric_difference(&promised)
        );
    }
    Ok(())
}

/// The name of the type that this item is, if it is one.
fn type_in(item: &str) -> Option<&str> {
    // What comes before is in brackets: `#[non_exhaustive]`, `#[repr(transparent)]`.
    let item = item.get(item.find("pub ")?..)?;
    let path = ["pub struct ", "pub enum ", "pub union "]
        .into_iter()
        .find_map(|keyword| item.strip_prefix(keyword))?;
    let end = path.find(['<', '(']).unwrap_or(path.len());
    path.get(..end)?.rsplit("::").next()
}
