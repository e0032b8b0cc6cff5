//! What the guide to takeovers shows with libbpf-rs, which `bpf-link-typed` itself cannot compile.

/// Is only compiled: the guide's object and device do not exist.
#[allow(dead_code, reason = "the guide's code is compiled, and not run")]
fn with_libbpf_rs() -> Result<(), Box<dyn std::error::Error>> {
    include!(concat!(env!("OUT_DIR"), "/with_libbpf_rs.rs"))
}
