//! Makes packages, archives of them, and bundles, in memory and in a directory.

use std::error::Error;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use kernmend_core::bundle::Wanted;
use kernmend_core::document::Document;
use kernmend_core::document::bundle::{Bundle, Reason};
use kernmend_node::bundle::{Inputs, create, verify};
use kernmend_node::package::openpgp::Keyring;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use tar::{Builder, EntryType, Header};

/// Why nothing here fails: memory and temporary folders take what is written, and numbers are small.
const FITS: &str = "it is small, and there is room";

/// The digits of a digest.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image that says of itself that it is `release`, unsigned.
pub(crate) fn image(release: &str) -> Vec<u8> {
    let mut image = vec![0; 0x600];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x40;
    image[0x40..0x44].copy_from_slice(b"PE\0\0");
    image[0x58..0x5a].copy_from_slice(&[0x0b, 0x02]);
    image[0xc4] = 6;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x20e..0x210].copy_from_slice(&0x300_u16.to_le_bytes());
    let text = format!("{release} (x@y) #1\0");
    image[0x500..0x500 + text.len()].copy_from_slice(text.as_bytes());
    image
}

/// The files of a kernel.
pub(crate) fn kernel(release: &str) -> Vec<(String, Vec<u8>)> {
    let modules = format!("lib/modules/{release}");
    vec![
        (format!("boot/vmlinuz-{release}"), image(release)),
        (
            format!("boot/config-{release}"),
            b"CONFIG_MEMCG=y\n# CONFIG_MEMCG_V1 is not set\nCONFIG_X=y\n".to_vec(),
        ),
        (format!("boot/System.map-{release}"), b"0 T x\n".to_vec()),
        (format!("{modules}/modules.builtin"), b"kernel/fs/ext4/ext4.ko\n".to_vec()),
        (format!("{modules}/kernel/net/a-b.ko"), vec![7; 300]),
    ]
}

/// A tar archive of files.
pub(crate) fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, &content[..]).expect(FITS);
    }
    tar.into_inner().expect(FITS)
}

/// A Debian package out of its parts.
pub(crate) fn ar(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut ar = b"!<arch>\n".to_vec();
    for (name, content) in parts {
        writeln!(ar, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, content.len()).expect(FITS);
        ar.extend_from_slice(content);
        if content.len() % 2 == 1 {
            ar.push(b'\n');
        }
    }
    ar
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect(FITS);
    encoder.finish().expect(FITS)
}

/// A Debian package.
pub(crate) fn deb(
    name: &str,
    version: &str,
    architecture: &str,
    more: &str,
    files: &[(String, Vec<u8>)],
) -> Vec<u8> {
    let sums = files.iter().map(|(path, content)| format!("{}  {path}\n", hex(&Md5::digest(content))));
    let control =
        format!("Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{more}Description: x\n");
    let postinst = "#!/bin/sh -e\nrun-parts --arg=1 /etc/kernel/postinst.d\n";
    let control = tar(&[
        ("./control".to_owned(), control.into_bytes()),
        ("./md5sums".to_owned(), sums.collect::<String>().into_bytes()),
        ("./postinst".to_owned(), postinst.as_bytes().to_vec()),
    ]);
    let files: Vec<_> = files.iter().map(|(path, content)| (format!("./{path}"), content.clone())).collect();
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &xz(&control)), ("data.tar.xz", &xz(&tar(&files)))])
}

/// A value of a header of an RPM package.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Words(Vec<u32>),
    Halves(Vec<u16>),
    Bytes(Vec<u8>),
}

/// A header of an RPM package.
pub(crate) fn header(values: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, value) in values {
        let width = match value {
            Value::Words(_) => 4,
            Value::Halves(_) => 2,
            _ => 1,
        };
        store.resize(store.len().next_multiple_of(width), 0);
        let offset = store.len();
        let (kind, count) = match value {
            Value::Text(text) => {
                store.extend(text.bytes().chain([0]));
                (6, 1)
            }
            Value::Texts(texts) => {
                texts.iter().for_each(|text| store.extend(text.bytes().chain([0])));
                (8, texts.len())
            }
            Value::Words(words) => {
                words.iter().for_each(|word| store.extend(word.to_be_bytes()));
                (4, words.len())
            }
            Value::Halves(halves) => {
                halves.iter().for_each(|half| store.extend(half.to_be_bytes()));
                (3, halves.len())
            }
            Value::Bytes(bytes) => {
                store.extend(bytes);
                (7, bytes.len())
            }
        };
        for word in [*tag, kind, offset as u32, count as u32] {
            index.extend(word.to_be_bytes());
        }
    }
    let mut header = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    header.extend((values.len() as u32).to_be_bytes());
    header.extend((store.len() as u32).to_be_bytes());
    header.extend(index);
    header.extend(store);
    header
}

fn cpio(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut cpio = Vec::new();
    let mut member = |name: &str, content: &[u8]| {
        write!(cpio, "070701").expect(FITS);
        let numbers = [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        numbers.iter().for_each(|number| write!(cpio, "{number:08x}").expect(FITS));
        cpio.extend(name.bytes().chain([0]));
        cpio.resize(cpio.len().next_multiple_of(4), 0);
        cpio.extend(content);
        cpio.resize(cpio.len().next_multiple_of(4), 0);
    };
    for (path, content) in files {
        member(&format!("./{path}"), content);
    }
    member("TRAILER!!!", &[]);
    cpio
}

/// How an RPM package says that it is whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sums {
    /// As rpm 4.11 of EL7 does: SHA-1 of the header, MD5 of all.
    Old,
    /// As rpm 4.14 and later do: SHA-256 of header and payload.
    New,
    /// Not at all.
    None,
}

/// An RPM package.
pub(crate) struct Rpm<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) release: &'a str,
    pub(crate) architecture: &'a str,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) more: Vec<(u32, Value)>,
    pub(crate) sums: Sums,
}

impl<'a> Rpm<'a> {
    pub(crate) fn new(name: &'a str, files: Vec<(String, Vec<u8>)>) -> Self {
        let (version, release) = ("6.9.7", "1.el7.elrepo");
        Self { name, version, release, architecture: "x86_64", files, more: Vec::new(), sums: Sums::New }
    }

    pub(crate) fn with(mut self, more: Vec<(u32, Value)>) -> Self {
        self.more.extend(more);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let payload = xz(&cpio(&self.files));
        let text = |text: &str| Value::Text(text.to_owned());
        let parts =
            || self.files.iter().map(|(path, _)| path.rsplit_once('/').expect("a path in a directory"));
        let count = u32::try_from(self.files.len()).expect(FITS);
        let mut values = vec![
            (1000, text(self.name)),
            (1001, text(self.version)),
            (1002, text(self.release)),
            (1022, text(self.architecture)),
            (1044, text("x.src.rpm")),
            (1028, Value::Words(self.files.iter().map(|(_, content)| content.len() as u32).collect())),
            (1030, Value::Halves(vec![0o100_644; self.files.len()])),
            (1116, Value::Words((0..count).collect())),
            (1117, Value::Texts(parts().map(|(_, name)| name.to_owned()).collect())),
            (1118, Value::Texts(parts().map(|(place, _)| format!("/{place}/")).collect())),
            (1125, text("xz")),
        ];
        if self.sums == Sums::New {
            values.push((5092, Value::Texts(vec![hex(&Sha256::digest(&payload))])));
            values.push((5093, Value::Words(vec![8])));
        }
        values.extend(self.more.clone());
        let header_bytes = header(&values);
        let mut signatures = vec![(1000, Value::Words(vec![(header_bytes.len() + payload.len()) as u32]))];
        match self.sums {
            Sums::New => signatures.push((273, text(&hex(&Sha256::digest(&header_bytes))))),
            Sums::Old => {
                signatures.push((269, text(&hex(&Sha1::digest(&header_bytes)))));
                let all = Md5::new_with_prefix(&header_bytes).chain_update(&payload).finalize();
                signatures.push((1004, Value::Bytes(all.to_vec())));
            }
            Sums::None => {}
        }
        let mut package = vec![0; 96];
        package[..6].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0]);
        package.extend(header(&signatures));
        package.resize(package.len().next_multiple_of(8), 0);
        package.extend(header_bytes);
        package.extend(payload);
        package
    }
}

/// Writes files into a directory.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect(FITS);
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect(FITS)).expect(FITS);
        fs::write(path, content).expect(FITS);
    }
    folder
}

/// A bundle of what is at a path, as bytes; an error with its causes in one line, without the path.
pub(crate) fn bundle(path: &Path, wanted: &Wanted) -> Result<(Document<Bundle>, Vec<u8>), String> {
    let mut out = Cursor::new(Vec::new());
    let paths: Vec<PathBuf> = vec![path.to_owned()];
    match create(&Inputs::new(&paths), wanted, &Keyring::default(), &mut out, &|_| ()) {
        Ok(document) => Ok((document, out.into_inner())),
        Err(error) => Err(chain(&error).replace(&format!("{}/", path.display()), "")),
    }
}

/// A bundle of files in a directory.
pub(crate) fn bundle_of(files: &[(&str, &[u8])]) -> Result<(Document<Bundle>, Vec<u8>), String> {
    bundle(folder(files).path(), &Wanted::default())
}

/// What a check of all bytes says.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    verify(&mut &bytes[..], &Keyring::default(), &|_| ()).map(drop).map_err(|error| chain(&error))
}

fn chain(error: &dyn Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        causes.push(error.to_string());
        next = error.source();
    }
    causes.join(": ")
}

/// What was left out: the file's name, and why.
pub(crate) fn left_out(document: &Document<Bundle>) -> Vec<(String, Reason)> {
    let left = document.body.left_out.iter();
    left.map(|left| (left.file.rsplit('/').next().unwrap_or_default().to_owned(), left.reason.clone()))
        .collect()
}
