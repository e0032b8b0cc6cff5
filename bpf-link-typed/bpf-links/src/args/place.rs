//! What has hooks, as an argument.

use std::ffi::OsString;
use std::path::PathBuf;

use bpf_link_typed::{Interface, MapId};

/// Something that has hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Device(Interface),
    Map(MapId),
    /// A cgroup, a network namespace or a pinned map.
    Path(PathBuf),
}

impl Place {
    /// No device has a slash or a colon in its name. Digits are an index.
    pub(super) fn parse(text: OsString) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a device, a path or map:ID".to_owned());
        }
        if text.as_encoded_bytes().contains(&b'/') {
            return Ok(Self::Path(text.into()));
        }
        let words = text.to_str().unwrap_or_default();
        if let Some(map) = words.strip_prefix("map:") {
            let id = map.parse().ok().and_then(MapId::new);
            return id
                .map(Self::Map)
                .ok_or_else(|| format!("expected a map's id from 1 to {}", u32::MAX));
        }
        if !words.is_empty() && words.bytes().all(|byte| byte.is_ascii_digit()) {
            let index: Option<u32> = words.parse().ok();
            return index
                .map(|index| Self::Device(index.into()))
                .ok_or_else(|| format!("expected an index up to {}", u32::MAX));
        }
        Ok(Self::Device(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let read = |text: &str| Place::parse(text.into()).ok();
        let path = |path: &str| Some(Place::Path(path.into()));
        assert_eq!(read("eth0"), Some(Place::Device("eth0".into())));
        assert_eq!(read("3"), Some(Place::Device(3.into())));
        assert_eq!(read("map:5"), MapId::new(5).map(Place::Map));
        assert_eq!(read("./map:5"), path("./map:5"));
        assert_eq!(read("/run/netns/a"), path("/run/netns/a"));
        for wrong in ["", "map:", "map:0", "map:a", "4294967296"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
