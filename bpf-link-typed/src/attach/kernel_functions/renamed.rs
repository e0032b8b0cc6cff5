//! The names that functions have instead of those that people write.

/// The functions that there are instead of one that there is not: as the compiler has renamed it
/// (`name.isra.0`, `name.part.0`, `name.constprop.0`), and for a system call the one of this
/// processor (`__x64_sys_name`).
pub(crate) fn instead_of<'a>(
    functions: impl Iterator<Item = &'a [u8]>,
    name: &[u8],
) -> Vec<&'a [u8]> {
    let base = base(name);
    let call = system_call(name);
    let mut found = Vec::new();
    for function in functions {
        let is_part = !base.is_empty() && self::base(function) == base && !is_cold(function);
        let is_call = call.is_some() && system_call(function) == call;
        if (is_part || is_call) && function != name && !found.contains(&function) {
            found.push(function);
        }
    }
    found
}

/// The name that a function has in the source.
fn base(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'.').next().unwrap_or(name)
}

/// What the compiler has moved out of a function is not one.
fn is_cold(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'.').any(|part| part == b"cold")
}

/// The system call that a function is for: `sys_name`, or `__x64_sys_name` and the like.
fn system_call(function: &[u8]) -> Option<&[u8]> {
    const SYS: &[u8] = b"sys_";
    if let Some(call) = function.strip_prefix(SYS) {
        return Some(call).filter(|call| !call.is_empty());
    }
    let processor = function.strip_prefix(b"__")?;
    let end = processor.iter().position(|byte| *byte == b'_')?;
    let (processor, call) = processor.split_at(end);
    let call = call.strip_prefix(b"_")?.strip_prefix(SYS)?;
    (!processor.is_empty() && !call.is_empty()).then_some(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_instead() {
        const FUNCTIONS: [&[u8]; 6] = [
            b"vfs_read",
            b"alias",
            b"__x64_sys_open",
            b"__ia32_sys_open",
            b"inlined.isra.0",
            b"inlined.part.0.cold",
        ];
        let find = |name: &[u8]| -> Vec<String> {
            let found = instead_of(FUNCTIONS.into_iter(), name).into_iter();
            found
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect()
        };
        assert_eq!(find(b"inlined"), ["inlined.isra.0"]);
        assert_eq!(find(b"inlined.constprop.0"), ["inlined.isra.0"]);
        for call in [&b"sys_open"[..], b"__arm64_sys_open", b"__s390x_sys_open"] {
            assert_eq!(find(call), ["__x64_sys_open", "__ia32_sys_open"]);
        }
        for nothing in [&b""[..], b"sys_", b"open", b"__sys_open", b".", b"vfs_read"] {
            assert!(find(nothing).is_empty(), "{nothing:?}");
        }
    }
}
