//! The compiled programs of the agents.

/// Aligns the object, which the loaders read as an ELF file.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static ALIGNED: &Aligned<[u8]> =
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/agent.bpf.o")));

/// `bpf/agent.bpf.c`, compiled.
pub static OBJECT: &[u8] = &ALIGNED.0;
