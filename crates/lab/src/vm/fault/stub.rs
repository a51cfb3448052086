//! Kernel images of a kilobyte and a half, for boot loaders that follow the 32-bit boot protocol (the kernel's
//! `Documentation/arch/x86/boot.rst`): they say a line on the first serial port, and then do one thing.

/// Where the code is loaded: the protocol's place for images that can't be moved.
const LOADED_AT: u32 = 0x10_0000;

/// The boot sector and one more sector come before the code.
const SECTOR: usize = 512;
const SETUP: usize = 2 * SECTOR;

/// Where the image's version stands, from its begin.
const VERSION: usize = 0x300;

/// Takes the line at ESI, up to a zero byte, to the serial port.
const SAY: [u8; 26] = [
    0xfc, // cld
    0xac, // lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x14, // jz, to the end
    0x88, 0xc4, // mov ah, al
    0x66, 0xba, 0xfd, 0x03, // mov dx, 0x3fd: the line's status
    0xec, // in al, dx
    0xa8, 0x20, // test al, 0x20: room for a byte
    0x74, 0xfb, // jz, to the in
    0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8: the data
    0x88, 0xe0, // mov al, ah
    0xee, // out dx, al
    0xeb, 0xe7, // jmp, to the lodsb
];

/// An image that stops the processor for good.
pub(super) fn hang(release: &str, says: &str) -> Vec<u8> {
    image(release, says, |_| {
        vec![
            0xfa, // cli
            0xf4, // hlt
            0xeb, 0xfd, // jmp, to the hlt
        ]
    })
}

/// An image that raises an interrupt that has no handler, nor has the fault of that: the processor resets the machine.
pub(super) fn reset(release: &str, says: &str) -> Vec<u8> {
    image(release, says, |line_end| {
        let zeros = line_end.to_le_bytes();
        let mut code = vec![0x0f, 0x01, 0x1d]; // lidt: a table without an entry
        code.extend(zeros);
        code.push(0xcc); // int3
        code
    })
}

/// An image that says a line and goes on with what `then` gives, which is told the address of six zero bytes.
fn image(release: &str, says: &str, then: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let address = |offset: usize| LOADED_AT + u32::try_from(offset).expect("images are small");
    let begin = 5 + SAY.len();
    // The length of what follows doesn't depend on the address.
    let line = begin + then(0).len();
    let zeros = line + says.len() + 2;
    let mut code = vec![0xbe]; // mov esi, the line
    code.extend(address(line).to_le_bytes());
    code.extend(SAY);
    code.extend(then(address(zeros)));
    code.extend(says.bytes().chain(*b"\r\n").chain([0; 6]));
    code.resize(code.len().next_multiple_of(SECTOR), 0);

    let mut image = vec![0; SETUP];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[1]); // setup_sects
    let paragraphs = u32::try_from(code.len() / 16).expect("images are small");
    put(0x1f4, &paragraphs.to_le_bytes()); // syssize
    put(0x1fe, &[0x55, 0xaa]); // boot_flag
    put(0x200, &[0xeb, 0x66]); // jump, over the header
    put(0x202, b"HdrS");
    put(0x206, &0x020c_u16.to_le_bytes()); // version 2.12
    put(0x20e, &0x0100_u16.to_le_bytes()); // kernel_version, from 0x200
    put(0x211, &[1]); // loadflags: LOADED_HIGH
    put(0x214, &LOADED_AT.to_le_bytes()); // code32_start
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes()); // initrd_addr_max
    put(0x230, &0x1000_u32.to_le_bytes()); // kernel_alignment
    put(0x238, &0x07ff_u32.to_le_bytes()); // cmdline_size
    put(0x258, &u64::from(LOADED_AT).to_le_bytes()); // pref_address
    put(0x260, &0x1_0000_u32.to_le_bytes()); // init_size
    let version = format!("{release} (lab) #1");
    let version = &version.as_bytes()[..version.len().min(SETUP - VERSION - 1)];
    put(VERSION, version);
    image.extend(code);
    image
}
