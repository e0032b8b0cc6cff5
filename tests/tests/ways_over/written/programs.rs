//! Functions and probes in programs and libraries.

use std::fs::File;

use anyhow::Result;
use bpf_link_typed::attach::When;
use bpf_link_typed::{Binary, PerfEventAttach, UprobeEvent, UprobeMultiAttach};

use super::{given, keep};

fn compiled() -> Result<()> {
    let program: File = given();
    let library: Binary = given();
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, [library.function("SSL_write")?])
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(UprobeEvent::in_binary(
            &library,
            library.function("SSL_write")?,
        ))
        .attach(&program)?,
    );
    keep(library.offset_of(0x1136)?);
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, [0x1136])
            .pid(7)
            .attach(&program)?,
    );
    keep(Binary::open("/usr/bin/bash")?);
    keep(Binary::library("libssl.so.3")?);
    keep(Binary::in_process(7, "libssl.so.3")?);
    keep(library.symbol_at(0x1136)?);
    keep(
        PerfEventAttach::to(
            UprobeEvent::in_binary(&library, library.function("SSL_write")?)
                .on_return()
                .pid(7),
        )
        .cookie(7)
        .attach(&program)?,
    );
    keep(UprobeMultiAttach::matching(&library, When::Entry, "SSL_*")?.attach(&program)?);
    keep(
        UprobeMultiAttach::in_binary(&library, When::Return, [library.function("SSL_write")?])
            .attach(&program)?,
    );
    keep(PerfEventAttach::to(UprobeEvent::at("/usr/bin/bash", 0x1136).pid(7)).attach(&program)?);
    keep(
        PerfEventAttach::to(UprobeEvent::in_binary(
            &library,
            library.function("SSL_write")?,
        ))
        .cookie(7)
        .attach(&program)?,
    );
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, library.usdt("libc", "setjmp")?)
            .attach(&program)?,
    );
    keep(
        UprobeMultiAttach::in_binary(&library, When::Entry, library.usdt("libc", "setjmp")?)
            .cookies([7]),
    );
    keep(PerfEventAttach::to(
        UprobeEvent::in_binary(&library, library.function("SSL_write")?).on_return(),
    ));
    keep(UprobeMultiAttach::matching(
        &library,
        When::Return,
        "SSL_*",
    )?);
    keep(UprobeMultiAttach::matching(
        &library,
        When::Session,
        "SSL_*",
    )?);
    Ok(())
}
