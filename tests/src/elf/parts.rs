//! The parts of a file, and where they are.

use super::file::{ElfFile, ElfProbe, ElfSymbol};
use super::out::{Out, Strings};

/// Where the code is in the file, a page of it.
pub const CODE: u64 = 0x1_0000;
/// Its address.
pub const CODE_ADDRESS: u64 = 0x4_0000;
/// Where more of the code is, such as that of `.text.hot`: it is as far from its address as no
/// other part.
pub const HOT: u64 = 0x2_0000;
/// Its address.
pub const HOT_ADDRESS: u64 = 0x9_0000;
/// Where the reference counters of probes are in the file, a page of them.
pub const SEMAPHORES: u64 = 0x3_0000;
/// Their address.
pub const SEMAPHORES_ADDRESS: u64 = 0xd_0000;
/// What the segments are aligned to, which is a page of every machine.
const PAGE: u64 = 0x1_0000;
/// The headers are no longer than this.
const HEADERS: usize = 0x200;
/// The difference between address and offset of the dynamic loader's tables.
const LOADED: u64 = 0x10_0000;

/// The code is nothing but instructions that do nothing, with a return every 16 bytes.
pub(crate) fn code() -> Vec<u8> {
    let (nothing, back): (&[u8], &[u8]) = match std::env::consts::ARCH {
        "aarch64" => (&[0x1f, 0x20, 0x03, 0xd5], &[0xc0, 0x03, 0x5f, 0xd6]),
        "riscv64" => (&[0x13, 0, 0, 0], &[0x67, 0x80, 0, 0]),
        "s390x" => (&[0x07, 0x00], &[0x07, 0xfe]),
        _ => (&[0x90], &[0xc3]),
    };
    let mut function = Vec::new();
    while function.len() + back.len() < 16 {
        function.extend(nothing);
    }
    function.extend(back);
    assert_eq!(function.len(), 16);
    function.repeat(256)
}

/// A section that is to be in the table of them.
struct Section {
    name: u32,
    kind: u32,
    address: u64,
    offset: usize,
    size: usize,
    link: u32,
    info: u32,
    entry: u64,
}

/// Writes sections one after the other.
struct Sections<'a> {
    out: &'a mut Out,
    names: Strings,
    all: Vec<Section>,
    dynamic: Option<Dynamic>,
}

/// Where the dynamic loader's tables are in the file: all of them, and the tags (`.dynamic`).
struct Dynamic {
    begin: u64,
    tags: u64,
    end: u64,
}

impl Sections<'_> {
    /// Where the section that was added last is.
    fn place(&self) -> u64 {
        self.all.last().map_or(0, |last| last.offset as u64)
    }

    /// Says at which address the section that was added last is.
    fn set_address(&mut self, address: u64) {
        if let Some(last) = self.all.last_mut() {
            last.address = address;
        }
    }

    /// Adds one; returns its number.
    fn add(&mut self, name: &str, kind: u32, contents: &[u8], link: u32, info: u32) -> u32 {
        self.out.align(8);
        let entry = match kind {
            2 | 11 if self.out.is_64 => 24,
            2 | 11 => 16,
            _ => 0,
        };
        self.all.push(Section {
            name: self.names.add(name),
            kind,
            address: 0,
            offset: self.out.bytes.len(),
            size: contents.len(),
            link,
            info,
            entry,
        });
        self.out.raw(contents);
        u32::try_from(self.all.len()).expect("they are few")
    }

    /// Adds the table of them; returns where it is.
    fn finish(mut self) -> (usize, usize) {
        let name = self.names.add(".shstrtab");
        self.all.push(Section {
            name,
            kind: 3,
            address: 0,
            offset: self.out.bytes.len(),
            size: self.names.0.len(),
            link: 0,
            info: 0,
            entry: 0,
        });
        self.out.raw(&self.names.0);
        self.out.align(8);
        let (place, count) = (self.out.bytes.len(), self.all.len() + 1);
        let header = if self.out.is_64 { 64 } else { 40 };
        self.out.raw(&vec![0; header]);
        for section in &self.all {
            self.out.u32(section.name);
            self.out.u32(section.kind);
            self.out.word(0);
            self.out.word(section.address);
            self.out.word(section.offset as u64);
            self.out.word(section.size as u64);
            self.out.u32(section.link);
            self.out.u32(section.info);
            self.out.word(1);
            self.out.word(section.entry);
        }
        (place, count)
    }
}

/// Writes the whole file.
pub(super) fn write(file: &ElfFile, out: &mut Out) {
    let mut body = out.part();
    body.up_to(HEADERS);
    let parts = [(CODE, code()), (HOT, code()), (SEMAPHORES, vec![0; 0x1000])];
    for (place, contents) in parts.into_iter().filter(|_| file.has_code) {
        body.up_to(usize::try_from(place).expect("it is near"));
        body.raw(&contents);
    }
    let mut sections = Sections {
        out: &mut body,
        names: Strings::new(),
        all: Vec::new(),
        dynamic: None,
    };
    let (address, offset) = if file.is_misleading {
        (HOT_ADDRESS - 0x20, 0x40)
    } else {
        (CODE_ADDRESS, CODE)
    };
    sections.all.push(Section {
        name: sections.names.add(".text.hot"),
        kind: 1,
        address,
        offset: usize::try_from(offset).expect("it is near"),
        size: 0x1000,
        link: 0,
        info: 0,
        entry: 0,
    });
    add_sections(file, &mut sections);
    let dynamic = sections.dynamic.take();
    let table = if file.has_sections {
        sections.finish()
    } else {
        (0, 0)
    };
    let segments = segments(dynamic.as_ref());
    header(file, out, segments.len(), table);
    write_segments(out, &segments);
    let begin = out.bytes.len();
    out.raw(body.bytes.get(begin..).unwrap_or_default());
}

fn add_sections(file: &ElfFile, sections: &mut Sections<'_>) {
    let form = sections.out.part();
    if !file.symbols.is_empty() {
        let mut strings = Strings::new();
        let symbols = symbols(form.part(), &file.symbols, &mut strings);
        let link = sections.add(".strtab", 3, &strings.0, 0, 0);
        sections.add(".symtab", 2, &symbols, link, 1);
    }
    if !file.dynamic.is_empty() {
        sections.dynamic = Some(add_dynamic(file, sections));
    }
    if !file.probes.is_empty() {
        let mut notes = form.part();
        for probe in &file.probes {
            let base = file.probe_base.map_or(0, |(_, base)| base);
            let contents = probe_contents(form.part(), probe, base);
            note(&mut notes, "stapsdt", 3, &contents);
        }
        sections.add(".note.stapsdt", 7, &notes.bytes, 0, 0);
        if let Some((address, _)) = file.probe_base {
            sections.add(".stapsdt.base", 1, &[0], 0, 0);
            sections.set_address(address);
        }
    }
    if let Some(build_id) = &file.build_id {
        let mut notes = form.part();
        note(&mut notes, "GNU", 3, build_id);
        sections.add(".note.gnu.build-id", 7, &notes.bytes, 0, 0);
    }
    if let Some((name, checksum)) = &file.debug_link {
        let mut link = form.part();
        link.text(name);
        link.align(4);
        link.u32(*checksum);
        sections.add(".gnu_debuglink", 1, &link.bytes, 0, 0);
    }
    if let Some(data) = &file.debug_data {
        sections.add(".gnu_debugdata", 1, data, 0, 0);
    }
}

/// Adds the dynamic loader's tables, which no section describes.
fn add_dynamic(file: &ElfFile, sections: &mut Sections<'_>) -> Dynamic {
    let form = sections.out.part();
    let mut strings = Strings::new();
    let symbols = symbols(form.part(), &file.dynamic, &mut strings);
    let defined = versions(form.part(), &file.versions, &mut strings);
    let needed = file.needed.iter();
    let needed = needed.map(|name| (1, strings.add(name).into()));
    let mut tags: Vec<(u64, u64)> = needed.collect();
    let link = sections.add(".dynstr", 3, &strings.0, 0, 0);
    let begin = sections.place();
    tags.extend([(5, LOADED + begin), (10, strings.0.len() as u64)]);
    let symbols = sections.add(".dynsym", 11, &symbols, link, 1);
    tags.push((6, LOADED + sections.place()));
    let (name, kind, tag, hashes) = if file.has_gnu_hash {
        (
            ".gnu.hash",
            0x6fff_fff6,
            0x6fff_fef5,
            gnu_hashes(form.part(), file),
        )
    } else {
        (".hash", 5, 4, hashes(form.part(), file))
    };
    sections.add(name, kind, &hashes, symbols, 0);
    tags.push((tag, LOADED + sections.place()));
    if !file.versions.is_empty() {
        let mut of_symbols = form.part();
        of_symbols.u16(0);
        for symbol in &file.dynamic {
            of_symbols.u16(symbol.version);
        }
        sections.add(".gnu.version", 0x6fff_ffff, &of_symbols.bytes, symbols, 0);
        tags.push((0x6fff_fff0, LOADED + sections.place()));
        let count = file.versions.len() as u64;
        let info = u32::try_from(count).expect("they are few");
        sections.add(".gnu.version_d", 0x6fff_fffd, &defined, link, info);
        tags.extend([
            (0x6fff_fffc, LOADED + sections.place()),
            (0x6fff_fffd, count),
        ]);
    }
    tags.push((0, 0));
    let mut dynamic = form.part();
    for (tag, value) in tags {
        dynamic.word(tag);
        dynamic.word(value);
    }
    sections.add(".dynamic", 6, &dynamic.bytes, link, 0);
    let place = sections.place();
    Dynamic {
        begin,
        tags: place,
        end: place + dynamic.bytes.len() as u64,
    }
}

/// All symbols in one chain.
fn hashes(mut out: Out, file: &ElfFile) -> Vec<u8> {
    let count = file.dynamic.len() as u64 + 1;
    let next = (2..count).chain([0]);
    // The chain of the symbol without a name is empty.
    for number in [1, count, 1, 0].into_iter().chain(next) {
        if file.is_64 && file.machine == 22 {
            out.u64(number);
        } else {
            out.u32(u32::try_from(number).expect("they are few"));
        }
    }
    out.bytes
}

/// All symbols in one chain, with a filter that lets all of them pass.
fn gnu_hashes(mut out: Out, file: &ElfFile) -> Vec<u8> {
    for number in [1, 1, 1, 6] {
        out.u32(number);
    }
    out.word(if file.is_64 {
        u64::MAX
    } else {
        u32::MAX.into()
    });
    out.u32(1);
    for (index, symbol) in file.dynamic.iter().enumerate() {
        let hash = symbol.name.bytes().fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add(byte.into())
        });
        let is_last = index + 1 == file.dynamic.len();
        out.u32(hash & !1 | u32::from(is_last));
    }
    out.bytes
}

fn symbols(mut out: Out, symbols: &[ElfSymbol], strings: &mut Strings) -> Vec<u8> {
    let len = if out.is_64 { 24 } else { 16 };
    out.raw(&vec![0; len]);
    for symbol in symbols {
        let name = strings.add(&symbol.name);
        let info = symbol.binding << 4 | symbol.kind;
        let section = u16::from(symbol.address != 0);
        out.u32(name);
        if out.is_64 {
            out.u8(info);
            out.u8(symbol.visibility);
            out.u16(section);
        }
        out.word(symbol.address);
        out.word(symbol.size);
        if !out.is_64 {
            out.u8(info);
            out.u8(symbol.visibility);
            out.u16(section);
        }
    }
    out.bytes
}

/// `Verdef` and `Verdaux` of each.
fn versions(mut out: Out, versions: &[String], strings: &mut Strings) -> Vec<u8> {
    for (index, version) in versions.iter().enumerate() {
        let is_last = index + 1 == versions.len();
        out.u16(1);
        out.u16(0);
        out.u16(u16::try_from(index + 2).expect("they are few"));
        out.u16(1);
        out.u32(0);
        out.u32(20);
        out.u32(if is_last { 0 } else { 28 });
        out.u32(strings.add(version));
        out.u32(0);
    }
    out.bytes
}

fn note(out: &mut Out, owner: &str, kind: u32, contents: &[u8]) {
    let len = |len: usize| u32::try_from(len).expect("it is short");
    out.u32(len(owner.len() + 1));
    out.u32(len(contents.len()));
    out.u32(kind);
    out.text(owner);
    out.align(4);
    out.raw(contents);
    out.align(4);
}

fn probe_contents(mut out: Out, probe: &ElfProbe, base: u64) -> Vec<u8> {
    out.word(probe.address);
    out.word(base);
    out.word(probe.counter);
    for text in [&probe.provider, &probe.name, &probe.arguments] {
        out.text(text);
    }
    out.bytes
}

fn header(file: &ElfFile, out: &mut Out, segments: usize, (table, count): (usize, usize)) {
    let class = if file.is_64 { 2 } else { 1 };
    let order = if file.is_big { 2 } else { 1 };
    out.raw(&[0x7f, b'E', b'L', b'F', class, order, 1, 0]);
    out.raw(&[0; 8]);
    out.u16(file.file_type);
    out.u16(file.machine);
    out.u32(1);
    let (header, segment, section) = if file.is_64 {
        (64, 56, 64)
    } else {
        (52, 32, 40)
    };
    out.word(0);
    out.word(header.into());
    out.word(table as u64);
    out.u32(0);
    let few = |number: usize| u16::try_from(number).expect("they are few");
    for number in [header, segment, few(segments), section] {
        out.u16(number);
    }
    out.u16(few(count));
    out.u16(few(count.saturating_sub(1)));
}

/// What a program header says.
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    len: u64,
}

fn segments(dynamic: Option<&Dynamic>) -> Vec<Segment> {
    let mut segments = Vec::new();
    for (offset, address, flags) in [
        (CODE, CODE_ADDRESS, 5),
        (HOT, HOT_ADDRESS, 5),
        (SEMAPHORES, SEMAPHORES_ADDRESS, 6),
    ] {
        segments.push(Segment {
            kind: 1,
            flags,
            offset,
            address,
            len: 0x1000,
        });
    }
    if let Some(dynamic) = dynamic {
        for (kind, offset) in [(1, dynamic.begin), (2, dynamic.tags)] {
            segments.push(Segment {
                kind,
                flags: 4,
                offset,
                address: LOADED + offset,
                len: dynamic.end - offset,
            });
        }
    }
    segments
}

fn write_segments(out: &mut Out, segments: &[Segment]) {
    for segment in segments {
        let flags = segment.flags;
        out.u32(segment.kind);
        if out.is_64 {
            out.u32(flags);
        }
        let (address, len) = (segment.address, segment.len);
        for number in [segment.offset, address, address, len, len] {
            out.word(number);
        }
        if !out.is_64 {
            out.u32(flags);
        }
        out.word(PAGE);
    }
}
