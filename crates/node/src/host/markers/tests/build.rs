//! Makes ELF programs out of named parts, of either class and byte order, with or without section headers. It knows
//! nothing of what the parts mean, except for the note of Go's linker.

/// How the file's numbers are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) wide: bool,
    pub(super) big: bool,
}

pub(super) const KINDS: [Kind; 4] = [
    Kind { wide: true, big: false },
    Kind { wide: true, big: true },
    Kind { wide: false, big: false },
    Kind { wide: false, big: true },
];
pub(super) const X86_64: Kind = KINDS[0];

impl Kind {
    pub(super) fn number(self, value: u64, size: usize) -> Vec<u8> {
        let bytes = value.to_le_bytes();
        let mut bytes = bytes[..size].to_vec();
        if self.big {
            bytes.reverse();
        }
        bytes
    }

    pub(super) fn word(self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    pub(super) fn address(self, value: u64) -> Vec<u8> {
        self.number(value, self.word())
    }
}

pub(super) const LOAD: u64 = 1;
pub(super) const DYNAMIC: u64 = 2;
pub(super) const INTERPRETER: u64 = 3;
pub(super) const NOTE: u64 = 4;
pub(super) const WRITABLE: u64 = 6;
pub(super) const READABLE: u64 = 4;
/// Where the first byte of a file is mapped: far from 0, so that places and addresses can't be mixed up.
pub(super) const BASE: u64 = 0x40_0000;

/// A part of a file that is to be made.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) segment: (u64, u64),
    pub(super) section: u64,
    pub(super) bytes: Vec<u8>,
}

/// Makes an ELF program of parts; each has a section and a segment, mapped at its place in the file plus [`BASE`].
pub(super) struct Build {
    pub(super) kind: Kind,
    pub(super) sections: bool,
    pub(super) parts: Vec<Part>,
}

impl Build {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, sections: true, parts: Vec::new() }
    }

    pub(super) fn part(
        mut self,
        name: &'static str,
        segment: (u64, u64),
        section: u64,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        self.parts.push(Part { name, segment, section, bytes: bytes.into() });
        self
    }

    /// A part of constants.
    pub(super) fn constants(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.part(".rodata", (LOAD, READABLE), 1, bytes)
    }

    /// The note that Go's linker writes.
    pub(super) fn go(self) -> Self {
        let kind = self.kind;
        let mut note = [kind.number(4, 4), kind.number(5, 4), kind.number(4, 4)].concat();
        note.extend_from_slice(b"Go\0\0abcde\0\0\0");
        self.part(".note.go.buildid", (NOTE, READABLE), 7, note)
    }

    pub(super) fn bare(mut self) -> Self {
        self.sections = false;
        self
    }

    /// Where the part with this number will be.
    pub(super) fn place(&self, part: usize) -> u64 {
        let header = if self.kind.wide { 64 + 56 * self.parts.len() } else { 52 + 32 * self.parts.len() };
        let mut at = header.next_multiple_of(64);
        for earlier in &self.parts[..part] {
            at = (at + earlier.bytes.len()).next_multiple_of(64);
        }
        at as u64
    }

    pub(super) fn address(&self, part: usize) -> u64 {
        self.place(part) + BASE
    }

    pub(super) fn make(&self) -> Vec<u8> {
        let (kind, parts) = (self.kind, &self.parts);
        let (n2, n4) = (|v: u64| kind.number(v, 2), |v: u64| kind.number(v, 4));
        let mut names = vec![0];
        let mut name = |text: &str| {
            let at = names.len() as u64;
            names.extend_from_slice(text.as_bytes());
            names.push(0);
            at
        };
        let name_offsets: Vec<u64> = parts.iter().map(|part| name(part.name)).collect();
        let names_name = name(".shstrtab");
        let end = parts.last().map_or(64, |last| self.place(parts.len() - 1) + last.bytes.len() as u64);
        let table = (end + names.len() as u64).next_multiple_of(8);
        let count = if self.sections { parts.len() as u64 + 2 } else { 0 };
        let (header, segment, section) = if kind.wide { (64, 56, 64) } else { (52, 32, 40) };

        let mut file = b"\x7fELF".to_vec();
        file.extend([
            if kind.wide { 2 } else { 1 },
            if kind.big { 2 } else { 1 },
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        file.extend([n2(2), n2(62), n4(1), kind.address(BASE)].concat());
        file.extend(kind.address(header));
        file.extend(kind.address(if self.sections { table } else { 0 }));
        file.extend([n4(0), n2(header), n2(segment), n2(parts.len() as u64)].concat());
        file.extend([n2(section), n2(count), n2(count.saturating_sub(1))].concat());
        for (i, part) in parts.iter().enumerate() {
            let (place, size) = (kind.address(self.place(i)), kind.address(part.bytes.len() as u64));
            let address = kind.address(self.address(i));
            let fields = if kind.wide {
                vec![
                    n4(part.segment.0),
                    n4(part.segment.1),
                    place,
                    address.clone(),
                    address,
                    size.clone(),
                    size,
                ]
            } else {
                vec![
                    n4(part.segment.0),
                    place,
                    address.clone(),
                    address,
                    size.clone(),
                    size,
                    n4(part.segment.1),
                ]
            };
            file.extend(fields.concat());
            file.extend(kind.address(16));
        }
        for (i, part) in parts.iter().enumerate() {
            file.resize(self.place(i) as usize, 0);
            file.extend_from_slice(&part.bytes);
        }
        if self.sections {
            let start = file.len() as u64;
            file.extend_from_slice(&names);
            file.resize(file.len().next_multiple_of(8), 0);
            assert_eq!(file.len() as u64, (start + names.len() as u64).next_multiple_of(8));
            let header = |name: u64, section: u64, address: u64, place: u64, size: u64| {
                let a = |v| kind.address(v);
                [n4(name), n4(section), a(0), a(address), a(place), a(size), n4(0), n4(0), a(1), a(0)]
                    .concat()
            };
            file.extend(header(0, 0, 0, 0, 0));
            for (i, part) in parts.iter().enumerate() {
                let size = part.bytes.len() as u64;
                file.extend(header(name_offsets[i], part.section, self.address(i), self.place(i), size));
            }
            file.extend(header(names_name, 3, 0, start, names.len() as u64));
        }
        file
    }
}
