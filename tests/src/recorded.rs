//! What kernels have said of links, as the files under `fixtures` have it: a directory for each
//! series of kernels of an architecture, a file for each link.
//!
//! `BPF_LINK_GOLDEN=DIRECTORY cargo test -p bpf-link-tests --test live golden` writes those of the
//! kernel that runs here, and `cargo xtask vm-test --write-fixtures -- golden` those of the kernels
//! that it boots. Ids and addresses are another time's and change from one recording to the next;
//! everything else says what the kernel does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// What a kernel has said of a link, and what is known of the link besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The kernel's release and version, in the words of `uname(2)`.
    pub kernel: [String; 2],
    /// What `uname(2)` calls the machine, as `x86_64`.
    pub machine: String,
    /// Which link of that kernel it is: the name of the file.
    pub name: String,
    /// The kind of the link, as the library calls it.
    pub kind: String,
    /// The number of the kind.
    pub kind_number: u32,
    /// The link's id.
    pub id: u32,
    /// The id of the link's program.
    pub program_id: Option<u32>,
    /// How many bytes the link's name has; none if it has no name, or the kernel does not tell how
    /// long it is.
    pub name_len: Option<usize>,
    /// How many entries the link's arrays have; none if it has no arrays, or the kernel does not
    /// tell how many they are.
    pub count: Option<usize>,
    /// The `bpf_link_info`, as long as the kernel has it.
    pub info: Vec<u8>,
    /// What the kernel wrote into buffers, by the name of the field that points to each.
    pub buffers: BTreeMap<String, Buffer>,
}

/// What the kernel wrote into a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buffer {
    /// A name, with its NUL.
    Name(String),
    /// An array of numbers.
    Numbers(Vec<u64>),
}

impl Recorded {
    /// All that have been recorded on machines with the byte order of this one, with the name of
    /// the directory of each.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is not what [`write`](Self::write) has written.
    pub fn all() -> Result<Vec<(String, Self)>> {
        let mut all = Vec::new();
        for directory in entries(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")))? {
            for path in entries(&directory)? {
                let recorded = Self::read(&path).with_context(|| path.display().to_string())?;
                if recorded.is_big_endian() == cfg!(target_endian = "big") {
                    let name = directory.file_name().unwrap_or_default();
                    all.push((name.to_string_lossy().into_owned(), recorded));
                }
            }
        }
        Ok(all)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let value: Value = serde_json::from_str(&text)?;
        let recorded = Self::from_json(&value)?;
        ensure!(
            recorded.to_json() == value,
            "it is not as it would be written"
        );
        ensure!(
            path.file_stem().and_then(|stem| stem.to_str()) == Some(&recorded.name),
            "it should be called {}.json",
            recorded.name
        );
        Ok(recorded)
    }

    /// Writes it: into a directory, as a file in [its own](Self::directory), or else to the end of
    /// a file, as a line.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, to: &Path) -> Result<()> {
        let value = self.to_json();
        if !to.is_dir() {
            let mut file = File::options().append(true).create(true).open(to)?;
            let line = json!({ "golden": value });
            return Ok(file.write_all(format!("{line}\n").as_bytes())?);
        }
        let directory = to.join(self.directory());
        fs::create_dir_all(&directory)?;
        let path = directory.join(&self.name).with_extension("json");
        let text = serde_json::to_string_pretty(&value)?;
        fs::write(&path, text + "\n").with_context(|| path.display().to_string())
    }

    /// The series of its kernel, such as `6.12`.
    #[must_use]
    pub fn series(&self) -> &str {
        let [release, _] = &self.kernel;
        let second_dot = release.match_indices('.').nth(1);
        let end = second_dot.map_or(release.len(), |(at, _)| at);
        release.get(..end).unwrap_or(release)
    }

    /// What its directory is called: `6.12`, or `aarch64-6.12` where the machine is not x86-64.
    #[must_use]
    pub fn directory(&self) -> String {
        match self.machine.as_str() {
            "x86_64" => self.series().to_owned(),
            other => format!("{other}-{}", self.series()),
        }
    }

    /// Whether the kernel wrote the highest byte of a number first.
    fn is_big_endian(&self) -> bool {
        self.machine == "s390x"
    }

    /// The first two numbers of its kernel's release.
    ///
    /// # Errors
    ///
    /// The release does not begin with two numbers.
    pub fn version(&self) -> Result<(u32, u32)> {
        let (major, minor) = self.series().split_once('.').context("no dot")?;
        Ok((major.parse()?, minor.parse()?))
    }

    fn to_json(&self) -> Value {
        let lines = self.info.chunks(16).map(|line| {
            let words = line.chunks(4).map(|word| {
                let bytes = word.iter().map(|byte| format!("{byte:02x}"));
                bytes.collect::<String>()
            });
            words.collect::<Vec<_>>().join(" ")
        });
        let buffers = self.buffers.iter().map(|(name, buffer)| {
            let value = match buffer {
                Buffer::Name(name) => json!(name),
                Buffer::Numbers(numbers) => {
                    let numbers = numbers.iter().map(|number| format!("{number:#x}"));
                    json!(numbers.collect::<Vec<_>>())
                }
            };
            (name.clone(), value)
        });
        json!({
            "kernel": self.kernel,
            "machine": self.machine,
            "name": self.name,
            "kind": self.kind,
            "kind_number": self.kind_number,
            "id": self.id,
            "program_id": self.program_id,
            "name_len": self.name_len,
            "count": self.count,
            "info_len": self.info.len(),
            "info": lines.collect::<Vec<_>>(),
            "buffers": buffers.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// What [`write`](Self::write) has written as the `golden` of a line.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn from_json(value: &Value) -> Result<Self> {
        let [release, version] = list(value, "kernel")?.as_slice() else {
            anyhow::bail!("kernel");
        };
        let lines = list(value, "info")?;
        let lines = lines.iter().map(|line| string(line).map(hexadecimal));
        let info: Result<Vec<Vec<u8>>> = lines.map(|line| line?).collect();
        let mut buffers = BTreeMap::new();
        for (name, buffer) in value["buffers"].as_object().context("buffers")? {
            let buffer = match buffer {
                Value::Array(numbers) => {
                    let numbers = numbers.iter().map(|number| {
                        let number = string(number)?.trim_start_matches("0x");
                        Ok(u64::from_str_radix(number, 16)?)
                    });
                    Buffer::Numbers(numbers.collect::<Result<_>>()?)
                }
                name => Buffer::Name(string(name)?.to_owned()),
            };
            buffers.insert(name.clone(), buffer);
        }
        Ok(Self {
            kernel: [string(release)?.to_owned(), string(version)?.to_owned()],
            machine: string(&value["machine"])?.to_owned(),
            name: string(&value["name"])?.to_owned(),
            kind: string(&value["kind"])?.to_owned(),
            kind_number: number(value, "kind_number")?.context("kind_number")?,
            id: number(value, "id")?.context("id")?,
            program_id: number(value, "program_id")?,
            name_len: number(value, "name_len")?,
            count: number(value, "count")?,
            info: info?.concat(),
            buffers,
        })
    }
}

/// What is in a directory, in the order of the names.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    let mut entries = read().with_context(|| directory.display().to_string())?;
    entries.sort();
    Ok(entries)
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name].as_array().with_context(|| name.to_owned())
}

fn string(value: &Value) -> Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is no text"))
}

fn number<T: TryFrom<u64>>(value: &Value, name: &str) -> Result<Option<T>> {
    match &value[name] {
        Value::Null => Ok(None),
        value => {
            let number = value.as_u64().and_then(|number| T::try_from(number).ok());
            Ok(Some(number.with_context(|| format!("{name} is {value}"))?))
        }
    }
}

fn hexadecimal(line: &str) -> Result<Vec<u8>> {
    let digits: String = line.split(' ').collect();
    let mut bytes = Vec::new();
    for at in (0..digits.len()).step_by(2) {
        let byte = digits.get(at..at + 2).context("half a byte")?;
        bytes.push(u8::from_str_radix(byte, 16)?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_machine_name_the_directory() {
        for (release, machine, directory) in [
            ("5.10.0-46-cloud-amd64", "x86_64", "5.10"),
            ("7.3.4+deb13-cloud-amd64", "x86_64", "7.3"),
            ("7.3.4+deb13-cloud-arm64", "aarch64", "aarch64-7.3"),
        ] {
            let recorded = Recorded {
                kernel: [release.to_owned(), "#1 SMP".to_owned()],
                machine: machine.to_owned(),
                name: "xdp".to_owned(),
                kind: "xdp".to_owned(),
                kind_number: 6,
                id: 1,
                program_id: Some(2),
                name_len: None,
                count: None,
                info: vec![],
                buffers: BTreeMap::new(),
            };
            assert_eq!(recorded.directory(), directory);
        }
    }
}
