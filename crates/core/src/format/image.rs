//! The head of a kernel's image: whether it is signed for Secure Boot, and the release that it says of itself.

/// So many bytes of an image are enough: the text that names the release lies in its set-up code, of at most 64 sectors,
/// which the boot protocol of x86 lets a pointer of 16 bits lead to.
pub const HEAD: usize = 64 << 10;

/// The number of the certificate table among an image's data directories (PE/COFF, 3.4.3).
const CERTIFICATES: usize = 4;

/// Whether a PE image holds a table of certificates. None where it isn't a PE image, as a gzip file isn't.
#[must_use]
pub fn is_signed(head: &[u8]) -> Option<bool> {
    let at = usize::try_from(u32_at(head, 0x3c)?).ok()?;
    if !head.starts_with(b"MZ") || head.get(at..at.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    // Behind the signature come 20 bytes of COFF header; the directories' place in the optional header follows from the
    // word size that its first number tells.
    let optional = at + 24;
    let directories = match u16_at(head, optional)? {
        0x10b => 96,
        0x20b => 112,
        _ => return None,
    };
    let count = u32_at(head, optional + directories - 4)?;
    if u64::from(count) <= CERTIFICATES as u64 {
        return Some(false);
    }
    let size = u32_at(head, optional + directories + CERTIFICATES * 8 + 4)?;
    Some(size > 0)
}

/// The release in an image of x86 (Linux boot protocol 2.00 and later, `kernel_version`). None where it says none.
#[must_use]
pub fn release(head: &[u8]) -> Option<String> {
    if head.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let pointer = usize::from(u16_at(head, 0x20e)?);
    // It counts from behind the boot sector; 0 is none.
    let text = head.get(pointer.checked_add(0x200).filter(|_| pointer > 0)?..)?;
    let end = text.iter().take(256).position(|byte| matches!(byte, b' ' | b'\0'))?;
    let release = std::str::from_utf8(&text[..end]).ok()?;
    (!release.is_empty()).then(|| release.to_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of an image as x86 has them, with a release and a table of certificates.
    fn image(release: &[u8], certificates: u32) -> Vec<u8> {
        let mut head = vec![0; 0x600];
        head[..2].copy_from_slice(b"MZ");
        head[0x3c] = 0x40;
        head[0x40..0x44].copy_from_slice(b"PE\0\0");
        head[0x58..0x5a].copy_from_slice(&[0x0b, 0x02]);
        head[0xc4] = 6;
        head[0xec..0xf0].copy_from_slice(&certificates.to_le_bytes());
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x20e..0x210].copy_from_slice(&0x300_u16.to_le_bytes());
        head[0x500..0x500 + release.len()].copy_from_slice(release);
        head
    }

    #[test]
    fn an_image_tells_its_release_and_whether_it_is_signed() {
        for (head, expected_release, expected_signed) in [
            (image(b"6.1.0-56-amd64 (builder@x) #1\0", 1472), Some("6.1.0-56-amd64"), Some(true)),
            (image(b"6.9.7-1.el7.elrepo.x86_64 (x)\0", 0), Some("6.9.7-1.el7.elrepo.x86_64"), Some(false)),
            (image(b"", 0), None, Some(false)),
            (image(b"\xff\xff \0", 0), None, Some(false)),
            (b"\x1f\x8b\x08".to_vec(), None, None),
            (Vec::new(), None, None),
        ] {
            assert_eq!(release(&head).as_deref(), expected_release);
            assert_eq!(is_signed(&head), expected_signed);
        }
    }

    #[test]
    fn no_byte_of_a_head_makes_it_panic() {
        let whole = image(b"6.1.0\0", 8);
        for end in 0..whole.len() {
            let _ = (release(&whole[..end]), is_signed(&whole[..end]));
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] = 0xff;
            let _ = (release(&broken), is_signed(&broken));
        }
    }
}
