//! What is to be in a file.

/// `ET_EXEC`
pub const EXECUTABLE: u16 = 2;
/// `ET_DYN`
pub const SHARED: u16 = 3;

/// A symbol of a file.
#[derive(Clone, Debug)]
pub struct ElfSymbol {
    /// Its name.
    pub name: String,
    /// Its address; 0 for one of another library.
    pub address: u64,
    /// How long it is.
    pub size: u64,
    /// `STT_*`
    pub kind: u8,
    /// `STB_*`
    pub binding: u8,
    /// The number of its version, with the bit of those that are hidden; 1 for none.
    pub version: u16,
    /// `STV_*`
    pub visibility: u8,
}

impl ElfSymbol {
    /// A function that every file can use.
    #[must_use]
    pub fn function(name: &str, address: u64) -> Self {
        Self {
            name: name.to_owned(),
            address,
            size: 16,
            kind: 2,
            binding: 1,
            version: 1,
            visibility: 0,
        }
    }

    /// One that only its own file can use.
    #[must_use]
    pub fn local(mut self) -> Self {
        self.binding = 0;
        self
    }

    /// A weak one.
    #[must_use]
    pub fn weak(mut self) -> Self {
        self.binding = 2;
        self
    }

    /// One that no other file can use, although it is global or weak (`STV_HIDDEN`).
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.visibility = 2;
        self
    }

    /// Of another kind (`STT_*`).
    #[must_use]
    pub fn kind(mut self, kind: u8) -> Self {
        self.kind = kind;
        self
    }

    /// Of this version, by its number.
    #[must_use]
    pub fn version(mut self, version: u16) -> Self {
        self.version = version;
        self
    }
}

/// A place of a USDT probe.
#[derive(Clone, Debug)]
pub struct ElfProbe {
    /// The provider.
    pub provider: String,
    /// The name.
    pub name: String,
    /// Where the instruction is.
    pub address: u64,
    /// Where the reference counter is; 0 for none.
    pub counter: u64,
    /// Where the arguments are.
    pub arguments: String,
}

/// What is to be in a file.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is another thing that a file may have or not"
)]
pub struct ElfFile {
    /// Whether it is one of 64 bits.
    pub is_64: bool,
    /// Whether the largest byte comes first.
    pub is_big: bool,
    /// `EM_*`
    pub machine: u16,
    /// `ET_*`
    pub file_type: u16,
    /// Whether the code is there, and not only said to be: it is most of the file.
    pub has_code: bool,
    /// Whether its section of code says that the code is where it is not: only the segments are
    /// right.
    pub is_misleading: bool,
    /// Whether it has section headers: a loader does not need them.
    pub has_sections: bool,
    /// Whether exported symbols are found by `DT_GNU_HASH`, and not by `DT_HASH`.
    pub has_gnu_hash: bool,
    /// What is in `.symtab`; no such section without.
    pub symbols: Vec<ElfSymbol>,
    /// What is in `.dynsym`; no such section without.
    pub dynamic: Vec<ElfSymbol>,
    /// The versions that it defines, whose numbers begin with 2.
    pub versions: Vec<String>,
    /// The libraries that it asks for.
    pub needed: Vec<String>,
    /// Its USDT probes.
    pub probes: Vec<ElfProbe>,
    /// Where `.stapsdt.base` is, and where the notes of the probes say that it is; no such section
    /// without.
    pub probe_base: Option<(u64, u64)>,
    /// Its build id.
    pub build_id: Option<Vec<u8>>,
    /// The name of its debug file, with the checksum of that.
    pub debug_link: Option<(String, u32)>,
    /// What is in `.gnu_debugdata`.
    pub debug_data: Option<Vec<u8>>,
}

impl ElfFile {
    /// A library for the processor of this program, with nothing in it.
    #[must_use]
    pub fn native() -> Self {
        Self {
            is_64: true,
            is_big: cfg!(target_endian = "big"),
            machine: match std::env::consts::ARCH {
                "aarch64" => 183,
                "riscv64" => 243,
                "s390x" => 22,
                _ => 62,
            },
            file_type: SHARED,
            has_code: true,
            is_misleading: true,
            has_sections: true,
            has_gnu_hash: true,
            symbols: Vec::new(),
            dynamic: Vec::new(),
            versions: Vec::new(),
            needed: Vec::new(),
            probes: Vec::new(),
            probe_base: None,
            build_id: None,
            debug_link: None,
            debug_data: None,
        }
    }
}
