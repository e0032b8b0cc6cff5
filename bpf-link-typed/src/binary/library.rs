//! Libraries, as the dynamic loader finds them.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::format::{Format, Header};
use super::image::Image;
use super::loader_cache;
use super::root::Root;
use crate::error::{Error, Result};

/// More than any cache has, in bytes.
const MOST: u64 = 64 << 20;
/// The directories of glibc and of musl, beside those of [`multiarch`].
const DIRECTORIES: [&str; 5] = ["/lib64", "/usr/lib64", "/lib", "/usr/local/lib", "/usr/lib"];

/// Finds a library by its whole name (`libc.so.6`) or the beginning of it (`libc`), and returns
/// where it is.
pub(super) fn find(root: &Root, name: &OsStr) -> Result<(Image, PathBuf)> {
    let own = own_header();
    let mut foreign = None;
    for path in candidates(root, name) {
        let Ok(file) = root.open_file(&path) else {
            continue;
        };
        let Ok(image) = Image::read(file, root.name(&path)) else {
            continue;
        };
        if is_native(&image.header, own.as_ref()) {
            return Ok((image, path));
        }
        foreign.get_or_insert((image, path));
    }
    foreign.ok_or_else(|| Error::NoSuchBinary {
        name: name.to_string_lossy().into_owned(),
        searched: root.name(Path::new("/")),
    })
}

/// Where it may be, in the order of the loader.
fn candidates(root: &Root, name: &OsStr) -> Vec<PathBuf> {
    let named = |candidate: &OsStr| is_named(candidate, name);
    let cache = read_cache(root);
    let mut candidates: Vec<PathBuf> = loader_cache::paths(&cache, |name| named(name.as_ref()))
        .map(PathBuf::from)
        .collect();
    let directories = DIRECTORIES.map(PathBuf::from).into_iter();
    for directory in multiarch().into_iter().chain(directories) {
        if is_whole(name) {
            candidates.push(directory.join(name));
            continue;
        }
        let mut entries = root.names_in(&directory);
        entries.retain(|entry| named(entry.as_os_str()));
        candidates.extend(entries.iter().map(|entry| directory.join(entry)));
    }
    candidates
}

/// Whether a file of this name is the library, given by its name or the beginning of that.
pub(super) fn is_named(candidate: &OsStr, name: &OsStr) -> bool {
    let Some(rest) = candidate.as_bytes().strip_prefix(name.as_bytes()) else {
        return false;
    };
    if is_whole(name) {
        return rest.is_empty();
    }
    // `libc-2.31.so`, but not `libsystemd-shared-252.so` for `libsystemd`.
    let version = rest
        .strip_prefix(b"-")
        .and_then(|rest| rest.strip_suffix(b".so"));
    let first = version.and_then(<[u8]>::first);
    let has_version = first.is_some_and(u8::is_ascii_digit);
    // `libc.so.6`
    rest.is_empty() || rest.starts_with(b".so") || has_version
}

/// Whether it is the whole name of a library, and not the beginning of it.
fn is_whole(name: &OsStr) -> bool {
    memchr::memmem::find(name.as_bytes(), b".so").is_some()
}

fn read_cache(root: &Root) -> Vec<u8> {
    let mut cache = Vec::new();
    let file = root.open_file(Path::new("/etc/ld.so.cache"));
    let is_regular = |file: &std::fs::File| file.metadata().is_ok_and(|found| found.is_file());
    let Some(file) = file.ok().filter(is_regular) else {
        return cache;
    };
    if file.take(MOST).read_to_end(&mut cache).is_err() {
        cache.clear();
    }
    cache
}

/// The directories that Debian's glibc has for this architecture.
fn multiarch() -> [PathBuf; 2] {
    let triplet = match std::env::consts::ARCH {
        "powerpc64" if cfg!(target_endian = "little") => "powerpc64le-linux-gnu".to_owned(),
        architecture => format!("{architecture}-linux-gnu"),
    };
    ["/lib", "/usr/lib"].map(|directory| Path::new(directory).join(&triplet))
}

/// The header of this program, if that can be read.
fn own_header() -> Option<Header> {
    const OWN: &str = "/proc/self/exe";
    let file = std::fs::File::open(OWN).ok()?;
    Some(Image::read(file, OWN.into()).ok()?.header)
}

/// Whether it is for the same processor as this program.
fn is_native(header: &Header, own: Option<&Header>) -> bool {
    match own {
        Some(own) => own.machine == header.machine && own.format == header.format,
        None => header.format == Format::native(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn libraries_have_short_names() {
        for (candidate, name, expected) in [
            ("libc.so.6", "libc.so.6", true),
            ("libc.so.6", "libc", true),
            ("libc-2.31.so", "libc", true),
            ("libbfd-2.40-system.so", "libbfd", true),
            ("libsystemd-shared-252.so", "libsystemd", false),
            ("libc-.so", "libc", false),
            ("libcap.so.2", "libc", false),
            ("libc.so.6", "libc.so", false),
            ("libssl.so.3", "libssl", true),
            ("libssl3.so", "libssl", false),
        ] {
            let found = is_named(candidate.as_ref(), name.as_ref());
            assert_eq!(found, expected, "{candidate} {name}");
        }
    }
}
